/** The client's side of the opening handshake as it arrives: the request, and what comes before it is answered. */
import { GrowingBuffer } from '../growing-buffer.ts';
import type { MemoryAccount } from '../memory-budget.ts';
import { checkRequest, type OpeningRequest, refusalResponse } from './handshake.ts';
import { type HeadLimits, RequestHeadParser } from './request-head.ts';

export interface OpeningLimits extends HeadLimits {
  /** Most bytes kept for a peer that is not there yet; beyond it the client is not to be read. */
  readonly earlyBytes: number;
}

export class Opening {
  readonly #earlyBytes: number;
  readonly #memory: MemoryAccount | undefined;
  readonly #parser: RequestHeadParser;
  /** What of the parser's memory has been counted. */
  #counted = 0;
  #request: OpeningRequest | undefined;
  /** Frames behind the request (§4.1: a client may send as soon as it likes; the 101 is for it to await). */
  readonly #early: GrowingBuffer;

  constructor(limits: OpeningLimits, memory?: MemoryAccount) {
    this.#memory = memory;
    this.#early = new GrowingBuffer(memory);
    this.#earlyBytes = limits.earlyBytes;
    this.#parser = new RequestHeadParser(limits);
  }

  /** The request, once it is complete and in order. */
  get request(): OpeningRequest | undefined {
    return this.#request;
  }

  /** Whether frames have come already. */
  get hasEarly(): boolean {
    return this.#early.length > 0;
  }

  /** Whether no more is to be taken before the request is answered. */
  get full(): boolean {
    return this.#early.length >= this.#earlyBytes;
  }

  /**
   * Takes bytes up to the request's answer. Throws a Fault for a request that is not in order.
   *
   * @returns the request, once: when it is complete
   */
  receive(chunk: Uint8Array): OpeningRequest | undefined {
    const complete = this.#request !== undefined;
    const length = complete ? 0 : this.#parser.push(chunk);
    this.#count(this.#parser.held);
    if (length < 0) return undefined;
    this.#request ??= checkRequest(this.#parser.head);
    if (length < chunk.length) this.#early.append(chunk, length, chunk.length);
    return complete ? undefined : this.#request;
  }

  /** What came behind the request, which is over with this. */
  takeEarly(): Uint8Array {
    this.#count(0);
    return this.#early.take();
  }

  #count(held: number): void {
    this.#memory?.add(held - this.#counted);
    this.#counted = held;
  }

  /** The refusal of it, whose body a HEAD request does not get. Throws as `refusalResponse` does. */
  refusal(...[status, text, headers]: Parameters<typeof refusalResponse>): Uint8Array {
    return refusalResponse(status, text, headers, this.#parser.method !== 'HEAD');
  }
}

/**
 * One WebSocket, seen from the server: ties head, handshake, frames, text and close together (RFC 6455).
 *
 * Bytes go in by `receive`, everything else comes out through the handler: bytes for the client, the request, payload.
 * It touches no socket and no timer, and nothing that a client sends makes it throw: a broken rule becomes an HTTP
 * answer or a Close frame here, and nowhere else.
 *
 *     head ──→ deciding ──→ open ──→ closing ──→ closed
 *
 * - `head`: the request is being read. `deciding`: it is complete and in order, and whoever uses this object looks for
 *   a peer; frames that come already are kept. `open`: 101 has been sent.
 * - `closing`: we have sent a Close; of what the client sends only its Close matters.
 * - `closed`: nothing is sent any more, nothing that comes is obeyed. Every state can lead here at once.
 *
 * How payload is handed on depends on the peer (`accept`): to a stream as the payload bytes of all the frames in a
 * chunk side by side, since message boundaries mean nothing to it; to a message peer as whole messages.
 */
import { asFault, Fault } from '../errors.ts';
import { GrowingBuffer } from '../growing-buffer.ts';
import { ABNORMAL, type CloseStatus, decodeClose, encodeClose } from './close-codes.ts';
import { FrameBatch } from './frame-batch.ts';
import { FrameDecoder, type FrameSink } from './frame-decoder.ts';
import {
  acceptResponse,
  checkRequest,
  type HeaderList,
  type OpeningRequest,
  refusalResponse,
} from './handshake.ts';
import { BINARY, CLOSE, type ControlOpcode, type DataOpcode, PING, PONG, TEXT } from './opcodes.ts';
import { type HeadLimits, RequestHeadParser } from './request-head.ts';
import { Utf8Validator } from './utf8.ts';

export type ConnectionState = 'head' | 'deciding' | 'open' | 'closing' | 'closed';

/** The only changes of state there are. */
const NEXT: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  head: ['deciding', 'closed'],
  deciding: ['open', 'closed'],
  open: ['closing', 'closed'],
  closing: ['closed'],
  closed: [],
};

/** Why a connection is over. */
export type Ending =
  /** The client sent a Close first, and it was echoed. */
  | { readonly by: 'client'; readonly status: CloseStatus }
  /** We sent a Close, and the client answered it. */
  | { readonly by: 'server'; readonly status: CloseStatus }
  /** The request was refused from outside, by `reject`. */
  | { readonly by: 'rejection' }
  /** The client broke a rule, or something unforeseen happened. */
  | { readonly by: 'fault'; readonly fault: Fault }
  /** The client's bytes ended without a Close. */
  | { readonly by: 'eof' };

export interface ConnectionHandler {
  /** Bytes for the client, to go out as one write: `bytes`, then `more`. False: enough, until `drained`. */
  write(bytes: Uint8Array, more?: Uint8Array): boolean;
  /** The handshake is in order. Answer by `accept` or `reject`, now or later. */
  onRequest(request: OpeningRequest): void;
  /** Payload for the peer. To a stream peer any piece of the stream, and `opcode` is BINARY; else a whole message. */
  onPayload(payload: Uint8Array, opcode: DataOpcode): void;
  /** Nothing will be written any more: end the TCP connection (§7.1.1: the server does so first). Comes once. */
  onClosed(ending: Ending): void;
}

export interface ConnectionLimits extends HeadLimits {
  /** Most bytes kept for a peer that is not there yet; beyond it `receive` returns false. */
  readonly earlyBytes: number;
}

export interface AcceptOptions {
  /** One of those that the client offered. */
  readonly subprotocol?: string | undefined;
  /** Whether the peer takes a stream of bytes or whole messages. */
  readonly peer: 'stream' | 'message';
  /** Largest message that is collected for a message peer, in bytes. */
  readonly messageBytes: number;
}

export class Connection implements FrameSink {
  readonly #handler: ConnectionHandler;
  readonly #limits: ConnectionLimits;
  #state: ConnectionState = 'head';

  #parser: RequestHeadParser | undefined;
  #request: OpeningRequest | undefined;
  /** Frames that came before the peer was there. */
  #early: GrowingBuffer | undefined;

  readonly #decoder = new FrameDecoder(this);
  readonly #utf8 = new Utf8Validator();
  /** Fragments of a message for a message peer; absent for a stream peer. */
  #collected: GrowingBuffer | undefined;
  /** Payload of the chunk under way for a stream peer, side by side: `#run[#runStart, #runEnd)`. */
  #run: Uint8Array | undefined;
  #runStart = 0;
  #runEnd = 0;

  readonly #batch = new FrameBatch((bytes, more) => this.#write(bytes, more));
  #corked = 0;
  #expected = 0;
  /** The client takes no more until `drained`. */
  #blocked = false;
  /** The Ping that is answered once the client reads again. */
  #owedPong: Uint8Array | undefined;

  constructor(handler: ConnectionHandler, limits: ConnectionLimits) {
    this.#handler = handler;
    this.#limits = limits;
    this.#parser = new RequestHeadParser(limits);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /**
   * Takes bytes from the client. They must be the connection's own: they are unmasked in place and handed on.
   *
   * @returns false: take no more for now; only while the request is being decided on
   */
  receive(chunk: Uint8Array): boolean {
    this.cork(chunk.length);
    try {
      if (this.#state === 'head') this.#receiveHead(chunk);
      else if (this.#state === 'deciding') this.#early!.append(chunk, 0, chunk.length);
      else if (this.#state !== 'closed') this.#receiveFrames(chunk);
    } catch (error) {
      this.fail(asFault(error));
    }
    this.uncork();
    return this.#state !== 'deciding' || this.#early!.length < this.#limits.earlyBytes;
  }

  /** The client's side of the TCP connection has ended. */
  receiveEnd(): void {
    this.#end({ by: 'eof' });
  }

  /** Answers 101, and goes on with the frames that came already. Throws a RangeError for a subprotocol not offered. */
  accept(options: AcceptOptions): void {
    const { subprotocol } = options;
    const request = this.#request!;
    // §4.2.2 item 5.5: only what the client offered.
    if (subprotocol !== undefined && !request.subprotocols.includes(subprotocol)) {
      throw new RangeError(`subprotocol ${JSON.stringify(subprotocol)} was not offered`);
    }
    this.#become('open');
    if (options.peer === 'message') {
      this.#collected = new GrowingBuffer();
      this.#decoder.limitMessages(options.messageBytes);
    }
    this.#write(acceptResponse(request.key, subprotocol));
    const early = this.#early!;
    this.#early = undefined;
    this.#request = undefined;
    if (early.length > 0) this.receive(early.take());
  }

  /** Answers the request with an HTTP error. Throws a RangeError for headers that cannot be sent. */
  reject(status: number, text: string, headers?: HeaderList): void {
    if (this.#state !== 'head' && this.#state !== 'deciding') return;
    const response = refusalResponse(status, text, headers, this.#parser?.method !== 'HEAD');
    this.#write(response);
    this.#end({ by: 'rejection' });
  }

  /** Sends `bytes[start, end)` as one message. They may go out later: they must not change any more. */
  send(opcode: DataOpcode, bytes: Uint8Array, start: number, end: number): void {
    if (this.#state === 'open') this.#add(opcode, bytes, start, end, this.#expected);
  }

  /** Sends a Ping without payload. */
  ping(): void {
    if (this.#state === 'open') this.#add(PING, EMPTY, 0, 0);
  }

  /** Sends a Close; the client's own ends the connection. Nothing else is sent or obeyed from here on. */
  close(code: number, reason?: string): void {
    if (this.#state !== 'open') return;
    this.#sendClose(code, reason);
    this.#become('closing');
    this.#batch.flush();
  }

  /** Ends the connection at once because of a fault: by an HTTP error, by a Close, or silently if neither can be sent. */
  fail(fault: Fault): void {
    if (this.#state === 'head' || this.#state === 'deciding') {
      this.#write(refusalResponse(fault.status, fault.message, [], this.#parser?.method !== 'HEAD'));
    } else if (this.#state === 'open') {
      this.#deliverRun();
      if (fault.close !== ABNORMAL && !this.#hasSentClose()) this.#sendClose(fault.close, fault.message);
    }
    this.#end({ by: 'fault', fault });
  }

  /** The client takes bytes again after `write` returned false. */
  drained(): void {
    this.#blocked = false;
    const owed = this.#owedPong;
    if (owed === undefined || this.#state !== 'open') return;
    this.#owedPong = undefined;
    this.#add(PONG, owed, 0, owed.length);
  }

  /** Until the matching `uncork`, frames are gathered to leave in one write. @param expected about how many bytes */
  cork(expected: number): void {
    this.#corked += 1;
    this.#expected = expected;
  }

  uncork(): void {
    this.#corked -= 1;
    if (this.#corked > 0) return;
    this.#expected = 0;
    this.#batch.flush();
  }

  onPayload(opcode: DataOpcode, bytes: Uint8Array, start: number, end: number, ends: boolean): void {
    if (this.#state !== 'open') return;
    if (opcode === TEXT) {
      // §8.1: text that is not UTF-8 fails the connection; here with its first wrong byte.
      const valid = this.#utf8.push(bytes, start, end) && (!ends || this.#utf8.complete);
      if (!valid) throw new Fault('text-not-utf8');
    }
    const collected = this.#collected;
    if (collected === undefined) this.#extendRun(bytes, start, end);
    else if (ends && collected.length === 0) this.#handler.onPayload(bytes.subarray(start, end), opcode);
    else {
      collected.append(bytes, start, end);
      if (ends) this.#handler.onPayload(collected.take(), opcode);
    }
  }

  onControl(opcode: ControlOpcode, payload: Uint8Array): void {
    if (opcode === PING) this.#answerPing(payload);
    else if (opcode === CLOSE) this.#receiveClose(decodeClose(payload));
    // §5.5.3: a Pong, asked for or not, needs no answer; that something came is all that keepalive wants to know.
  }

  #receiveHead(chunk: Uint8Array): void {
    const parser = this.#parser!;
    const length = parser.push(chunk);
    if (length < 0) return;
    const request = checkRequest(parser.head);
    this.#parser = undefined;
    this.#request = request;
    this.#early = new GrowingBuffer();
    // What stands behind the head are frames (§4.1: a client may send as soon as it likes; the 101 is for it to await).
    if (length < chunk.length) this.#early.append(chunk, length, chunk.length);
    this.#become('deciding');
    this.#handler.onRequest(request);
  }

  #receiveFrames(chunk: Uint8Array): void {
    this.#decoder.decode(chunk);
    this.#deliverRun();
  }

  /** Moves a piece of payload up to the one before it, over the header that lay between. */
  #extendRun(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (this.#run === undefined) {
      this.#run = bytes;
      this.#runStart = start;
      this.#runEnd = end;
      return;
    }
    bytes.copyWithin(this.#runEnd, start, end);
    this.#runEnd += end - start;
  }

  #deliverRun(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#run = undefined;
    this.#handler.onPayload(run.subarray(this.#runStart, this.#runEnd), BINARY);
  }

  /** §5.5.2 and §5.5.3: each Ping has its Pong; while the client does not read, only the latest is owed one. */
  #answerPing(payload: Uint8Array): void {
    if (this.#state !== 'open') return;
    if (this.#blocked) this.#owedPong = payload;
    else this.#add(PONG, payload, 0, payload.length);
  }

  #receiveClose(status: CloseStatus): void {
    // What came before the Close is delivered first; if that makes our side close, the client's Close answers ours.
    this.#deliverRun();
    if (this.#hasSentClose()) {
      this.#end({ by: 'server', status });
      return;
    }
    // §5.5.1: answered by a Close with the same code.
    this.#sendClose(status.code);
    this.#end({ by: 'client', status });
  }

  /** Also true in `closed`, where nothing may be sent either. A method, since delivering payload can change the state. */
  #hasSentClose(): boolean {
    return this.#state === 'closing' || this.#state === 'closed';
  }

  #sendClose(code: number, reason?: string): void {
    const payload = encodeClose(code, reason);
    this.#batch.add(CLOSE, payload, 0, payload.length);
  }

  #add(opcode: number, bytes: Uint8Array, start: number, end: number, expected = 0): void {
    this.#batch.add(opcode, bytes, start, end, expected);
    if (this.#corked === 0) this.#batch.flush();
  }

  #write(bytes: Uint8Array, more?: Uint8Array): void {
    if (!this.#handler.write(bytes, more)) this.#blocked = true;
  }

  #end(ending: Ending): void {
    if (this.#state === 'closed') return;
    this.#decoder.stop();
    this.#parser = undefined;
    this.#request = undefined;
    this.#early = undefined;
    this.#run = undefined;
    this.#owedPong = undefined;
    this.#collected = undefined;
    this.#become('closed');
    this.#batch.flush();
    this.#handler.onClosed(ending);
  }

  #become(state: ConnectionState): void {
    if (!NEXT[this.#state].includes(state))
      throw new Error(`connection cannot go from ${this.#state} to ${state}`);
    this.#state = state;
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * Everything on its way to the client: frames gathered into writes, messages deflated where that was agreed on.
 *
 * What is sent behind a message that another thread still deflates waits for it: order is kept, but for Pings and Pongs,
 * which may stand between any two messages (RFC 6455 §5.4).
 */
import { asFault, type Fault } from '../errors.ts';
import type { MemoryAccount } from '../memory-budget.ts';
import type { FastPath } from './connection-handler.ts';
import type { DeflateHandler, Deflater } from './deflater.ts';
import { type BatchWriter, FrameBatch } from './frame-batch.ts';
import { COMPRESSED } from './frame-encoder.ts';
import { CLOSE, type DataOpcode, PING, PONG } from './opcodes.ts';
import type { ConnectionCompression } from './permessage-deflate.ts';

export interface OutboundHandler {
  /** Bytes for the client, to go out as one write: `bytes`, then `more`. False: enough, until `drained`. */
  onWrite(bytes: Uint8Array, more?: Uint8Array): boolean;
  /** Enough was deflated for one turn of the event loop: call `beginTurn` in the next. */
  onYield(): void;
  /** `sendable` again. */
  onSendable(): void;
  onFailed(fault: Fault): void;
}

export class Outbound implements DeflateHandler, BatchWriter {
  readonly #handler: OutboundHandler;
  readonly #batch: FrameBatch;
  readonly #memory: MemoryAccount | undefined;
  #corked = 0;
  #expected = 0;
  /** The client takes no more until `drained`. */
  #blocked = false;
  /** The Ping that is answered once the client reads again. */
  #owedPong: Uint8Array | undefined;

  #deflater: Deflater | undefined;
  #threshold = Number.POSITIVE_INFINITY;
  /** The message that is being deflated in another thread, for its opcode. */
  #deflating: { readonly opcode: DataOpcode; readonly length: number } | undefined;
  /** What waits for it, from `#next` on. */
  #waiting: Waiting[] = [];
  #next = 0;
  /** Bytes that may still be deflated in this thread before others have their turn. */
  #turn = Number.POSITIVE_INFINITY;
  /** What `end` was given, until it is called. */
  #then: (() => void) | undefined;
  #saved = 0;
  /** Nobody is there to send to. */
  #abandoned = false;
  #lost = 0;

  /**
   * @param fast slabs that frames are gathered in; the heap if there are none
   * @param memory what waits for zlib counts there
   */
  constructor(handler: OutboundHandler, fast?: FastPath, memory?: MemoryAccount) {
    this.#handler = handler;
    this.#memory = memory;
    this.#batch = new FrameBatch(this, fast);
  }

  /** From now on messages of `compression.threshold` bytes and more are deflated. */
  deflate(compression: ConnectionCompression): void {
    this.#deflater = compression.deflater(this);
    this.#turn = this.#deflater.turnBytes;
    this.#threshold = compression.threshold;
  }

  /** Whether no message is being deflated, for which others would have to wait in memory, and there is time for one. */
  get sendable(): boolean {
    return !this.#busy && this.#turn > 0;
  }

  /** The turn that `onYield` asked for. */
  beginTurn(): void {
    if (this.#turn > 0) return;
    this.#turn = this.#deflater!.turnBytes;
    if (this.sendable) this.#handler.onSendable();
  }

  /** By how many bytes deflated messages were shorter than what they were made of. */
  get saved(): number {
    return this.#saved;
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

  /** A message: `bytes[start, end)`, which must not change any more unless they lie in a slab and nothing is compressed. */
  message(opcode: DataOpcode, bytes: Uint8Array, start: number, end: number): void {
    if (this.#abandoned) {
      this.#lost += end - start;
    } else if (this.#busy) {
      this.#wait(end - start, () => this.message(opcode, bytes, start, end));
    } else if (end - start < this.#threshold) {
      this.#add(opcode, bytes, start, end, this.#expected);
    } else {
      const deflated = this.#deflater!.deflate(bytes, start, end);
      if (deflated === undefined) {
        this.#deflating = { opcode, length: end - start };
        this.#memory?.add(IN_ZLIB * (end - start));
        return;
      }
      this.#addDeflated(opcode, deflated, end - start);
      if (this.#turn > 0) {
        this.#turn -= end - start;
        if (this.#turn <= 0) this.#handler.onYield();
      }
    }
  }

  /** Short messages that end with a delimiter, many at once: as `FrameBatch.addShort` has it. None where they are deflated. */
  shortMessages(
    opcode: DataOpcode,
    bytes: Uint8Array,
    start: number,
    end: number,
    delimiter: Uint8Array,
  ): number {
    if (this.#deflater !== undefined) return start;
    const at = this.#batch.addShort(opcode, bytes, start, end, delimiter);
    if (this.#corked === 0) this.#batch.flush();
    return at;
  }

  ping(): void {
    this.#add(PING, EMPTY, 0, 0);
  }

  /** §5.5.2 and §5.5.3: each Ping has its Pong; while the client does not read, only the latest is owed one. */
  pong(payload: Uint8Array): void {
    if (this.#blocked) this.#owedPong = payload;
    else this.#add(PONG, payload, 0, payload.length);
  }

  /** Behind all that has been sent, and at once, also while corked. */
  close(payload: Uint8Array): void {
    this.#owedPong = undefined;
    if (this.#busy) {
      this.#wait(0, () => this.close(payload));
      return;
    }
    this.#add(CLOSE, payload, 0, payload.length);
    this.#batch.flush();
  }

  /** Calls `then` when everything has been handed to `write`. Nothing may be sent any more. */
  end(then: () => void): void {
    this.#owedPong = undefined;
    this.#then = then;
    if (!this.#busy) this.#finish();
  }

  /** Nobody is there to send to: what waits for zlib is given up. */
  abandon(): void {
    if (this.#abandoned) return;
    this.#abandoned = true;
    const busy = this.#busy;
    this.#lost += this.#deflating?.length ?? 0;
    for (const { length } of this.#waiting.slice(this.#next)) this.#lost += length;
    this.#deflater?.close();
    this.#endDeflating();
    this.#forgetWaiting();
    // Who ended it still waits for it.
    if (busy && this.#then !== undefined) this.#finish();
  }

  /** Bytes of messages that were given up. */
  get lost(): number {
    return this.#lost;
  }

  /** Bytes that are no frame. */
  write(bytes: Uint8Array, more?: Uint8Array): void {
    if (!this.#handler.onWrite(bytes, more)) this.#blocked = true;
  }

  /** The client takes bytes again after `write` returned false. */
  drained(): void {
    this.#blocked = false;
    const owed = this.#owedPong;
    this.#owedPong = undefined;
    if (owed !== undefined) this.pong(owed);
  }

  onDeflated(bytes: Uint8Array): void {
    const { opcode, length } = this.#deflating!;
    this.#endDeflating();
    // Who ends it from within a write below is told there and then.
    const ending = this.#then !== undefined;
    this.cork(0);
    this.#addDeflated(opcode, bytes, length);
    try {
      // One of them may have to be waited for in its turn.
      while (!this.#busy && this.#next < this.#waiting.length) {
        const { length: waited, send } = this.#waiting[this.#next]!;
        this.#next += 1;
        this.#memory?.add(-(waited + WAITING_COST));
        send();
      }
    } catch (error) {
      this.uncork();
      this.onFailed(asFault(error));
      return;
    }
    this.uncork();
    if (this.#busy) return;
    this.#forgetWaiting();
    if (ending) this.#finish();
    else if (this.#then === undefined && this.sendable) this.#handler.onSendable();
  }

  onFailed(fault: Fault): void {
    this.#endDeflating();
    this.#forgetWaiting();
    if (this.#then === undefined) this.#handler.onFailed(fault);
    else this.#finish();
  }

  get #busy(): boolean {
    return this.#deflating !== undefined;
  }

  #wait(length: number, send: () => void): void {
    this.#memory?.add(length + WAITING_COST);
    this.#waiting.push({ length, send });
  }

  #endDeflating(): void {
    this.#memory?.add(-IN_ZLIB * (this.#deflating?.length ?? 0));
    this.#deflating = undefined;
  }

  #forgetWaiting(): void {
    for (const { length } of this.#waiting.slice(this.#next)) this.#memory?.add(-(length + WAITING_COST));
    this.#waiting = [];
    this.#next = 0;
  }

  #finish(): void {
    this.#batch.flush();
    this.#deflater?.close();
    this.#then?.();
  }

  #addDeflated(opcode: DataOpcode, bytes: Uint8Array, originalLength: number): void {
    this.#saved += originalLength - bytes.length;
    this.#add(opcode | COMPRESSED, bytes, 0, bytes.length, this.#expected);
  }

  #add(first: number, bytes: Uint8Array, start: number, end: number, expected = 0): void {
    this.#batch.add(first, bytes, start, end, expected);
    if (this.#corked === 0) this.#batch.flush();
  }
}

interface Waiting {
  /** Of a message, in bytes. */
  readonly length: number;
  readonly send: () => void;
}

/** What one that waits takes besides its bytes. */
const WAITING_COST = 256;
/** A message and what comes out of it, which may be as long. */
const IN_ZLIB = 2;

const EMPTY: Uint8Array = new Uint8Array(0);

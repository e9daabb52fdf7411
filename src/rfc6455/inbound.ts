/**
 * The payload of data frames on its way to the peer: inflated where it is compressed, checked where it is text.
 *
 * To a stream peer goes, once for each chunk, the payload of all its frames side by side, since message boundaries
 * mean nothing there. To a message peer go whole messages.
 */
import { Fault } from '../errors.ts';
import type { MemoryAccount } from '../memory-budget.ts';
import type { InflateHandler, Inflater } from './inflater.ts';
import { MessageBuffer } from './message-buffer.ts';
import { BINARY, type DataOpcode, TEXT } from './opcodes.ts';
import type { ConnectionCompression } from './permessage-deflate.ts';
import { Utf8Validator } from './utf8.ts';

export interface InboundHandler {
  /** To a stream peer any piece of the stream, and `opcode` is BINARY; else a whole message. False: enough, until `unblock`. */
  onPayload(payload: Uint8Array, opcode: DataOpcode): boolean;
  /** There is more to do than others should wait for: call `beginTurn` and `goOn` in the next turn of the event loop. */
  onYield(): void;
  /** What had to wait for another thread may go on: call `goOn`. */
  onIdle(): void;
  onFailed(fault: Fault): void;
}

/** Inflated bytes for a stream peer that are gathered before they are handed on: one read of Node's. */
const RUN_BYTES = 64 * 1024;

export class Inbound implements InflateHandler {
  readonly #handler: InboundHandler;
  readonly #memory: MemoryAccount | undefined;
  /** From the first piece on that is not ASCII. */
  #utf8: Utf8Validator | undefined;
  /** The message under way for a message peer; absent for a stream peer. */
  #message: MessageBuffer | undefined;
  #maximum = Number.POSITIVE_INFINITY;
  /** Payload of the chunk under way for a stream peer, where it lies: `#run[#runStart, #runEnd)`. */
  #run: Uint8Array | undefined;
  #runStart = 0;
  #runEnd = 0;
  /** The same, where it had to be inflated. */
  #inflated: MessageBuffer | undefined;
  #inflater: Inflater | undefined;
  /** Of the message that is being inflated. */
  #opcode: DataOpcode = BINARY;
  /** The peer takes no more until `unblock`. */
  #full = false;
  #stopped = false;
  #saved = 0;

  /** @param memory where messages that are collected count */
  constructor(handler: InboundHandler, memory?: MemoryAccount) {
    this.#handler = handler;
    this.#memory = memory;
  }

  /** From now on whole messages are handed on, of so many bytes at most. */
  collect(maximum: number): void {
    this.#message = new MessageBuffer(this.#memory);
    this.#maximum = maximum;
  }

  /** From now on messages may be compressed. */
  inflate(compression: ConnectionCompression): void {
    this.#inflater = compression.inflater(this);
    this.#inflated = new MessageBuffer(this.#memory);
  }

  /** Compressed payload is still being worked on. */
  get busy(): boolean {
    return this.#inflater?.busy ?? false;
  }

  /** Bytes of messages that are not whole, or not inflated yet. */
  get collected(): number {
    return (this.#message?.length ?? 0) + (this.#inflated?.length ?? 0) + (this.#inflater?.waiting ?? 0);
  }

  /** Nothing more is to be taken in: a piece is not done, or the peer has enough. */
  get held(): boolean {
    return this.#full || this.busy;
  }

  /** By how many bytes compressed messages were shorter than what came out of them. */
  get saved(): number {
    return this.#saved;
  }

  /** The turn that `onYield` asked for. */
  beginTurn(): void {
    this.#inflater?.beginTurn();
  }

  /** A piece of a message as the client meant it. Throws a Fault `text-not-utf8`. */
  take(
    opcode: DataOpcode,
    bytes: Uint8Array,
    start: number,
    end: number,
    ends: boolean,
    ascii: boolean,
  ): void {
    // ASCII is UTF-8, unless it stands where a character has to go on.
    if (!ascii || this.#utf8?.complete === false) this.#check(opcode, bytes, start, end, ends);
    const message = this.#message;
    if (message === undefined) this.#extendRun(bytes, start, end);
    else if (ends && message.length === 0) this.#deliver(bytes.subarray(start, end), opcode);
    else {
      message.append(bytes, start, end);
      if (ends) this.#deliver(message.take(), opcode);
    }
  }

  /** Pieces for a stream peer that need no check, side by side. */
  takeRun(bytes: Uint8Array, start: number, end: number): void {
    this.#extendRun(bytes, start, end);
  }

  /** The same of a compressed message. It may have to wait, and what comes behind it too; see `held`. */
  takeCompressed(opcode: DataOpcode, bytes: Uint8Array, start: number, end: number, ends: boolean): void {
    this.#opcode = opcode;
    this.#saved -= end - start;
    this.#inflater!.push(bytes, start, end, ends);
  }

  /** The peer takes again. */
  unblock(): void {
    this.#full = false;
    this.#inflater?.unblock();
  }

  /** Goes on with a piece that was held back. Throws Faults, as `takeCompressed` does. */
  goOn(): void {
    this.#inflater?.goOn();
    this.flush();
  }

  /** Hands on what has been gathered for a stream peer. */
  flush(): void {
    const run = this.#run;
    if (run !== undefined) {
      this.#run = undefined;
      this.#deliver(run.subarray(this.#runStart, this.#runEnd), BINARY);
    }
    const inflated = this.#inflated;
    if (inflated !== undefined && inflated.length > 0) this.#deliver(inflated.take(), BINARY);
  }

  /** Throws away what has not been handed on, and frees what inflating needs. @returns how many bytes that was */
  stop(): number {
    const run = this.#run === undefined ? 0 : this.#runEnd - this.#runStart;
    const lost = run + this.collected;
    this.#stopped = true;
    this.#full = false;
    this.#run = undefined;
    this.#message?.clear();
    this.#message = undefined;
    this.#inflated?.clear();
    this.#inflated = undefined;
    this.#inflater?.close();
    return lost;
  }

  onInflated(bytes: Uint8Array, start: number, end: number, ends: boolean): boolean {
    this.#saved += end - start;
    this.#check(this.#opcode, bytes, start, end, ends);
    const message = this.#message;
    if (message === undefined) {
      // What came before it uncompressed goes first.
      if (this.#run !== undefined) this.flush();
      this.#inflated?.append(bytes, start, end);
      if ((this.#inflated?.length ?? 0) >= RUN_BYTES) this.flush();
    } else {
      const actual = message.length + end - start;
      if (actual > this.#maximum) throw new Fault('message-too-large', { actual, maximum: this.#maximum });
      message.append(bytes, start, end);
      if (ends) this.#deliver(message.take(), this.#opcode);
    }
    return !this.#full;
  }

  onYield(): void {
    this.#handler.onYield();
  }

  onIdle(): void {
    this.#handler.onIdle();
  }

  onFailed(fault: Fault): void {
    this.#handler.onFailed(fault);
  }

  /** §8.1: text that is not UTF-8 fails the connection; here with its first wrong byte. */
  #check(opcode: DataOpcode, bytes: Uint8Array, start: number, end: number, ends: boolean): void {
    if (opcode !== TEXT) return;
    this.#utf8 ??= new Utf8Validator();
    const valid = this.#utf8.push(bytes, start, end) && (!ends || this.#utf8.complete);
    if (!valid) throw new Fault('text-not-utf8');
  }

  /** Moves a piece of payload up to the one before it, over the header that lay between. */
  #extendRun(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    if (this.#run === undefined) {
      // What came before it compressed goes first.
      if (this.#inflated !== undefined) this.flush();
      this.#run = bytes;
      this.#runStart = start;
      this.#runEnd = end;
      return;
    }
    if (start > this.#runEnd) bytes.copyWithin(this.#runEnd, start, end);
    this.#runEnd += end - start;
  }

  #deliver(payload: Uint8Array, opcode: DataOpcode): void {
    if (this.#stopped) return;
    const takes = this.#handler.onPayload(payload, opcode);
    // Who stops it from within has nothing more to hold back.
    if (!takes && !this.#stopped) this.#full = true;
  }
}

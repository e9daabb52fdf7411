/**
 * Inflates the messages of one client (RFC 7692 §7.2.2), piece by piece, and never faster than its taker takes.
 *
 * A piece is worked off in steps of at most 64 KiB of output. `push` says whether it is done. Where it is not, `goOn` is
 * to be called: when the taker wants more, when others have had their turn (`onYield`), or when another thread is ready
 * (`onIdle`). Until then the next piece has to wait, which keeps everything behind it in order.
 *
 * What zlib keeps for a client is made with its first compressed message.
 */
import type { InflateRaw } from 'node:zlib';
import { asFault, Fault } from '../errors.ts';
import { SlidingWindow } from './sliding-window.ts';
import {
  hasWriteSync,
  type IdleStreams,
  inflateRaw,
  type Left,
  OUTPUT_BYTES,
  writeSync,
} from './zlib-stream.ts';

export interface InflaterOptions {
  /** LZ77 window of the client's compressor, 8 to 15. */
  readonly windowBits: number;
  /** The client's messages may refer to those before (§7.1.1). */
  readonly takeover: boolean;
  /** Where a stream comes from and goes to between messages without takeover. */
  readonly idle: IdleStreams<InflateRaw>;
  /** Whether small steps are done in this thread. @default if Node lets us */
  readonly sync?: boolean;
}

export interface InflateHandler {
  /**
   * Output: `bytes[start, end)`, to be copied, since the memory is used again. `ends`, with no bytes, behind the last
   * output of a message.
   *
   * @returns false: no more until `unblock`
   */
  onInflated(bytes: Uint8Array, start: number, end: number, ends: boolean): boolean;
  /** Enough for one turn of the event loop: call `beginTurn` and `goOn` in the next. */
  onYield(): void;
  /** What another thread did is done; `goOn` goes on from there. */
  onIdle(): void;
  /** What another thread did has failed. */
  onFailed(fault: Fault): void;
}

/** §7.2.2: what a sender cuts off the end of a message, an empty block without compression but for its first bits. */
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff);
const EMPTY = new Uint8Array(0);

/**
 * What one turn of the event loop may give, in bytes of output: about 1 ms of work. A read of 64 KiB can hold 64 MiB, a
 * turn has up to 32 reads of one socket, and others are waiting.
 */
const TURN_BYTES = 1024 * 1024;
/** What a step counts as beside its output: of short messages it is the calls that take the time, 1 to 2 µs each. */
const STEP_BYTES = 2 * 1024;
/**
 * What a final block counts as, in bytes of output: behind it a stream is made anew, some 20 µs and 40 KiB for as little
 * as two bytes from the client.
 */
const FINAL_BYTES = 128 * 1024;

/** The output of every step in this thread; whoever takes it copies it. */
const output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
const left: Left = { output: 0, input: 0 };

export class Inflater {
  readonly #windowBits: number;
  readonly #takeover: boolean;
  readonly #idle: IdleStreams<InflateRaw>;
  readonly #sync: boolean;
  readonly #handler: InflateHandler;

  #stream: InflateRaw | undefined;
  /** The stream began in the middle of things, and must not be lent to others. */
  #restarted = false;
  readonly #window: SlidingWindow;

  // The piece under way.
  #input: Uint8Array = EMPTY;
  #at = 0;
  #end = 0;
  #ends = false;
  #inTail = false;
  /** The last step filled the output: there may be more. */
  #more = false;
  /** A piece is under way. */
  #busy = false;
  /** Another thread works on it. */
  #working = false;
  /** The taker wants no more. */
  #held = false;
  #closed = false;
  /** What is left of this turn; there is another one only behind `onYield`. */
  #turn = TURN_BYTES;
  /** `onYield` was called for it. */
  #yielded = false;
  /** Compressed bytes of the message so far. */
  #messageBytes = 0;

  constructor(options: InflaterOptions, handler: InflateHandler) {
    this.#windowBits = options.windowBits;
    this.#takeover = options.takeover;
    this.#idle = options.idle;
    this.#sync = options.sync ?? hasWriteSync();
    this.#handler = handler;
    this.#window = new SlidingWindow(options.windowBits);
  }

  /** Bytes of the piece under way that have not been looked at. */
  get waiting(): number {
    return this.#busy && !this.#inTail ? this.#end - this.#at : 0;
  }

  /** Whether a piece is still under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Takes a piece of a message, which must stay as it is until it is done, and `ends` with the last one.
   *
   * @returns whether it is done
   * @throws Fault `inflate-failed` for what is not DEFLATE; whatever the handler throws
   */
  push(input: Uint8Array, start: number, end: number, ends: boolean): boolean {
    this.#input = input;
    this.#at = start;
    this.#end = end;
    this.#ends = ends;
    this.#inTail = false;
    this.#busy = true;
    this.#messageBytes += end - start;
    return this.#run();
  }

  /** The taker takes again: `goOn` when there is time for it. */
  unblock(): void {
    this.#held = false;
  }

  /** Goes on with the piece that is under way, if there is one. Throws as `push` does. */
  goOn(): void {
    if (this.#working) this.#stream?.resume();
    else if (this.#busy) this.#run();
  }

  /** The turn that `onYield` asked for: others have had theirs. */
  beginTurn(): void {
    this.#turn = TURN_BYTES;
    this.#yielded = false;
  }

  /** Frees what zlib holds. Nothing is handed on any more. */
  close(): void {
    this.#closed = true;
    this.#busy = false;
    this.#stream?.close();
    this.#stream = undefined;
    this.#window.clear();
  }

  #run(): boolean {
    while (!this.#closed) {
      if (this.#at === this.#end && !this.#more) {
        // §7.2.3.6: even an empty message has a byte. One that has none is taken for what it must be meant as.
        if (this.#ends && !this.#inTail && this.#messageBytes > 0) this.#beginTail();
        else return this.#finishPiece();
      } else if (this.#held) {
        return false;
      } else if (!this.#sync) {
        this.#stepElsewhere();
        return false;
      } else if (this.#turn <= 0) {
        if (!this.#yielded) this.#handler.onYield();
        this.#yielded = true;
        return false;
      } else {
        this.#step();
      }
    }
    return false;
  }

  #beginTail(): void {
    this.#input = TAIL;
    this.#at = 0;
    this.#end = TAIL.length;
    this.#inTail = true;
  }

  #finishPiece(): boolean {
    this.#busy = false;
    this.#input = EMPTY;
    if (!this.#ends) return true;
    this.#messageBytes = 0;
    if (!this.#takeover) this.#forget();
    if (!this.#handler.onInflated(EMPTY, 0, 0, true)) this.#held = true;
    return true;
  }

  /** §7.1.1.2: without takeover the next message begins with an empty window. */
  #forget(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#stream = undefined;
    this.#window.clear();
    if (this.#restarted || !this.#sync) stream.close();
    else this.#idle.give(this.#windowBits, stream);
    this.#restarted = false;
  }

  /** One step in this thread. */
  #step(): void {
    this.#stream ??= this.#begin();
    try {
      writeSync(this.#stream, this.#input, this.#at, this.#end, output, left);
    } catch (error) {
      throw new Fault('inflate-failed', { message: asFault(error).details['message'] }, error);
    }
    const produced = OUTPUT_BYTES - left.output;
    this.#turn -= produced + STEP_BYTES;
    this.#at = this.#end - left.input;
    this.#more = left.output === 0;
    // Input left, though there is room for output: a final block has ended.
    const ended = left.input > 0 && left.output > 0;
    if (produced > 0) this.#give(output, produced);
    if (ended) this.#restart();
  }

  /** One step in another thread, which works off all of the input unless a final block ends before. */
  #stepElsewhere(): void {
    this.#stream ??= this.#begin();
    const stream = this.#stream;
    const before = stream.bytesWritten;
    let taken = false;
    let settled = false;
    const settle = () => {
      if (settled) return;
      settled = true;
      stream.removeListener('data', onData).removeListener('end', settle).removeListener('error', onError);
      this.#working = false;
      if (this.#closed) return;
      this.#at += stream.bytesWritten - before;
      try {
        // Input left: a final block has ended. Of a stream that is paused no event says so.
        if (this.#at < this.#end) this.#restart();
      } catch (error) {
        this.#handler.onFailed(asFault(error));
        return;
      }
      this.#handler.onIdle();
    };
    const onData = (bytes: Buffer) => {
      if (this.#closed) return;
      try {
        this.#give(bytes, bytes.length);
      } catch (error) {
        this.#handler.onFailed(asFault(error));
        return;
      }
      if (this.#held) stream.pause();
      // The last of it had to wait for the taker.
      if (taken && stream.readableLength === 0) settle();
    };
    const onError = (error: Error) => {
      this.#working = false;
      if (!this.#closed)
        this.#handler.onFailed(new Fault('inflate-failed', { message: error.message }, error));
    };
    this.#working = true;
    stream.on('data', onData).on('end', settle).on('error', onError);
    stream.resume();
    stream.write(this.#input.subarray(this.#at, this.#end), (error) => {
      taken = true;
      if (!error && stream.readableLength === 0) settle();
    });
  }

  #begin(): InflateRaw {
    const lent = this.#takeover || !this.#sync ? undefined : this.#idle.take(this.#windowBits);
    return lent ?? inflateRaw(this.#windowBits, this.#sync);
  }

  #give(bytes: Uint8Array, length: number): void {
    // In an empty block there is nothing. What comes out of its bytes belongs to a block that was cut off.
    if (this.#inTail) throw new Fault('inflate-failed', { message: 'message ends inside a block' });
    this.#window.push(bytes, 0, length);
    if (!this.#handler.onInflated(bytes, 0, length, false)) this.#held = true;
  }

  /**
   * §7.2.3.4: behind a final block, with which a stream of zlib's ends, the message goes on, and so does its window.
   * Where nothing but the tail is left, the final block has taken its place.
   */
  #restart(): void {
    if (this.#closed) return;
    this.#stream?.close();
    this.#turn -= FINAL_BYTES;
    this.#restarted = true;
    this.#stream = inflateRaw(this.#windowBits, this.#sync, this.#window.contents());
    if (this.#inTail && this.#at === 0) this.#at = this.#end;
  }
}

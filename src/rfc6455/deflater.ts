/**
 * Deflates messages for one client (RFC 7692 §7.2.1), one at a time.
 *
 * Short ones are deflated in this thread, long ones in another; what is sent meanwhile has to wait, which outbound.ts
 * looks after. What zlib keeps for a client is made with the first message that is compressed for it.
 */
import { constants, type DeflateRaw } from 'node:zlib';
import { asFault, type Fault } from '../errors.ts';
import { ThreadTurns } from './thread-turns.ts';
import {
  deflateRaw,
  hasWriteSync,
  type IdleStreams,
  type Left,
  OUTPUT_BYTES,
  writeSync,
} from './zlib-stream.ts';

export interface DeflaterOptions {
  /** LZ77 window, 8 to 15. */
  readonly windowBits: number;
  /** Messages may refer to those before (§7.1.1). */
  readonly takeover: boolean;
  /** 1, fast, to 9, small. */
  readonly level: number;
  /** Where a stream comes from and goes to between messages without takeover. */
  readonly idle: IdleStreams<DeflateRaw>;
  /** Whether short messages are done in this thread. @default if Node lets us */
  readonly sync?: boolean;
}

export interface DeflateHandler {
  /** A message that was deflated in another thread. The memory is the handler's own. */
  onDeflated(bytes: Uint8Array): void;
  onFailed(fault: Fault): void;
}

/**
 * Longest message that is deflated in this thread, in bytes, for levels up to 6: text of this length takes 0.8 ms, to
 * which another thread adds 0.1 ms of CPU; the worst of messages takes 4 ms. What comes out of it fits into `output`,
 * also where it does not shrink, and is below what frame-batch.ts passes on by reference: `output` is used again for the
 * next message.
 */
const AT_ONCE = 16 * 1024;
/** The same for levels 7 to 9, which take 8 times as long for the worst of messages. */
const AT_ONCE_HARD = 2 * 1024;
/** So many of the longest are deflated in this thread in one turn of the event loop: 16 ms at worst. */
const PER_TURN = 4;

/** §7.2.1: what Z_SYNC_FLUSH ends with, and what is cut off: 00 00 ff ff. */
const TAIL_BYTES = 4;

/** Of the process: two of Node's four threads are left to others. */
const turns = new ThreadTurns(2);

const output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
const left: Left = { output: 0, input: 0 };

export class Deflater {
  readonly #options: DeflaterOptions;
  /** Longest message that is deflated in this thread. */
  readonly #atOnce: number;
  readonly #handler: DeflateHandler;
  #stream: DeflateRaw | undefined;
  #closed = false;
  /** Waits for its turn in another thread. */
  #beginning: (() => void) | undefined;

  constructor(options: DeflaterOptions, handler: DeflateHandler) {
    this.#options = options;
    const sync = options.sync ?? hasWriteSync();
    this.#atOnce = !sync ? 0 : options.level > 6 ? AT_ONCE_HARD : AT_ONCE;
    this.#handler = handler;
  }

  /** How many bytes may be deflated in this thread before others have their turn. */
  get turnBytes(): number {
    return PER_TURN * (this.#options.level > 6 ? AT_ONCE_HARD : AT_ONCE);
  }

  /**
   * Deflates a message of at least one byte; no other one before it is done.
   *
   * @returns the payload, valid until the next call; undefined: it will come by `onDeflated`
   */
  deflate(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    this.#stream ??= this.#begin();
    if (end - start > this.#atOnce) {
      if (turns.take()) this.#deflateElsewhere(this.#stream, bytes.subarray(start, end));
      else this.#waitForTurn(this.#stream, bytes.subarray(start, end));
      return undefined;
    }
    writeSync(this.#stream, bytes, start, end, output, left);
    this.#forget();
    return output.subarray(0, OUTPUT_BYTES - left.output - TAIL_BYTES);
  }

  /** Frees what zlib holds. Nothing is handed on any more. */
  close(): void {
    this.#closed = true;
    if (this.#beginning !== undefined) turns.cancel(this.#beginning);
    this.#beginning = undefined;
    this.#stream?.close();
    this.#stream = undefined;
  }

  #waitForTurn(stream: DeflateRaw, bytes: Uint8Array): void {
    this.#beginning = () => {
      this.#beginning = undefined;
      this.#deflateElsewhere(stream, bytes);
    };
    turns.wait(this.#beginning);
  }

  #deflateElsewhere(stream: DeflateRaw, bytes: Uint8Array): void {
    const pieces: Buffer[] = [];
    const onData = (piece: Buffer) => pieces.push(piece);
    const onError = (error: Error) => {
      if (!this.#closed) this.#handler.onFailed(asFault(error));
    };
    stream.on('data', onData).on('error', onError);
    stream.write(bytes);
    stream.flush(constants.Z_SYNC_FLUSH, () => {
      turns.done();
      // Called as well for a stream that was closed or has failed; of the latter 'error' tells.
      if (stream.destroyed) return;
      stream.removeListener('data', onData).removeListener('error', onError);
      this.#forget();
      const deflated = Buffer.concat(pieces);
      this.#handler.onDeflated(deflated.subarray(0, deflated.length - TAIL_BYTES));
    });
  }

  #begin(): DeflateRaw {
    const { windowBits, level, takeover, idle } = this.#options;
    return (takeover ? undefined : idle.take(windowBits)) ?? deflateRaw(windowBits, level);
  }

  /** §7.1.1.1: without takeover the next message begins with an empty window. */
  #forget(): void {
    const { windowBits, takeover, idle } = this.#options;
    if (takeover || this.#stream === undefined) return;
    idle.give(windowBits, this.#stream);
    this.#stream = undefined;
  }
}

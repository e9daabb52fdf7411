/**
 * A message that arrives in pieces: kept in chunks, and joined once when it is whole.
 *
 * Chunks grow with what has arrived, never with a length that somebody announced, so that tiny pieces do not cost a
 * chunk each, and at no time is there much more memory than bytes.
 */
import { Fault } from '../errors.ts';
import type { MemoryAccount } from '../memory-budget.ts';

export class MessageBuffer {
  readonly #memory: MemoryAccount | undefined;
  /** Of the chunks. */
  #allocated = 0;
  #chunks: Buffer[] = [];
  /** The last chunk, of which the first `#used` bytes count; those before it are full. */
  #last: Buffer = EMPTY;
  #used = 0;
  #length = 0;

  /** @param memory what it takes counts there */
  constructor(memory?: MemoryAccount) {
    this.#memory = memory;
  }

  get length(): number {
    return this.#length;
  }

  /** Throws a Fault `memory-full` if it cannot grow. */
  append(source: Uint8Array, start: number, end: number): void {
    const room = Math.min(end - start, this.#last.length - this.#used);
    this.#put(source, start, start + room);
    if (start + room === end) return;
    const rest = end - start - room;
    const size = Math.max(rest, Math.min(this.#length, LARGEST_CHUNK));
    if (this.#memory?.reserve(size) === false) throw new Fault('memory-full');
    this.#allocated += size;
    this.#last = Buffer.allocUnsafe(size);
    this.#used = 0;
    this.#chunks.push(this.#last);
    this.#put(source, start + room, end);
  }

  /** Throws away what has been gathered. */
  clear(): void {
    this.#memory?.add(-this.#allocated);
    this.#allocated = 0;
    this.#chunks = [];
    this.#last = EMPTY;
    this.#used = 0;
    this.#length = 0;
  }

  /** Gives the message away, and begins anew with memory of its own. */
  take(): Uint8Array {
    const chunks = this.#chunks;
    if (chunks.length > 0) chunks[chunks.length - 1] = this.#last.subarray(0, this.#used);
    const message = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#length);
    this.clear();
    return message;
  }

  #put(source: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.#last.set(source.subarray(start, end), this.#used);
    this.#used += end - start;
    this.#length += end - start;
  }
}

const EMPTY = Buffer.alloc(0);
/** 1 MiB: what a large message has at most allocated and not yet filled. */
const LARGEST_CHUNK = 1024 * 1024;

/**
 * Bytes that arrive in pieces and are needed in one: frames that come before there is a peer, a segment that waits for
 * its end.
 *
 * It grows with what has arrived, never with a length that somebody announced, and by doubling, so that each byte is
 * moved a constant number of times however small the pieces are. What was taken out is never written to again.
 */
import { Fault } from './errors.ts';
import type { MemoryAccount } from './memory-budget.ts';

export class GrowingBuffer {
  readonly #memory: MemoryAccount | undefined;
  #bytes = EMPTY;
  #length = 0;

  /** @param memory what it takes counts there */
  constructor(memory?: MemoryAccount) {
    this.#memory = memory;
  }

  get length(): number {
    return this.#length;
  }

  /** The memory behind it, of which the first `length` bytes count. Valid until the next `append`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Throws a Fault `memory-full` if it cannot grow: then nothing was appended. */
  append(source: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      const size = Math.max(length, 2 * this.#bytes.length, SMALLEST);
      if (this.#memory?.reserve(size - this.#bytes.length) === false) throw new Fault('memory-full');
      const grown = Buffer.allocUnsafeSlow(size);
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(
      start === 0 && end === source.length ? source : source.subarray(start, end),
      this.#length,
    );
    this.#length = length;
  }

  /** Gives away what has been gathered, and begins anew with memory of its own. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#memory?.add(-this.#bytes.length);
    this.#bytes = EMPTY;
    this.#length = 0;
    return taken;
  }
}

const EMPTY: Uint8Array = new Uint8Array(0);
/** So that the first doublings of a stream that dribbles are skipped. */
const SMALLEST = 256;

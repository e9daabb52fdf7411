/** The last bytes of a stream, as many as an LZ77 window holds (RFC 7692 §7.1.2): what back-references may point to. */
export class SlidingWindow {
  readonly #size: number;
  /** A ring once it is full; until then it grows. */
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  #length = 0;

  /** @param bits the window's size is 2 to this power */
  constructor(bits: number) {
    this.#size = 2 ** bits;
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    const from = Math.max(start, end - this.#size);
    const length = end - from;
    this.#reserve(length);
    const first = Math.min(length, this.#bytes.length - this.#at);
    this.#bytes.set(bytes.subarray(from, from + first), this.#at);
    this.#bytes.set(bytes.subarray(from + first, end), 0);
    this.#at = (this.#at + length) % this.#size;
    this.#length = Math.min(this.#size, this.#length + length);
  }

  /** A copy, oldest byte first; undefined if there is none. */
  contents(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    if (this.#length < this.#size) return this.#bytes.slice(0, this.#length);
    return Buffer.concat([this.#bytes.subarray(this.#at), this.#bytes.subarray(0, this.#at)]);
  }

  clear(): void {
    this.#bytes = EMPTY;
    this.#at = 0;
    this.#length = 0;
  }

  #reserve(length: number): void {
    const needed = Math.min(this.#size, this.#length + length);
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#size, Math.max(needed, 2 * this.#bytes.length)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

const EMPTY = new Uint8Array(0);

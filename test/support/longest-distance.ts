/**
 * How far back a DEFLATE stream refers, by the letter of RFC 1951. zlib itself does not say: it takes any distance that
 * its output buffer happens to reach, also one beyond the window.
 */

/** The longest distance of a stream of whole blocks, which may end behind any of them; 0 if there is no reference. */
export function longestDistance(stream: Uint8Array): number {
  const bits = new Bits(stream);
  let longest = 0;
  while (!bits.atEnd) {
    bits.take(1);
    const type = bits.take(2);
    if (type === 0) bits.skipStored();
    else longest = Math.max(longest, longestOfBlock(bits, type === 1 ? FIXED : dynamicCodes(bits)));
  }
  return longest;
}

interface Codes {
  readonly literals: Code;
  readonly distances: Code;
}

/** §3.2.5. */
const DISTANCES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1_025, 1_537, 2_049, 3_073,
  4_097, 6_145, 8_193, 12_289, 16_385, 24_577,
];

function longestOfBlock(bits: Bits, { literals, distances }: Codes): number {
  let longest = 0;
  for (;;) {
    const symbol = literals.read(bits);
    if (symbol === 256) return longest;
    if (symbol < 256) continue;
    // The extra bits of a length: none up to 264 and for 285.
    if (symbol > 264 && symbol < 285) bits.take((symbol - 261) >> 2);
    const distance = distances.read(bits);
    const extra = distance < 4 ? 0 : (distance >> 1) - 1;
    longest = Math.max(longest, DISTANCES[distance]! + bits.take(extra));
  }
}

/** §3.2.7. */
function dynamicCodes(bits: Bits): Codes {
  const literals = bits.take(5) + 257;
  const distances = bits.take(5) + 1;
  const count = bits.take(4) + 4;
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15].slice(0, count);
  const ofLengths = new Array<number>(19).fill(0);
  for (const symbol of order) ofLengths[symbol] = bits.take(3);
  const code = new Code(ofLengths);
  const lengths: number[] = [];
  while (lengths.length < literals + distances) {
    const symbol = code.read(bits);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) lengths.push(...new Array<number>(3 + bits.take(2)).fill(lengths.at(-1)!));
    else lengths.push(...new Array<number>(symbol === 17 ? 3 + bits.take(3) : 11 + bits.take(7)).fill(0));
  }
  return {
    literals: new Code(lengths.slice(0, literals)),
    distances: new Code(lengths.slice(literals)),
  };
}

class Bits {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #count = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number): number {
    while (this.#count < count) {
      if (this.#at === this.#bytes.length) throw new Error('the stream ends inside a block');
      this.#held |= this.#bytes[this.#at]! << this.#count;
      this.#at += 1;
      this.#count += 8;
    }
    const value = this.#held & ((1 << count) - 1);
    this.#held >>>= count;
    this.#count -= count;
    return value;
  }

  /** §3.2.4. */
  skipStored(): void {
    this.#held = 0;
    this.#count = 0;
    this.#at += 4 + (this.#bytes[this.#at]! | (this.#bytes[this.#at + 1]! << 8));
  }
}

/** A Huffman code by the lengths of its codes (§3.2.2). */
class Code {
  readonly #symbols = new Map<number, number>();

  constructor(lengths: readonly number[]) {
    let code = 0;
    for (let length = 1; length <= 15; length += 1) {
      code <<= 1;
      for (const [symbol, bits] of lengths.entries()) {
        if (bits !== length) continue;
        this.#symbols.set((1 << length) | code, symbol);
        code += 1;
      }
    }
  }

  read(bits: Bits): number {
    for (let code = 1; code < 65_536; ) {
      code = (code << 1) | bits.take(1);
      const symbol = this.#symbols.get(code);
      if (symbol !== undefined) return symbol;
    }
    throw new Error('no such code');
  }
}

/** §3.2.6. */
const FIXED: Codes = {
  literals: new Code(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  distances: new Code(new Array<number>(30).fill(5)),
};

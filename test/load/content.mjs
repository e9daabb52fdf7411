// What is sent in a test of load: endless streams of bytes, each of them known to both ends by its number alone, so that
// each end can compare what arrives without being told. No two streams go on alike for more than a few bytes.

/** 1 MiB: streams begin at different places of one table, and go round. */
const SIZE = 1 << 20;
/** The most that `slice` gives at once: so much of the table's beginning stands behind its end once more. */
export const LONGEST = 1 << 18;

/** Ways of one connection. */
export const UP = 0;
export const DOWN = 1;

const TABLES = { binary: table((noise) => noise & 0xff), text: table(letter) };

/** Of a stream: where it begins in the table, from its number and its way. */
const beginning = (id, way) => (Math.imul(2 * id + way + 1, 0x9e37_79b1) >>> 0) % SIZE;

/** So many bytes of a stream from so far on. Not to be changed: they lie in the table. */
export function slice(id, way, from, length, kind = 'binary') {
  if (length > LONGEST) throw new Error(`${length} bytes at once are more than ${LONGEST}`);
  const at = (beginning(id, way) + from) % SIZE;
  return TABLES[kind].subarray(at, at + length);
}

/** What arrives of a stream, held against it byte for byte. */
export class Comparison {
  seen = 0;
  #id;
  #way;

  constructor(id, way) {
    this.#id = id;
    this.#way = way;
  }

  /** Throws where a byte is not the stream's next one. */
  take(bytes) {
    for (let at = 0; at < bytes.length; at += LONGEST) {
      const part = bytes.subarray(at, at + LONGEST);
      const expected = slice(this.#id, this.#way, this.seen, part.length);
      if (!part.equals(expected)) {
        const wrong = part.findIndex((byte, i) => byte !== expected[i]);
        throw new Error(`stream ${this.#id}/${this.#way}: byte ${this.seen + wrong} is wrong`);
      }
      this.seen += part.length;
    }
  }
}

function table(byteOf) {
  const bytes = Buffer.alloc(SIZE + LONGEST);
  let state = 0x2545_f491;
  for (let i = 0; i < SIZE; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = byteOf(state >>> 8);
  }
  bytes.copyWithin(SIZE, 0, LONGEST);
  return bytes;
}

/** ASCII from `@` to `~`, with a line feed now and then. */
function letter(noise) {
  return (noise & 0xff00) < 0x0400 ? 0x0a : 0x40 + ((noise & 0xff) % 0x3f);
}

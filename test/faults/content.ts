/**
 * What a session's two sides send: bytes that follow from the seed, the session and the direction alone, so that a byte
 * of another session, or of another place, shows, and its owner can be told.
 */

/**
 * `text` is UTF-8 in cells of four bytes, `lines` ASCII with a line feed every 256 bytes on the average, `sparse`
 * deflates to some hundredths.
 */
export type Kind = 'binary' | 'text' | 'lines' | 'sparse';

/** A text may be cut between any two of these. */
export const CELL = 4;

/** All streams of sessions that are not over, by name. */
const living = new Map<string, Buffer>();

/** Any number of them may follow one another. */
export function mix(...numbers: readonly number[]): number {
  return numbers.reduce((state, number) => scramble(state ^ scramble(number + 0x9e37_79b9)), 0x5bd1_e995);
}

export function content(kind: Kind, key: number, bytes: number): Buffer {
  const cells = new Int32Array(Math.ceil(bytes / CELL));
  for (let i = 0; i < cells.length; i += 1) {
    const noise = scramble(key + Math.imul(kind === 'sparse' ? i >> 6 : i, 0x9e37_79b9));
    cells[i] = kind === 'text' ? characters(noise) : kind === 'lines' ? line(noise) : noise;
  }
  return Buffer.from(cells.buffer, 0, bytes);
}

/** A permutation of the numbers of 32 bits, in which neighbours have nothing in common. */
function scramble(value: number): number {
  let state = value ^ (value >>> 15);
  state = Math.imul(state, 0x2c1b_3c6d);
  state ^= state >>> 12;
  state = Math.imul(state, 0x297a_2d39);
  return state ^ (state >>> 15);
}

/** Four letters, or a letter behind a character of three bytes: of `€` with its last byte free. */
function characters(noise: number): number {
  const letters = 0x4040_4040 | (noise & 0x3f3f_3f3f);
  if (noise < 0) return letters;
  return (letters & 0x7f00_0000) | 0x0080_82e2 | (noise & 0x003f_0000);
}

function line(noise: number): number {
  const letters = 0x4040_4040 | (noise & 0x3f3f_3f3f);
  return noise >>> 26 === 0 ? (letters & 0x00ff_ffff) | 0x0a00_0000 : letters;
}

/** Holds what arrives against what is sent, byte for byte. */
export class Arrivals {
  readonly name: string;
  readonly expected: Buffer;
  /** How much has arrived, all of it right. */
  seen = 0;

  /** @param expected all that will ever be sent */
  constructor(name: string, expected: Buffer) {
    this.name = name;
    this.expected = expected;
    living.set(name, expected);
  }

  /** @returns what is wrong with these bytes, which come next */
  take(bytes: Uint8Array): string | undefined {
    const end = this.seen + bytes.length;
    if (end > this.expected.length)
      return `${this.name}: ${end} bytes have come, of ${this.expected.length} that there are; ${origin(bytes)}`;
    const right = this.expected.subarray(this.seen, end);
    if (!right.equals(bytes)) {
      const at = bytes.findIndex((byte, i) => byte !== right[i]);
      return `${this.name}: byte ${this.seen + at} is wrong; ${origin(bytes.subarray(at, at + 16))}`;
    }
    this.seen = end;
    return undefined;
  }

  /** The session is over. */
  forget(): void {
    living.delete(this.name);
  }
}

/** Whose bytes these are. */
function origin(bytes: Uint8Array): string {
  const some = Buffer.from(bytes.subarray(0, 16));
  const hex = some.toString('hex');
  for (const [name, stream] of living) {
    const at = some.length < 4 ? -1 : stream.indexOf(some);
    if (at >= 0) return `there came ${hex}, which is byte ${at} of ${name}`;
  }
  return `there came ${hex}, which nobody sends`;
}

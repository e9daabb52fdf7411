/**
 * What a stream of a test consists of: bytes that follow from the stream's number and the position alone, so that
 * megabytes can be compared without being kept, and a byte of another stream, or of another place, shows.
 *
 * A stream is made of cells of four bytes, whole characters each where it is text. All streams of a kind go round in one
 * table of 8 MiB, from a beginning of their own: sending costs no copy, and comparing is one call.
 */
import { SEED } from './randomness.ts';

/** `lines` is ASCII, with a line feed every 256 bytes on the average; `sparse` deflates to some hundredths. */
export type Kind = 'binary' | 'text' | 'lines' | 'sparse';

export const CELL = 4;

/** All there are, to tell whose wrong bytes are. */
const streams: Content[] = [];

/** A prime number of cells, so that streams which begin at different places of the table all differ. */
const CELLS = 2_097_143;
/** A cell of the table is `STRIDE` times the stream's number from its beginning. */
const STRIDE = 48_271;
/** The longest slice, in bytes: as much of the table's beginning stands once more behind its end. */
const LONGEST = 5_000_000;

const tables = new Map<Kind, Buffer>();

function tableOf(kind: Kind): Buffer {
  let table = tables.get(kind);
  if (table === undefined) {
    const cells = new Int32Array(CELLS + LONGEST / CELL);
    for (let i = 0; i < CELLS; i += 1) {
      const noise = scramble(SEED ^ (kind === 'sparse' ? i >> 6 : i));
      cells[i] = kind === 'text' ? characters(noise) : kind === 'lines' ? line(noise) : noise;
    }
    cells.copyWithin(CELLS, 0, LONGEST / CELL);
    table = Buffer.from(cells.buffer);
    tables.set(kind, table);
  }
  return table;
}

export class Content {
  readonly name: string;
  readonly kind: Kind;
  /** How much of it has been sent. */
  sent = 0;
  readonly #table: Buffer;
  readonly #begin: number;

  /** @param name for messages: `client 7 to its peer` */
  constructor(name: string, kind: Kind) {
    this.name = name;
    this.kind = kind;
    this.#table = tableOf(kind);
    this.#begin = ((streams.length * STRIDE) % CELLS) * CELL;
    streams.push(this);
  }

  /** The next bytes to be sent. */
  next(length: number): Buffer {
    const bytes = this.slice(this.sent, length);
    this.sent += length;
    return bytes;
  }

  /** Not to be changed: it lies in the table. */
  slice(from: number, length: number): Buffer {
    const at = (this.#begin + from) % (CELLS * CELL);
    return this.#table.subarray(at, at + length);
  }

  /** Where in this stream the place of its table comes up first, in bytes; -1: not in what has been sent. */
  offsetOf(place: number): number {
    const size = CELLS * CELL;
    const offset = (place - this.#begin + size) % size;
    return offset < this.sent ? offset : -1;
  }
}

/** A permutation of the numbers of 32 bits, in which neighbours have nothing in common. */
function scramble(value: number): number {
  const half = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b | 0);
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2_ae35 | 0);
  return whole ^ (whole >>> 16);
}

/** Four bytes of UTF-8, the first one lowest: characters of one, two or four bytes. */
function characters(noise: number): number {
  const bits = noise & 0x3f3f_3f3f;
  if (noise < 0) return 0x4040_4040 | bits;
  return (noise & 0x4000_0000) !== 0 ? 0x4040_80d0 | (bits & ~0x30) : 0x8080_90f0 | (bits & ~0x300f);
}

function line(noise: number): number {
  const bits = 0x4040_4040 | (noise & 0x3f3f_3f3f);
  return noise >>> 26 === 0 ? (bits & 0x00ff_ffff) | 0x0a00_0000 : bits;
}

/** Holds what arrives against what was sent, byte for byte. */
export class Comparison {
  readonly content: Content;
  /** How much has arrived. */
  seen = 0;

  constructor(content: Content) {
    this.content = content;
  }

  get complete(): boolean {
    return this.seen === this.content.sent;
  }

  take(bytes: Buffer): void {
    const expected = this.content.slice(this.seen, bytes.length);
    if (!bytes.equals(expected)) {
      const at = bytes.findIndex((byte, i) => byte !== expected[i]);
      throw new Error(
        `${this.content.name}: byte ${this.seen + at} is wrong; ${origin(bytes.subarray(at, at + 16))}`,
      );
    }
    this.seen += bytes.length;
    if (this.seen > this.content.sent) throw new Error(`${this.content.name}: more has come than was sent`);
  }
}

/** Whose bytes these are, as far as one can tell: of many long streams several have the same somewhere. */
function origin(bytes: Buffer): string {
  const places = new Map([...tables].map(([kind, table]) => [kind, table.indexOf(bytes)]));
  const owners = streams
    .filter(({ kind }) => places.get(kind)! >= 0)
    .map((stream) => ({ stream, at: stream.offsetOf(places.get(stream.kind)!) }))
    .filter(({ at }) => at >= 0)
    .map(({ stream, at }) => `byte ${at} of ${stream.name}`);
  const hex = bytes.toString('hex');
  if (owners.length === 0) return `there came what nobody has sent: ${hex}`;
  return `there came ${hex}, as in ${owners.slice(0, 3).join(', ')} (${owners.length} in all)`;
}

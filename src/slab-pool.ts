/**
 * Memory for bytes on their way, in one fixed buffer: one read slab, which all sockets read into, and output slabs.
 *
 * The rule that keeps one client's bytes from another: **what may stay behind when a read has been dealt with never
 * lies in the read slab.** The next read of any socket writes over it. So it is copied out, or unmasked out, into an
 * output slab; an output slab is lent to one user at a time and not lent again before the user has given it back and every
 * write out of it is over. Whoever keeps bytes longer than a call asks `isShared` (copy them) or `pin`s them.
 *
 * Slabs given back last are lent first: a daemon that is not held up touches one of them, and it stays in the cache.
 */

/** 64 KiB: Node's own size of a read. */
export const READ_BYTES = 64 * 1024;

/**
 * Of an output slab: a read, and an eighth of it for the headers of the messages that it is cut into. If they are shorter
 * than 16 bytes, the frames of one read leave in two writes.
 */
export const SLAB_BYTES = READ_BYTES + READ_BYTES / 8;

/**
 * 256 output slabs, 18 MiB of address space. A connection holds back at most three, and memory is touched only as they
 * are lent. When all are pinned, bytes go through the heap.
 */
const SLABS = 256;

/** What a pool takes of its buffer, behind `floor` bytes that are not its own. */
export const poolBytes = (floor: number): number => floor + READ_BYTES + SLABS * SLAB_BYTES;

/** An output slab, while it is lent. */
export interface Slab {
  readonly bytes: Buffer;
  /** Where its user goes on writing. */
  used: number;
}

interface Lendable extends Slab {
  /** Its user, and the writes that still read from it. */
  holders: number;
}

export class SlabPool {
  /** What sockets read into. Valid until the next read of any of them. */
  readonly readSlab: Buffer;
  readonly #buffer: ArrayBuffer;
  readonly #readStart: number;
  readonly #start: number;
  readonly #slabs: Lendable[] = [];
  readonly #free: Lendable[] = [];
  #lent = 0;

  /** @param floor the pool begins there, and takes `poolBytes(floor)` */
  constructor(buffer: ArrayBuffer, floor: number) {
    this.#buffer = buffer;
    this.#readStart = floor;
    this.#start = floor + READ_BYTES;
    this.readSlab = Buffer.from(buffer, floor, READ_BYTES);
  }

  /** Slabs that are lent or pinned. */
  get outstanding(): number {
    return this.#lent;
  }

  /** Lends a slab, to be given back by `release`. Undefined: there is none left. */
  take(): Slab | undefined {
    const slab = this.#free.pop() ?? this.#make();
    if (slab === undefined) return undefined;
    slab.holders = 1;
    slab.used = 0;
    this.#lent += 1;
    return slab;
  }

  /** Its user is done with it. */
  release(slab: Slab): void {
    this.#drop(slab as Lendable);
  }

  /** Whether bytes lie in the read slab: they are gone with the next read. */
  isShared(bytes: Uint8Array): boolean {
    if (bytes.buffer !== this.#buffer) return false;
    return bytes.byteOffset >= this.#readStart && bytes.byteOffset < this.#start;
  }

  /** The bytes, if they may be kept; else a copy. */
  own(bytes: Uint8Array): Uint8Array {
    return bytes.buffer === this.#buffer ? Buffer.from(bytes) : bytes;
  }

  /** Keeps the slab that bytes lie in, if they lie in one, until `unpin`. They must not lie in the read slab. */
  pin(bytes: Uint8Array): void {
    const slab = this.#slabOf(bytes);
    if (slab !== undefined) slab.holders += 1;
  }

  unpin(bytes: Uint8Array): void {
    const slab = this.#slabOf(bytes);
    if (slab !== undefined) this.#drop(slab);
  }

  #slabOf(bytes: Uint8Array): Lendable | undefined {
    if (bytes.buffer !== this.#buffer) return undefined;
    return this.#slabs[Math.floor((bytes.byteOffset - this.#start) / SLAB_BYTES)];
  }

  #drop(slab: Lendable): void {
    slab.holders -= 1;
    if (slab.holders > 0) return;
    this.#lent -= 1;
    this.#free.push(slab);
  }

  #make(): Lendable | undefined {
    const index = this.#slabs.length;
    if (index === SLABS) return undefined;
    const bytes = Buffer.from(this.#buffer, this.#start + index * SLAB_BYTES, SLAB_BYTES);
    const slab = { bytes, used: 0, holders: 0 };
    this.#slabs.push(slab);
    return slab;
  }
}

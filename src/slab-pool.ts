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

/** In front of a slab's payload, for the header of a message that begins there: 10 bytes are the longest. */
export const HEADROOM = 16;

/**
 * Of an output slab: a read, and an eighth of it for the headers of the messages that it is cut into. If they are shorter
 * than 16 bytes, the frames of one read leave in two writes.
 */
export const SLAB_BYTES = READ_BYTES + READ_BYTES / 8;

/**
 * 256 output slabs, 18 MiB of address space, touched only as they are lent. Most of the time one or two are. While more
 * than half of them are (`scarce`), whoever keeps bytes for long copies them to the heap, so that there is always one to
 * work in.
 */
const SLABS = 256;

/**
 * Slabs that single sockets may read into. A socket keeps its one until a read that does not fill it, which may be long if
 * the peer's last one did.
 */
const READERS = SLABS / 4;

/** What a pool takes of its buffer, behind `floor` bytes that are not its own. */
export const poolBytes = (floor: number): number => floor + READ_BYTES + SLABS * SLAB_BYTES;

/** An output slab, while it is lent. */
export interface Slab {
  readonly bytes: Buffer;
  /** Where its user goes on writing; first behind the headroom. */
  used: number;
}

/** A slab that one socket reads into, behind the headroom. */
export interface ReadingSlab extends Slab {
  readonly reading: Buffer;
}

interface Lendable extends ReadingSlab {
  /** Its user, and the writes that still read from it. */
  holders: number;
}

export class SlabPool {
  /** What sockets read into. Valid until the next read of any of them. */
  readonly readSlab: Buffer;
  readonly #buffer: ArrayBuffer;
  /** All of it. */
  readonly #memory: Uint8Array;
  readonly #start: number;
  readonly #slabs: Lendable[] = [];
  readonly #free: Lendable[] = [];
  #lent = 0;
  #reading = 0;

  /** @param floor the pool begins there, and takes `poolBytes(floor)` */
  constructor(buffer: ArrayBuffer, floor: number) {
    this.#buffer = buffer;
    this.#memory = new Uint8Array(buffer);
    this.#start = floor + READ_BYTES;
    this.readSlab = Buffer.from(buffer, floor, READ_BYTES);
  }

  /** Slabs that are lent or pinned. */
  get outstanding(): number {
    return this.#lent;
  }

  /** Whether more than half of them are lent: who may as well use the heap, should. */
  get scarce(): boolean {
    return this.#lent > SLABS / 2;
  }

  /** Lends a slab, to be given back by `release`. Undefined: there is none left. */
  take(): Slab | undefined {
    const slab = this.#free.pop() ?? this.#make();
    if (slab === undefined) return undefined;
    slab.holders = 1;
    slab.used = HEADROOM;
    this.#lent += 1;
    return slab;
  }

  /** Lends one for a single socket to read into, to be given back by `releaseReading`. Undefined: enough of them are lent. */
  takeReading(): ReadingSlab | undefined {
    if (this.#reading === READERS || this.scarce) return undefined;
    const slab = this.take() as Lendable | undefined;
    if (slab !== undefined) this.#reading += 1;
    return slab;
  }

  releaseReading(slab: ReadingSlab): void {
    this.#reading -= 1;
    this.release(slab);
  }

  /**
   * Copies `bytes[start, end)` to where `at` is in a slab, if they lie in memory of the pool's: within one memory that is
   * done without a view of either, which costs more than to copy a short message.
   *
   * @returns whether it has
   */
  copy(bytes: Uint8Array, start: number, end: number, slab: Slab, at: number): boolean {
    if (bytes.buffer !== this.#buffer) return false;
    const { byteOffset } = bytes;
    this.#memory.copyWithin(slab.bytes.byteOffset + at, byteOffset + start, byteOffset + end);
    return true;
  }

  /** Whether a write still reads from it. */
  isPinned(slab: Slab): boolean {
    return (slab as Lendable).holders > 1;
  }

  /**
   * Bytes of a slab with `length` more in front of them, which nobody uses. Undefined: there is no such room, since they
   * do not begin where a slab's payload does.
   */
  withHeadroom(bytes: Uint8Array, start: number, end: number, length: number): Buffer | undefined {
    if (bytes.buffer !== this.#buffer) return undefined;
    const at = bytes.byteOffset + start;
    const offset = at - this.#start;
    if (offset < 0 || offset % SLAB_BYTES !== HEADROOM) return undefined;
    return Buffer.from(this.#buffer, at - length, length + end - start);
  }

  /** Its user is done with it. */
  release(slab: Slab): void {
    this.#drop(slab as Lendable);
  }

  /** Whether bytes lie in memory of the kernel's. */
  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#buffer;
  }

  /**
   * Whether bytes lie where they may be written over behind this call: in the read slab; or in a slab that nobody holds,
   * which would be a mistake, and is not to become a leak.
   */
  isShared(bytes: Uint8Array): boolean {
    if (bytes.buffer !== this.#buffer) return false;
    const slab = this.#slabOf(bytes);
    return slab === undefined || slab.holders === 0;
  }

  /** The bytes, if they may be kept; else a copy. */
  own(bytes: Uint8Array): Uint8Array {
    return this.holds(bytes) ? Buffer.from(bytes) : bytes;
  }

  /** Keeps the slab that bytes lie in, if they lie in one, until `unpin`. They must not lie in the read slab. */
  pin(bytes: Uint8Array): void {
    const slab = this.#slabOf(bytes);
    if (slab === undefined) return;
    // Whoever pins holds it, or has it from somebody who does.
    if (slab.holders === 0) throw new Error('a slab was pinned that nobody holds');
    slab.holders += 1;
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
    if (slab.holders === 0) throw new Error('a slab was given back twice');
    slab.holders -= 1;
    if (slab.holders > 0) return;
    this.#lent -= 1;
    this.#free.push(slab);
  }

  #make(): Lendable | undefined {
    const index = this.#slabs.length;
    if (index === SLABS) return undefined;
    const bytes = Buffer.from(this.#buffer, this.#start + index * SLAB_BYTES, SLAB_BYTES);
    const slab = { bytes, reading: bytes.subarray(HEADROOM, HEADROOM + READ_BYTES), used: 0, holders: 0 };
    this.#slabs.push(slab);
    return slab;
  }
}

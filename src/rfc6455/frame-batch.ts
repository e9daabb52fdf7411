/**
 * Frames on their way out, header and payload side by side, so that all that one read brings about leaves in one write.
 *
 * Short payloads are copied behind their headers, into a slab where there are slabs; short messages that end with a
 * delimiter many at once, by the kernel. Long ones are passed on where they lie, in one gathered write with what has been
 * gathered before them: from some size on the copy costs more than the second buffer. One at the beginning of a slab has
 * room for its header in front, and needs no second buffer.
 */
import type { Slab } from '../slab-pool.ts';
import type { FastPath } from './connection-handler.ts';
import { headerLength, MAX_HEADER, writeHeader } from './frame-encoder.ts';
import { MAX_SHORT_FRAME, OUT } from './kernel.ts';

/**
 * Payloads from this size on are not copied. Measured: at 64 KiB, a full read of Node's, passing them on carries 1.1 to
 * 1.4 times as many bytes per CPU second as copying them; at 16 KiB the copy is 8 % ahead, at 1 KiB 40 %.
 */
const BY_REFERENCE = 32 * 1024;

export interface BatchWriter {
  /** Takes what is ready, as one write: one buffer, or a buffer and the large payload that follows it. */
  write(bytes: Uint8Array, more?: Uint8Array): void;
}

export class FrameBatch {
  #bytes: Uint8Array = NOTHING;
  #end = 0;
  readonly #writer: BatchWriter;
  readonly #fast: FastPath | undefined;
  /** What `#bytes` is, if it is not from the heap. */
  #slab: Slab | undefined;

  /** @param fast slabs that frames are gathered in; without them, or where they do not do, the heap */
  constructor(writer: BatchWriter, fast?: FastPath) {
    this.#writer = writer;
    this.#fast = fast;
  }

  /**
   * Adds a whole message or control frame. A payload of BY_REFERENCE bytes or more is sent from where it lies, and must
   * not change any more; in the read slab it will, and so it is copied from there whatever its size.
   *
   * @param first the opcode, or'ed with COMPRESSED where the message is
   * @param expected how many bytes the rest of the batch will about have: the size of the first allocation
   */
  add(first: number, payload: Uint8Array, start: number, end: number, expected = 0): void {
    const length = end - start;
    if (this.#end === 0 && this.#giveInPlace(first, payload, start, end)) return;
    const copied = length < BY_REFERENCE || this.#fast?.slabs.isShared(payload) === true;
    if (copied) this.#reserve(headerLength(length) + length, expected);
    else this.#reserve(MAX_HEADER, 0);
    this.#end = writeHeader(this.#bytes, this.#end, first, length);
    if (copied) {
      this.#copy(payload, start, end);
      this.#end += length;
    } else {
      this.#give(payload.subarray(start, end));
    }
  }

  #copy(payload: Uint8Array, start: number, end: number): void {
    if (this.#slab !== undefined && this.#fast!.slabs.copy(payload, start, end, this.#slab, this.#end))
      return;
    const whole = start === 0 && end === payload.length;
    this.#bytes.set(whole ? payload : payload.subarray(start, end), this.#end);
  }

  /** A large payload at the beginning of a slab has room for its header there. */
  #giveInPlace(first: number, payload: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length < BY_REFERENCE) return false;
    const frame = this.#fast?.slabs.withHeadroom(payload, start, end, headerLength(length));
    if (frame === undefined) return false;
    writeHeader(frame, 0, first, length);
    this.#writer.write(frame);
    return true;
  }

  /**
   * Adds whole messages that end with a delimiter of one or two bytes, each of at most 125 bytes, as many as the kernel can
   * see: they have to lie in its memory.
   *
   * @param first as for `add`
   * @returns where the first message begins that was not added
   */
  addShort(first: number, bytes: Uint8Array, start: number, end: number, delimiter: Uint8Array): number {
    const fast = this.#fast;
    if (fast === undefined || !fast.slabs.holds(bytes)) return start;
    const { byteOffset } = bytes;
    const last = delimiter[delimiter.length - 1]!;
    const before = delimiter.length > 1 ? delimiter[0]! : -1;
    let at = start;
    do {
      if (!this.#hasRoom(MAX_SHORT_FRAME)) return at;
      const base = this.#bytes.byteOffset;
      at =
        fast.kernel.frame(
          byteOffset + at,
          byteOffset + end,
          base + this.#end,
          base + this.#bytes.length,
          last,
          before,
          0x80 | first,
        ) - byteOffset;
      this.#end = fast.kernel.record[OUT]! - base;
      // It has stopped for want of room, or else at something that is not for it.
    } while (at < end && this.#bytes.length - this.#end < MAX_SHORT_FRAME);
    return at;
  }

  /** Whether there is, now, that much of a slab. */
  #hasRoom(length: number): boolean {
    if (this.#slab !== undefined && this.#end + length <= this.#bytes.length) return true;
    return this.#takeSlab();
  }

  /** Writes what has been added since the last flush. */
  flush(): void {
    if (this.#end > 0) this.#give();
    else this.#releaseSlab();
  }

  #give(more?: Uint8Array): void {
    const bytes = this.#end === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#end);
    const slab = this.#slab;
    // The bytes now belong to whoever writes them; if they lie in a slab, until it lets go of that.
    this.#bytes = NOTHING;
    this.#slab = undefined;
    this.#end = 0;
    this.#writer.write(bytes, more);
    if (slab !== undefined) this.#fast!.slabs.release(slab);
  }

  /** It was taken, and nothing has come of it. */
  #releaseSlab(): void {
    if (this.#slab === undefined) return;
    this.#fast!.slabs.release(this.#slab);
    this.#slab = undefined;
    this.#bytes = NOTHING;
  }

  #reserve(length: number, expected: number): void {
    const needed = this.#end + length;
    if (needed <= this.#bytes.length) return;
    if (this.#takeSlab()) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#bytes.length, expected));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }

  /** A slab does not grow: one that is full leaves, and the next one is begun. */
  #takeSlab(): boolean {
    if (this.#slab !== undefined) this.#give();
    else if (this.#end > 0) return false;
    this.#slab = this.#fast?.slabs.take();
    if (this.#slab === undefined) return false;
    this.#bytes = this.#slab.bytes;
    return true;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * Finds the end of a message that ends with fixed bytes.
 *
 * The search is Node's own, native one, which looks for one byte at less than a third of the price of a call that looks
 * for several: so the first byte of the delimiter is looked for, and where others follow it than those of the delimiter,
 * the whole. A stream full of first bytes then costs one call more for each message, and not one for each of them.
 *
 * When more bytes have come in it goes on behind those that were scanned, less one byte than the delimiter is long,
 * since the delimiter may have begun there. So a stream that dribbles costs at most its length times that of the
 * delimiter, which is why a delimiter has a longest length.
 */
import type { Framing } from '../api.ts';

/** The `next` of a framing whose messages reach up to and including `delimiter`. */
export function through(delimiter: Uint8Array): Framing['next'] {
  const overlap = delimiter.length - 1;
  return (buffer, start, end, scanned) => {
    const from = scanned > overlap ? start + scanned - overlap : start;
    const at = indexOf(upTo(buffer, end), delimiter, from);
    return at === -1 ? 0 : at + delimiter.length - start;
  };
}

/** The memory before `end`: behind it lies what is not ours, and a search must not run on into that. */
export function upTo(buffer: Uint8Array, end: number): Buffer {
  if (!Buffer.isBuffer(buffer)) return Buffer.from(buffer.buffer, buffer.byteOffset, end);
  return end === buffer.length ? buffer : buffer.subarray(0, end);
}

function indexOf(bytes: Buffer, delimiter: Uint8Array, from: number): number {
  const at = bytes.indexOf(delimiter[0]!, from);
  return at === -1 || liesAt(bytes, delimiter, at) ? at : bytes.indexOf(delimiter, at + 1);
}

/** Whether the delimiter goes on behind its first byte at `at`. */
function liesAt(bytes: Buffer, delimiter: Uint8Array, at: number): boolean {
  for (let i = 1; i < delimiter.length; i += 1) if (bytes[at + i] !== delimiter[i]) return false;
  return true;
}

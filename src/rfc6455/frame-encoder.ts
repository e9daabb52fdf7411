/**
 * Writes the headers of a server's frames (RFC 6455 §5.2) into the caller's memory.
 *
 * A server never masks (§5.1), and we never fragment: each message is one frame, its length in the fewest bytes.
 */

/** Added to the opcode of a compressed message: RSV1 (RFC 7692 §6). */
export const COMPRESSED = 0x40;

/** The longest header that a server's frame can have. */
export const MAX_HEADER = 10;

/** How long the header of a frame with so many bytes of payload is. */
export function headerLength(payloadLength: number): number {
  return payloadLength < 126 ? 2 : payloadLength < 0x1_0000 ? 4 : 10;
}

/**
 * Writes a header at `at`, where `headerLength(payloadLength)` bytes must be free, and returns where the payload goes.
 *
 * @param first the opcode, or'ed with COMPRESSED where the message is
 */
export function writeHeader(target: Uint8Array, at: number, first: number, payloadLength: number): number {
  target[at] = 0x80 | first; // FIN
  if (payloadLength < 126) {
    target[at + 1] = payloadLength;
    return at + 2;
  }
  if (payloadLength < 0x1_0000) {
    target[at + 1] = 126;
    target[at + 2] = payloadLength >> 8;
    target[at + 3] = payloadLength & 0xff;
    return at + 4;
  }
  target[at + 1] = 127;
  writeUint32(target, at + 2, Math.floor(payloadLength / 0x1_0000_0000));
  writeUint32(target, at + 6, payloadLength >>> 0);
  return at + 10;
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = (value >>> 16) & 0xff;
  target[at + 2] = (value >>> 8) & 0xff;
  target[at + 3] = value & 0xff;
}

/** Takes apart what a server wrote, by the picture in RFC 6455 §5.2. It knows no code of the project's. */
import { concat } from './bytes.ts';

export interface ServerFrame {
  readonly opcode: number;
  /** RSV1 is set (RFC 7692 §6). */
  readonly compressed: boolean;
  readonly payload: Uint8Array;
}

/** The frames in some writes, which must be whole, unmasked and unfragmented, with RSV2 and RSV3 clear. */
export function serverFrames(writes: readonly Uint8Array[]): ServerFrame[] {
  const wire = Buffer.from(concat(...writes));
  const frames: ServerFrame[] = [];
  let at = 0;
  while (at < wire.length) {
    const first = wire[at]!;
    if ((first & 0xb0) !== 0x80) throw new Error(`first byte ${first.toString(16)} at ${at}`);
    let length = wire[at + 1]!;
    at += 2;
    if (length === 126) {
      length = wire.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(wire.readBigUInt64BE(at));
      at += 8;
    }
    if (at + length > wire.length) throw new Error(`a frame is cut off at ${wire.length}`);
    const payload = wire.subarray(at, at + length);
    frames.push({ opcode: first & 0x0f, compressed: (first & 0x40) !== 0, payload });
    at += length;
  }
  return frames;
}

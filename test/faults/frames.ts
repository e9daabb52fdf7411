/**
 * Frames of RFC 6455 §5.2 as a client writes them and reads them. It shares no code with the daemon.
 */
export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

export const FIN = 0x80;
/** RFC 7692 §6: the message is compressed. */
export const RSV1 = 0x40;

/** The longest header of a client's frame is 14 bytes; its payload begins here, so that it can be masked in words. */
const ALIGNED = 16;

/** A masked frame with a minimal length. @param first FIN, the reserved bits and the opcode */
export function clientFrame(first: number, payload: Uint8Array, key: Buffer): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafeSlow(ALIGNED + length);
  const begin = ALIGNED - 6 - extended;
  frame[begin] = first;
  frame[begin + 1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, begin + 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), begin + 2);
  key.copy(frame, ALIGNED - 4);
  frame.set(payload, ALIGNED);
  const words = new Int32Array(frame.buffer, ALIGNED, length >> 2);
  const word = key.readInt32LE();
  for (let i = 0; i < words.length; i += 1) words[i] = words[i]! ^ word;
  for (let i = length & ~3; i < length; i += 1) frame[ALIGNED + i]! ^= key[i & 3]!;
  return frame.subarray(begin);
}

/** @param code undefined: a Close without a payload */
export function clientClose(code: number | undefined, reason: string, key: Buffer): Buffer {
  if (code === undefined) return clientFrame(FIN | CLOSE, Buffer.alloc(0), key);
  const payload = Buffer.concat([Buffer.of(code >> 8, code & 0xff), Buffer.from(reason)]);
  return clientFrame(FIN | CLOSE, payload, key);
}

/** Reads a server's frames, whole, as they come. What a server may never send is thrown. */
export class FrameReader {
  readonly #onFrame: (opcode: number, compressed: boolean, payload: Buffer) => void;
  #chunks: Buffer[] = [];
  #length = 0;
  /** Bytes that are needed before it is worth another look. */
  #wanted = 2;
  #closed = false;
  /** Messages may have RSV1 set. */
  compression = false;

  constructor(onFrame: (opcode: number, compressed: boolean, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** Whether the stream may end here. */
  get between(): boolean {
    return this.#length === 0;
  }

  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#wanted) return;
    let all = this.#chunks.length === 1 ? bytes : Buffer.concat(this.#chunks);
    for (;;) {
      const size = this.#frameIn(all);
      if (size === 0) break;
      all = all.subarray(size);
    }
    this.#chunks = all.length === 0 ? [] : [all];
    this.#length = all.length;
  }

  /** @returns the length of the frame that these bytes begin with; 0: it is not whole, and `wanted` bytes are needed */
  #frameIn(bytes: Buffer): number {
    this.#wanted = 2;
    if (bytes.length > 0 && this.#closed) throw new Error('bytes behind a Close (§5.5.1)');
    if (bytes.length < 2) return 0;
    const [first, second] = [bytes[0]!, bytes[1]!];
    const header = second === 127 ? 10 : second === 126 ? 4 : 2;
    this.#wanted = header;
    if (bytes.length < header) return 0;
    const length =
      header === 10 ? Number(bytes.readBigUInt64BE(2)) : header === 4 ? bytes.readUInt16BE(2) : second;
    this.#judge(first, second, length);
    this.#wanted = header + length;
    if (bytes.length < this.#wanted) return 0;
    const opcode = first & 0x0f;
    this.#closed = opcode === CLOSE;
    this.#onFrame(opcode, (first & RSV1) !== 0, bytes.subarray(header, header + length));
    return header + length;
  }

  /** §5.1, §5.2, §5.5: messages are whole and not masked, control frames short. */
  #judge(first: number, second: number, length: number): void {
    const opcode = first & 0x0f;
    const known = [TEXT, BINARY, CLOSE, PING, PONG].includes(opcode);
    const reserved = first & (this.compression && opcode < CLOSE ? 0x30 : 0x70);
    const minimal = second < 126 || length >= (second === 126 ? 126 : 65_536);
    if (
      !known ||
      reserved !== 0 ||
      first < FIN ||
      second > 127 ||
      !minimal ||
      (opcode >= CLOSE && second > 125)
    )
      throw new Error(`no frame of a server begins with ${first.toString(16)} ${second.toString(16)} (§5.2)`);
  }
}

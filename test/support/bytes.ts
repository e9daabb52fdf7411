/** Protocol bytes as tests write them down, and as failure messages show them. It knows no code of the project's. */

/** Bytes from hexadecimal digits, blanks anywhere: `hex('89 80 00000000')`. */
export function hex(digits: string): Uint8Array {
  const packed = digits.replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(packed)) throw new Error(`not hexadecimal: ${digits}`);
  return Uint8Array.from(packed.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** The digits of some bytes, without blanks. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** Bytes of a text whose characters are bytes: the heads of HTTP. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Bytes that repeat with no period near a power of two, so that a byte in the wrong place shows. */
export function counting(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 7 + 3) % 251);
}

export interface FrameParts {
  readonly opcode: number;
  readonly payload?: Uint8Array;
  readonly fin?: boolean;
  /** RSV1 to RSV3 as a number of three bits. */
  readonly rsv?: number;
  /** Four bytes; absent: the key of the examples in §5.7. `null`: the frame is not masked. */
  readonly key?: Uint8Array | null;
  /** Bits of the payload length: 7, 16 or 64. Absent: the fewest that hold it. */
  readonly bits?: 7 | 16 | 64;
}

/** A client's frame, also a wrong one, built by the picture in §5.2. For what is too long or too random to be written in hex. */
export function clientFrame(parts: FrameParts): Uint8Array {
  const { opcode, payload = new Uint8Array(0), fin = true, rsv = 0, key = hex('37fa213d') } = parts;
  const { length } = payload;
  const bits = parts.bits ?? (length < 126 ? 7 : length < 65_536 ? 16 : 64);
  const first = (fin ? 128 : 0) + rsv * 16 + opcode;
  const second = (key === null ? 0 : 128) + (bits === 7 ? length : bits === 16 ? 126 : 127);
  let digits = '';
  if (bits > 7) digits = length.toString(16).padStart(bits / 4, '0');
  const header = concat(Uint8Array.of(first, second), hex(digits), key ?? new Uint8Array(0));
  return concat(header, key === null ? payload : payload.map((byte, at) => byte ^ key[at % 4]!));
}

// Frames as a client writes and reads them (RFC 6455 §5), as little as can be: a load must cost less than what it loads.
// It shares no code with the daemon. A server's frame that breaks a rule is an exception.

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

const KNOWN = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG];

let lastKey = 0x1234_5678;

/** One masked frame of these parts, with a masking key of its own. */
export function frame(opcode, parts, fin = true) {
  const pieces = Array.isArray(parts) ? parts : [parts];
  const length = pieces.reduce((sum, one) => sum + one.length, 0);
  const header = length < 126 ? 6 : length < 0x10000 ? 8 : 14;
  const bytes = Buffer.allocUnsafe(header + length);
  bytes[0] = (fin ? 0x80 : 0) | opcode;
  bytes[1] = 0x80 | (length < 126 ? length : length < 0x10000 ? 126 : 127);
  if (header === 8) bytes.writeUInt16BE(length, 2);
  if (header === 14) bytes.writeBigUInt64BE(BigInt(length), 2);
  lastKey = (Math.imul(lastKey, 1_664_525) + 1_013_904_223) >>> 0;
  bytes.writeUInt32BE(lastKey, header - 4);
  let at = header;
  for (const piece of pieces) {
    piece.copy(bytes, at);
    at += piece.length;
  }
  mask(bytes, header, lastKey);
  return bytes;
}

function mask(bytes, from, key) {
  const keys = [key >>> 24, (key >>> 16) & 0xff, (key >>> 8) & 0xff, key & 0xff];
  for (let at = from; at < bytes.length; at += 1) bytes[at] ^= keys[(at - from) & 3];
}

export function closeFrame(code) {
  return frame(CLOSE, Buffer.from([code >> 8, code & 0xff]));
}

/** Reads a server's frames as they come; payloads of data are passed on in the pieces that they come in. */
export class FrameReader {
  #header = Buffer.alloc(10);
  #have = 0;
  #need = 2;
  /** Bytes of the payload that are still to come. */
  #left = 0;
  #opcode = 0;
  #control = [];
  #sink;

  /** @param sink `data(bytes)` and `control(opcode, payload)` */
  constructor(sink) {
    this.#sink = sink;
  }

  push(chunk) {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const part = chunk.subarray(at, at + this.#left);
        at += part.length;
        this.#payload(part);
      } else {
        this.#header[this.#have] = chunk[at];
        this.#have += 1;
        at += 1;
        if (this.#have === this.#need) this.#headerRead();
      }
    }
  }

  #headerRead() {
    const header = this.#header;
    const length = header[1] & 0x7f;
    if (this.#have === 2) {
      this.#judge(header[0], header[1]);
      if (length >= 126) {
        this.#need = length === 126 ? 4 : 10;
        return;
      }
    }
    this.#opcode = header[0] & 0x0f;
    this.#left =
      length < 126 ? length : length === 126 ? header.readUInt16BE(2) : Number(header.readBigUInt64BE(2));
    this.#have = 0;
    this.#need = 2;
    if (this.#left === 0 && this.#opcode >= CLOSE) this.#controlRead();
  }

  #judge(first, second) {
    const opcode = first & 0x0f;
    if ((second & 0x80) !== 0) throw new Error('a server must not mask (§5.1)');
    if ((first & 0x70) !== 0) throw new Error('RSV bits without an extension (§5.2)');
    if (!KNOWN.includes(opcode)) throw new Error(`reserved opcode ${opcode} (§5.2)`);
    if (opcode >= CLOSE && (second > 125 || (first & 0x80) === 0))
      throw new Error('a control frame long or fragmented (§5.5)');
  }

  #payload(part) {
    this.#left -= part.length;
    if (this.#opcode < CLOSE) {
      this.#sink.data(part);
    } else {
      this.#control.push(part);
      if (this.#left === 0) this.#controlRead();
    }
  }

  #controlRead() {
    const payload = Buffer.concat(this.#control);
    this.#control = [];
    this.#sink.control(this.#opcode, payload);
  }
}

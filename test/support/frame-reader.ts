/**
 * Reads a server's frames as they come, piece by piece: nothing is kept, so that megabytes cost no more than comparing
 * them. What a server may never send (RFC 6455 §5) is thrown.
 */
import { BINARY, CLOSE, PING, PONG, TEXT } from './raw-client.ts';

export interface FrameEvents {
  /** A piece of a data frame's payload, compressed if RSV1 is set. */
  onPayload(opcode: number, bytes: Buffer, rsv1: boolean): void;
  /** The message that those pieces made is complete. */
  onMessage(opcode: number, length: number): void;
  onControl(opcode: number, payload: Buffer): void;
}

const LONGEST_HEADER = 10;
const RSV1 = 0x40;

export class FrameReader {
  readonly #events: FrameEvents;
  readonly #compression: boolean;
  readonly #header = Buffer.alloc(LONGEST_HEADER);
  #headerLength = 0;
  #opcode = 0;
  #length = 0;
  /** Of the payload. */
  #left = 0;
  #control: Buffer[] = [];
  #closed = false;

  /** @param compression messages may have RSV1 set (RFC 7692 §6) */
  constructor(events: FrameEvents, compression = false) {
    this.#events = events;
    this.#compression = compression;
  }

  /** Whether the stream may end here: a frame that has begun is complete. */
  get between(): boolean {
    return this.#headerLength === 0;
  }

  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#closed) throw new Error('bytes behind a Close (§5.5.1)');
      if (!this.#headerComplete()) {
        this.#header[this.#headerLength] = bytes[at]!;
        this.#headerLength += 1;
        at += 1;
        if (this.#headerComplete()) this.#judge();
      } else {
        const piece = bytes.subarray(at, at + this.#left);
        at += piece.length;
        this.#left -= piece.length;
        if (this.#opcode < CLOSE)
          this.#events.onPayload(this.#opcode, piece, (this.#header[0]! & RSV1) !== 0);
        else this.#control.push(piece);
      }
      if (this.#headerComplete() && this.#left === 0) this.#finish();
    }
  }

  #headerComplete(): boolean {
    const [length, second] = [this.#headerLength, this.#header[1]!];
    return length >= 2 && length === (second === 127 ? 10 : second === 126 ? 4 : 2);
  }

  #judge(): void {
    const header = this.#header;
    const [first, second] = [header[0]!, header[1]!];
    this.#opcode = first & 0x0f;
    this.#length =
      second === 127 ? Number(header.readBigUInt64BE(2)) : second === 126 ? header.readUInt16BE(2) : second;
    this.#left = this.#length;
    const known = [TEXT, BINARY, CLOSE, PING, PONG].includes(this.#opcode);
    const minimal = second < 126 || this.#length >= (second === 126 ? 126 : 65_536);
    const rsv = this.#compression && this.#opcode < CLOSE ? first & (0x70 & ~RSV1) : first & 0x70;
    // Whole messages, unmasked; control frames of at most 125 bytes.
    if (
      first < 0x80 ||
      rsv !== 0 ||
      !known ||
      second > 127 ||
      !minimal ||
      (this.#opcode >= 8 && second > 125)
    )
      throw new Error(`no frame of a server begins so (§5.2): ${header.toString('hex')}`);
  }

  #finish(): void {
    this.#headerLength = 0;
    if (this.#opcode < CLOSE) {
      this.#events.onMessage(this.#opcode, this.#length);
      return;
    }
    this.#closed = this.#opcode === CLOSE;
    const payload = Buffer.concat(this.#control);
    this.#control = [];
    this.#events.onControl(this.#opcode, payload);
  }
}

/**
 * The other end of permessage-deflate (RFC 7692), for tests: it deflates and inflates one message at a time by Node's
 * zlib, and keeps the LZ77 window between messages itself, as the dictionary of the next one. So no state of zlib's
 * outlives a message, and what reaches farther back than was agreed fails.
 */
import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from 'node:zlib';
import { show } from './byte-stream.ts';

/** §7.2.1: what a flush ends with, removed from each message and put back by its receiver. */
export const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

/** A final block without compression that holds "end" (RFC 1951 §3.2.4). */
const END = Buffer.from([0x01, 0x03, 0x00, 0xfc, 0xff, 0x65, 0x6e, 0x64]);

/** What an end of the connection has seen so far, as much of it as the window holds. */
class Window {
  readonly bits: number;
  readonly #takeover: boolean;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(bits: number, takeover: boolean) {
    this.bits = bits;
    this.#takeover = takeover;
  }

  get options(): ZlibOptions {
    return this.#bytes.length > 0
      ? { windowBits: this.bits, dictionary: this.#bytes }
      : { windowBits: this.bits };
  }

  slide(message: Buffer): void {
    if (!this.#takeover) return;
    const size = 2 ** this.bits;
    // A copy, since a view would hold on to all of a large message.
    this.#bytes = Buffer.from(Buffer.concat([this.#bytes, message.subarray(-size)]).subarray(-size));
  }
}

export class Inflater {
  readonly #window: Window;

  constructor(windowBits = 15, takeover = true) {
    this.#window = new Window(windowBits, takeover);
  }

  /** §7.2.2. Throws for data that is corrupt, ends inside a block, or reaches back beyond the window. */
  message(payload: Uint8Array): Buffer {
    // zlib sees a distance only against the window and the piece of output that it is at: hence small pieces.
    const chunkSize = Math.max(64, 2 ** this.#window.bits);
    const input = Buffer.concat([payload, TAIL, END]);
    const output = inflateRawSync(input, { ...this.#window.options, chunkSize });
    // Missing where a final block came early, or where the message's end is not the end of a block.
    if (!output.subarray(-3).equals(END.subarray(-3)))
      throw new Error(`the payload does not end with its last block: ${show(Buffer.from(payload))}`);
    const message = output.subarray(0, -3);
    this.#window.slide(message);
    return message;
  }
}

export class Deflater {
  readonly #window: Window;

  constructor(windowBits = 15, takeover = true) {
    this.#window = new Window(windowBits, takeover);
  }

  /** §7.2.1: the payload of a message, its tail removed. */
  message(data: Uint8Array, options: ZlibOptions = {}): Buffer {
    return this.blocks(data, options).subarray(0, -TAIL.length);
  }

  /** Blocks that are not final and end with the tail: a part of a message. */
  blocks(data: Uint8Array, options: ZlibOptions = {}): Buffer {
    return this.#deflate(data, { ...options, finishFlush: constants.Z_SYNC_FLUSH });
  }

  /** Blocks whose last one has BFINAL set (§7.2.3.4): a part of a message. */
  final(data: Uint8Array, options: ZlibOptions = {}): Buffer {
    return this.#deflate(data, options);
  }

  #deflate(data: Uint8Array, options: ZlibOptions): Buffer {
    const output = deflateRawSync(data, { ...options, ...this.#window.options });
    this.#window.slide(Buffer.from(data));
    return output;
  }
}

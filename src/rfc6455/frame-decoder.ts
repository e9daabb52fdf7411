/**
 * Decodes the frames of a client (RFC 6455 §5), whatever the cuts of the reads.
 *
 * Headers are walked as a state machine and judged byte by byte, so that a broken rule is found as soon as it can be
 * and before anything is allocated for it. The payload of data frames is unmasked where it lies and handed on in
 * pieces, one per chunk; control frames are handed on whole. A broken rule is thrown as a Fault; after that, and after
 * `stop`, nothing more is decoded. `suspend` leaves the rest of a chunk for later.
 *
 * This is the definition. `decodeInto` does the same with the kernel (kernel.wat): ordinary frames, many in one go, are
 * unmasked out of the chunk into other memory, and for whatever is not ordinary the definition takes the next header.
 *
 * Cost: no allocation per data frame. It knows nothing of text, of messages as a whole or of answers; connection.ts does.
 */
import { Fault } from '../errors.ts';
import {
  ASCII,
  EACH,
  ENDS,
  FIN,
  HEADERS,
  KEY,
  type Kernel,
  LEFT,
  LENGTH,
  LOOK,
  MESSAGE,
  OPCODE,
  OUT,
  PIECE,
} from './kernel.ts';
import { turn, unmask } from './mask.ts';
import {
  BINARY,
  CONTINUATION,
  type ControlOpcode,
  type DataOpcode,
  isControl,
  isReserved,
  TEXT,
} from './opcodes.ts';

export interface FrameSink {
  /**
   * A piece of a message: `bytes[start, end)`, unmasked, in the memory that was decoded into. May be empty.
   * `opcode` is the message's; `ends` is true with the message's last piece; `ascii`, that all bytes are below 0x80.
   */
  onPiece(
    opcode: DataOpcode,
    bytes: Uint8Array,
    start: number,
    end: number,
    ends: boolean,
    ascii: boolean,
  ): void;
  /**
   * Pieces of any number of messages, side by side, of which nobody needs to see the bounds: binary, or text that is
   * ASCII where no character is open. Only from `decodeInto`, and not after `giveEach`.
   */
  onRun(bytes: Uint8Array, start: number, end: number): void;
  /** A whole control frame. The payload is a copy. */
  onControl(opcode: ControlOpcode, payload: Uint8Array): void;
}

/** §5.5. */
const MAX_CONTROL = 125;
/** Two bytes, eight of length, four of key. */
const MAX_HEADER = 14;
/** §5.2: the reserved bits of a frame's first byte, and the one that permessage-deflate uses. */
const RSV = 0x70;
const RSV1 = 0x40;
/** What of a frame's length the kernel is told: it sees no more than a chunk of it. */
const LONGEST = 0xffff_ffff;

/** Memory to decode into: an output slab (slab-pool.ts). */
export interface DecodeTarget {
  readonly bytes: Uint8Array;
  /** Up to where it is filled. */
  used: number;
}

export class FrameDecoder {
  readonly #sink: FrameSink;
  /** Largest message to be taken, judged from the frame headers. */
  #maxMessage = Number.POSITIVE_INFINITY;
  #stopped = false;
  #suspended = false;
  #compression = false;
  /** Control frames and empty fragments that may still come, and how many that are at first. */
  #allowance = Number.POSITIVE_INFINITY;
  #mostAllowance = Number.POSITIVE_INFINITY;

  /** A header that is split over chunks is gathered here, from the first one on. */
  #header: Uint8Array | undefined;
  #headerLength = 0;

  // The frame under way.
  #fin = false;
  #opcode = 0;
  /** The masking key as mask.ts wants it, turned to the next byte of payload. */
  #key = 0;
  #remaining = 0;
  #inPayload = false;
  #control: Uint8Array | undefined;

  // The message under way: its opcode (0: none), whether it is compressed, and the length of its frames so far.
  #message = 0;
  #compressed = false;
  #messageLength = 0;

  /** Whether pieces are handed on one by one: always, or while a message may have a character open. */
  #each = false;
  #mixed = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Whether the message whose payload is handed on is compressed. */
  get compressed(): boolean {
    return this.#compressed;
  }

  /** From now on messages may be compressed (RFC 7692 §6). */
  allowCompression(): void {
    this.#compression = true;
  }

  /** From now on `decodeInto` hands on each piece by itself. */
  giveEach(): void {
    this.#each = true;
  }

  /**
   * From now on a message of more bytes than this is a Fault `message-too-large`. Not so a compressed one, whose frames
   * say nothing of its length: whoever inflates it has to see to that.
   */
  limitMessages(bytes: number): void {
    this.#maxMessage = bytes;
  }

  /**
   * From now on more control frames and empty fragments than this between two calls of `refill` are a Fault
   * `control-rate`: they carry no payload whose taker could hold the client back.
   */
  limitControl(frames: number): void {
    this.#mostAllowance = frames;
    this.refill();
  }

  refill(): void {
    this.#allowance = this.#mostAllowance;
  }

  /** Decodes nothing more: a Close came, or the connection failed. Has effect at once, also from within a callback. */
  stop(): void {
    this.#stopped = true;
  }

  /** From within a callback: `decode` comes back without looking at what is left of the chunk. */
  suspend(): void {
    this.#suspended = true;
  }

  /**
   * Takes the next chunk, or what was left of one. Unmasks it in place. Throws a Fault for a frame that breaks RFC 6455.
   *
   * @returns how many bytes it has taken: all of them, unless it was suspended or stopped
   */
  decode(chunk: Uint8Array): number {
    const end = chunk.length;
    let at = 0;
    this.#suspended = false;
    try {
      while (at < end && !this.#stopped && !this.#suspended) {
        at = this.#inPayload ? this.#takePayload(chunk, at, end) : this.#takeHeader(chunk, at, end);
      }
      return at;
    } catch (error) {
      // §7.1.7: once the connection has failed, nothing more of it is looked at.
      this.#stopped = true;
      throw error;
    }
  }

  /**
   * The same by the kernel: out of `chunk`, in which it unmasks control frames alone, into `target`. Both lie in the
   * kernel's memory, and `target` has room for as many bytes as `chunk` has. No message may be compressed.
   */
  decodeInto(chunk: Uint8Array, target: DecodeTarget, kernel: Kernel): number {
    const end = chunk.length;
    let at = 0;
    this.#suspended = false;
    try {
      while (at < end && !this.#stopped && !this.#suspended) {
        const to = this.#ordinary ? this.#run(chunk, at, target, kernel) : at;
        if (to > at) at = to;
        else at = this.#inPayload ? this.#takePayload(chunk, at, end) : this.#takeHeader(chunk, at, end);
      }
      return at;
    } catch (error) {
      this.#stopped = true;
      throw error;
    }
  }

  /** Whether the kernel may go on: neither within a header nor within a control frame. */
  get #ordinary(): boolean {
    return this.#inPayload ? this.#control === undefined : this.#headerLength === 0;
  }

  /** Lets the kernel go on at `at`, hands on what comes of it, and returns up to where it came. */
  #run(chunk: Uint8Array, at: number, target: DecodeTarget, kernel: Kernel): number {
    const { record } = kernel;
    const each = this.#each || this.#mixed;
    record[LEFT] = this.#remaining < LONGEST ? this.#remaining : LONGEST;
    record[KEY] = this.#key;
    record[MESSAGE] = this.#message;
    record[FIN] = this.#fin ? 1 : 0;
    record[EACH] = each ? 1 : 0;
    const { bytes, used: start } = target;
    const { byteOffset } = chunk;
    const base = bytes.byteOffset;
    const to = kernel.run(byteOffset + at, byteOffset + chunk.length, base + start) - byteOffset;

    // All of it is read before anybody is told, who might let another connection's run write over it.
    const end = record[OUT]! - base;
    const piece = record[PIECE]! - base;
    const look = record[LOOK] === 1;
    const ends = record[ENDS] === 1;
    const ascii = record[ASCII] === 1;
    const begins = this.#message === 0;
    target.used = end;
    this.#key = record[KEY]! | 0;
    this.#fin = record[FIN] === 1;
    this.#message = look ? record[OPCODE]! : record[MESSAGE]!;
    if (record[HEADERS] === 0) {
      this.#remaining -= end - start;
    } else {
      this.#remaining = record[LEFT]!;
      // A limit goes with `giveEach`, so that no frame is missed.
      if (look) this.#countPayload(record[LENGTH]!, begins);
    }
    this.#inPayload = this.#remaining > 0;
    if (piece > start) this.#sink.onRun(bytes, start, piece);
    if (look && !this.#stopped) this.#give(bytes, piece, end, ends, ascii);
    return to;
  }

  /** Takes as much of a header as there is. Most headers lie whole in the chunk and are read where they lie. */
  #takeHeader(chunk: Uint8Array, at: number, end: number): number {
    if (this.#headerLength === 0 && end - at >= MAX_HEADER) {
      this.#judgeFirst(chunk[at]!);
      this.#judgeSecond(chunk[at + 1]!);
      const lengthEnd = at + 2 + extendedLength(chunk[at + 1]!);
      this.#judgeLength(chunk, at + 1);
      this.#setKey(chunk, lengthEnd);
      this.#beginPayload(chunk, lengthEnd + 4);
      return lengthEnd + 4;
    }
    this.#header ??= new Uint8Array(MAX_HEADER);
    const header = this.#header;
    const byte = chunk[at]!;
    header[this.#headerLength] = byte;
    this.#headerLength += 1;
    const length = this.#headerLength;
    if (length === 1) this.#judgeFirst(byte);
    if (length === 2) this.#judgeSecond(byte);
    if (length >= 2) {
      const lengthEnd = 2 + extendedLength(header[1]!);
      if (length === lengthEnd) this.#judgeLength(header, 1);
      if (length === lengthEnd + 4) {
        this.#setKey(header, lengthEnd);
        this.#headerLength = 0;
        this.#beginPayload(chunk, at + 1);
      }
    }
    return at + 1;
  }

  #judgeFirst(byte: number): void {
    const opcode = byte & 0x0f;
    // §5.2: RSV1–3 must be 0 unless an extension has given them a meaning.
    if ((byte & RSV) !== 0) this.#judgeRsv(byte & RSV, opcode);
    // §5.2: an unknown opcode fails the connection.
    if (isReserved(opcode)) throw new Fault('opcode-reserved', { opcode });
    this.#fin = (byte & 0x80) !== 0;
    this.#opcode = opcode;
    if (isControl(opcode)) {
      // §5.5: control frames must not be fragmented.
      if (!this.#fin) throw new Fault('control-fragmented', { opcode });
    } else if (opcode === CONTINUATION) {
      // §5.4: a continuation continues something.
      if (this.#message === 0) throw new Fault('continuation-unexpected');
    } else {
      // §5.4: the fragments of one message must not be interleaved with those of another.
      if (this.#message !== 0) throw new Fault('message-interrupted', { opcode });
      this.#message = opcode;
      this.#compressed = (byte & RSV1) !== 0;
    }
  }

  /** RFC 7692 §6: permessage-deflate gives RSV1 a meaning on the first frame of a data message, and nowhere else. */
  #judgeRsv(rsv: number, opcode: number): void {
    const marked = this.#compression && rsv === RSV1 && (opcode === TEXT || opcode === BINARY);
    if (!marked) throw new Fault('rsv-set', { rsv: rsv >> 4 });
  }

  #judgeSecond(byte: number): void {
    // §5.1: a client masks every frame.
    if ((byte & 0x80) === 0) throw new Fault('mask-missing');
    // §5.5: at most 125 bytes.
    if (isControl(this.#opcode) && (byte & 0x7f) > MAX_CONTROL) throw new Fault('control-too-long');
  }

  /** Reads the payload length; `at` is where the header's second byte stands. */
  #judgeLength(header: Uint8Array, at: number): void {
    const short = header[at]! & 0x7f;
    let length = short;
    if (short === 126) {
      length = (header[at + 1]! << 8) | header[at + 2]!;
      // §5.2: the minimal number of bytes must be used.
      if (length < 126) throw new Fault('length-not-minimal', { length });
    } else if (short === 127) {
      const high = uint32(header, at + 1);
      // §5.2: the most significant bit must be 0.
      if (high >= 0x8000_0000) throw new Fault('length-invalid');
      // From 2^53 on a length is no longer exact in a JavaScript number; nobody sends that much.
      if (high >= 0x20_0000) throw new Fault('frame-too-large', { maximum: Number.MAX_SAFE_INTEGER });
      length = high * 0x1_0000_0000 + uint32(header, at + 5);
      if (length < 0x1_0000) throw new Fault('length-not-minimal', { length });
    }
    this.#remaining = length;
    const begins = this.#opcode !== CONTINUATION;
    const control = isControl(this.#opcode);
    if (control || (length === 0 && !(begins && this.#fin))) this.#spendAllowance();
    if (!control) this.#countPayload(length, begins);
  }

  #spendAllowance(): void {
    this.#allowance -= 1;
    if (this.#allowance < 0) throw new Fault('control-rate', { maximum: this.#mostAllowance });
  }

  /** @param begins whether it is the message's first frame */
  #countPayload(length: number, begins: boolean): void {
    this.#messageLength = begins ? length : this.#messageLength + length;
    if (this.#messageLength > this.#maxMessage && !this.#compressed) {
      throw new Fault('message-too-large', { actual: this.#messageLength, maximum: this.#maxMessage });
    }
  }

  #setKey(header: Uint8Array, at: number): void {
    this.#key = header[at]! | (header[at + 1]! << 8) | (header[at + 2]! << 16) | (header[at + 3]! << 24);
  }

  #beginPayload(chunk: Uint8Array, at: number): void {
    this.#control = isControl(this.#opcode) ? new Uint8Array(this.#remaining) : undefined;
    this.#inPayload = true;
    // An empty payload is complete with its header, even at the end of the chunk.
    if (this.#remaining === 0) this.#takePayload(chunk, at, at);
  }

  #takePayload(chunk: Uint8Array, at: number, end: number): number {
    const to = end - at < this.#remaining ? end : at + this.#remaining;
    const ascii = unmask(chunk, at, to, this.#key);
    this.#key = turn(this.#key, to - at);
    const control = this.#control;
    if (control !== undefined) {
      control.set(chunk.subarray(at, to), control.length - this.#remaining);
    }
    this.#remaining -= to - at;
    const frameEnds = this.#remaining === 0;
    if (frameEnds) this.#inPayload = false;
    if (control === undefined) this.#give(chunk, at, to, frameEnds && this.#fin, ascii);
    else if (frameEnds) {
      // The kernel, which begins the next frame, knows nothing of control frames.
      this.#control = undefined;
      this.#sink.onControl(this.#opcode as ControlOpcode, control);
    }
    return to;
  }

  /** Hands on a piece of the message under way. */
  #give(bytes: Uint8Array, start: number, end: number, ends: boolean, ascii: boolean): void {
    const opcode = this.#message as DataOpcode;
    if (ends) {
      this.#message = 0;
      this.#mixed = false;
    } else if (opcode === TEXT && !ascii) {
      this.#mixed = true;
    }
    this.#sink.onPiece(opcode, bytes, start, end, ends, ascii);
  }
}

/** How many bytes of length follow a header's second byte. */
function extendedLength(second: number): number {
  const short = second & 0x7f;
  return short === 126 ? 2 : short === 127 ? 8 : 0;
}

function uint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

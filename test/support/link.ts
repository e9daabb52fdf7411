/**
 * One client of the daemon's and its peer, both ends in the test's hands: each may send, stall, go on, close or vanish,
 * and every byte that arrives is compared at once with what was sent.
 *
 * The client's first message is the link's number, by which the peer's end is found. Whatever goes wrong is told to
 * `fail`, once the link has begun.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { CELL, Comparison, Content, type Kind } from './content.ts';
import { Deflater, Inflater } from './deflate.ts';
import { FrameReader } from './frame-reader.ts';
import type { Random } from './randomness.ts';
import { randomCuts } from './randomness.ts';
import { BINARY, CLOSE, clientClose, clientFrame, PING, PONG, request, TEXT } from './raw-client.ts';

export interface LinkOptions {
  readonly framing?: 'binary' | 'auto' | 'newline';
  /** What the client sends. @default binary */
  readonly up?: Kind;
  /** What the peer sends. Must be `lines` for the framing `newline`. @default binary */
  readonly down?: Kind;
  /** @default a stream peer at a Unix socket */
  readonly peer?: 'unix' | 'tcp' | 'echo';
  /** Offers permessage-deflate, and sends most of its messages compressed. @default false */
  readonly compression?: boolean;
  /** Frames of so many bytes in all go out in one write with the request. */
  readonly early?: number;
  /** The path of a Unix socket: its other end decides when the peer is dialled. */
  readonly gate?: string;
  /** The request goes out in so many pieces, each when `sendHead` is called. */
  readonly pieces?: number;
}

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const DIGITS = 4;

export class Link {
  readonly number: number;
  readonly client: Socket;
  readonly up: Content;
  readonly toPeer: Comparison;
  readonly down: Content;
  readonly toClient: Comparison;
  readonly #options: LinkOptions;
  readonly #random: Random;
  readonly #fail: (error: unknown) => void;
  readonly #reader: FrameReader;
  /** With compression: our own two ends of it, and what there is of a message from the daemon. */
  readonly #deflater = new Deflater();
  readonly #inflater = new Inflater();
  #deflated: Buffer[] = [];
  readonly #head: Buffer[];
  readonly #accept: string;
  #peer: Socket | undefined;
  #response = '';
  open = false;
  /** Of an echo: what is still to come back. */
  #messages: { readonly opcode: number; readonly length: number }[] = [];
  #message = 0;
  readonly #pings: string[] = [];
  #answered = 0;
  /** One side has vanished: what is under way may be lost. */
  broken = false;
  /** Who has ended it. What the other side had still under way then may be lost, and Pongs too. */
  closedBy: 'client' | 'peer' | undefined;
  /** That the server's Close has to have. */
  #status = 1000;
  #clientEnded = false;
  #peerEnded = false;
  /** The server's Close, if there has been one. */
  closed: number | undefined;

  constructor(
    number: number,
    client: Socket,
    target: string,
    options: LinkOptions,
    random: Random,
    fail: (error: unknown) => void,
  ) {
    this.number = number;
    this.client = client;
    this.#options = options;
    this.#random = random;
    this.#fail = (error) => fail(error instanceof Error ? error : new Error(String(error)));
    this.up = new Content(`client ${number} to its peer`, options.up ?? 'binary');
    this.toPeer = new Comparison(this.up);
    this.down = this.echoes ? this.up : new Content(`peer ${number} to its client`, options.down ?? 'binary');
    this.toClient = new Comparison(this.down);
    const events = {
      onPayload: (opcode: number, bytes: Buffer, rsv1: boolean) => this.#payload(opcode, bytes, rsv1),
      onMessage: (opcode: number, length: number) => this.#messageEnd(opcode, length),
      onControl: (opcode: number, payload: Buffer) => this.#control(opcode, payload),
    };
    this.#reader = new FrameReader(events, options.compression);
    const key = random.bytes(16).toString('base64');
    this.#accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
    const head = request({
      requestLine: `GET /${this.name}${target} HTTP/1.1`,
      replace: { 'Sec-WebSocket-Key': key },
      add: [
        `Sec-WebSocket-Protocol: ${this.name}`,
        ...(options.compression ? ['Sec-WebSocket-Extensions: permessage-deflate'] : []),
      ],
    });
    const hello = this.echoes ? [] : [clientFrame(BINARY, String(number).padStart(DIGITS, '0'))];
    const early = this.frames(options.early ?? 0);
    this.#head = randomCuts(Buffer.concat([head, ...hello]), options.pieces ?? 1, random);
    this.#head[this.#head.length - 1] = Buffer.concat([this.#head.at(-1)!, ...early]);
    client.on('data', (bytes) => this.#guard(() => this.#clientBytes(bytes)));
    client.on('end', () => {
      this.#clientEnded = true;
      client.end();
    });
    client.on('error', (error) => this.#broke(error));
  }

  get name(): string {
    return `link-${this.number}`;
  }

  get echoes(): boolean {
    return this.#options.peer === 'echo';
  }

  get peer(): Socket {
    return this.#peer!;
  }

  /** The 101 has come, and the peer is known. */
  get ready(): boolean {
    return this.open && (this.echoes || this.#peer !== undefined);
  }

  /** Everything that was sent has arrived, in both directions. */
  get settled(): boolean {
    if (this.broken) return true;
    const pongs = this.#answered === this.#pings.length;
    const messages = this.#message === this.#messages.length;
    return pongs && messages && this.toClient.complete && (this.echoes || this.toPeer.complete);
  }

  /** Both connections have come to their end. */
  get over(): boolean {
    return this.client.destroyed && (this.#peer === undefined || this.#peer.destroyed);
  }

  /** Sends the next piece of the request; true: it was the last one. */
  sendHead(): boolean {
    this.client.write(this.#head.shift()!);
    return this.#head.length === 0;
  }

  /** The peer's end of this link, and what it has been sent already behind the number. */
  attach(peer: Socket, first: Buffer): void {
    this.#peer = peer;
    peer.on('end', () => {
      this.#peerEnded = true;
      peer.end();
    });
    peer.on('error', (error) => this.#broke(error));
    const take = (bytes: Buffer) => this.#guard(() => this.toPeer.take(bytes));
    if (first.length > 0) take(first);
    peer.on('data', take);
  }

  /** Frames with the next bytes of the client: of all sizes, some in fragments, each with a mask of its own. */
  frames(bytes: number): Buffer[] {
    const random = this.#random;
    const text = this.up.kind === 'text' || this.up.kind === 'lines';
    const opcode = text ? TEXT : BINARY;
    const frames: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const most = random.pick([8, 125, 4_000, 70_000, 200_000]);
      // A message of text ends with a character.
      let length = Math.min(left, random.int(1, most));
      if (text) length = Math.ceil(length / CELL) * CELL;
      left -= length;
      if (random.int(1, 50) === 1) frames.push(...this.#fragments(opcode, Buffer.alloc(0), 1));
      frames.push(...this.#fragments(opcode, this.up.next(length), random.pick([1, 1, 1, 2, 4])));
    }
    return frames;
  }

  #fragments(opcode: number, message: Buffer, count: number): Buffer[] {
    if (this.echoes) this.#messages.push({ opcode, length: message.length });
    const random = this.#random;
    // Only where it was agreed on: no early frames.
    const deflated = this.#options.compression && this.open && message.length > 0 && random.int(1, 4) > 1;
    const payload = deflated ? this.#deflater.message(message, { level: 1 }) : message;
    const pieces = payload.length === 0 ? [payload] : randomCuts(payload, count, random);
    return pieces.map((piece, i) => {
      const fin = i === pieces.length - 1 ? 0x80 : 0;
      return maskedFrame(fin | (i > 0 ? 0 : deflated ? opcode | RSV1 : opcode), piece, random.bytes(4));
    });
  }

  /** The client sends so many bytes (text: up to three more), in writes that end anywhere; some with Pings between. */
  sendUp(bytes: number, { pings = 0 } = {}): void {
    for (const piece of this.piecesUp(bytes, this.#random.int(1, 5), pings)) this.client.write(piece);
  }

  /** What `sendUp` would write, for the test to write in its own time, but in this order. */
  piecesUp(bytes: number, count: number, pings = 0): Buffer[] {
    const frames = this.frames(bytes);
    // Between any two frames: also between fragments. Their order counts, and so they are made in it.
    const places = Array.from({ length: pings }, () => this.#random.int(0, frames.length));
    const wire = [...frames, NOTHING].flatMap((frame, i) => [
      ...places.filter((place) => place === i).map(() => this.#pingFrame()),
      frame,
    ]);
    return randomCuts(Buffer.concat(wire), count, this.#random);
  }

  #pingFrame(): Buffer {
    const payload = `${this.name} ping ${this.#pings.length} `.padEnd(this.#random.int(24, 125), '.');
    this.#pings.push(payload);
    return clientFrame(PING, payload, { mask: this.#random.bytes(4) });
  }

  /** The peer sends so many bytes (lines: up to the end of one), in writes that end anywhere. */
  sendDown(bytes: number): void {
    for (const piece of this.piecesDown(bytes, this.#random.int(1, 5))) this.peer.write(piece);
  }

  /** What `sendDown` would write. */
  piecesDown(bytes: number, count: number): Buffer[] {
    const parts = [this.down.next(this.down.kind === 'lines' ? Math.ceil(bytes / CELL) * CELL : bytes)];
    while (this.down.kind === 'lines' && parts.at(-1)!.at(-1) !== LF) parts.push(this.down.next(CELL));
    return randomCuts(Buffer.concat(parts), count, this.#random);
  }

  close(by: 'client' | 'peer'): void {
    this.closedBy = this.echoes ? 'client' : by;
    if (this.closedBy === 'client') this.client.write(clientClose(1000, this.name));
    else this.peer.end();
  }

  /** The client breaks a rule behind good frames of so many bytes, in the same write: those arrive, and then it is over. */
  breakRule(bytes: number): void {
    this.closedBy = 'client';
    this.#status = 1002;
    this.client.write(Buffer.concat([...this.frames(bytes), UNMASKED]));
  }

  /** Vanishes without a word; what it has not read is lost, and so may be what it has sent. */
  vanish(side: 'client' | 'peer'): void {
    this.broken = true;
    const socket = side === 'client' || this.echoes ? this.client : this.peer;
    // Only TCP can be reset; a Unix socket with unread bytes is, when it closes.
    if (socket.remoteAddress !== undefined) socket.resetAndDestroy();
    else socket.destroy();
  }

  /** Nothing was cut off. */
  checkEnd(): void {
    if (this.broken) return;
    const { name } = this;
    if (this.closed !== this.#status) throw new Error(`${name}: closed with ${this.closed}`);
    if (!this.#reader.between) throw new Error(`${name}: the last frame is not complete`);
    const inTime = this.closedBy === 'client' && !this.echoes ? this.toPeer : this.toClient;
    if (!inTime.complete) throw new Error(`${name}: not all has come: ${this.progress}`);
    if (!this.#clientEnded || !(this.echoes || this.#peerEnded)) throw new Error(`${name}: no orderly end`);
  }

  get progress(): string {
    const { up, toPeer, down, toClient } = this;
    const peer = this.echoes ? 'an echo' : `${toPeer.seen} of ${up.sent}`;
    return (
      `${this.name}: to the peer ${peer}, to the client ${toClient.seen} of ${down.sent}, ` +
      `pongs ${this.#answered} of ${this.#pings.length}`
    );
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #broke(error: Error): void {
    if (!this.broken) this.#fail(new Error(`${this.name}: ${error.message}`));
  }

  #clientBytes(bytes: Buffer): void {
    if (this.open) {
      this.#reader.push(bytes);
      return;
    }
    this.#response += bytes.toString('latin1');
    const end = this.#response.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#response.slice(0, end + 2);
    const mine = [`sec-websocket-accept: ${this.#accept}\r\n`, `sec-websocket-protocol: ${this.name}\r\n`];
    if (this.#options.compression) mine.push('sec-websocket-extensions: permessage-deflate\r\n');
    const folded = head.toLowerCase();
    if (!head.startsWith('HTTP/1.1 101 ') || !mine.every((line) => folded.includes(line.toLowerCase())))
      throw new Error(`${this.name}: not the answer to its request: ${head}`);
    this.open = true;
    this.#reader.push(Buffer.from(this.#response.slice(end + 4), 'latin1'));
    this.#response = '';
  }

  #payload(opcode: number, bytes: Buffer, rsv1: boolean): void {
    const { framing = 'binary' } = this.#options;
    if (!this.echoes && framing === 'binary' && opcode !== BINARY)
      throw new Error(`${this.name}: a message of text`);
    if (rsv1) this.#deflated.push(bytes);
    else this.toClient.take(bytes);
  }

  #messageEnd(opcode: number, size: number): void {
    const { framing } = this.#options;
    let length = size;
    if (this.#deflated.length > 0) {
      const message = this.#inflater.message(Buffer.concat(this.#deflated));
      this.#deflated = [];
      this.toClient.take(message);
      length = message.length;
    }
    if (this.echoes) {
      const expected = this.#messages[this.#message]!;
      this.#message += 1;
      if (expected.opcode !== opcode || expected.length !== length)
        throw new Error(`${this.name}: message ${this.#message} is no echo (${opcode}, ${length} bytes)`);
    } else if (framing === 'newline' && !this.broken) {
      // Of a peer that vanishes the rest may be less.
      const { seen } = this.toClient;
      const ends = this.down.slice(seen - length, length).indexOf(LF) === length - 1;
      if (!ends || opcode !== TEXT) throw new Error(`${this.name}: a message is not one line`);
    }
  }

  #control(opcode: number, payload: Buffer): void {
    if (opcode === PONG) {
      // §5.5.3: of several Pings only the latest need be answered.
      const at = this.#pings.indexOf(payload.toString('latin1'), this.#answered);
      if (at < 0) throw new Error(`${this.name}: a Pong that nobody asked for: ${payload}`);
      this.#answered = at + 1;
    } else if (opcode === CLOSE) {
      this.closed = payload.readUInt16BE();
      if (this.closedBy === undefined && !this.broken)
        throw new Error(`${this.name}: closed with ${this.closed} ${payload.toString('utf8', 2)}`);
      if (this.client.writable) this.client.write(clientClose(this.closed));
    } else {
      throw new Error(`${this.name}: opcode ${opcode}`);
    }
  }
}

/** What `clientFrame` makes, with the mask applied a word at a time: there are hundreds of megabytes. */
function maskedFrame(first: number, payload: Buffer, mask: Buffer): Buffer {
  const { length } = payload;
  const header = clientFrame(first & 0x0f, '', { mask, announce: length });
  header[0] = first;
  const frame = Buffer.allocUnsafeSlow(ALIGNED + length);
  const begin = ALIGNED - header.length;
  header.copy(frame, begin);
  payload.copy(frame, ALIGNED);
  const words = new Int32Array(frame.buffer, ALIGNED, length >> 2);
  const word = new Int32Array(new Uint8Array(mask).buffer)[0]!;
  for (let i = 0; i < words.length; i += 1) words[i] = words[i]! ^ word;
  for (let i = length & ~3; i < length; i += 1) frame[ALIGNED + i]! ^= mask[i & 3]!;
  return frame.subarray(begin);
}

/** Of a masked frame's payload: the header, of at most 14 bytes, stands before it. */
const ALIGNED = 16;
const LF = 0x0a;
const RSV1 = 0x40;
const NOTHING = Buffer.alloc(0);
/** §5.1: the server closes with 1002. */
const UNMASKED = Buffer.of(0x82, 5, 1, 2, 3, 4, 5);

/**
 * The client of a session: a bare socket, so that it can be rude at any byte. It does what the plan says, and keeps what
 * it has seen for the oracle.
 */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { hex } from '../support/byte-stream.ts';
import { Inflater } from '../support/deflate.ts';
import { Random } from '../support/randomness.ts';
import type { Bell } from './bell.ts';
import { Arrivals, mix } from './content.ts';
import { reset } from './cutting-proxy.ts';
import { BINARY, CLOSE, clientClose, clientFrame, FIN, FrameReader, PONG, TEXT } from './frames.ts';
import { Stall, writeAll } from './pace.ts';
import type { Plan, Scenario } from './plan.ts';
import type { DownStream, UpStream } from './streams.ts';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** The header of a frame that announces 17 MiB: more than a message may have for any peer that takes messages. */
const TOO_MUCH = hex('82 ff 0000000001100000 00000000');

/** Where the peer's stream ends anywhere, and what is left of it may come as a message. */
const BREAKS: ReadonlySet<Scenario> = new Set(['peer resets', 'peer disappears', 'both vanish at once']);

/** When the client may do its last thing. */
export interface ClientCues {
  /** Both sides have got all that there is. */
  settled(): boolean;
  /** The daemon has asked where the peer is, and waits for the answer. */
  atGate(): boolean;
}

export class Client {
  readonly arrivals: Arrivals;
  /** Of the HTTP answer. */
  status: number | undefined;
  /** The daemon's Close, with its code if it has one. */
  close: { readonly code: number | undefined; readonly reason: string } | undefined;
  /** How the daemon has ended the connection. */
  ending: 'FIN' | 'reset' | undefined;
  /** It has gone away itself, without waiting for that. */
  left = false;
  /** What the daemon has done that it may not do. */
  readonly problems: string[] = [];
  readonly #plan: Plan;
  readonly #up: UpStream;
  readonly #down: DownStream;
  readonly #bell: Bell;
  readonly #cues: ClientCues;
  readonly #random: Random;
  readonly #key: string;
  readonly #reader = new FrameReader((opcode, compressed, payload) =>
    this.#frame(opcode, compressed, payload),
  );
  readonly #inflater = new Inflater();
  #socket: Socket | undefined;
  #stall: Stall | undefined;
  #response: Buffer | undefined = Buffer.alloc(0);
  #message = 0;
  #ping = 0;
  /** A message was not whole, since its peer has broken off: the last one. */
  #broken = false;
  /** All frames have been written. */
  #written = false;
  /** Its own Close has. */
  #closed = false;

  constructor(plan: Plan, up: UpStream, down: DownStream, bell: Bell, cues: ClientCues) {
    this.#plan = plan;
    this.#up = up;
    this.#down = down;
    this.#bell = bell;
    this.#cues = cues;
    this.#random = new Random(mix(plan.seed, plan.index, 5));
    this.#key = this.#random.bytes(16).toString('base64');
    this.arrivals = new Arrivals(
      `session ${plan.index}, ${plan.peer === 'echo' ? 'echo' : 'peer'} to client`,
      down.bytes.subarray(0, down.good),
    );
  }

  get written(): boolean {
    return this.#written;
  }

  get over(): boolean {
    return this.left || this.ending !== undefined;
  }

  get seen(): string {
    const close =
      this.close === undefined ? 'no Close' : `Close ${this.close.code ?? 'empty'} "${this.close.reason}"`;
    const ending = this.left ? 'left itself' : (this.ending ?? 'no end');
    return `the client got HTTP ${this.status ?? 'none'}, ${this.arrivals.seen} of ${this.#down.bytes.length} bytes, ${close}, ${ending}`;
  }

  /** @param onConnected with the port that it comes from */
  async run(address: NetConnectOpts, target: string, onConnected: (port: number) => void): Promise<void> {
    const socket = connect({ ...address, allowHalfOpen: true, noDelay: true } as NetConnectOpts);
    this.#socket = socket;
    socket.on('error', () => {});
    await once(socket, 'connect');
    onConnected(socket.localPort ?? 0);
    this.#stall = new Stall(socket, this.#plan.client, this.#down.good);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', () => this.#onEnd('FIN'));
    socket.on('close', () => this.#onEnd('reset'));
    this.#stall.seen(0);
    await this.#act(socket, this.#request(target));
  }

  destroy(): void {
    this.#stall?.stop();
    this.#socket?.destroy();
    this.arrivals.forget();
  }

  #request(target: string): Buffer {
    const head = [
      `GET ${target} HTTP/1.1`,
      'Host: 127.0.0.1',
      'Upgrade: websocket',
      'Connection: keep-alive, Upgrade',
      `Sec-WebSocket-Key: ${this.#key}`,
      'Sec-WebSocket-Version: 13',
      ...(this.#plan.compression ? ['Sec-WebSocket-Extensions: permessage-deflate'] : []),
    ];
    const text = `${head.join('\r\n')}\r\n\r\n`;
    return Buffer.from(
      this.#plan.scenario === 'client sends a wrong request' ? this.#plan.request.change(text) : text,
    );
  }

  async #act(socket: Socket, head: Buffer): Promise<void> {
    const plan = this.#plan;
    const { wire } = this.#up;
    switch (plan.scenario) {
      case 'client leaves in its head':
        await this.#write(socket, head.subarray(0, Math.floor(plan.headCut * head.length)));
        this.#leave(socket);
        return;
      case 'client sends a wrong request':
        await this.#write(socket, head);
        return;
      case 'client leaves during the dial':
        await this.#write(
          socket,
          Buffer.concat([head, wire.subarray(0, Math.floor(plan.early * wire.length))]),
        );
        if (plan.gated)
          await this.#bell.until('the daemon to ask where the peer is', () => this.#cues.atGate());
        this.#leave(socket);
        return;
      case 'client closes during the dial':
        await this.#write(socket, Buffer.concat([head, wire, this.#ownClose()]));
        this.#written = true;
        if (plan.finToo) socket.end();
        return;
      default:
        await this.#converse(socket, head, wire);
    }
  }

  async #converse(socket: Socket, head: Buffer, wire: Buffer): Promise<void> {
    const { early, eager } = this.#plan;
    const at = Math.floor(early * wire.length);
    await this.#write(socket, Buffer.concat([head, wire.subarray(0, at)]));
    if (!eager)
      await this.#bell.until('an answer to the request', () => this.status !== undefined || this.over);
    if (this.status === undefined || this.status === 101) await this.#write(socket, wire.subarray(at));
    this.#written = true;
    this.#bell.ring();
    if (this.close !== undefined) this.#answer(socket);
    else await this.#end(socket);
  }

  /** Does what the scenario is about, if that is the client's part. */
  async #end(socket: Socket): Promise<void> {
    const { scenario, leaves } = this.#plan;
    if (!scenario.startsWith('client') && !scenario.startsWith('both')) return;
    await this.#cue();
    if (this.over || this.close !== undefined) return;
    switch (scenario) {
      case 'client closes':
        this.#sendClose(socket);
        break;
      case 'client ends without a Close':
        socket.end();
        break;
      case 'client disappears':
        this.left = true;
        socket.destroy();
        break;
      case 'client breaks a rule':
        // What looks good behind it must not be obeyed.
        socket.write(Buffer.concat([this.#plan.rule.bytes, this.#frameOf(0x0f), this.#frameOf(0xf0)]));
        break;
      case 'client sends too much for a datagram':
        socket.write(TOO_MUCH);
        break;
      case 'both end at once':
        if (leaves === 'fin') socket.end();
        else this.#sendClose(socket);
        break;
      default:
        this.left = true;
        reset(socket);
    }
    this.#bell.ring();
  }

  #cue(): Promise<void> {
    const { when, fraction } = this.#plan;
    if (when === 'sent') return Promise.resolve();
    const enough = Math.floor(fraction * this.#down.whole);
    return this.#bell.until(`the client's cue, ${when}`, () => {
      if (this.over || this.close !== undefined) return true;
      return when === 'settled' ? this.#cues.settled() : this.arrivals.seen >= enough;
    });
  }

  #frameOf(byte: number): Buffer {
    return clientFrame(FIN | BINARY, Buffer.alloc(100, byte), this.#random.bytes(4));
  }

  #sendClose(socket: Socket): void {
    if (this.#closed) return;
    socket.write(this.#ownClose());
    if (this.#plan.finToo) socket.end();
  }

  #ownClose(): Buffer {
    const { code, reason } = this.#plan;
    this.#closed = true;
    return clientClose(code, reason, this.#random.bytes(4));
  }

  /** To the daemon's Close. */
  #answer(socket: Socket): void {
    const { clientAnswer } = this.#plan;
    if (this.#closed || this.over) return;
    if (clientAnswer === 'reset') {
      this.left = true;
      reset(socket);
    } else if (clientAnswer === 'fin') {
      socket.end();
    } else if (this.#written && socket.writable) {
      // Only between two frames can a Close be understood.
      this.#closed = true;
      socket.write(clientClose(this.close?.code, '', this.#random.bytes(4)));
    }
  }

  #leave(socket: Socket): void {
    if (this.#plan.leaves === 'reset') {
      this.left = true;
      reset(socket);
    } else {
      socket.end();
    }
    this.#bell.ring();
  }

  #write(socket: Socket, bytes: Buffer): Promise<void> {
    const over = () => this.over || (this.close !== undefined && this.#plan.clientAnswer !== 'close');
    return writeAll(socket, bytes, this.#plan.client, this.#random, over);
  }

  #onEnd(how: 'FIN' | 'reset'): void {
    if (this.left) return;
    if (this.ending === undefined && how === 'FIN' && !this.#reader.between)
      this.problems.push('the daemon ended within a frame');
    this.ending ??= how;
    if (this.#socket!.writable) this.#socket!.end();
    this.#bell.ring();
  }

  #read(bytes: Buffer): void {
    if (this.left) return;
    try {
      if (this.#response === undefined) this.#reader.push(bytes);
      else this.#answered(Buffer.concat([this.#response, bytes]));
    } catch (error) {
      this.problems.push(`to the client: ${(error as Error).message}`);
    }
    this.#stall?.seen(this.arrivals.seen);
    this.#bell.ring();
  }

  #answered(response: Buffer): void {
    this.#response = response;
    const end = response.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = response.toString('latin1', 0, end + 2);
    this.status ??= Number(/^HTTP\/1\.1 (\d\d\d) /.exec(head)?.[1] ?? Number.NaN);
    if (this.status !== 101) return;
    this.#response = undefined;
    const accept = createHash('sha1').update(`${this.#key}${GUID}`).digest('base64');
    if (!head.toLowerCase().includes(`\r\nsec-websocket-accept: ${accept.toLowerCase()}\r\n`))
      this.problems.push(`not the answer to its request: ${head}`);
    const agreed = /\r\nsec-websocket-extensions: permessage-deflate\r\n/i.test(head);
    if (agreed !== this.#plan.compression)
      this.problems.push(`compression is not as it was offered: ${head}`);
    this.#reader.compression = agreed;
    this.#reader.push(response.subarray(end + 4));
  }

  #frame(opcode: number, compressed: boolean, payload: Buffer): void {
    if (opcode === TEXT || opcode === BINARY) {
      this.#take(opcode, compressed ? this.#inflater.message(payload) : payload);
    } else if (opcode === PONG) {
      // §5.5.3: of several Pings only the latest need be answered.
      const at = this.#up.pings.indexOf(payload.toString(), this.#ping);
      if (at < 0) this.problems.push(`a Pong that nobody asked for: ${payload}`);
      this.#ping = at + 1;
    } else if (opcode === CLOSE) {
      const code = payload.length === 0 ? undefined : payload.readUInt16BE();
      this.close = { code, reason: payload.toString('utf8', 2) };
      this.#answer(this.#socket!);
    }
  }

  #take(opcode: number, message: Buffer): void {
    const problem = this.arrivals.take(message);
    if (problem !== undefined) throw new Error(problem);
    const { messages } = this.#down;
    if (messages === undefined) {
      const type = this.#plan.framing === 'auto' && isUtf8(message) ? TEXT : BINARY;
      if (opcode !== type)
        throw new Error(
          `a message of opcode ${opcode} where the framing ${this.#plan.framing} makes ${type}`,
        );
      return;
    }
    const expected = messages[this.#message];
    this.#message += 1;
    if (this.#broken) throw new Error('a message behind one that is not whole');
    if (expected !== undefined && this.arrivals.seen < expected.end && BREAKS.has(this.#plan.scenario)) {
      this.#broken = true;
      return;
    }
    if (expected === undefined || expected.end !== this.arrivals.seen || expected.opcode !== opcode)
      throw new Error(
        `message ${this.#message} has opcode ${opcode} and ends at ${this.arrivals.seen}, not ${expected?.opcode} at ${expected?.end}`,
      );
  }
}

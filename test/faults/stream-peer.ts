/**
 * The peer of a session at a TCP or Unix socket of its own, by which it is known whose bytes come. It does what the plan
 * says, and keeps what it has seen for the oracle.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Random } from '../support/randomness.ts';
import type { Bell } from './bell.ts';
import { Arrivals, mix } from './content.ts';
import { reset } from './cutting-proxy.ts';
import { Stall, writeAll } from './pace.ts';
import type { Plan } from './plan.ts';
import type { DownStream, UpStream } from './streams.ts';

/** Either kind of peer, as the session and the oracle see it. */
export interface Peer {
  /** What has come. */
  readonly arrivals: Arrivals;
  /** Somebody has connected, or sent something. */
  readonly reached: boolean;
  /** It has said all that it had to say, or gone. */
  readonly written: boolean;
  /** Nothing more can come. */
  readonly over: boolean;
  /** How the daemon ended the connection. */
  readonly ending: 'FIN' | 'reset' | undefined;
  /** It has gone away itself, without waiting for that. */
  readonly left: boolean;
  readonly problems: readonly string[];
  readonly seen: string;
  close(): void;
}

export class StreamPeer implements Peer {
  readonly arrivals: Arrivals;
  readonly problems: string[] = [];
  ending: 'FIN' | 'reset' | undefined;
  left = false;
  written = false;
  readonly #plan: Plan;
  readonly #up: UpStream;
  readonly #down: DownStream;
  readonly #bell: Bell;
  readonly #settled: () => boolean;
  readonly #random: Random;
  readonly #server: Server;
  #socket: Socket | undefined;
  #stall: Stall | undefined;

  private constructor(plan: Plan, up: UpStream, down: DownStream, bell: Bell, settled: () => boolean) {
    this.#plan = plan;
    this.#up = up;
    this.#down = down;
    this.#bell = bell;
    this.#settled = settled;
    this.#random = new Random(mix(plan.seed, plan.index, 6));
    this.arrivals = new Arrivals(`session ${plan.index}, client to peer`, up.payload);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accepted(socket));
  }

  /**
   * @param path of a Unix socket; left out: a port of 127.0.0.1
   * @param settled both sides have got all that there is
   */
  static async listen(
    plan: Plan,
    up: UpStream,
    down: DownStream,
    bell: Bell,
    settled: () => boolean,
    path?: string,
  ): Promise<StreamPeer> {
    const peer = new StreamPeer(plan, up, down, bell, settled);
    peer.#server.listen(path ?? { port: 0, host: '127.0.0.1' });
    await once(peer.#server, 'listening');
    return peer;
  }

  get address(): { host: string; port: number } | { path: string } {
    const address = this.#server.address() as AddressInfo | string;
    return typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: address.port };
  }

  get reached(): boolean {
    return this.#socket !== undefined;
  }

  get over(): boolean {
    return this.left || this.ending !== undefined;
  }

  get seen(): string {
    const ending = !this.reached ? 'never reached' : this.left ? 'left itself' : (this.ending ?? 'no end');
    return `the peer got ${this.arrivals.seen} of ${this.#up.payload.length} bytes, ${ending}`;
  }

  close(): void {
    this.#stall?.stop();
    this.#socket?.destroy();
    this.#server.close();
    this.arrivals.forget();
  }

  #accepted(socket: Socket): void {
    if (this.reached) this.problems.push('the peer was dialled twice');
    this.#socket = socket;
    socket.on('error', () => {});
    const { scenario } = this.#plan;
    if (scenario === 'peer accepts and resets') {
      this.#leave(reset);
      return;
    }
    this.#stall = new Stall(socket, this.#plan.peerManner, this.#up.payload.length);
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', () => this.#onEnd('FIN'));
    socket.on('close', () => this.#onEnd('reset'));
    this.#stall.seen(0);
    this.#bell.ring();
    this.#act(socket).catch((error: Error) => this.problems.push(`the peer: ${error.message}`));
  }

  async #act(socket: Socket): Promise<void> {
    const { scenario, peerManner, peerAnswer } = this.#plan;
    const over = () => this.left || (this.ending !== undefined && peerAnswer !== 'finish');
    await writeAll(socket, this.#down.bytes, peerManner, this.#random, over);
    this.written = true;
    this.#bell.ring();
    if (this.ending !== undefined && socket.writable) socket.end();
    if (!scenario.startsWith('peer') && !scenario.startsWith('both')) return;
    if (!scenario.startsWith('peer accepts')) await this.#cue();
    if (this.over) return;
    if (scenario === 'peer ends' || scenario === 'both end at once' || scenario === 'peer accepts and ends')
      socket.end();
    else if (scenario === 'peer resets' || scenario === 'both vanish at once') this.#leave(reset);
    else if (scenario === 'peer disappears') this.#leave((leaving) => leaving.destroy());
  }

  #cue(): Promise<void> {
    const { when, fraction } = this.#plan;
    if (when === 'sent') return Promise.resolve();
    const enough = Math.floor(fraction * this.#up.payload.length);
    return this.#bell.until(`the peer's cue, ${when}`, () => {
      if (this.over) return true;
      return when === 'settled' ? this.#settled() : this.arrivals.seen >= enough;
    });
  }

  #leave(how: (socket: Socket) => void): void {
    this.left = true;
    how(this.#socket!);
    this.#bell.ring();
  }

  #read(bytes: Buffer): void {
    if (this.left) return;
    const problem = this.problems.length > 0 ? undefined : this.arrivals.take(bytes);
    if (problem !== undefined) this.problems.push(problem);
    this.#stall?.seen(this.arrivals.seen);
    this.#bell.ring();
  }

  #onEnd(how: 'FIN' | 'reset'): void {
    if (this.left) return;
    this.ending ??= how;
    const { peerAnswer } = this.#plan;
    const socket = this.#socket!;
    if (how === 'FIN' && peerAnswer === 'reset') reset(socket);
    else if (socket.writable && (this.written || peerAnswer === 'end')) socket.end();
    this.#bell.ring();
  }
}

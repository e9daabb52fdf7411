/** Runs one session as planned, and has the oracle judge what came of it. */
import { createServer, type NetConnectOpts, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../support/randomness.ts';
import { refusingPort } from '../support/tcp-peer.ts';
import { Bell } from './bell.ts';
import { Client } from './client.ts';
import { mix } from './content.ts';
import { CuttingProxy } from './cutting-proxy.ts';
import { type DaemonUnderTest, type EndLine, NO_CLIENT } from './daemon-under-test.ts';
import { DatagramPeer, refusingUdp } from './datagram-peer.ts';
import { expectations, judge } from './oracle.ts';
import type { Plan } from './plan.ts';
import { type Peer, StreamPeer } from './stream-peer.ts';
import { type DownStream, isDatagram, makeDown, makeUp, type UpStream } from './streams.ts';

/** Longer than any wait that the daemon has; only a failing session takes so long. */
const DEADLINE = 90_000;

export interface Surroundings {
  readonly daemon: DaemonUnderTest;
  /** For Unix sockets. */
  readonly folder: string;
  /** A port that does not answer. */
  readonly silentPort: number;
  /** For a session, in ms. @default 90_000 */
  readonly deadline?: number | undefined;
  /** The proxy before the peer loses a byte of each session: to see the oracle find it. */
  readonly lossy?: boolean;
}

export interface Way {
  readonly sent: number;
  readonly arrived: number;
  /** Of bytes that may not be lost. */
  readonly lost: number;
}

export interface Outcome {
  readonly plan: Plan;
  /** None: it passed. */
  readonly problems: readonly string[];
  /** It passed, but in a way that it should not go: what happened. */
  readonly seen: string;
  readonly lines: readonly string[];
  readonly up: Way;
  readonly down: Way;
}

export async function runSession(plan: Plan, surroundings: Surroundings): Promise<Outcome> {
  const session = new Session(plan, surroundings);
  const { deadline = DEADLINE } = surroundings;
  const timer = setTimeout(() => session.bell.stop(`waited ${deadline} ms in vain`), deadline);
  try {
    await session.run();
  } catch (error) {
    session.failures.push((error as Error).message);
  } finally {
    clearTimeout(timer);
    session.close();
  }
  return session.outcome();
}

class Session {
  readonly bell = new Bell();
  readonly failures: string[] = [];
  readonly #plan: Plan;
  readonly #surroundings: Surroundings;
  readonly #target: string;
  readonly #up: UpStream;
  readonly #down: DownStream;
  readonly #client: Client;
  #peer: Peer | undefined;
  #line: EndLine | undefined;
  /** The same of somebody whom the log has no name for. */
  #nobody: EndLine | undefined;
  #atGate = false;
  readonly #keys: string[] = [];
  /** What has to be closed in the end. */
  readonly #closing: (() => void)[] = [];

  constructor(plan: Plan, surroundings: Surroundings) {
    this.#plan = plan;
    this.#surroundings = surroundings;
    this.#target = `/${plan.index}`;
    this.#up = makeUp(plan);
    this.#down = makeDown(plan, this.#up);
    this.#client = new Client(plan, this.#up, this.#down, this.bell, {
      settled: () => this.#settled,
      atGate: () => this.#atGate,
    });
    this.#closing.push(() => this.#client.destroy());
  }

  async run(): Promise<void> {
    const { daemon } = this.#surroundings;
    const query = new URLSearchParams({ peer: await this.#makePeer(), framing: this.#plan.framing });
    if (this.#plan.framingConfig !== undefined) query.set('framing-config', this.#plan.framingConfig);
    if (this.#plan.gated) query.set('gate', await this.#makeGate());
    const daemonAddress = { host: '127.0.0.1', port: daemon.port };
    const { clientProxy } = this.#plan;
    let proxy: CuttingProxy | undefined;
    if (clientProxy !== undefined) {
      proxy = await CuttingProxy.listen(daemonAddress, { ...clientProxy, random: this.#random(7) });
      proxy.onPort = (port) => this.#expectEnd(String(port));
      this.#closing.push(() => proxy!.close());
    }
    this.#expectEnd(this.#target);
    daemon.onEnd(NO_CLIENT, this.#onNobody);
    const address = (proxy?.address ?? daemonAddress) as NetConnectOpts;
    await this.#client.run(address, `${this.#target}?${query}`, (port) => {
      if (proxy === undefined) this.#expectEnd(String(port));
    });
    await this.bell.until('the end of the client', () => this.#client.over);
    await this.bell.until('the line that tells of the end', () => this.#endIsTold());
    await this.bell.until('the end of the peer', () => this.#peerDone);
  }

  close(): void {
    for (const key of this.#keys) this.#surroundings.daemon.forget(key, this.#onLine);
    this.#surroundings.daemon.forget(NO_CLIENT, this.#onNobody);
    for (const close of this.#closing) close();
  }

  outcome(): Outcome {
    const client = this.#client;
    const peer = this.#peer;
    const line = this.#line;
    const judged =
      line === undefined
        ? undefined
        : judge({ plan: this.#plan, up: this.#up, down: this.#down, client, peer, line });
    const problems = [...this.failures, ...(judged ?? [])];
    const lost = (way: string) =>
      problems.reduce(
        (sum, text) => sum + Number(new RegExp(`^(\\d+) of \\d+ bytes ${way} `).exec(text)?.[1] ?? 0),
        0,
      );
    const echo = this.#plan.peer === 'echo';
    return {
      plan: this.#plan,
      problems,
      seen: `${client.seen}; ${peer?.seen ?? 'no peer'}`,
      lines: line?.lines ?? this.#surroundings.daemon.linesOf(this.#target),
      up: {
        sent: this.#up.payload.length,
        arrived: echo ? client.arrivals.seen : (peer?.arrivals.seen ?? 0),
        lost: lost('to the peer'),
      },
      down: { sent: this.#down.good, arrived: client.arrivals.seen, lost: lost('to the client') },
    };
  }

  /** Everything has come that can come before somebody ends it. */
  get #settled(): boolean {
    const peer = this.#peer;
    const up =
      this.#plan.peer === 'echo' || (peer?.arrivals.seen === this.#up.payload.length && peer.written);
    const open = this.#client.status !== undefined;
    return open && up && this.#client.written && this.#client.arrivals.seen >= this.#down.whole;
  }

  /** Nothing more has to come to the peer. */
  get #peerDone(): boolean {
    const peer = this.#peer;
    if (peer === undefined || peer.over) return true;
    if (!isDatagram(this.#plan)) return !peer.reached && !this.#line!.fields.has('up');
    return (
      !expectations(this.#plan, this.#up.payload.length).some(({ up }) => up === 'all') ||
      this.#line!.fields.get('up') === undefined
    );
  }

  #random(part: number): Random {
    return new Random(mix(this.#plan.seed, this.#plan.index, part));
  }

  #expectEnd(key: string): void {
    this.#keys.push(key);
    this.#surroundings.daemon.onEnd(key, this.#onLine);
  }

  /** Whose reset overtakes its accept has no name in the log: one without a name will do, if nothing more was seen of it. */
  #endIsTold(): boolean {
    if (this.#client.left && this.#client.status === undefined && !this.#peer?.reached)
      this.#line ??= this.#nobody;
    return this.#line !== undefined;
  }

  readonly #onNobody = (line: EndLine) => {
    this.#nobody = line;
    this.bell.ring();
  };

  readonly #onLine = (line: EndLine) => {
    this.#line = line;
    this.bell.ring();
  };

  /** @returns its address, as the daemon is told */
  async #makePeer(): Promise<string> {
    const { peer, scenario } = this.#plan;
    const path = join(this.#surroundings.folder, `${this.#plan.index}`);
    if (peer === 'echo') return 'echo://';
    if (scenario === 'peer does not answer' || this.#dialsForEver)
      return `tcp://127.0.0.1:${this.#surroundings.silentPort}`;
    if (scenario === 'peer refuses') return this.#makeRefusal(path);
    if (isDatagram(this.#plan)) {
      const made = await DatagramPeer.listen(this.#plan, this.#up, this.#down, this.bell, path);
      this.#peer = made;
      this.#closing.push(() => made.close());
      return made.address;
    }
    const atPath = peer === 'unix' ? path : undefined;
    const made = await StreamPeer.listen(
      this.#plan,
      this.#up,
      this.#down,
      this.bell,
      () => this.#settled,
      atPath,
    );
    this.#peer = made;
    this.#closing.push(() => made.close());
    return addressOf(await this.#beforePeer(made.address, atPath));
  }

  /** Who leaves during the dial does so in one that would go on for long, half of the times that it can be had. */
  get #dialsForEver(): boolean {
    const { scenario, peer, gated, fraction } = this.#plan;
    return scenario === 'client leaves during the dial' && peer === 'tcp' && !gated && fraction < 0.5;
  }

  async #beforePeer(
    address: StreamPeer['address'],
    path: string | undefined,
  ): Promise<StreamPeer['address']> {
    const { peerProxy } = this.#plan;
    const { lossy } = this.#surroundings;
    if (peerProxy === undefined && lossy !== true) return address;
    const proxy = await CuttingProxy.listen(address as NetConnectOpts, {
      ...(peerProxy ?? { piece: 70_000, pause: 0 }),
      random: this.#random(8),
      path: path === undefined ? undefined : `${path}.proxy`,
      loses: lossy === true ? 0 : undefined,
    });
    this.#closing.push(() => proxy.close());
    return proxy.address;
  }

  async #makeRefusal(path: string): Promise<string> {
    switch (this.#plan.peer) {
      case 'udp': {
        const refusing = await refusingUdp();
        this.#closing.push(() => refusing.close());
        return refusing.address;
      }
      case 'tcp': {
        const { port, release } = await refusingPort();
        this.#closing.push(release);
        return `tcp://127.0.0.1:${port}`;
      }
      default:
        return `${this.#plan.peer}://${path}`;
    }
  }

  /** A Unix socket at which the daemon waits for the answer of where the peer is. */
  async #makeGate(): Promise<string> {
    const path = join(this.#surroundings.folder, `${this.#plan.index}.gate`);
    const server: Server = createServer((socket) => {
      socket.on('error', () => {});
      this.#atGate = true;
      this.bell.ring();
      this.#closing.push(() => socket.destroy());
      void sleep(this.#plan.gate).then(() => socket.end());
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    this.#closing.push(() => server.close());
    return path;
  }
}

function addressOf(address: StreamPeer['address']): string {
  return 'path' in address ? `unix://${address.path}` : `tcp://${address.host}:${address.port}`;
}

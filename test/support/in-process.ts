/**
 * A daemon inside the test's own process, with a TCP peer to bridge to, limits of the test's choice, and its log and
 * sockets in view. All of it goes when the test ends, and an `error` in the log fails the test.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { Daemon } from '../../src/daemon.ts';
import { DEFAULT_LIMITS, type Limits } from '../../src/limits.ts';
import { createLogger, type Logger } from '../../src/observability/logger.ts';
import type { Backend } from '../../src/plugins/api.ts';
import { Framings } from '../../src/plugins/framings.ts';
import type { CompressionOptions } from '../../src/rfc6455/permessage-deflate.ts';
import type { Resolver } from '../../src/transports/resolve.ts';
import { SlabSocket } from '../../src/transports/slab-socket.ts';
import type { ByteStream } from './byte-stream.ts';
import { KERNEL_OFF } from './kernel-way.ts';
import { RawClient } from './raw-client.ts';
import { TcpPeer } from './tcp-peer.ts';
import { framedFlood } from './ws-wire.ts';

/** Long enough for a busy machine; only a failing test ever waits this long. */
const PATIENCE = 15_000;

export interface ServeOptions {
  /** @default the address of a TcpPeer of its own */
  readonly peer?: string;
  readonly backend?: Backend;
  /** A built-in name or the path of a plugin. */
  readonly framing?: string;
  readonly resolver?: Resolver;
  readonly dgramDir?: string;
  /** In ms. @default off */
  readonly keepalive?: number;
  readonly limits?: Partial<Limits>;
  readonly halfClose?: 'close' | 'keep';
  /** Instead of the one whose lines are looked at. */
  readonly log?: Logger;
  /** @default as the run of the suite has it */
  readonly kernel?: 'auto' | 'off';
  /** @default off */
  readonly compression?: CompressionOptions;
  /** What a test expects in the log at level error. @default nothing */
  readonly errors?: RegExp;
  /** The test's own, where tests run side by side. */
  readonly onTestFinished?: typeof onTestFinished;
}

export interface Pair {
  readonly client: RawClient;
  readonly peer: ByteStream;
}

/** Every socket of this process, as Node announces it; by its ports one can tell whose it is. */
const sockets = new Set<Socket>();
for (const channel of ['net.client.socket', 'net.server.socket']) {
  subscribe(channel, (message) => {
    const { socket } = message as { socket: Socket };
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
}

export async function serve(options: ServeOptions = {}): Promise<Served> {
  const peers = await TcpPeer.listen();
  const framings = new Framings();
  await framings.loadBuiltIn();
  const { framing = 'auto', peer = peers.address, resolver, dgramDir } = options;
  await framings.load(framing, '.');
  const lines: string[] = [];
  const daemon = new Daemon({
    host: '127.0.0.1',
    port: 0,
    backend: options.backend ?? { query: async () => ({ peer, framing }) },
    backendName: 'test',
    framings,
    keepalive: options.keepalive ?? 0,
    kernel: options.kernel ?? (KERNEL_OFF ? 'off' : 'auto'),
    compression: options.compression,
    limits: { ...DEFAULT_LIMITS, closeTimeout: 5_000, drainTimeout: 5_000, ...options.limits },
    halfClose: options.halfClose ?? 'close',
    log: options.log ?? createLogger('info', (line) => lines.push(line)),
    ...(resolver && { resolver }),
    ...(dgramDir && { dgramDir }),
  });
  await daemon.start();
  const served = new Served(daemon, peers, lines);
  (options.onTestFinished ?? onTestFinished)(async () => {
    await served.dispose();
    const errors = lines.filter((line) => line.includes(' error ') && !options.errors?.test(line));
    expect(errors, 'errors in the log').toEqual([]);
  });
  return served;
}

export class Served {
  readonly daemon: Daemon;
  readonly peers: TcpPeer;
  readonly lines: readonly string[];
  readonly #clients: RawClient[] = [];

  constructor(daemon: Daemon, peers: TcpPeer, lines: readonly string[]) {
    this.daemon = daemon;
    this.peers = peers;
    this.lines = lines;
  }

  async connect(): Promise<RawClient> {
    const client = await RawClient.connect(this.daemon);
    this.#clients.push(client);
    return client;
  }

  /** A client with an open WebSocket. */
  async open(): Promise<RawClient> {
    const client = await RawClient.open(this.daemon);
    this.#clients.push(client);
    return client;
  }

  /** A client and the peer's end of its connection. One at a time, so that the next peer is this client's. */
  async bridge(): Promise<Pair> {
    const client = await this.open();
    return { client, peer: await this.peers.accept() };
  }

  /** Waits for a line of the log. */
  async logged(wanted: RegExp): Promise<string> {
    let line: string | undefined;
    await until(`a log line ${wanted}, in:\n${this.lines.join('')}`, () => {
      line = this.lines.find((each) => wanted.test(each));
      return line !== undefined;
    });
    return line!;
  }

  /** The fields of the line that tells of a connection's end. */
  async ended(id = 1): Promise<Readonly<Record<string, string>>> {
    const line = await this.logged(new RegExp(`(closed|refused) id=${id} `));
    return Object.fromEntries(
      [...line.matchAll(/ ([a-z-]+)=("[^"]*"|\S+)/g)].map((found) => [found[1], found[2]]),
    );
  }

  /** The daemon's end of the connection to this client. */
  socketTo(client: RawClient): Socket {
    return find((socket) => socket.remotePort === client.stream.socket.localPort && this.#owns(socket));
  }

  /** The daemon's end of the connection to this peer. */
  socketToPeer(peer: ByteStream): Socket {
    return find(
      (socket) => socket.localPort === peer.socket.remotePort && socket.localPort !== this.daemon.port,
    );
  }

  /** How many connections to its peers the daemon has or tries to make. */
  peerConnections(): number {
    const port = Number(new URL(this.peers.address).port);
    return [...sockets].filter((socket) => socket.remotePort === port || socket.connecting).length;
  }

  /** Has the client send more than the peer, which does not read, can be given; returns when nothing moves any more. */
  async fillPeer({ client, peer }: Pair): Promise<void> {
    peer.socket.pause();
    client.send(framedFlood());
    const [source, sink] = [this.socketTo(client), this.socketToPeer(peer)];
    await until('a full peer', () => unsent(sink) > 0 && source.isPaused());
    await stable(() => source.bytesRead);
    expect(source.bytesRead).toBeLessThan(framedFlood().length);
  }

  /** The same in the other direction; `bytes` is what the peer sends. */
  async fillClient({ client, peer }: Pair, bytes: Buffer): Promise<void> {
    client.stream.socket.pause();
    peer.write(bytes);
    const [source, sink] = [this.socketToPeer(peer), this.socketTo(client)];
    await until('a full client', () => unsent(sink) > 0 && source.isPaused());
    await stable(() => source.bytesRead);
    expect(source.bytesRead).toBeLessThan(bytes.length);
  }

  async dispose(): Promise<void> {
    for (const client of this.#clients) client.stream.destroy();
    await this.peers.close();
    await this.daemon.stop();
  }

  #owns(socket: Socket): boolean {
    return socket.localPort === this.daemon.port;
  }
}

function find(wanted: (socket: Socket) => boolean): Socket {
  const found = [...sockets].find(wanted);
  if (found === undefined) throw new Error('the daemon has no such socket');
  return found;
}

/** What a socket of the daemon's has not been able to hand to the kernel. */
export function unsent(socket: Socket): number {
  return socket instanceof SlabSocket ? socket.unsent : socket.writableLength;
}

/** Waits until it is so. */
export async function until(what: string, check: () => boolean): Promise<void> {
  const last = performance.now() + PATIENCE;
  while (!check()) {
    if (performance.now() > last) throw new Error(`after ${PATIENCE} ms not: ${what}`);
    await sleep(5);
  }
}

/** Waits until a number has not changed for a while; returns it. */
export async function stable(sample: () => number): Promise<number> {
  let [last, same] = [sample(), 0];
  await until('a number that stands still', () => {
    const now = sample();
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= 30;
  });
  return last;
}

/** Both ends leave, as programs that are done do. */
export function leave({ client, peer }: Pair): void {
  client.stream.end();
  peer.end();
}

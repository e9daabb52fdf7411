/**
 * The built daemon, as a process of its own, with any number of links through it; see link.ts. Streams may be of TCP or
 * Unix sockets on either side. The first byte that is wrong on any link ends whatever the test waits for.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from './daemon.ts';
import { DaemonAtPath } from './daemon-at-path.ts';
import { Link, type LinkOptions } from './link.ts';
import type { Random } from './randomness.ts';

/** Long enough for a busy machine; only a failing test ever waits this long. */
const PATIENCE = 60_000;
const DIGITS = 4;
/** Fewer than a listener's queue holds. */
const AT_ONCE = 50;

const BACKEND = fileURLToPath(new URL('../fixtures/plugins/by-query.mjs', import.meta.url));

export class Exchange {
  readonly links: Link[] = [];
  readonly folder: string;
  readonly #random: Random;
  readonly #daemon: Daemon | DaemonAtPath;
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();
  #metronome: Link | undefined;
  #failure: Error | undefined;

  private constructor(
    folder: string,
    random: Random,
    daemon: Daemon | DaemonAtPath,
    servers: readonly Server[],
  ) {
    this.folder = folder;
    this.#random = random;
    this.#daemon = daemon;
    this.#servers = servers;
    for (const server of servers) server.on('connection', (socket) => this.#accepted(socket));
  }

  /** @param listen what clients come by */
  static async start(
    listen: 'tcp' | 'unix',
    random: Random,
    options: readonly string[] = [],
  ): Promise<Exchange> {
    const folder = mkdtempSync(join(tmpdir(), 'ws-exchange-'));
    const servers = [createServer({ allowHalfOpen: true }), createServer({ allowHalfOpen: true })] as const;
    servers[0].listen(join(folder, 'peer'));
    servers[1].listen(0, '127.0.0.1');
    await Promise.all(servers.map((server) => once(server, 'listening')));
    const args = ['-k', '0', '-b', BACKEND, ...options];
    const daemon =
      listen === 'tcp'
        ? await startDaemon(args)
        : await DaemonAtPath.start(`unix://${join(folder, 'daemon')}`, args);
    return new Exchange(folder, random, daemon, servers);
  }

  /** A link whose request has not gone out yet. */
  async connect(options: LinkOptions = {}): Promise<Link> {
    const daemon = this.#daemon;
    const where =
      daemon instanceof DaemonAtPath
        ? { path: join(this.folder, 'daemon') }
        : { host: daemon.host, port: daemon.port };
    const number = this.links.length;
    const client = connect({ ...where, allowHalfOpen: true });
    const fail = (error: unknown) => this.#fail(error);
    const link = new Link(number, client, this.#target(options), options, this.#random, fail);
    this.links.push(link);
    this.#sockets.add(client);
    await once(client, 'connect');
    client.setNoDelay(true);
    return link;
  }

  /** Links with an open WebSocket and a known peer. */
  async open(count: number, options: LinkOptions = {}): Promise<Link[]> {
    const opened: Link[] = [];
    while (opened.length < count) {
      const some = await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, count - opened.length) }, () => this.connect(options)),
      );
      for (const link of some) link.sendHead();
      await this.until('open links', () => some.every(({ ready }) => ready));
      opened.push(...some);
    }
    return opened;
  }

  /** Waits; rejects as soon as a link has failed. */
  async until(what: string, ready: () => boolean): Promise<void> {
    const last = Date.now() + PATIENCE;
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (ready()) return;
      if (Date.now() > last) throw new Error(`waited ${PATIENCE} ms in vain for ${what}\n${this.#state()}`);
      await sleep(2);
    }
  }

  /** Everything that was sent over these links has arrived. */
  async settle(links: readonly Link[] = this.links): Promise<void> {
    await this.until('all bytes to arrive', () => links.every(({ settled }) => settled));
  }

  /**
   * Sends over links whose other side does not read until each sender is held back: then the daemon has writes pending.
   *
   * @param portions bytes at first, and each time that the kernel has taken all
   * @param send returns the sender
   */
  async fill(
    links: readonly Link[],
    portions: readonly [number, number],
    send: (link: Link, bytes: number) => Socket,
  ): Promise<void> {
    let senders = links.map((link) => ({ link, socket: send(link, portions[0]) }));
    while (senders.length > 0) {
      await this.#standStill(senders.map(({ socket }) => socket));
      senders = senders.filter(({ socket }) => socket.writableLength === 0);
      for (const { link } of senders) send(link, portions[1]);
    }
  }

  /** Waits until nothing moves any more. */
  async #standStill(senders: readonly Socket[]): Promise<void> {
    let [last, same] = ['', 0];
    await this.until('a stand-still', () => {
      const now = senders.map(({ writableLength }) => writableLength).join();
      same = now === last ? same + 1 : 0;
      last = now;
      return same >= 15;
    });
  }

  /** There and back through the daemon: what was written before it has been there to be read. */
  async turn(): Promise<void> {
    this.#metronome ??= (await this.open(1, { peer: 'echo' }))[0]!;
    this.#metronome.sendUp(1);
    await this.settle([this.#metronome]);
  }

  /** Both sides of each link send something random, again and again, each time until all of it has arrived. */
  async carry(links: readonly Link[], rounds: number, most = 150_000): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      for (const link of links) {
        link.sendUp(this.#random.int(1, most), { pings: this.#random.int(0, 1) });
        if (!link.echoes) link.sendDown(this.#random.int(1, most));
      }
      await this.settle(links);
    }
  }

  /** Closes what is still open, from either side, and sees all of it end in order. */
  async closeAll(): Promise<void> {
    const living = this.links.filter(({ broken, closedBy }) => !broken && closedBy === undefined);
    for (const link of living) link.close(this.#random.pick(['client', 'peer']));
    await this.until('the end of all links', () => this.links.every(({ over }) => over));
    for (const link of this.links) link.checkEnd();
    if (/ error /.test(this.#output)) throw new Error(`errors in the log:\n${this.#output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.#daemon[Symbol.asyncDispose]();
    for (const server of this.#servers) server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #output(): string {
    const { output } = this.#daemon;
    return typeof output === 'string' ? output : output();
  }

  #target({ peer = 'unix', framing = 'binary', gate }: LinkOptions): string {
    const port = (this.#servers[1]!.address() as AddressInfo).port;
    const addresses = {
      unix: `unix://${join(this.folder, 'peer')}`,
      tcp: `tcp://127.0.0.1:${port}`,
      echo: 'echo://',
    };
    const query = new URLSearchParams({ peer: addresses[peer], framing });
    if (framing === 'newline') query.set('framing-config', 'lf');
    if (gate !== undefined) query.set('gate', gate);
    return `?${query}`;
  }

  /** A connection of the daemon's: its first bytes tell to which link it belongs. */
  #accepted(socket: Socket): void {
    this.#sockets.add(socket);
    let first: Buffer = Buffer.alloc(0);
    const identify = (bytes: Buffer) => {
      first = Buffer.concat([first, bytes]);
      if (first.length < DIGITS) return;
      socket.off('data', identify);
      const link = this.links[Number(first.toString('latin1', 0, DIGITS))];
      if (link === undefined || link.echoes || link.ready || link.peer !== undefined)
        this.#fail(new Error(`no link, or a wrong one: ${first.toString('hex', 0, DIGITS)}`));
      else link.attach(socket, first.subarray(DIGITS));
    };
    socket.on('data', identify);
    socket.on('error', () => {});
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error as Error;
    // Where one is wrong hundreds may be: one is enough.
    for (const socket of this.#sockets) socket.destroy();
  }

  #state(): string {
    const unsettled = this.links.filter(({ settled }) => !settled);
    const late = unsettled.length > 0 ? unsettled : this.links.filter(({ over }) => !over);
    return `${late
      .slice(0, 5)
      .map(({ progress }) => progress)
      .join('\n')}\n${this.#output.slice(-1_000)}`;
  }
}

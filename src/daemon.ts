/**
 * Listens, makes a bridge of each connection, looks after their deadlines, and stops in order.
 *
 * What it does not do: read a configuration (config/), handle signals or end the process (bin/).
 */
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { Bridge, type BridgeServices } from './bridge.ts';
import { Door } from './door.ts';
import { messageOf } from './errors.ts';
import { fastPath, type NoFastPath } from './fast-path.ts';
import { type Limits, TICK } from './limits.ts';
import { LoopWatch } from './loop-watch.ts';
import { defaultBudget, MemoryBudget } from './memory-budget.ts';
import { Counters } from './observability/counters.ts';
import { guarded } from './observability/guarded.ts';
import type { Logger } from './observability/logger.ts';
import type { Notices } from './observability/notices.ts';
import type { Backend } from './plugins/api.ts';
import type { Framings } from './plugins/framings.ts';
import type { FastPath } from './rfc6455/connection-handler.ts';
import { Compression, type CompressionOptions } from './rfc6455/permessage-deflate.ts';
import { formatEndpoint } from './transports/address.ts';
import { createResolver, type Resolver } from './transports/resolve.ts';
import { acceptIntoSlabs } from './transports/slab-socket.ts';
import { SpareAttempts } from './transports/spare-attempts.ts';
import { STREAM_OPTIONS } from './transports/stream.ts';
import { listenAtPath, type Release } from './unix-listener.ts';

export interface DaemonOptions {
  /** An IPv4 or IPv6 address or a name. `::` takes IPv4 as well. */
  readonly host: string;
  /** 0: the system chooses one. */
  readonly port: number;
  /** A Unix socket to listen on instead of host and port; `@name` is an abstract one. */
  readonly path?: string | undefined;
  /** Of that socket. @default 0o660 */
  readonly socketMode?: number;
  readonly backend: Backend;
  /** For the log. */
  readonly backendName: string;
  readonly framings: Framings;
  /** In ms. 0: off. */
  readonly keepalive: number;
  readonly limits: Limits;
  /** What the end of a peer's side means for its client: the end of the connection, or nothing. @default 'close' */
  readonly halfClose?: 'close' | 'keep';
  /** `auto`: frames are decoded in WebAssembly and sockets read into slabs, where that is to be had. @default 'auto' */
  readonly kernel?: 'auto' | 'off';
  /** For clients that offer permessage-deflate. @default none is accepted */
  readonly compression?: CompressionOptions | undefined;
  readonly log: Logger;
  /** The folder in which clients of Unix datagram peers bind a path. @default abstract names instead */
  readonly dgramDir?: string | undefined;
  /** Warnings from while the configuration was read, for the log. */
  readonly notices?: Notices;
  /** Look-up of peer names; the system's unless given. */
  readonly resolver?: Resolver;
}

/** Node passes the connections that wait to be accepted to the kernel, which cuts the number at its own limit. */
const BACKLOG = 4096;

/** 500 ms: twice the precision of deadlines. */
const STANDSTILL = 500;

/** Lines of the log are about 200 bytes: far fewer than may wait (observability/log-output.ts). */
const AT_ONCE = 500;

/** 1 s: the time that a backend has to close where draining has used up all of its own, in ms. */
const LEAST_CLOSE = 1_000;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Logger;
  readonly #services: BridgeServices;
  readonly #fast: FastPath | NoFastPath;
  readonly #bridges = new Set<Bridge>();
  readonly #door: Door;
  readonly #loop: LoopWatch;
  readonly #memory: MemoryBudget;
  readonly #counters = new Counters();
  readonly #server: Server;
  #host: string;
  #port: number;
  #lastId = 0;
  /** Takes the socket's path away. */
  #release: Release | undefined;
  #ticker: NodeJS.Timeout | undefined;
  /** The last tick looked at nobody's deadlines. */
  #skipped = false;
  #stopped: Promise<number> | undefined;
  /** Connections may still end by themselves. */
  #waiting = false;
  /** Called when the last connection has ended, while the daemon stops. */
  #onEmpty: (() => void) | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = guarded(options.log);
    this.#host = options.host;
    this.#port = options.port;
    this.#fast = options.kernel === 'off' ? { problem: 'configured' } : fastPath();
    const fast = 'problem' in this.#fast ? undefined : this.#fast;
    const { limits } = options;
    const { dialTimeout, closeTimeout, stallTimeout, queuedBytes } = limits;
    const { bufferedBytes } = limits;
    this.#memory = new MemoryBudget(bufferedBytes === 0 ? defaultBudget() : bufferedBytes, 2 * closeTimeout);
    this.#loop = new LoopWatch(limits.lag);
    this.#door = new Door({
      limits,
      memory: this.#memory,
      addressed: options.path === undefined,
      counters: this.#counters,
      log: this.#log,
      onEmpty: () => this.#checkEmpty(),
    });
    this.#services = {
      routing: {
        backend: options.backend,
        backendName: options.backendName,
        framings: options.framings,
        queryTimeout: limits.queryTimeout,
        segmentBytes: limits.segmentBytes,
      },
      dialing: {
        resolver: options.resolver ?? createResolver(),
        dgramDir: options.dgramDir,
        slabs: fast?.slabs,
        dialTimeout,
        closeTimeout,
        stallTimeout,
        queuedBytes,
        spare: new SpareAttempts(this.#door.spareDescriptors),
      },
      limits,
      memory: this.#memory,
      halfClose: options.halfClose ?? 'close',
      counters: this.#counters,
      fast,
      compression: options.compression && new Compression(options.compression),
      keepalive: options.keepalive,
      clientName: options.path === undefined ? 'unknown' : 'unix',
      log: this.#log,
      onFinished: (bridge) => this.#remove(bridge),
      onPeerWithin: () => this.#door.giveDescriptor(),
    };
    // A client that Node has accepted by itself has an ordinary socket: what is written to it must not lie in slabs.
    const plain = {
      ...this.#services,
      fast: undefined,
      dialing: { ...this.#services.dialing, slabs: undefined },
    };
    this.#server = createServer({ ...STREAM_OPTIONS, noDelay: true }, (socket) =>
      this.#accept(socket, plain),
    );
  }

  /** Where it listens, as `host:port` or `unix:///path`; the port is the real one once `start` has resolved. */
  get endpoint(): string {
    const { path } = this.#options;
    return path !== undefined ? `unix://${path}` : formatEndpoint(this.#host, this.#port);
  }

  /** As it was configured; `unix:///path` where it listens on a Unix socket, which has no port. */
  get host(): string {
    return this.#host;
  }

  get port(): number {
    return this.#port;
  }

  /** Whether bytes go by the kernel and through slabs; otherwise the log says why not. */
  get usesKernel(): boolean {
    return !('problem' in this.#fast);
  }

  /** Connections that are not over, those included that wait for one side's end. */
  get connections(): number {
    return this.#bridges.size;
  }

  /** What has happened so far, by name: docs/reliability.md lists them. Those that are 0 are left out. */
  get counters(): Readonly<Record<string, number>> {
    return {
      ...this.#counters.snapshot(),
      connections: this.connections,
      buffered: this.#memory.used,
      lag: Math.round(this.#loop.lag),
    };
  }

  /** The bounds that depend on the machine, as they are here. */
  get bounds(): { readonly connections: number; readonly buffered: number } {
    return { connections: this.#door.capacity, buffered: this.#memory.limit };
  }

  /** Begins to listen. Rejects with the system's error if it cannot. */
  async start(): Promise<void> {
    this.#options.notices?.attach(this.#log);
    const { path, socketMode = 0o660 } = this.#options;
    if (path === undefined) await this.#listenOnPort();
    else this.#release = await listenAtPath(this.#server, path, socketMode, BACKLOG);
    // A stop that came in the meantime had nothing to close yet.
    if (this.#stopped !== undefined) return this.#stopListening();
    if ('slabs' in this.#fast)
      acceptIntoSlabs(this.#server, STREAM_OPTIONS, this.#fast.slabs, (socket) =>
        this.#accept(socket, this.#services),
      );
    this.#server.on('error', (error) => this.#log.error('accept failed', { message: error.message }));
    this.#loop.tick(performance.now());
    this.#ticker = setInterval(() => this.#tick(), TICK);
    this.#log.info?.(`listening on ${path === undefined ? 'ws://' : ''}${this.endpoint}`);
    if ('problem' in this.#fast) this.#log.info?.('kernel off', { why: this.#fast.problem });
    else this.#log.info?.('kernel on');
    this.#door.tellBounds();
  }

  async #listenOnPort(): Promise<void> {
    try {
      await this.#listen(this.#host);
    } catch (error) {
      // A kernel without IPv6, as in some containers: `::` is meant as "everywhere".
      if (this.#host !== '::' || (error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error;
      this.#host = '0.0.0.0';
      await this.#listen(this.#host);
    }
    const address = this.#server.address();
    if (typeof address === 'object' && address !== null) this.#port = address.port;
  }

  /**
   * Stops in order: no new connections, time for those there are to end by themselves, then Close 1001 behind what is
   * queued, and time to flush and answer.
   *
   * @param wait whether connections get the time to end by themselves that was configured for it; not after a failure,
   *     which also ends a wait that has begun
   * @returns how many connections had to be cut. Asked again, it is the same stop
   */
  stop(wait = true): Promise<number> {
    this.#stopped ??= this.#stop(wait ? this.#options.limits.drainWait : 0);
    if (!wait && this.#waiting) this.#onEmpty?.();
    return this.#stopped;
  }

  async #stop(drainWait: number): Promise<number> {
    const { drainTimeout } = this.#options.limits;
    this.#stopListening();
    this.#log.info?.('stopping', { connections: this.#bridges.size });
    this.#waiting = drainWait > 0;
    if (this.#waiting) await this.#empty(drainWait);
    this.#waiting = false;
    const deadline = performance.now() + drainTimeout;
    await this.#each((bridge) => bridge.stop());
    await this.#empty(drainTimeout);
    const cut = this.#bridges.size;
    if (cut > 0) this.#log.warn?.('cut', { connections: cut });
    this.#door.cut();
    await this.#each((bridge) => bridge.cut());
    await this.#empty(drainTimeout);
    clearInterval(this.#ticker);
    await this.#closeBackend(Math.max(deadline - performance.now(), LEAST_CLOSE));
    this.#door.close();
    this.logCounters();
    this.#log.info?.('stopped');
    return cut;
  }

  /** Writes the counters to the log. */
  logCounters(): void {
    this.#log.info?.('counters', this.counters);
  }

  /** Ends everything at once, and takes away what lies in the file system. Nothing is waited for. */
  cut(): void {
    this.#stopListening();
    clearInterval(this.#ticker);
    this.#door.cut();
    for (const bridge of [...this.#bridges]) bridge.cut();
  }

  /** A few at a time, so that the lines of the log that come of it can be written in between. */
  async #each(act: (bridge: Bridge) => void): Promise<void> {
    let some = 0;
    for (const bridge of [...this.#bridges]) {
      act(bridge);
      some += 1;
      if (some % AT_ONCE === 0) await setImmediate();
    }
  }

  #stopListening(): void {
    try {
      this.#release?.();
    } catch (error) {
      this.#log.warn?.('socket not removed', { message: messageOf(error) });
    }
    this.#server.close();
  }

  /** A backend that throws or hangs does not hold up the stop: it gets what is left of the time to drain. */
  async #closeBackend(time: number): Promise<void> {
    const { backend } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('it took too long')), time);
    });
    try {
      await Promise.race([backend.close?.(), timeout]);
    } catch (error) {
      this.#log.error('backend did not close', { message: messageOf(error) });
    } finally {
      clearTimeout(timer);
    }
  }

  #listen(host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port: this.#port, backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject);
        resolve();
      });
    });
  }

  #accept(socket: Socket, services: BridgeServices): void {
    const address = socket.remoteAddress ?? services.clientName;
    let entered = false;
    try {
      entered = this.#door.enter(socket, address);
      if (!entered) return;
      this.#lastId += 1;
      this.#bridges.add(new Bridge(this.#lastId, socket, services));
    } catch (error) {
      if (entered) this.#door.leave(address, false);
      this.#log.error('accept failed', { message: messageOf(error) });
      socket.destroy();
    }
  }

  #remove(bridge: Bridge): void {
    if (!this.#bridges.delete(bridge)) return;
    this.#door.leave(bridge.remoteAddress, bridge.isPeerWithin);
    this.#checkEmpty();
  }

  #checkEmpty(): void {
    if (this.#isEmpty) this.#onEmpty?.();
  }

  get #isEmpty(): boolean {
    return this.#bridges.size + this.#door.waiting === 0;
  }

  #tick(): void {
    const now = performance.now();
    this.#loop.tick(now);
    this.#memory.tick(now);
    this.#door.overloaded = this.#loop.overloaded;
    // Behind a standstill what has come meanwhile is read first: nobody is late for a pause of ours.
    this.#skipped = this.#loop.lag >= STANDSTILL && !this.#skipped;
    if (this.#skipped) return;
    for (const bridge of this.#bridges) bridge.tick(now);
    this.#door.tick(now);
  }

  /** Resolves when there is no connection any more, or after so many ms. */
  #empty(wait: number): Promise<void> {
    if (this.#isEmpty) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * Listens, makes a bridge of each connection, looks after their deadlines, and stops in order.
 *
 * What it does not do: read a configuration (config/), handle signals or end the process (bin/).
 */
import { createServer, type Server, type Socket } from 'node:net';
import { Bridge, type BridgeServices } from './bridge.ts';
import { messageOf } from './errors.ts';
import { fastPath, type NoFastPath } from './fast-path.ts';
import { type Limits, TICK } from './limits.ts';
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
import { HIGH_WATER, STREAM_OPTIONS } from './transports/stream.ts';
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

/** 1 s: the time that a backend has to close where draining has used up all of its own, in ms. */
const LEAST_CLOSE = 1_000;

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #log: Logger;
  readonly #services: BridgeServices;
  readonly #fast: FastPath | NoFastPath;
  readonly #bridges = new Set<Bridge>();
  readonly #server: Server;
  #host: string;
  #port: number;
  #lastId = 0;
  /** Takes the socket's path away. */
  #release: Release | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #stopped: Promise<number> | undefined;
  /** Called when the last connection has ended, while the daemon stops. */
  #onEmpty: (() => void) | undefined;

  constructor(options: DaemonOptions) {
    this.#options = options;
    this.#log = guarded(options.log);
    this.#host = options.host;
    this.#port = options.port;
    this.#fast = options.kernel === 'off' ? { problem: 'configured' } : fastPath();
    const fast = 'problem' in this.#fast ? undefined : this.#fast;
    const { dialTimeout, closeTimeout, stallTimeout } = options.limits;
    this.#services = {
      routing: {
        backend: options.backend,
        backendName: options.backendName,
        framings: options.framings,
        queryTimeout: options.limits.queryTimeout,
        segmentBytes: options.limits.segmentBytes,
      },
      dialing: {
        resolver: options.resolver ?? createResolver(),
        dgramDir: options.dgramDir,
        slabs: fast?.slabs,
        dialTimeout,
        closeTimeout,
        stallTimeout,
      },
      limits: options.limits,
      fast,
      compression: options.compression && new Compression(options.compression),
      keepalive: options.keepalive,
      clientName: options.path === undefined ? 'unknown' : 'unix',
      log: this.#log,
      onFinished: (bridge) => this.#remove(bridge),
    };
    // A client that Node has accepted by itself has an ordinary socket: what is written to it must not lie in slabs.
    const plain = {
      ...this.#services,
      fast: undefined,
      dialing: { ...this.#services.dialing, slabs: undefined },
    };
    this.#server = createServer({ ...STREAM_OPTIONS, highWaterMark: HIGH_WATER, noDelay: true }, (socket) =>
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
    this.#ticker = setInterval(() => this.#tick(), TICK);
    this.#log.info?.(`listening on ${path === undefined ? 'ws://' : ''}${this.endpoint}`);
    if ('problem' in this.#fast) this.#log.info?.('kernel off', { why: this.#fast.problem });
    else this.#log.info?.('kernel on');
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
   * @returns how many connections had to be cut. Asked again, it is the same stop
   */
  stop(): Promise<number> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<number> {
    const { drainWait, drainTimeout } = this.#options.limits;
    this.#stopListening();
    this.#log.info?.('stopping', { connections: this.#bridges.size });
    if (drainWait > 0) await this.#empty(drainWait);
    const deadline = performance.now() + drainTimeout;
    for (const bridge of [...this.#bridges]) bridge.stop();
    await this.#empty(drainTimeout);
    const cut = this.#bridges.size;
    if (cut > 0) this.#log.warn?.('cut', { connections: cut });
    for (const bridge of [...this.#bridges]) bridge.cut();
    await this.#empty(drainTimeout);
    clearInterval(this.#ticker);
    await this.#closeBackend(Math.max(deadline - performance.now(), LEAST_CLOSE));
    this.#log.info?.('stopped');
    return cut;
  }

  /** Ends everything at once, and takes away what lies in the file system. Nothing is waited for. */
  cut(): void {
    this.#stopListening();
    for (const bridge of [...this.#bridges]) bridge.cut();
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
    this.#lastId += 1;
    this.#bridges.add(new Bridge(this.#lastId, socket, services));
  }

  #remove(bridge: Bridge): void {
    this.#bridges.delete(bridge);
    if (this.#bridges.size === 0) this.#onEmpty?.();
  }

  #tick(): void {
    const now = performance.now();
    for (const bridge of this.#bridges) bridge.tick(now);
  }

  /** Resolves when there is no connection any more, or after so many ms. */
  #empty(wait: number): Promise<void> {
    if (this.#bridges.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

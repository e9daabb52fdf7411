/**
 * A proxy between a side and the daemon, for one connection: it delays what it passes on, joins reads and cuts them
 * anywhere, so that there is no place where a stream is not cut. Bytes keep their order; an end stays an end in one
 * direction, a reset stays one.
 *
 * To see the tests fail it can lose a byte.
 */
import { once } from 'node:events';
import {
  type AddressInfo,
  connect,
  createServer,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { Random } from '../support/randomness.ts';
import { drained } from './pace.ts';
import type { Proxying } from './plan.ts';

/** Bytes that wait in it before it does not read on. */
const MOST = 256 * 1024;

export interface CuttingProxyOptions extends Proxying {
  readonly random: Random;
  /** A Unix socket to listen on; left out: a port of 127.0.0.1. */
  readonly path?: string | undefined;
  /** Loses the byte at this place of the stream that is passed on to the target. */
  readonly loses?: number | undefined;
}

export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  /** Told the port that it comes from, for the target. */
  onPort: ((port: number) => void) | undefined;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(target: NetConnectOpts, options: CuttingProxyOptions): Promise<CuttingProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new CuttingProxy(server);
    server.on('connection', (near) => {
      const far = connect({ ...target, allowHalfOpen: true, noDelay: true } as NetConnectOpts);
      far.once('connect', () => {
        proxy.onPort?.(far.localPort ?? 0);
      });
      proxy.#sockets.push(near, far);
      pass(near, far, options, options.loses);
      pass(far, near, options);
    });
    server.listen(options.path ?? { port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    return proxy;
  }

  get address(): { host: string; port: number } | { path: string } {
    const address = this.#server.address() as AddressInfo | string;
    return typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: address.port };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/**
 * Ends it as rudely as its kind can: only TCP has a reset.
 *
 * Not by `resetAndDestroy`, which sends a FIN first, and is then an end like any other for whoever reads in time. The
 * property is what that sets; a Node that does not know it closes the socket. Behind an end of ours libuv refuses to reset.
 */
export function reset(socket: Socket): void {
  if (socket.remoteFamily !== undefined && !socket.writableEnded)
    Object.assign(socket, { resetAndClosing: true });
  socket.destroy();
}

function pass(from: Socket, to: Socket, { piece, pause, random }: CuttingProxyOptions, loses = -1): void {
  let queue: Buffer[] = [];
  let [waiting, passed] = [0, 0];
  let [ended, busy] = [false, false];
  const pump = async () => {
    if (busy) return;
    busy = true;
    while (waiting > 0 && !to.destroyed) {
      if (pause > 0) await sleep(random.int(0, pause));
      else await turn();
      const all = Buffer.concat(queue);
      // However small the pieces, a megabyte is through in some hundred of them.
      const bytes = all.subarray(0, Math.max(random.int(1, piece), waiting >> 5, 1));
      queue = [all.subarray(bytes.length)];
      waiting -= bytes.length;
      const at = loses - passed;
      passed += bytes.length;
      const kept =
        at >= 0 && at < bytes.length ? Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]) : bytes;
      if (!to.destroyed && !to.write(kept)) await drained(to);
      if (waiting < MOST) from.resume();
    }
    busy = false;
    if (ended && waiting === 0 && !to.destroyed) to.end();
  };
  from.on('data', (bytes: Buffer) => {
    queue.push(bytes);
    waiting += bytes.length;
    if (waiting >= MOST) from.pause();
    void pump();
  });
  from.on('end', () => {
    ended = true;
    void pump();
  });
  from.on('error', () => {});
  from.on('close', (failed) => {
    if ((!failed && ended) || to.destroyed) return;
    // One that has never been connected would leave no trace at the daemon's.
    if (to.connecting) to.once('connect', () => reset(to));
    else reset(to);
  });
}

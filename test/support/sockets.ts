/**
 * Loopback sockets for the tests of the transports: listeners on chosen addresses, one that never answers, and a
 * handler that keeps what it was told.
 *
 * Every wait here is for an event, with a deadline that only a failing test reaches.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataOpcode, TransportHandler } from '../../src/transports/transport.ts';
import { DEADLINE } from './byte-stream.ts';

/** Asks again and again, some milliseconds apart, until the answer is yes. */
export async function until(what: string, ready: () => boolean): Promise<void> {
  const last = Date.now() + DEADLINE;
  while (!ready()) {
    if (Date.now() > last) throw new Error(`waited ${DEADLINE} ms in vain for ${what}`);
    await sleep(2);
  }
}

/** A server that accepts and does nothing by itself: reading and ending are up to the test. */
export class Listener {
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  readonly #all: Socket[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      // How it ended is told by 'close'.
      socket.on('error', () => {});
      this.#waiting.push(socket);
      this.#all.push(socket);
    });
  }

  static on(host = '127.0.0.1', port = 0): Promise<Listener> {
    return Listener.#listen({ host, port });
  }

  /** At the path of a Unix socket. */
  static at(path: string): Promise<Listener> {
    return Listener.#listen({ path });
  }

  static async #listen(where: { host: string; port: number } | { path: string }): Promise<Listener> {
    const server = createServer({ allowHalfOpen: true });
    const listener = new Listener(server);
    server.listen(where);
    await once(server, 'listening');
    return listener;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many have come so far. */
  get accepted(): number {
    return this.#all.length;
  }

  /** The next connection, in the order in which they came. */
  async accept(): Promise<Socket> {
    await until('a connection', () => this.#waiting.length > 0);
    return this.#waiting.shift()!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#all) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** Whether this machine has an IPv6 loopback. */
export async function hasIPv6(): Promise<boolean> {
  const server = createServer();
  server.listen({ host: '::1', port: 0 });
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  return true;
}

export interface SilentListener {
  readonly port: number;
  /** From now on it answers, and greets whoever comes through with `late`. */
  release(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

const SILENT_PROGRAM = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).write('late'));
  server.listen({ host: process.argv[1], port: Number(process.argv[2]), backlog: 1 }, () => {
    require('node:fs').writeSync(1, 'port=' + server.address().port + '\\n');
    process.kill(process.pid, 'SIGSTOP');
  });
`;

/**
 * An address that neither answers nor refuses: a stopped process listens there, and its backlog is full, so Linux drops
 * every further SYN. The client's kernel repeats it after 1, 3, 7 … s, which is how a released one is reached.
 */
export async function silentListener(host: string, port = 0): Promise<SilentListener> {
  const child = spawn(process.execPath, ['-e', SILENT_PROGRAM, host, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [greeting] = (await once(child.stdout, 'data')) as [Buffer];
  const real = Number(/port=(\d+)/.exec(greeting.toString())![1]);
  await until('the listener to stop', () => stateOf(child.pid!) === 'T');
  const fillers: Socket[] = [];
  // The queue holds one more than the backlog.
  while (queued(host, real) < 2) {
    const filler = connect(real, host);
    filler.on('error', () => {});
    fillers.push(filler);
    await once(filler, 'connect');
  }
  return {
    port: real,
    release: () => {
      child.kill('SIGCONT');
    },
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const SILENT_PATH_PROGRAM = `
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).write('late'));
  server.listen({ path: process.argv[1], backlog: 1 }, () => {
    require('node:fs').writeSync(1, 'listening');
    process.kill(process.pid, 'SIGSTOP');
  });
`;

/** A Unix socket whose backlog is full: Linux answers every further connect with EAGAIN, until it is released. */
export async function fullPath(path: string): Promise<Omit<SilentListener, 'port'>> {
  const child = spawn(process.execPath, ['-e', SILENT_PATH_PROGRAM, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await once(child.stdout, 'data');
  await until('the listener to stop', () => stateOf(child.pid!) === 'T');
  const fillers: Socket[] = [];
  for (let full = false; !full; ) {
    const filler = connect(path);
    full = await new Promise<boolean>((resolve, reject) => {
      filler.once('connect', () => resolve(false));
      filler.once('error', (error: NodeJS.ErrnoException) =>
        error.code === 'EAGAIN' ? resolve(true) : reject(error),
      );
    });
    filler.on('error', () => {});
    fillers.push(filler);
  }
  return {
    release: () => {
      child.kill('SIGCONT');
    },
    async [Symbol.asyncDispose]() {
      for (const filler of fillers) filler.destroy();
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The state of a process as the kernel abbreviates it: R, S, T (stopped) … */
function stateOf(pid: number): string | undefined {
  return /^\d+ \(.*\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
}

/** Connections that wait to be accepted by the listener at an IPv4 address. */
function queued(host: string, port: number): number {
  const line = tcpTable().find(({ local, state }) => local === endpointKey(host, port) && state === '0A');
  return line?.received ?? 0;
}

/** Connects that are under way to an IPv4 address (SYN-SENT). */
export function connecting(host: string, port: number): number {
  const key = endpointKey(host, port);
  return tcpTable().filter(({ remote, state }) => remote === key && state === '02').length;
}

interface TcpEntry {
  readonly local: string;
  readonly remote: string;
  readonly state: string;
  readonly received: number;
}

function tcpTable(): TcpEntry[] {
  const lines = readFileSync('/proc/net/tcp', 'latin1').trim().split('\n').slice(1);
  return lines.map((line) => {
    const [, local = '', remote = '', state = '', queues = ''] = line.trim().split(/\s+/);
    return { local, remote, state, received: Number.parseInt(queues.split(':')[1] ?? '0', 16) };
  });
}

/** As /proc/net/tcp writes it on a little-endian machine: `0100007F:1F41`. */
function endpointKey(host: string, port: number): string {
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
  const bytes = host.split('.').map(Number).reverse();
  return `${bytes.map((byte) => hex(byte, 2)).join('')}:${hex(port, 4)}`;
}

/** Keeps what a transport tells it, in order: `bytes`, `message`, `drain`, `end`, `stall`, `close`. */
export class RecordingHandler implements TransportHandler {
  readonly events: string[] = [];
  readonly #chunks: Uint8Array[] = [];
  readonly messages: { readonly bytes: Uint8Array; readonly opcode: DataOpcode }[] = [];
  received = 0;
  closedWith: (Error & { readonly code?: string }) | undefined;

  onBytes(bytes: Uint8Array): void {
    this.received += bytes.length;
    // They may lie in the read slab, which the next read writes over.
    this.#chunks.push(Buffer.from(bytes));
    this.#note('bytes');
  }
  onMessage(bytes: Uint8Array, opcode: DataOpcode): void {
    this.messages.push({ bytes, opcode });
    this.#note('message');
  }
  onDrain(): void {
    this.#note('drain');
  }
  onEnd(): void {
    this.#note('end');
  }
  onStall(): void {
    this.#note('stall');
  }
  onClose(error: Error | undefined): void {
    this.closedWith = error;
    this.#note('close');
  }

  get data(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  count(event: string): number {
    return this.events.filter((name) => name === event).length;
  }

  /** Without repetitions of an event by itself: reads come in any number. */
  get course(): string[] {
    return this.events.filter((event, i) => event !== this.events[i - 1]);
  }

  async until(event: string): Promise<void> {
    await until(`the event ${event}, after ${this.course.join(' ')}`, () => this.events.includes(event));
  }

  #note(event: string): void {
    this.events.push(event);
  }
}

/** Sends a byte there and back between two sockets of this process, so that whatever was ready before it has come. */
export async function roundTrips(count = 10): Promise<void> {
  await using listener = await Listener.on();
  const near = connect(listener.port, '127.0.0.1');
  const far = await listener.accept();
  far.pipe(far);
  for (let i = 0; i < count; i += 1) {
    near.write('x');
    await once(near, 'data');
  }
  near.destroy();
}

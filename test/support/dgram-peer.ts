/**
 * Peers of datagrams for the tests: UDP by Node, Unix by a small program in C, since Node has none. Both keep what has
 * come, by sender, and answer when told.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './sockets.ts';

export const NATIVE = fileURLToPath(new URL('../../dist/src/transports/unix-dgram.node', import.meta.url));

/** Whether the native part has been built. transports/native.test.ts says whether it could have been. */
export const built = existsSync(NATIVE);

export interface Datagram {
  /** Opaque: whom to answer. */
  readonly from: string;
  readonly bytes: Buffer;
}

/** What both kinds have: what came, in order. */
class Inbox {
  readonly all: Datagram[] = [];
  #taken = 0;

  async take(): Promise<Datagram> {
    await until('a datagram', () => this.all.length > this.#taken);
    this.#taken += 1;
    return this.all[this.#taken - 1]!;
  }

  async takeMany(count: number): Promise<Datagram[]> {
    await until(`${count} datagrams`, () => this.all.length >= this.#taken + count);
    this.#taken += count;
    return this.all.slice(this.#taken - count, this.#taken);
  }
}

export class UdpPeer extends Inbox {
  readonly #socket: Socket;
  #open = true;

  private constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('message', (bytes, { address, port }) => this.all.push({ from: `${port} ${address}`, bytes }));
    socket.on('error', () => {});
  }

  static async listen(host = '127.0.0.1'): Promise<UdpPeer> {
    const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
    socket.bind(0, host);
    await once(socket, 'listening');
    return new UdpPeer(socket);
  }

  get port(): number {
    return (this.#socket.address() as AddressInfo).port;
  }

  get address(): string {
    return `udp://127.0.0.1:${this.port}`;
  }

  send(to: string, bytes: Uint8Array | string): void {
    const [port, address] = to.split(' ');
    this.#socket.send(bytes, Number(port), address);
  }

  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }
}

let program: string | undefined;

/** Compiled once per test file; away with it. */
function compile(): string {
  if (program !== undefined) return program;
  const folder = mkdtempSync(join(tmpdir(), 'ws-peer-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  program = join(folder, 'peer');
  const source = fileURLToPath(new URL('dgram-peer.c', import.meta.url));
  execFileSync(process.env['CC'] || 'cc', ['-O1', '-Wall', '-Wextra', source, '-o', program]);
  return program;
}

export class UnixPeer extends Inbox {
  readonly path: string;
  readonly errors: string[] = [];
  readonly #child: ChildProcessWithoutNullStreams;
  #ready = false;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(path: string) {
    super();
    this.path = path;
    this.#child = spawn(compile(), [path]);
    this.#child.stdin.on('error', () => {});
    this.#child.stdout.on('data', (bytes: Buffer) => this.#read(bytes));
  }

  static async listen(path: string): Promise<UnixPeer> {
    const peer = new UnixPeer(path);
    await until('the peer to be bound', () => peer.#ready || peer.#child.exitCode !== null);
    if (!peer.#ready) throw new Error(`cannot bind ${path}`);
    return peer;
  }

  get address(): string {
    return `unix-dgram://${this.path}`;
  }

  send(to: string, bytes: Uint8Array | string): void {
    this.#command('S', to, Buffer.from(bytes as Uint8Array));
  }

  /** Takes nothing from now on, so that its queue fills up. */
  hold(): void {
    this.#command('H', '', Buffer.alloc(0));
  }

  goOn(): void {
    this.#command('G', '', Buffer.alloc(0));
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
    if (!this.path.startsWith('@')) rmSync(this.path, { force: true });
  }

  #command(kind: string, to: string, bytes: Buffer): void {
    const head = Buffer.alloc(9, kind);
    const address = Buffer.from(to, 'latin1');
    head.writeUInt32LE(address.length, 1);
    head.writeUInt32LE(bytes.length, 5);
    this.#child.stdin.write(Buffer.concat([head, address, bytes]));
  }

  #read(bytes: Buffer): void {
    let left = Buffer.concat([this.#rest, bytes]);
    while (left.length >= 9) {
      const [address, length] = [left.readUInt32LE(1), left.readUInt32LE(5)];
      const end = 9 + address + length;
      if (left.length < end) break;
      const payload = Buffer.from(left.subarray(9 + address, end));
      const from = left.toString('latin1', 9, 9 + address);
      if (left[0] === 0x52) this.#ready = true;
      else if (left[0] === 0x44) this.all.push({ from, bytes: payload });
      else this.errors.push(payload.toString());
      left = left.subarray(end);
    }
    this.#rest = left;
  }
}

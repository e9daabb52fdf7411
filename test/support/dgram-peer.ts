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
import { formatEndpoint } from '../../src/transports/address.ts';
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

  get host(): string {
    return this.#socket.address().address;
  }

  get address(): string {
    return `udp://${formatEndpoint(this.host, this.port)}`;
  }

  send(to: string, bytes: Uint8Array | string): void {
    const [port, address] = to.split(' ');
    this.#socket.send(bytes, Number(port), address);
  }

  /** Is gone, as far as anybody can tell, but keeps its port: see `refusingUdp`. */
  async refuse(): Promise<void> {
    await connectToItself(this.#socket);
  }

  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }
}

/**
 * A UDP port of 127.0.0.1 that answers with an ICMP refusal for as long as it is held: that of a connected socket, which
 * takes from its peer alone, and which nobody else can be given.
 */
export async function refusingUdp(): Promise<{ port: number; release(): void }> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  await connectToItself(socket);
  return { port: socket.address().port, release: () => socket.close() };
}

async function connectToItself(socket: Socket): Promise<void> {
  const { port, address } = socket.address();
  socket.connect(port, address);
  await once(socket, 'connect');
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
  /** Of `hold` and `goOn`: how many were told, and how many are done. */
  #told = 0;
  #done = 0;
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

  /** Takes nothing from now on, so that its queue fills up. What it was told to send before has been sent. */
  hold(): Promise<void> {
    return this.#tell('H');
  }

  goOn(): Promise<void> {
    return this.#tell('G');
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
    if (!this.path.startsWith('@')) rmSync(this.path, { force: true });
  }

  async #tell(kind: 'H' | 'G'): Promise<void> {
    this.#command(kind, '', Buffer.alloc(0));
    this.#told += 1;
    const wanted = this.#told;
    await until('the peer to do as it is told', () => this.#done >= wanted);
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
      else if (left[0] === 0x48 || left[0] === 0x47) this.#done += 1;
      else this.errors.push(payload.toString());
      left = left.subarray(end);
    }
    this.#rest = left;
  }
}

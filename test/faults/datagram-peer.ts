/**
 * The peer of a session that takes datagrams, one for each message: UDP by a socket of its own, Unix by a program in C,
 * since Node has none. It answers when the first one has come, for only then does it know whom.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Bell } from './bell.ts';
import { Arrivals } from './content.ts';
import { ROOT } from './daemon-under-test.ts';
import type { Plan } from './plan.ts';
import type { Peer } from './stream-peer.ts';
import type { DownStream, UpStream } from './streams.ts';

/** Something that datagrams come from and go to. */
interface Datagrams {
  /** Of the form that the daemon takes. */
  readonly address: string;
  close(): void;
}

type Receive = (bytes: Buffer, answer: (bytes: Uint8Array) => void) => void;

export class DatagramPeer implements Peer {
  readonly arrivals: Arrivals;
  readonly problems: string[] = [];
  readonly ending = undefined;
  readonly left = false;
  written: boolean;
  readonly #up: UpStream;
  readonly #down: DownStream;
  readonly #bell: Bell;
  #datagrams: Datagrams | undefined;
  #message = 0;

  private constructor(plan: Plan, up: UpStream, down: DownStream, bell: Bell) {
    this.#up = up;
    this.#down = down;
    this.#bell = bell;
    // Where none comes there is nobody to answer.
    this.written = up.messages.length === 0;
    this.arrivals = new Arrivals(`session ${plan.index}, client to peer`, up.payload);
  }

  /** @param path of a Unix socket, for a peer of that kind */
  static async listen(
    plan: Plan,
    up: UpStream,
    down: DownStream,
    bell: Bell,
    path: string,
  ): Promise<DatagramPeer> {
    const peer = new DatagramPeer(plan, up, down, bell);
    const receive: Receive = (bytes, answer) => peer.#receive(bytes, answer);
    peer.#datagrams = plan.peer === 'udp' ? await listenUdp(receive) : await listenUnix(path, receive);
    return peer;
  }

  get address(): string {
    return this.#datagrams!.address;
  }

  get reached(): boolean {
    return this.#message > 0;
  }

  /** All messages have come. Nobody tells a peer of datagrams that there are no more. */
  get over(): boolean {
    return this.#message >= this.#up.messages.length;
  }

  get seen(): string {
    return `the peer got ${this.#message} of ${this.#up.messages.length} datagrams, ${this.arrivals.seen} bytes`;
  }

  close(): void {
    this.#datagrams?.close();
    this.arrivals.forget();
  }

  #receive(bytes: Buffer, answer: (bytes: Uint8Array) => void): void {
    const expected = this.#up.messages[this.#message];
    this.#message += 1;
    const problem = this.arrivals.take(bytes);
    if (problem !== undefined) this.problems.push(problem);
    else if (expected?.end !== this.arrivals.seen)
      this.problems.push(`datagram ${this.#message} ends at ${this.arrivals.seen}, not at ${expected?.end}`);
    if (this.#message === 1) void this.#send(answer);
    this.#bell.ring();
  }

  async #send(answer: (bytes: Uint8Array) => void): Promise<void> {
    let at = 0;
    for (const { end } of this.#down.messages ?? []) {
      answer(this.#down.bytes.subarray(at, end));
      at = end;
      await turn();
    }
    this.written = true;
    this.#bell.ring();
  }
}

async function listenUdp(receive: Receive): Promise<Datagrams> {
  const socket = createSocket('udp4');
  let open = true;
  socket.on('message', (bytes, { port, address }) =>
    receive(bytes, (answer) => {
      if (open) socket.send(answer, port, address);
    }),
  );
  socket.on('error', () => {});
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `udp://127.0.0.1:${socket.address().port}`,
    close() {
      open = false;
      socket.close();
    },
  };
}

/** A UDP port at which nobody is, for as long as it is held: that of a socket which takes from itself alone. */
export async function refusingUdp(): Promise<Datagrams> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port, address } = socket.address();
  socket.connect(port, address);
  await once(socket, 'connect');
  return { address: `udp://127.0.0.1:${port}`, close: () => socket.close() };
}

/** @returns the program that `listenUnix` runs */
export function compileUnixPeer(folder: string): string {
  program = join(folder, 'dgram-peer');
  execFileSync(process.env['CC'] || 'cc', ['-O1', join(ROOT, 'test/support/dgram-peer.c'), '-o', program]);
  return program;
}

let program = '';

/** Of the program's records: a letter, the length of an address and that of a payload, then both. */
const RECORD_HEAD = 9;

async function listenUnix(path: string, receive: Receive): Promise<Datagrams> {
  const child = spawn(program, [path]);
  child.stdin.on('error', () => {});
  let rest: Buffer = Buffer.alloc(0);
  const ready = new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`no datagram peer at ${path}`)));
    child.stdout.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= RECORD_HEAD) {
        const from = RECORD_HEAD + rest.readUInt32LE(1);
        const end = from + rest.readUInt32LE(5);
        if (rest.length < end) return;
        const kind = String.fromCharCode(rest[0]!);
        const [to, payload] = [rest.subarray(RECORD_HEAD, from), rest.subarray(from, end)];
        rest = rest.subarray(end);
        if (kind === 'R') resolve();
        else if (kind === 'D') receive(payload, (answer) => child.stdin.write(record(to, answer)));
      }
    });
  });
  await ready;
  return { address: `unix-dgram://${path}`, close: () => child.kill('SIGKILL') };
}

/** That it is to send a datagram. */
function record(to: Uint8Array, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(RECORD_HEAD, 'S');
  head.writeUInt32LE(to.length, 1);
  head.writeUInt32LE(payload.length, 5);
  return Buffer.concat([head, to, payload]);
}

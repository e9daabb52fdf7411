/**
 * Many connections through a daemon at a Unix socket to peers at another, none of which get on: what such a daemon holds
 * is its own and not the kernel's, which gives a Unix socket some 200 KiB and a TCP connection several MB.
 */
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { BINARY, clientFrame, request } from './raw-client.ts';

/** What each side sends, and reads nothing: more than all that lies on its way takes. */
const FLOOD = 2 * 1024 * 1024;

/**
 * `both`: neither side reads, both send. `message`: the client sends a message without an end. `segment`: the peer does.
 * The peer of a `message` must be one of messages, the framing of a `segment` must look for an end that never comes.
 */
export type Stall = 'both' | 'message' | 'segment';

export class StalledConnections {
  readonly #server: Server;
  readonly #clients: Socket[] = [];
  readonly #peers: Socket[] = [];
  readonly #stall: Stall;
  /** How many were answered 101. */
  opened = 0;
  /** How many were answered otherwise, or not at all. */
  refused = 0;

  private constructor(stall: Stall) {
    this.#stall = stall;
    this.#server = createServer((socket) => {
      socket.on('error', () => {}).pause();
      this.#peers.push(socket);
    });
  }

  /** @param peerPath where the peers listen */
  static async listen(peerPath: string, stall: Stall): Promise<StalledConnections> {
    const stalled = new StalledConnections(stall);
    await new Promise<void>((resolve) => stalled.#server.listen(peerPath, 4_096, resolve));
    return stalled;
  }

  /** Opens so many more, a few at a time. */
  async open(count: number, daemonPath: string): Promise<void> {
    for (let left = count; left > 0; left -= 50)
      await Promise.all(Array.from({ length: Math.min(50, left) }, () => this.#open(daemonPath)));
  }

  #open(path: string): Promise<void> {
    const socket = connect(path);
    this.#clients.push(socket);
    socket.write(request());
    return new Promise((resolve) => {
      let answered = false;
      const answer = (accepted: boolean) => {
        if (answered) return;
        answered = true;
        if (accepted) this.opened += 1;
        else this.refused += 1;
        resolve();
      };
      socket.on('error', () => answer(false)).on('close', () => answer(false));
      socket.once('data', (bytes: Buffer) => {
        const accepted = bytes.toString('latin1', 0, 12) === 'HTTP/1.1 101';
        // Whose messages do not end may as well read.
        if (accepted && this.#stall === 'both') socket.pause();
        else socket.resume();
        answer(accepted);
      });
    });
  }

  /** Those that are there begin to send. */
  flood(): void {
    const flood = Buffer.alloc(FLOOD, 'x');
    if (this.#stall !== 'message') for (const peer of this.#peers) peer.write(flood);
    if (this.#stall === 'segment') return;
    for (const client of this.#clients) client.write(this.#stall === 'message' ? UNFINISHED : FRAMES);
  }

  /** All of them leave at once. */
  leave(): void {
    for (const socket of [...this.#clients, ...this.#peers]) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leave();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Whole messages. */
const FRAMES = Buffer.concat(
  Array.from({ length: Math.ceil(FLOOD / 60_000) }, () => clientFrame(BINARY, Buffer.alloc(60_000, 'y'))),
);

/** The beginning of one that never ends. */
const UNFINISHED = clientFrame(BINARY, Buffer.alloc(FLOOD, 'z'), { announce: 16 * 1024 * 1024 });

export interface Memory {
  /** Of a process, now and at most, in bytes. */
  readonly resident: number;
  readonly peak: number;
}

export function memoryOf(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1024;
  return { resident: field('VmRSS'), peak: field('VmHWM') };
}

/** Waits until a number changes by less than `noise` for a while; returns it. */
export async function settled(sample: () => number, noise: number): Promise<number> {
  let [last, same] = [sample(), 0];
  for (let i = 0; i < 400 && same < 15; i += 1) {
    await sleep(50);
    const now = sample();
    same = Math.abs(now - last) < noise ? same + 1 : 0;
    last = now;
  }
  return last;
}

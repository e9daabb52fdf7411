/** The built daemon as its own process, at a Unix socket, ended by its own pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteStream } from './byte-stream.ts';
import { EXECUTABLE } from './daemon.ts';
import { RawClient, request } from './raw-client.ts';

export class DaemonAtPath {
  output = '';
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(listen: string, args: readonly string[] = [], cwd = process.cwd()) {
    this.#child = spawn(process.execPath, [EXECUTABLE, '-l', listen, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    this.exited = new Promise((resolve) => this.#child.on('close', resolve));
  }

  static async start(
    listen: string,
    args: readonly string[] = [],
    cwd = process.cwd(),
  ): Promise<DaemonAtPath> {
    const daemon = new DaemonAtPath(listen, args, cwd);
    if (!(await daemon.listens())) throw new Error(`it does not listen:\n${daemon.output}`);
    return daemon;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** True once it says so; false if it has ended instead. */
  async listens(): Promise<boolean> {
    let ended = false;
    void this.exited.then(() => {
      ended = true;
    });
    while (!ended && !/listening on unix:\/\/.*\n/.test(this.output)) await sleep(2);
    return !ended;
  }

  signal(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signal('SIGKILL');
  }
}

/** A client with an open WebSocket, through the socket at a path. */
export async function openAt(path: string): Promise<RawClient> {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  const client = new RawClient(new ByteStream(socket));
  client.send(request());
  await client.expectAccepted();
  return client;
}

/**
 * The built daemon as a process of its own, with its log taken apart: which line told of the end of which session.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The project's folder: the nearest one upwards that has a manifest. */
export const ROOT = rootFrom(dirname(fileURLToPath(import.meta.url)));
const DIST = process.env['TEST_DIST'] ?? join(ROOT, 'dist');
/** The client's query says what its peer is; `gate` holds the answer back. */
const BACKEND = join(ROOT, 'test/fixtures/plugins/by-query.mjs');

/** The line that tells how a connection ended. */
export interface EndLine {
  readonly event: string;
  readonly fields: ReadonlyMap<string, string>;
  /** All that the log has of this connection. */
  readonly lines: readonly string[];
}

/** What the log calls a client that had gone before anybody asked for its address. */
export const NO_CLIENT = 'unknown';

export interface DaemonOptions {
  readonly kernel: 'auto' | 'off';
  readonly environment?: Readonly<Record<string, string>>;
}

export class DaemonUnderTest {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #port = 0;
  /** By the connection's number in the log; away with its end. */
  readonly #lines = new Map<string, string[]>();
  /** Who waits for an end, by the path of the target; without one, by the client's port. */
  readonly #waiting = new Map<string, Set<(line: EndLine) => void>>();
  /** Lines that should not be there. */
  readonly alarms: string[] = [];
  #ended = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = new Promise((resolve) => child.once('close', resolve));
    void this.#exited.then(() => {
      this.#ended = true;
    });
  }

  static async start({ kernel, environment }: DaemonOptions): Promise<DaemonUnderTest> {
    const executable = join(DIST, 'bin/websocksy.js');
    if (!existsSync(executable)) throw new Error('the daemon is not built: run `npm run build` first');
    const args = [
      '-l',
      '127.0.0.1',
      '-p',
      '0',
      '-k',
      '0',
      // A head that dribbles may take its time where the machine has much to do.
      '--head-time',
      '0',
      '-b',
      BACKEND,
      '--compression',
      'on',
      '--kernel',
      kernel,
    ];
    const child = spawn(process.execPath, [executable, ...args, '--log-level', 'debug'], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const daemon = new DaemonUnderTest(child);
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stderr! }).on('line', (line) => {
        daemon.#read(line);
        if (daemon.#port !== 0) resolve();
      });
      void daemon.#exited.then((code) =>
        reject(new Error(`the daemon ended with ${code}: ${daemon.alarms}`)),
      );
    });
    return daemon;
  }

  get port(): number {
    return this.#port;
  }

  get alive(): boolean {
    return !this.#ended;
  }

  /** How many descriptors it has open. */
  get descriptors(): number {
    return readdirSync(`/proc/${this.#child.pid}/fd`).length;
  }

  /** @param key of a session: `/7`; where the log may know no target of it, the port that its client comes from, or NO_CLIENT */
  onEnd(key: string, tell: (line: EndLine) => void): void {
    const some = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, some.add(tell));
  }

  forget(key: string, tell: (line: EndLine) => void): void {
    this.#waiting.get(key)?.delete(tell);
    if (this.#waiting.get(key)?.size === 0) this.#waiting.delete(key);
  }

  /** What the log has of a connection that is not over, by its target. */
  linesOf(target: string): readonly string[] {
    for (const lines of this.#lines.values())
      if (lines.some((line) => line.includes(` target=${target}?`))) return lines;
    return [];
  }

  /** @returns its exit status */
  stop(): Promise<number | null> {
    if (!this.#ended) this.#child.kill('SIGTERM');
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #read(line: string): void {
    const found = /^\S+ (\w+) +(.*?)((?: [\w-]+=(?:"(?:[^"\\]|\\.)*"|\S*))*)$/.exec(line);
    if (found === null) {
      // What V8 or Node say: a crash, most of all.
      this.alarms.push(line);
      return;
    }
    const [, level, event = '', rest = ''] = found;
    const fields = new Map(
      [...rest.matchAll(/ ([\w-]+)=("(?:[^"\\]|\\.)*"|\S*)/g)].map(([, name, value]) => [
        name!,
        unquoted(value!),
      ]),
    );
    const listening = /^listening on ws:\/\/.*:(\d+)$/.exec(event);
    if (listening !== null) this.#port = Number(listening[1]);
    if (level === 'error' || event === 'internal' || event === 'uncaught' || event === 'cut')
      this.alarms.push(line);
    const id = fields.get('id');
    if (id === undefined) return;
    const lines = this.#lines.get(id) ?? [];
    lines.push(line);
    this.#lines.set(id, lines);
    if (event !== 'closed' && event !== 'refused') return;
    this.#lines.delete(id);
    const key = fields.get('target')?.replace(/\?.*/s, '') ?? fields.get('client')?.replace(/.*:/, '') ?? '';
    for (const tell of this.#waiting.get(key) ?? []) tell({ event, fields, lines });
  }
}

function unquoted(value: string): string {
  return value.startsWith('"') ? String(JSON.parse(value)) : value;
}

function rootFrom(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json above the tests of faults');
  return rootFrom(parent);
}

/**
 * The clients' programs, run as processes: installed by ordinary commands, and asked for one scenario at a time.
 *
 * What a program is asked and what it prints is in README.md.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** For one command of an installation, in milliseconds: a compiler on a slow machine, a browser on a slow line. */
const INSTALL_DEADLINE = 580_000;

/** For one scenario, in milliseconds. It decides how long a fault takes to show, never whether a test passes. */
const SCENARIO_DEADLINE = 60_000;

/** What a program printed: what it saw, for us to judge. */
export interface Report {
  /** What went wrong on its side; the rest is then what it knows nevertheless. */
  readonly error?: string;
  /** Why the library cannot do what was asked. */
  readonly unsupported?: string;
  /** The library's own version, as the answer to `version`. */
  readonly version?: string;
  /** The Sec-WebSocket-Extensions of the response; empty if there was none. */
  readonly extension?: string;
  readonly subprotocol?: string;
  /** The Close that it received; 1006 without one. */
  readonly code?: number;
  readonly reason?: string;
}

/** The folder of a client's sources. */
export function sources(folder: string): string {
  return fileURLToPath(new URL(folder, import.meta.url));
}

/** A folder below the cache for what a client is built into, made if it is not there. */
export function cache(folder: string): string {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const path = resolve(process.env['INTEROP_CACHE'] || join(base, 'websocksy-interop'), folder);
  mkdirSync(path, { recursive: true });
  return path;
}

interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Options {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

async function execute(command: readonly string[], deadline: number, options: Options): Promise<Finished> {
  const [file, ...args] = command;
  const child: ChildProcess = spawn(file!, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]!.setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
    });
  const timer = setTimeout(() => {
    output.stderr += `\nstill running after ${deadline / 1000} s`;
    child.kill('SIGKILL');
  }, deadline);
  try {
    const status = await new Promise<number | null>((done, fail) =>
      child.on('close', done).on('error', fail),
    );
    return { status, ...output };
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a command of an installation and returns its output; throws what it wrote if it fails. */
export async function install(command: readonly string[], options: Options = {}): Promise<string> {
  const shown = command.join(' ');
  const { status, stdout, stderr } = await execute(command, INSTALL_DEADLINE, options).catch((error) => {
    throw new Error(`\`${shown}\`: ${error.message}`);
  });
  if (status !== 0)
    throw new Error(`\`${shown}\` ended with ${status}: ${(stderr || stdout).trim().slice(-2000)}`);
  return stdout;
}

/** Installs a Debian package, if we may: as root, or by a sudo that does not ask. */
export async function installPackage(name: string): Promise<void> {
  const asRoot = process.getuid?.() === 0 ? ['env'] : ['sudo', '-n', 'env'];
  const apt = [...asRoot, 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-o', 'DPkg::Lock::Timeout=120'];
  await install([...apt, 'update']);
  await install([...apt, 'install', '-y', '--no-install-recommends', name]);
}

/** Whether a program is on the PATH. */
export async function isThere(program: string): Promise<boolean> {
  return install(['which', program]).then(
    () => true,
    () => false,
  );
}

/** Asks a client's program for one scenario and returns what it prints last. */
export async function ask(command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Report> {
  const { status, stdout, stderr } = await execute(command, SCENARIO_DEADLINE, {
    env: { ...process.env, ...env },
  });
  const last = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    return JSON.parse(last) as Report;
  } catch {
    throw new Error(`the client ended with ${status} and without a result: ${stderr.trim().slice(-2000)}`);
  }
}

/**
 * Starts the built daemon as its own process, as a user would, and ends it by its own pid.
 *
 * It listens on a port that the system chooses (`-p 0`) unless the arguments name one, and the start is complete
 * when its log says where it listens.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DAEMON_ENVIRONMENT, NODE_OPTIONS } from './kernel-way.ts';

/** `TEST_DIST` names another build, to see tests fail on one that is broken on purpose. */
const DIST = process.env['TEST_DIST'] ?? fileURLToPath(new URL('../../dist', import.meta.url));
export const EXECUTABLE = join(DIST, 'bin/websocksy.js');

export interface Daemon {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Everything it has written so far, standard output and standard error. */
  output(): string;
  /** Sends a signal (SIGTERM) and waits for the exit status. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** The exit status, once there is one. */
  readonly exited: Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function launch(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  launcher: readonly string[] = [],
): ChildProcess {
  if (!existsSync(EXECUTABLE)) throw new Error('the daemon is not built: run `npm run build` first');
  const node = [process.execPath, ...NODE_OPTIONS, EXECUTABLE, ...args];
  const [command = process.execPath, ...rest] = [...launcher, ...node];
  return spawn(command, rest, { env: { ...env, ...DAEMON_ENVIRONMENT }, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs the command to its end: for `--help`, `--check` and everything that is refused. */
export async function runCommand(args: readonly string[], env = process.env): Promise<Finished> {
  const child = launch(args, env);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  // V8's own word about --jitless.
  return { code, stdout, stderr: stderr.replace(/^Warning: disabling flag .*\n/, '') };
}

/**
 * Starts the daemon on 127.0.0.1 and returns when it listens; rejects with its output if it ends before that.
 *
 * @param launcher what runs the command, in its own process
 */
export async function startDaemon(
  args: readonly string[] = [],
  env = process.env,
  launcher: readonly string[] = [],
): Promise<Daemon> {
  const child = launch(['-l', '127.0.0.1', '-p', '0', ...args], env, launcher);
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
  const address = await new Promise<{ host: string; port: number }>((resolve, reject) => {
    const collect = (text: string) => {
      output += text;
      const found = /listening on ws:\/\/([^/\s]+):(\d+)/.exec(output);
      if (found?.[1]) resolve({ host: found[1], port: Number(found[2]) });
    };
    child.stdout?.setEncoding('utf8').on('data', collect);
    child.stderr?.setEncoding('utf8').on('data', collect);
    exited.then((code) => reject(new Error(`the daemon ended with ${code} before it listened:\n${output}`)));
  });
  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  return {
    ...address,
    pid: child.pid ?? -1,
    output: () => output,
    stop,
    exited,
    async [Symbol.asyncDispose]() {
      await stop('SIGKILL');
    },
  };
}

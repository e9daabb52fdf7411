/** Runs a command to its end and keeps what it says. */
import { execFile } from 'node:child_process';

export interface Finished {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** Why it is not ok: how it ended, and the last lines that it said. */
  readonly why: string;
}

/** Of a command that failed. */
const LAST_LINES = 5;

/** @param timeout in milliseconds; the command is ended then, and is not ok */
export function execute(
  [command, ...args]: readonly [string, ...string[]],
  { env, timeout }: { env: NodeJS.ProcessEnv; timeout: number },
): Promise<Finished> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { env, timeout, maxBuffer: 64 * 1024 * 1024, encoding: 'utf8' },
      (error, stdout, stderr) => {
        const said = `${stdout}\n${stderr}`.trim().split('\n').slice(-LAST_LINES).join('\n');
        const why = error === null ? '' : ending(error, timeout);
        resolve({ ok: error === null, stdout, stderr, why: said === '' ? why : `${why}\n${said}` });
      },
    );
    child.stdin?.end();
  });
}

function ending(
  error: Error & { code?: unknown; killed?: boolean; signal?: unknown },
  timeout: number,
): string {
  if (error.killed) return `not done after ${timeout / 1000} s`;
  if (error.signal) return `ended by ${error.signal}`;
  return error.code === 'ENOENT' ? 'not there' : `failed (${error.code})`;
}

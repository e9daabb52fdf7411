/**
 * Runs wstest as a fuzzing client against one server, with an eye on it: it tells which case it is at, and it is ended
 * when it takes too long or falls silent. What it found is in the folder afterwards, index.json and one file a case; it
 * writes them only at its very end.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Wstest } from './find-wstest.ts';

/** The name of the server in wstest's report. */
export const AGENT = 'server';

/** Of the folder that a run writes to. */
export const WSTEST_LOG = 'wstest.log';

export interface Run {
  readonly wstest: Wstest;
  readonly url: string;
  /** Numbers or `*`; wstest fails on a number that it does not have. */
  readonly cases: readonly string[];
  /** An existing one for the report, wstest's output and its input. */
  readonly folder: string;
  /** In milliseconds, for the whole. */
  readonly timeout: number;
  /** In milliseconds, without a line from wstest. */
  readonly silence: number;
  readonly signal: AbortSignal;
  /** A case begins. */
  readonly onCase: (id: string) => void;
}

/** Between asking wstest to end and ending it. */
const GRACE = 5_000;

/** Runs it to its end, however that comes about. @returns what went wrong, a sentence each */
export function runFuzzingClient(run: Run): Promise<string[]> {
  const spec = join(run.folder, 'wstest.json');
  writeFileSync(
    spec,
    JSON.stringify({
      outdir: run.folder,
      servers: [{ agent: AGENT, url: run.url }],
      cases: run.cases,
      'exclude-cases': [],
      'exclude-agent-cases': {},
    }),
  );
  const [command, ...args] = run.wstest.command(run.folder);
  const child = spawn(command, [...args, '--mode', 'fuzzingclient', '--spec', spec], {
    cwd: run.folder,
    // Python keeps the lines for a pipe back otherwise.
    env: { ...process.env, PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(join(run.folder, WSTEST_LOG));
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });

  const problems: string[] = [];
  let current = 'before the first case';
  let grace: NodeJS.Timeout | undefined;
  const end = (why: string) => {
    if (grace !== undefined) return;
    problems.push(`wstest was ended, ${current}: ${why}`);
    child.kill('SIGTERM');
    grace = setTimeout(() => child.kill('SIGKILL'), GRACE);
  };
  const whole = setTimeout(() => end(`not done after ${run.timeout / 1000} s`), run.timeout);
  const silence = setTimeout(() => end(`no word for ${run.silence / 1000} s`), run.silence);
  const onAbort = () => end('interrupted');
  run.signal.addEventListener('abort', onAbort);

  createInterface({ input: child.stdout }).on('line', (line) => {
    silence.refresh();
    const [, id] = /^Running test case ID ([\d.]+) /.exec(line) ?? [];
    if (id !== undefined) {
      current = `at case ${id}`;
      run.onCase(id);
    } else if (/^Connection to .* failed/.test(line)) problems.push(`${line}, ${current}`);
  });

  return new Promise((resolve) => {
    const settle = () => {
      for (const timer of [whole, silence, grace]) clearTimeout(timer);
      run.signal.removeEventListener('abort', onAbort);
      log.end(() => resolve(problems));
    };
    child.once('error', (error) => {
      problems.push(`wstest did not start: ${error.message}`);
      settle();
    });
    child.once('close', (status, signal) => {
      if (status !== 0 && grace === undefined)
        problems.push(`wstest ended with ${signal ?? `status ${status}`}, ${current}`);
      settle();
    });
    if (run.signal.aborted) onAbort();
  });
}

/**
 * The daemon as a process, to be tested: started on a free port, watched, ended. Everything that it must not do
 * meanwhile is a problem: to end before it is told to, to log an error, not to end when it is told to.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Problem } from './problem.ts';

export interface DaemonUnderTest {
  readonly url: string;
  /** Ends it. @returns what it did wrong, a sentence each */
  stop(): Promise<string[]>;
  /** Writes all that it has logged to a file. */
  saveLog(file: string): void;
}

/** The arguments that every run has, before those that were given to the runner. */
export function daemonArguments(more: readonly string[]): string[] {
  const compression = more.some((arg) => /^--compression(?:=|$)/.test(arg)) ? [] : ['--compression', 'on'];
  return ['-l', '127.0.0.1', '-p', '0', '-b', 'default', '-c', 'host=echo://', ...compression, ...more];
}

/** From its start until it listens; between telling it to end and ending it. */
const START_TIMEOUT = 30_000;
const STOP_TIMEOUT = 15_000;

/** A log with more errors than that is cut in the list of problems. */
const MAX_ERRORS = 3;

/**
 * @param executable its JavaScript file
 * @throws Problem if it does not come to listen
 */
export async function startDaemon(executable: string, args: readonly string[]): Promise<DaemonUnderTest> {
  const child = spawn(process.execPath, [executable, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  let stopping = false;
  let early: string | undefined;
  const ended = new Promise<string>((resolve) => {
    child.once('close', (status, signal) => {
      const how = signal ?? `status ${status}`;
      if (!stopping) early = how;
      resolve(how);
    });
  });
  const collect = (text: string) => {
    log += text;
  };
  child.stdout.setEncoding('utf8').on('data', collect);
  child.stderr.setEncoding('utf8').on('data', collect);
  const url = await listening(child, ended, () => log);
  return {
    url,
    async stop() {
      const problems: string[] = [];
      stopping = true;
      if (early !== undefined) problems.push(`the daemon ended by itself, with ${early}`);
      else {
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT);
        const how = await ended;
        clearTimeout(timer);
        if (how !== 'status 0') problems.push(`the daemon, told to end, ended with ${how}`);
      }
      const errors = log.split('\n').filter((line) => /^\S+ error /.test(line));
      problems.push(...errors.slice(0, MAX_ERRORS).map((line) => `the daemon logged: ${line}`));
      if (errors.length > MAX_ERRORS) problems.push(`the daemon logged ${errors.length} errors in all`);
      return problems;
    },
    saveLog: (file) => writeFileSync(file, log),
  };
}

/** @param output what it has said so far */
function listening(child: ChildProcess, ended: Promise<string>, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const [, url] = /listening on (ws:\/\/[^/\s]+)/.exec(output()) ?? [];
      if (url !== undefined) settle(() => resolve(url));
    };
    const fail = (how: string) => settle(() => reject(new Problem(`the daemon ${how}:\n${output().trim()}`)));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`does not listen after ${START_TIMEOUT / 1000} s`);
    }, START_TIMEOUT);
    const settle = (answer: () => void) => {
      clearTimeout(timer);
      child.stdout?.off('data', look);
      child.stderr?.off('data', look);
      answer();
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    void ended.then((how) => fail(`ended with ${how} before it listened`));
  });
}

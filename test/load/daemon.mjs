// The built daemon as a child process, with its log in a file: that is written to at once, so that no line of a storm of
// them is lost, however late it is read.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** `TEST_DIST` names another build, to see what is found in one that is broken on purpose. */
export const DIST = process.env.TEST_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url));
const EXECUTABLE = join(DIST, 'bin/websocksy.js');
export const BY_QUERY = fileURLToPath(new URL('../fixtures/plugins/by-query.mjs', import.meta.url));

/** Between two looks into the log. */
const LOOK = 20;

/**
 * Starts it on 127.0.0.1; the client's query names the peer.
 *
 * @param node options of Node itself
 * @param log the file that its log goes to
 */
export async function startDaemon({ args = [], node = [], env = {}, log }) {
  if (!existsSync(EXECUTABLE)) throw new Error('the daemon is not built: npm run build');
  const file = openSync(log, 'a');
  const words = [...node, EXECUTABLE, '-l', '127.0.0.1', '-p', '0', '-b', BY_QUERY, ...args];
  const child = spawn(process.execPath, words, {
    env: { ...process.env, ...env },
    stdio: ['ignore', file, file],
  });
  closeSync(file);
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  // Whatever becomes of us, it does not stay behind.
  process.once('exit', () => child.kill('SIGKILL'));
  const text = () => readFileSync(log, 'utf8');
  for (;;) {
    const found = /listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(text());
    if (found) return new Daemon(child, Number(found[1]), exited, text);
    if (child.exitCode !== null) throw new Error(`the daemon did not start:\n${text()}`);
    await sleep(LOOK);
  }
}

class Daemon {
  port;
  pid;
  /** Exit status, or the signal that ended it. */
  exited;
  #child;
  #text;

  constructor(child, port, exited, text) {
    this.#child = child;
    this.#text = text;
    this.pid = child.pid;
    this.port = port;
    this.exited = exited;
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How many descriptors it has. */
  get openFiles() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** The lines of its log, each as its event's name and fields. */
  log() {
    return this.#text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ({ line, ...fieldsOf(line) }));
  }
}

/** `2026-11-23T10:00:00.000Z info  closed id=1 …`, values in quotes if need be; anything else has only a line. */
function fieldsOf(line) {
  const found = /^\S+Z (error|warn|info|debug|trace) +(.*)$/.exec(line);
  if (!found) return { level: undefined, event: undefined, fields: {} };
  const [, level, rest] = found;
  const fields = {};
  for (const [, name, quoted, bare] of rest.matchAll(/(?:^| )([a-z][\w-]*)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g))
    fields[name] = quoted ?? bare;
  return { level, event: rest.replace(/ ?[a-z][\w-]*=.*$/, ''), fields };
}

/** What shows that something happened that nobody foresaw: a stack, an `internal`, a warning of Node's. */
export function unforeseen(lines) {
  return lines.filter(({ line }) => /^\s+at \S|\b(internal|uncaught)\b|\(node:\d+\)/.test(line));
}

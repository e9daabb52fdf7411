// What the commands that measure the daemon under load have in common: what they need, what machine it is, and how they
// say what is wrong.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './load.mjs';

const LOAD = fileURLToPath(new URL('load.c', import.meta.url));
const DAEMON = new URL('../dist/bin/websocksy.js', import.meta.url);

/** Standard output is for the tables. */
export const say = (line) => process.stderr.write(`${line}\n`);

/** What a person can mend. */
export class Problem extends Error {}

/** Runs a command; a problem is told in a sentence, with status 2. */
export async function run(command, main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(`${command}: ${error.message}`);
    process.exitCode = 2;
  }
}

/** The options, or a problem with the usage behind it. */
export function understood(readArguments, usage, argv) {
  try {
    return readArguments(argv);
  } catch (error) {
    throw new Problem(`${error.message}\n\n${usage}`);
  }
}

/** What every measurement needs: the load's program, a folder that goes with us, and the seconds. */
export function ready({ time }) {
  if (process.platform !== 'linux') throw new Problem('CPU time is read from /proc: this needs Linux');
  if (!existsSync(DAEMON)) throw new Problem('the daemon is not built: npm run build');
  // Told to end, we end with what we started: the bridges by their own listeners of 'exit', the load with our pipes.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-bench-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = compile(LOAD, folder, 'load', say);
  if (program === undefined)
    throw new Problem('the load is made by a C program: install a C compiler (apt install gcc)');
  return { program, folder, time };
}

export function machine({ rounds, time }) {
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model ?? 'unknown processor',
    processors: cpus().length,
    system: `Linux ${release()}`,
    node: process.versions.node,
    rounds,
    time,
  };
}

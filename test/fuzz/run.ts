/**
 * `npm run fuzz`: the targets one after the other, each for its share of the time, each in a thread of its own.
 *
 * A target counts as a test. What is found is printed with what it takes to see it again; it then belongs into vectors.ts.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { hex, hexOf } from '../support/bytes.ts';
import { LONGEST } from './mutation.ts';
import type { Target } from './target.ts';
import { findTarget, TARGETS } from './targets.ts';
import { describe, makeMemory, type Report, type Work, watch } from './watch.ts';

const USAGE = `npm run fuzz -- [OPTION]…

  --seconds N      for all targets together (60)
  --target NAME    only this one; may be repeated
  --seed N         for the choices of all targets
  --input HEX      try this one input on the target, and nothing else
  --list           print the targets
  --help
`;

/** A finding in itself: no input takes a thousandth of it. */
const HANGS_AFTER = 60_000;
/** Room for what the fuzzer keeps and for any one input, and little enough to see a bound that does not hold. */
const HEAP_MB = 512;
const LOOK = 1_000;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function refuse(message: string): never {
  process.stderr.write(`fuzz: ${message}\n`);
  process.exit(2);
}

function readArguments() {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({
      options: {
        seconds: { ...text, default: '60' },
        target: { ...text, multiple: true },
        seed: text,
        input: text,
        list: flag,
        help: flag,
      },
    }).values;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function readNumber(name: string, given: string): number {
  return /^[0-9]{1,10}$/.test(given) ? Number(given) : refuse(`--${name}: expected a number, not ${given}`);
}

/** What a target says of one input. */
async function tryInput(target: Target, digits: string): Promise<boolean> {
  try {
    await target.run(hex(digits));
    say(`${target.name}: nothing is wrong with this input`);
    return true;
  } catch (error) {
    say(`${target.name}: ${describe(error)}`);
    return false;
  }
}

/** Runs a target in a thread until it reports, fails or makes no progress. */
function fuzzInThread(name: string, seed: number, milliseconds: number): Promise<Report> {
  const memory = makeMemory(LONGEST);
  const watched = watch(memory);
  const workerData: Work = { name, seed, milliseconds, memory };
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  return new Promise((resolve) => {
    const end = (report: Report) => {
      clearInterval(looking);
      resolve(report);
    };
    const found = (error: string) => {
      const finding = { input: hexOf(watched.input), error };
      end({ executions: watched.count, kept: 0, reached: 0, finding });
    };
    let last = -1;
    let since = Date.now();
    const looking = setInterval(() => {
      const now = Date.now();
      if (watched.count !== last) {
        last = watched.count;
        since = now;
      } else if (now - since > HANGS_AFTER) {
        found(`no end within ${HANGS_AFTER / 1_000} s`);
        void worker.terminate();
      }
    }, LOOK);
    worker.once('message', end);
    worker.once('error', (error) => found(describe(error)));
    worker.once('exit', (code) => found(`the thread ended with ${code}`));
  });
}

async function fuzzTarget(name: string, seed: number, milliseconds: number): Promise<boolean> {
  const { executions, kept, reached, finding } = await fuzzInThread(name, seed, milliseconds);
  const told = `${name}: ${executions} executions, ${kept} inputs kept, ${reached} characters of source reached, seed ${seed}`;
  if (finding === undefined) {
    say(told);
    return true;
  }
  say(`\n${told}\nFOUND by ${name}, seed ${seed}: ${finding.error}`);
  say(`input: ${finding.input}\nagain: npm run fuzz -- --target ${name} --input ${finding.input || "''"}\n`);
  return false;
}

async function main(): Promise<number> {
  const given = readArguments();
  if (given.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (given.list) {
    for (const { name, about } of TARGETS) say(`${name.padEnd(20)} ${about}`);
    return 0;
  }
  const names = given.target ?? TARGETS.map(({ name }) => name);
  const chosen = names.map((name) => findTarget(name) ?? refuse(`no target '${name}'; see --list`));
  const seed = given.seed === undefined ? randomInt(2 ** 31) : readNumber('seed', given.seed);
  const share = (readNumber('seconds', given.seconds) * 1_000) / chosen.length;
  let failed = 0;
  for (const target of chosen) {
    const good =
      given.input === undefined
        ? await fuzzTarget(target.name, seed, share)
        : await tryInput(target, given.input);
    if (!good) failed += 1;
  }
  say(`\n${chosen.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exit(await main());

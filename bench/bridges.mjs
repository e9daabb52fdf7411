// `npm run bench`: the built daemon beside the bridges that this machine has, in interleaved rounds. Linux, and a C
// compiler for the load. Not a test: what it says depends on the machine. README.md beside it tells how to read it.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments, USAGE } from './arguments.mjs';
import { chart } from './chart.mjs';
import { prepare } from './contenders.mjs';
import { compile } from './load.mjs';
import { measure } from './measure.mjs';
import { PROFILED, profiles } from './profile.mjs';
import { digits, markdown } from './report.mjs';
import { isStream, TESTS } from './tests.mjs';

const LOAD = fileURLToPath(new URL('load.c', import.meta.url));
const DAEMON = new URL('../dist/bin/websocksy.js', import.meta.url);

const say = (line) => process.stderr.write(`${line}\n`);

class Problem extends Error {}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  say(`bench: ${error.message}`);
  process.exitCode = 2;
}

async function main(argv) {
  const options = understood(argv);
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (options.profile !== undefined) {
    const tools = ready(options);
    const named = options.tests.filter((name) => PROFILED.includes(name));
    await profiles(named, options.profile, tools, say);
    return;
  }
  const run = options.from === undefined ? await everything(options) : JSON.parse(readFileSync(options.from));
  process.stdout.write(markdown(run));
  if (options.svg !== undefined) writeFileSync(options.svg, chart(run));
}

function understood(argv) {
  try {
    return readArguments(argv);
  } catch (error) {
    throw new Problem(`${error.message}\n\n${USAGE}`);
  }
}

/** What every measurement needs: the load's program, a folder that goes with us, and the seconds. */
function ready({ time }) {
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

async function everything(options) {
  const tools = ready(options);
  const contenders = prepare(options.only, tools.folder, say);
  if (options.named && contenders.length < options.only.length) say('bench: going on without those');
  const run = { machine: head(options, contenders), results: [] };
  for await (const result of rounds(options, contenders, tools)) {
    run.results.push(result);
    say(progress(result));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(run, null, 1)}\n`);
  }
  return run;
}

/** Interleaved: what changes on the machine in the course of an hour changes for all of a test's bridges alike. */
async function* rounds(options, contenders, tools) {
  for (let round = 1; round <= options.rounds; round += 1)
    for (const test of options.tests)
      for (const contender of contenders) {
        if (contender.text && !isStream(TESTS[test])) continue;
        const result = await measure(TESTS[test], contender, tools);
        yield { round, test, bridge: contender.name, ...(contender.raw && { raw: true }), ...result };
      }
}

function head({ rounds, time }, contenders) {
  return {
    date: new Date().toISOString().slice(0, 10),
    processor: cpus()[0]?.model ?? 'unknown processor',
    processors: cpus().length,
    system: `Linux ${release()}`,
    node: process.versions.node,
    rounds,
    time,
    bridges: contenders.map(({ name, version }) => ({ name, version })),
  };
}

function progress({ round, test, bridge, failed, unit, bytes, perCpu, others, noisy }) {
  const what = `round ${round}  ${test.padEnd(9)}  ${bridge.padEnd(10)}`;
  if (failed !== undefined) return `${what}  failed: ${failed}`;
  if (bytes !== undefined) return `${what}  ${digits(bytes)} B per connection`;
  const disturbed = `others ${Math.round(others * 100)} %${noisy ? ', noisy' : ''}`;
  return `${what}  ${digits(perCpu)} ${unit} per CPU-second, ${disturbed}`;
}

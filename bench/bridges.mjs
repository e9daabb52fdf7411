// `npm run bench`: the built daemon beside the bridges that this machine has, in interleaved rounds. Linux, and a C
// compiler for the load. Not a test: what it says depends on the machine. README.md beside it tells how to read it.
import { readFileSync, writeFileSync } from 'node:fs';
import { readArguments, USAGE } from './arguments.mjs';
import { chart } from './chart.mjs';
import { prepare } from './contenders.mjs';
import { measure } from './measure.mjs';
import { PROFILED, profiles } from './profile.mjs';
import { digits, markdown } from './report.mjs';
import { isStream, TESTS } from './tests.mjs';
import { machine, ready, run, say, understood } from './tools.mjs';

await run('bench', async (argv) => {
  const options = understood(readArguments, USAGE, argv);
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (options.profile !== undefined) {
    const named = options.tests.filter((name) => PROFILED.includes(name));
    await profiles(named, options.profile, ready(options), say);
    return;
  }
  const found =
    options.from === undefined ? await everything(options) : JSON.parse(readFileSync(options.from));
  process.stdout.write(markdown(found));
  if (options.svg !== undefined) writeFileSync(options.svg, chart(found));
});

async function everything(options) {
  const tools = ready(options);
  const contenders = prepare(options.only, tools.folder, say);
  if (options.named && contenders.length < options.only.length) say('bench: going on without those');
  const bridges = contenders.map(({ name, version }) => ({ name, version }));
  const found = { machine: { ...machine(options), bridges }, results: [] };
  for await (const result of rounds(options, contenders, tools)) {
    found.results.push(result);
    say(progress(result));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(found, null, 1)}\n`);
  }
  return found;
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

function progress({ round, test, bridge, failed, unit, bytes, perCpu, others, noisy }) {
  const what = `round ${round}  ${test.padEnd(9)}  ${bridge.padEnd(10)}`;
  if (failed !== undefined) return `${what}  failed: ${failed}`;
  if (bytes !== undefined) return `${what}  ${digits(bytes)} B per connection`;
  const disturbed = `others ${Math.round(others * 100)} %${noisy ? ', noisy' : ''}`;
  return `${what}  ${digits(perCpu)} ${unit} per CPU-second, ${disturbed}`;
}

// `npm run bench:scale`: how the built daemon's cost grows with connections, frames, messages and bytes. Linux, and a C
// compiler for the load. README.md beside it tells how to read what it says.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepare } from './contenders.mjs';
import { active } from './scale/active.mjs';
import { readArguments, USAGE } from './scale/arguments.mjs';
import { endurance } from './scale/endurance.mjs';
import { frames } from './scale/frames.mjs';
import { framings } from './scale/framings.mjs';
import { idle } from './scale/idle.mjs';
import { lineChart } from './scale/lines.mjs';
import { isRight, markdown } from './scale/report.mjs';
import { machine, ready, run, say, understood } from './tools.mjs';

const PARTS = { idle, active, frames, framings, endurance };

await run('bench:scale', async (argv) => {
  const options = understood(readArguments, USAGE, argv);
  if (options.help) {
    process.stdout.write(USAGE);
    return;
  }
  const found =
    options.from === undefined ? await everything(options) : JSON.parse(readFileSync(options.from));
  process.stdout.write(markdown(found));
  if (options.svgFolder !== undefined) charts(found, options.svgFolder);
  if (!isRight(found)) process.exitCode = 1;
});

async function everything(options) {
  const tools = { ...ready(options), ...options, say };
  const [{ version }] = prepare(['websocksy'], tools.folder, say);
  const found = { machine: { ...machine(options), version }, questions: [] };
  for (const name of options.only) {
    found.questions.push(...(await PARTS[name](tools)));
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(found, null, 1)}\n`);
  }
  return found;
}

function charts({ machine, questions }, folder) {
  mkdirSync(folder, { recursive: true });
  for (const one of questions) writeFileSync(join(folder, `${one.name}.svg`), lineChart(one, machine));
}

// `npm run soak`: the built daemon under mixed traffic for minutes. What it holds at rest may not grow. Linux.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { graph } from './graph.mjs';
import { prove } from './prove.mjs';
import { soak } from './soak.mjs';
import { verdictOf } from './verdict.mjs';

const USAGE = `npm run soak -- [options]

  --minutes N    10 by default; 1 is enough to find a leak of a few KiB a second
  --seed N       of what the sessions do; chosen, and told, by default
  --kernel off   the daemon without its kernel and slabs
  --svg FILE     writes the graph
  --json FILE    writes every sample
  --prove        instead: daemons that leak, each of which has to be found out; two minutes
  --help
`;

const say = (line) => process.stderr.write(`soak: ${line}\n`);

function options() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      kernel: { type: 'string', default: 'auto' },
      svg: text,
      json: text,
      prove: flag,
      help: flag,
    },
  });
  const minutes = Number(values.minutes);
  const seed = Number(values.seed);
  if (!(minutes > 0)) throw new Error(`--minutes: "${values.minutes}" is no number above 0`);
  if (!Number.isInteger(seed)) throw new Error(`--seed: "${values.seed}" is no whole number`);
  if (!['auto', 'off'].includes(values.kernel)) throw new Error('--kernel: auto or off');
  return { ...values, minutes, seed };
}

let chosen;
try {
  chosen = options();
} catch (error) {
  process.stderr.write(`soak: ${error.message}\n\n${USAGE}`);
  process.exit(2);
}
if (chosen.help) {
  process.stdout.write(USAGE);
} else {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
  const { seed, kernel, minutes } = chosen;
  say(`seed ${seed}`);
  let verdict;
  if (chosen.prove) {
    verdict = await prove({ seed, kernel }, say);
  } else {
    const found = await soak({ seed, kernel, seconds: minutes * 60 }, say);
    verdict = verdictOf(found);
    if (chosen.svg !== undefined) writeFileSync(chosen.svg, graph(found));
    if (chosen.json !== undefined) writeFileSync(chosen.json, `${JSON.stringify(found)}\n`);
  }
  process.stdout.write(verdict.text());
  process.exit(verdict.failed > 0 ? 1 : 0);
}

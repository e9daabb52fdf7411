/**
 * `npm run faults`: sessions in which clients and peers misbehave at every point, against the built daemon. Its last line
 * is `N passed, N failed`, the exit status 0 only if nothing failed.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runFaults } from './faults.ts';
import { showFailure, showSummary } from './report.ts';

const USAGE = `usage: npm run faults -- [--sessions N] [--seed S] [--seconds T] [--kernel off] [--only INDEX]

  --sessions N    how many sessions (2000)
  --seed S        what all of them follow from (random)
  --seconds T     begin no session later than that
  --kernel off    the daemon without its kernel
  --only INDEX    one session of the seed, alone
`;

const SESSIONS = 2_000;
/** Of the seed. */
const LARGEST = 2 ** 31;

const { values } = parseArgs({
  options: {
    sessions: { type: 'string' },
    seed: { type: 'string' },
    seconds: { type: 'string' },
    kernel: { type: 'string', default: 'auto' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (values.help) {
  process.stdout.write(USAGE);
} else {
  await run();
}

async function run(): Promise<void> {
  const seed = number('seed') ?? randomInt(LARGEST);
  const only = number('only');
  const kernel = values.kernel === 'off' ? 'off' : 'auto';
  const write = (text: string) => process.stdout.write(text);
  write(`faults, seed ${seed}, kernel ${kernel}\n`);
  const began = performance.now();
  const { outcomes, aftermath } = await runFaults({
    seed,
    kernel,
    first: only ?? 0,
    count:
      only === undefined ? (number('sessions') ?? (values.seconds ? Number.POSITIVE_INFINITY : SESSIONS)) : 1,
    seconds: number('seconds'),
    onOutcome: (outcome) => {
      if (outcome.problems.length > 0) write(showFailure(outcome, kernel));
    },
  });
  write(showSummary(outcomes, aftermath, (performance.now() - began) / 1_000));
  if (aftermath.length > 0 || outcomes.length === 0 || outcomes.some(({ problems }) => problems.length > 0))
    process.exitCode = 1;
}

function number(name: 'sessions' | 'seed' | 'seconds' | 'only'): number | undefined {
  const value = values[name];
  if (value === undefined) return undefined;
  const result = Number(value);
  if (!Number.isSafeInteger(result) || result < 0)
    throw new Error(`--${name} is no number: ${value}\n${USAGE}`);
  return result;
}

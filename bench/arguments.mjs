// The command line of `npm run bench`: what is said there, checked, or a sentence about what is wrong with it.
import { parseArgs } from 'node:util';
import { NAMES as BRIDGES, WITH_TEXT } from './contenders.mjs';
import { NAMES as TESTS } from './tests.mjs';

export const USAGE = `npm run bench -- [options]

  --tests A,B     some of: ${TESTS.join(' ')}
  --only A,B      some of: ${BRIDGES.join(' ')}
                  ("ws" is always measured as well: it is what the others are compared with; and
                  "websocksy" where ${WITH_TEXT.join(' or ')} is)
  --rounds N      rounds, in each of which everything is measured once; 3 by default
  --time S        seconds of one measurement; 2 by default
  --svg FILE      writes the chart
  --json FILE     writes every single figure
  --from FILE     measures nothing: table and chart of what --json wrote
  --profile DIR   measures nothing: a CPU profile of the daemon for each test, and its flame graph, are written there
  --help
`;

/** What was asked for; throws a sentence that says what to change. */
export function readArguments(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      tests: { type: 'string' },
      only: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      time: { type: 'string', default: '2' },
      svg: { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    ...values,
    tests: chosen('--tests', values.tests, TESTS),
    only: values.only === undefined ? BRIDGES : withBaselines(chosen('--only', values.only, BRIDGES)),
    /** Whether a bridge that is missing was asked for by its name. */
    named: values.only !== undefined,
    rounds: number('--rounds', values.rounds, 1, 100, true),
    time: number('--time', values.time, 0.2, 600, false),
  };
}

/** Each is compared with `ws`, and text with the daemon's own binary. */
function withBaselines(names) {
  const own = names.some((name) => WITH_TEXT.includes(name)) ? ['websocksy'] : [];
  return [...new Set(['ws', ...own, ...names])];
}

export function chosen(option, list, known) {
  if (list === undefined) return known;
  const names = list.split(',');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${option}: "${unknown}" is none of ${known.join(', ')}`);
  return names;
}

export function number(option, text, minimum, maximum, whole) {
  const value = Number(text);
  if (!(value >= minimum && value <= maximum) || (whole && !Number.isInteger(value)))
    throw new Error(
      `${option}: "${text}" is no ${whole ? 'whole ' : ''}number from ${minimum} to ${maximum}`,
    );
  return value;
}

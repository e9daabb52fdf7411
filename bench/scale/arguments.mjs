// The command line of `npm run bench:scale`.
import { parseArgs } from 'node:util';
import { chosen, number } from '../arguments.mjs';

export const PARTS = ['idle', 'active', 'frames', 'framings', 'endurance'];

export const USAGE = `npm run bench:scale -- [options]

  --only A,B      some of: ${PARTS.join(' ')}
  --quick         fewer points, one short round, 1 GB: a minute, and rough
  --rounds N      rounds of the points of a line; 3 by default
  --time S        seconds of one measurement; 1 by default
  --gigabytes N   through one connection, each way; 10 by default
  --svg-dir DIR   writes a chart for each question
  --json FILE     writes every point
  --from FILE     measures nothing: tables and charts of what --json wrote
  --help
`;

/** What was asked for; throws a sentence that says what to change. */
export function readArguments(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      time: { type: 'string' },
      gigabytes: { type: 'string' },
      'svg-dir': { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick } = values;
  return {
    ...values,
    svgFolder: values['svg-dir'],
    only: chosen('--only', values.only, PARTS),
    rounds: number('--rounds', values.rounds ?? (quick ? '1' : '3'), 1, 100, true),
    time: number('--time', values.time ?? (quick ? '0.5' : '1'), 0.2, 600, false),
    gigabytes: number('--gigabytes', values.gigabytes ?? (quick ? '1' : '10'), 0.1, 10_000, false),
  };
}

// The ratios to `ws` as bars in an SVG: a group for each test, on a logarithmic scale, since they go from 0.3 to 30.
import { digits, isDoubtful, summarize } from './report.mjs';
import { COLOURS, picture, text } from './svg.mjs';

const LEFT = 150;
const WIDTH = 760;
const BAR = 15;
const GAP = 34;
export function chart({ machine, results }) {
  const tests = summarize(results);
  const names = machine.bridges.map(({ name }) => name);
  const ratios = tests.flatMap(({ rows }) => rows.flatMap((one) => one.ratio ?? []));
  const low = Math.min(0.5, ...ratios) * 0.9;
  const high = Math.max(2, ...ratios) * 1.1;
  const x = (ratio) =>
    LEFT + ((Math.log(ratio) - Math.log(low)) / Math.log(high / low)) * (WIDTH - LEFT - 80);

  const body = [];
  let y = 60;
  for (const { test, unit, rows } of tests) {
    y += GAP;
    body.push(text(10, y - 6, unit === 'B' ? `${test}: memory, less is better` : test, 'font-weight="bold"'));
    for (const one of rows) {
      body.push(text(LEFT - 8, y + BAR - 3, one.bridge, 'text-anchor="end"'));
      if (one.ratio === undefined) body.push(text(LEFT + 4, y + BAR - 3, 'failed', 'fill="#a00"'));
      else body.push(...bar(one, y, x, COLOURS[names.indexOf(one.bridge) % COLOURS.length]));
      if (isDoubtful(one)) body.push(text(WIDTH - 20, y + BAR - 3, '?'));
      y += BAR + 2;
    }
  }
  const height = y + 50;
  const one = x(1).toFixed(1);
  return picture(WIDTH, height, 'Bridges compared with ws', [
    text(10, 24, 'Bridges: work per CPU-second, × ws (logarithmic)', 'font-size="16" font-weight="bold"'),
    text(10, 44, `${machine.date}, ${machine.processor}, Node ${machine.node}, rounds: ${machine.rounds}`),
    ...body,
    `<line x1="${one}" x2="${one}" y1="60" y2="${y}" stroke="#444" stroke-dasharray="3 3"/>`,
    text(10, y + 30, '? too noisy to tell'),
  ]);
}

/** From the line of `ws` to the ratio, to either side. */
function bar({ ratio }, y, x, colour) {
  const from = Math.min(x(ratio), x(1));
  const length = Math.max(1, Math.abs(x(ratio) - x(1)));
  return [
    `<rect x="${from.toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
    text((Math.max(x(ratio), x(1)) + 5).toFixed(1), y + BAR - 3, digits(ratio)),
  ];
}

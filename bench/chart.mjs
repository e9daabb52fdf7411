// The ratios to `ws` as bars in an SVG: a group for each test, on a logarithmic scale, since they go from 0.3 to 30.
import { digits, isDoubtful, summarize } from './report.mjs';

const LEFT = 150;
const WIDTH = 760;
const BAR = 15;
const GAP = 34;
/** Told apart by people who see colours differently, too. */
const COLOURS = ['#0072b2', '#999999', '#000000', '#56b4e9', '#009e73', '#e69f00', '#d55e00', '#cc79a7'];

const escaped = (text) => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
const text = (x, y, words, more = '') => `<text x="${x}" y="${y}" ${more}>${escaped(words)}</text>`;

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
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>Bridges compared with ws</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(10, 24, 'Bridges: work per CPU-second, × ws (logarithmic)', 'font-size="16" font-weight="bold"'),
    text(10, 44, `${machine.date}, ${machine.processor}, Node ${machine.node}, rounds: ${machine.rounds}`),
    ...body,
    `<line x1="${one}" x2="${one}" y1="60" y2="${y}" stroke="#444" stroke-dasharray="3 3"/>`,
    text(10, y + 30, '? too noisy to tell'),
    '</svg>',
    '',
  ].join('\n');
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

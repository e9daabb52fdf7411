/** `npm run bench:scale`: what it says of points that are given to it. It measures nothing here. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const SCALE = new URL('../../bench/scale.mjs', import.meta.url).pathname;
const { rises, swing } = await import(new URL('../../bench/scale/criteria.mjs', import.meta.url).href);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'scale-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const points = (...values: [x: number, y: number][]) => values.map(([x, y]) => ({ x, y }));

test('a cost may fall and wobble, but not rise by more than a quarter above the least before', () => {
  expect(rises(points([1, 10], [10, 5], [100, 6], [1000, 6.2]))).toEqual([]);
  expect(rises(points([1, 10], [10, 4], [100, 6], [1000, 5]))).toEqual([
    { x: 100, y: 6, times: 1.5, least: 10 },
  ]);
  // Slowly is rising, too.
  expect(rises(points([1, 10], [2, 12], [3, 14], [4, 16])).map(({ x }: { x: number }) => x)).toEqual([3, 4]);
});

test('memory is judged by its last quarter beside the first, after the warm-up', () => {
  const flat = points(
    [0, 40],
    [0.5, 50],
    ...Array.from({ length: 8 }, (_, i): [number, number] => [2 + i, 70]),
  );
  expect(swing(flat)).toEqual({ least: 70, largest: 70, growth: 0 });
  const leak = points(...Array.from({ length: 10 }, (_, i): [number, number] => [1 + i, 60 + 10 * i]));
  expect(swing(leak)).toMatchObject({ least: 60, largest: 150 });
  expect(swing(leak).growth).toBeGreaterThan(0.5);
});

const MACHINE = {
  date: '2026-11-23',
  processor: 'Some CPU',
  processors: 2,
  system: 'Linux 6.1',
  node: '20.20.2',
  rounds: 3,
  time: 1,
  version: '1.2.3',
};

function scale(questions: object[] | undefined, ...options: string[]) {
  const words = [...options];
  if (questions !== undefined) {
    const file = join(folder, 'run.json');
    writeFileSync(file, JSON.stringify({ machine: MACHINE, questions }));
    words.unshift('--from', file);
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [SCALE, ...words], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const active = (...series: object[]) => ({
  ...{ name: 'active', title: 'Active connections', x: 'connections', y: 'µs per message' },
  ...{ shape: 'not rising', series },
});

test('tells every point in a table, and draws a chart of each question', () => {
  const svg = join(folder, 'svg');
  const { status, stdout } = scale(
    [
      active({ name: 'one', points: points([1, 20.123], [1000, 10]) }),
      {
        ...{ name: 'endurance', title: '10 GB', x: 'GB', y: 'MB resident', linear: true, shape: 'flat' },
        series: [{ name: 'there', points: points([1, 60], [2, 61], [3, 60], [4, 62]) }],
      },
    ],
    '--svg-dir',
    svg,
  );
  expect(status).toBe(0);
  expect(stdout).toContain('| connections | one |\n|---:|---:|\n| 1 | 20.1 |\n| 1,000 | 10.0 |');
  expect(stdout).toContain('- one: not rising\n');
  expect(stdout).toContain(
    '- there: flat, 60.0 to 62.0 MB resident; the last quarter is 3 % above the first',
  );
  expect(stdout).toMatch(/Every line is flat or does not rise\.\n$/);
  expect(readdirSync(svg).sort()).toEqual(['active.svg', 'endurance.svg']);
  expect(readFileSync(join(svg, 'active.svg'), 'utf8')).toMatch(
    /^<svg .*<polyline .*one \(10\.0\).*<\/svg>\n$/s,
  );
});

test('says where a line rises, and whether the control does so too', () => {
  const { status, stdout } = scale([
    active(
      { name: 'ours', control: 'c', points: points([1, 20], [64, 10], [1000, 20]) },
      { name: 'c', isControl: true, points: points([1, 10], [64, 5], [1000, 8]) },
    ),
  ]);
  expect(status).toBe(0);
  expect(stdout).toContain('- ours: **rising** at 1,000 (2.00 times that of 64; the control 1.60 times)\n');
  expect(stdout).toContain('Neither flat nor falling: active (ours).');
});

test('does not take for rising what others on the machine may have done', () => {
  const { stdout } = scale([
    active({ name: 'ours', points: [...points([1, 20]), { x: 64, y: 40, noisy: true }] }),
  ]);
  expect(stdout).toContain('- ours: perhaps **rising** at 64 (2.00 times that of 1; noisy)\n');
  expect(stdout).toContain('\nToo noisy to tell: active (ours).\n');
  expect(stdout).not.toContain('Neither flat');
});

test('fails when something did not come through as it should', () => {
  const failed = { x: 64, failed: 'byte 70000 of a stream is wrong' };
  const { status, stdout } = scale([active({ name: 'ours', points: [...points([1, 20]), failed] })]);
  expect(status).toBe(1);
  expect(stdout).toContain('| 64 | failed |');
  expect(stdout).toContain('- ours: **failed** at 64: byte 70000 of a stream is wrong\n');
});

test.each([
  [['--only', 'idle,busy'], '--only: "busy" is none of idle, active, frames, framings, endurance'],
  [['--gigabytes', '0'], '--gigabytes: "0" is no number from 0.1 to 10000'],
  [['--speed'], "Unknown option '--speed'"],
])('refuses %j with a sentence', (options, sentence) => {
  const { status, stderr } = scale(undefined, ...options);
  expect(status).toBe(2);
  expect(stderr).toContain(sentence);
  expect(stderr).not.toContain('    at ');
});

test('lists its options when asked', () => {
  expect(scale(undefined, '--help')).toMatchObject({ status: 0, stderr: '' });
});

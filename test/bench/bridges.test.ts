/** `npm run bench`: what it understands and what it says of figures that are given to it. It measures nothing here. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const BENCH = new URL('../../bench/bridges.mjs', import.meta.url).pathname;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function bench(...options: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BENCH, ...options], { encoding: 'utf8' });
  return { status, stdout, stderr };
}

const MACHINE = {
  date: '2026-11-23',
  processor: 'Some CPU',
  processors: 2,
  system: 'Linux 6.1',
  node: '20.20.2',
  rounds: 3,
  time: 2,
  bridges: [
    { name: 'websocksy', version: '1.2.3' },
    { name: 'ws', version: '8.0.0' },
    { name: 'node-pipe', version: '' },
  ],
};

const speed = (round: number, bridge: string, perCpu: number, more = {}) => ({
  ...{ round, bridge, perCpu, test: 'up1k', unit: 'MB', rate: perCpu / 2, busy: 0.5, others: 0.01 },
  ...more,
});

function report(results: object[], ...options: string[]) {
  const file = join(folder, 'run.json');
  writeFileSync(file, JSON.stringify({ machine: MACHINE, results }));
  return bench('--from', file, ...options);
}

test('tells the median of the rounds, and of the ratios within each round', () => {
  const { status, stdout } = report([
    speed(1, 'websocksy', 2000),
    speed(1, 'ws', 100),
    speed(2, 'websocksy', 2200),
    speed(2, 'ws', 104),
    speed(3, 'websocksy', 1890),
    speed(3, 'ws', 90),
  ]);
  expect(status).toBe(0);
  expect(stdout.split('\n')).toEqual([
    '# Bridges, per CPU-second',
    '',
    '- 2026-11-23, Some CPU, 2 processors, Linux 6.1, Node 20.20.2',
    '- websocksy 1.2.3, ws 8.0.0, node-pipe',
    '- rounds: 3, 2 s for each measurement; medians; "× ws" is that of the ratios within a round',
    '',
    '## up1k',
    '',
    '| bridge | MB per CPU-second | × ws | spread | MB/s | CPU |  |',
    '|---|---:|---:|---:|---:|---:|---|',
    '| websocksy | 2,000 | 21.0 | 5 % | 1,000 | 50 % |  |',
    '| ws | 100 | 1.00 | 14 % | 50.0 | 50 % |  |',
    '',
    'Quiet enough: others left the machine alone, and no row is spread over more than 25 %.',
    '',
  ]);
});

test('says of which rows nothing can be told: used by others, or spread', () => {
  const { stdout } = report([
    speed(1, 'websocksy', 100),
    speed(1, 'ws', 100, { noisy: true }),
    speed(2, 'websocksy', 200),
    speed(2, 'ws', 100, { noisy: true }),
    speed(1, 'websocksy', 300, { test: 'up64k' }),
    speed(1, 'ws', 100, { test: 'up64k' }),
    speed(2, 'websocksy', 300, { test: 'up64k' }),
    speed(2, 'ws', 100, { test: 'up64k' }),
  ]);
  expect(stdout).toContain('| ws | 100 | 1.00 | 0 % | 50.0 | 50 % | 2 of 2 noisy |');
  expect(stdout).toContain('differ by more than 25 %: up1k (all).');
});

test('gives no figure to a bridge that failed, and says why', () => {
  const { stdout } = report([
    { round: 1, bridge: 'websocksy', test: 'up1k', failed: 'byte 70000 of a stream is wrong' },
    speed(1, 'ws', 100),
    { round: 1, bridge: 'node-pipe', raw: true, test: 'up1k', failed: 'nothing came through' },
  ]);
  expect(stdout).toContain(
    '| websocksy | – | – | – | – | – | failed in 1 of 1 rounds: byte 70000 of a stream is wrong |',
  );
  expect(stdout).toContain('| TCP only, no WebSocket; failed in 1 of 1 rounds: nothing came through |');
});

test('compares the memory of connections, and draws a chart', () => {
  const svg = join(folder, 'chart.svg');
  const idle = (bridge: string, bytes: number) => ({
    round: 1,
    bridge,
    test: 'idle',
    unit: 'B',
    bytes,
    others: 0,
  });
  const { stdout } = report([idle('websocksy', 6000), idle('ws', 12_000)], '--svg', svg);
  expect(stdout).toContain('## idle (less is better)');
  expect(stdout).toContain('| websocksy | 6,000 | 0.500 | – |  |');
  expect(readFileSync(svg, 'utf8')).toMatch(/^<svg .*>websocksy<.*>0\.500<.*<\/svg>\n$/s);
});

test('sets text beside binary of the same round, and names the rows where it costs too much', () => {
  const { stdout } = report([
    speed(1, 'websocksy', 200),
    speed(1, 'auto-text', 190),
    speed(1, 'newline-text', 150),
    speed(1, 'ws', 100),
    speed(2, 'websocksy', 100),
    speed(2, 'auto-text', 95),
    speed(2, 'newline-text', 75),
    speed(2, 'ws', 50),
  ]);
  expect(stdout).toContain(
    [
      '## Text both ways, × binary',
      '',
      '| row | auto-text | newline-text |',
      '|---|---:|---:|',
      '| up1k | 0.950 | 0.750 |',
      '',
      'More than 15 % below binary: up1k under newline-text (0.750).',
    ].join('\n'),
  );
});

test.each([
  [['--tests', 'up1k,up2k'], '--tests: "up2k" is none of up64k, up1k, down,'],
  [['--only', 'nginx'], '--only: "nginx" is none of websocksy, auto-text, newline-text, ws,'],
  [['--rounds', '1.5'], '--rounds: "1.5" is no whole number from 1 to 100'],
  [['--time', 'long'], '--time: "long" is no number from 0.2 to 600'],
  [['--speed'], "Unknown option '--speed'"],
])('refuses %j with a sentence', (options, sentence) => {
  const { status, stderr } = bench(...options);
  expect(status).toBe(2);
  expect(stderr).toContain(sentence);
  expect(stderr).not.toContain('    at ');
});

test('lists its options when asked', () => {
  expect(bench('--help')).toMatchObject({ status: 0, stderr: '' });
});

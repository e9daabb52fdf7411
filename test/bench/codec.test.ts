/** The codec's benchmark still runs on the code as it is, and all that it measures gives right results. No times. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const BENCH = fileURLToPath(new URL('../../bench/codec.mjs', import.meta.url));

const folder = mkdtempSync(join(tmpdir(), 'websocksy-bench-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...options: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [BENCH, ...options], { encoding: 'utf8', timeout: 60_000 });
}

test('every case runs, and what comes out of it is right', { timeout: 60_000 }, () => {
  const file = join(folder, 'codec.json');
  const { status, stdout, stderr } = run('--time', '0', '--rounds', '1', '--json', file);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const { node, rows } = JSON.parse(readFileSync(file, 'utf8')) as {
    node: string;
    rows: { part: string; itemsPerSecond: number }[];
  };
  expect(node).toBe(process.versions.node);
  expect([...new Set(rows.map(({ part }) => part))]).toEqual([
    'decoder',
    'mask',
    'encoder',
    'utf8',
    'framings',
    'handshake',
    'deflate',
  ]);
  for (const { itemsPerSecond } of rows) expect(itemsPerSecond).toBeGreaterThan(0);
  expect(stdout.split('\n').filter((line) => /^\| .+B \|/.test(line))).toHaveLength(rows.length);
});

test('--only picks cases by a part of their names', () => {
  const { stdout } = run('--only', 'mask/unmask/1', '--list');
  expect(stdout.split('\n')).toEqual([
    'mask/unmask/16 B',
    'mask/unmask/125 B',
    'mask/unmask/1 KiB',
    'mask/unmask/16 KiB',
    'mask/unmask/1 MiB',
    '',
  ]);
});

test('a name that no case has, and a number that is none, are refused', () => {
  expect(run('--only', 'nosuch')).toMatchObject({ status: 2, stdout: '' });
  expect(run('--rounds', 'many')).toMatchObject({ status: 2, stdout: '' });
});

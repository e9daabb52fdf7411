import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { filesFor, openFiles, PER_CONNECTION, reserveOf, shareOf } from '../src/descriptors.ts';
import { Random, SEED } from './support/randomness.ts';

describe('the limit of open files', () => {
  /** As a process that was given it finds it: from the sources, by a Node that can read them, or from the build. */
  function under(limit: number): number {
    const module = new URL('../dist/src/descriptors.js', import.meta.url).href;
    const program = `import { openFiles } from ${JSON.stringify(module)}; console.log(openFiles())`;
    const script = `ulimit -n ${limit}; exec "$0" --input-type=module -e "$1"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, program], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    return Number(stdout);
  }

  test.each([100, 1_000])('is what the shell set: %i', (limit) => {
    expect(under(limit)).toBe(limit);
  });

  test('of this process is a number that can be worked with', () => {
    expect(openFiles()).toBeGreaterThan(10);
    expect(openFiles()).toBeLessThanOrEqual(1 << 20);
  });
});

describe('of so many open files', () => {
  test.each([
    // [files, kept for answers, for connections]; 32 are the daemon's own.
    [100, 48, 20],
    [512, 64, 416],
    [1_024, 128, 864],
    [4_096, 512, 3_552],
    [65_536, 1_024, 64_480],
    [1 << 20, 1_024, (1 << 20) - 1_056],
  ])('%i, %i are kept for answers and %i are for connections', (files, reserve, share) => {
    expect(reserveOf(files)).toBe(reserve);
    expect(shareOf(files)).toBe(share);
  });

  test.each([1, 10, 64, 80, 82])('%i, there are always those of one connection', (files) => {
    expect(shareOf(files)).toBe(PER_CONNECTION);
  });
});

test(`what filesFor says is enough, and hardly more than that (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  const room = (files: number) => Math.floor(shareOf(files) / PER_CONNECTION);
  const check = (connections: number) => {
    const files = filesFor(connections);
    expect(room(files), `${connections} connections, ${files} files`).toBeGreaterThanOrEqual(connections);
    // Sixteen too many at most: nobody is told to raise a limit far beyond what is of use. One always has room.
    if (connections > 1)
      expect(room(files - 16), `${connections} connections, ${files} files`).toBeLessThan(connections);
  };
  for (let connections = 1; connections <= 5_000; connections += 1) check(connections);
  for (let i = 0; i < 2_000; i += 1) check(random.int(5_000, 500_000));
});

test('all that connections, answers and further dials may take leaves the daemon what it needs itself', () => {
  // Node's own, and a look-up in each thread of the pool.
  const needed = 22 + 4;
  for (let files = 100; files <= 70_000; files += 1) {
    // As the daemon divides it.
    const answers = reserveOf(files) >> 1;
    const dials = reserveOf(files) >> 2;
    expect(files - shareOf(files) - answers - dials, `${files} files`).toBeGreaterThanOrEqual(needed);
  }
});

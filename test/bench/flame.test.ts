/** Flame graphs of CPU profiles: what is counted, joined and left out, and that a picture stays small. */
import { expect, test } from 'vitest';

const { flameGraph, fold, selfShares } = await import(new URL('../../bench/flame.mjs', import.meta.url).href);

type Frame = [id: number, functionName: string, url: string, line: number, children?: number[]];

const node = ([id, functionName, url, line, children]: Frame) => ({
  id,
  callFrame: { functionName, url, lineNumber: line - 1 },
  children,
});

/** A profile of 1,000 µs a sample. */
const profile = (frames: Frame[], samples: number[]) => ({
  nodes: frames.map(node),
  samples,
  timeDeltas: samples.map(() => 1000),
  startTime: 0,
  endTime: samples.length * 1000,
});

const BRIDGE = 'file:///somewhere/dist/src/bridge.js';
const PROFILE = profile(
  [
    [1, '(root)', '', 0, [2, 5, 6, 7]],
    [2, 'emit', 'node:events', 471, [3, 4, 8]],
    [3, 'onBytes', BRIDGE, 12],
    [4, 'onBytes', BRIDGE, 12],
    [5, '(garbage collector)', '', 0],
    [6, '(idle)', '', 0],
    [7, '', 'file:///somewhere/bench/profile-hook.mjs', 18],
    [8, 'writeBuffer', '', 0],
  ],
  [3, 3, 4, 8, 8, 8, 8, 5, 2, 2, 6, 6, 6, 6, 6, 7, 7],
);

test('joins functions of one name and place, and leaves out idle time and the profiler', () => {
  const root = fold(PROFILE);
  expect(root.total).toBe(10_000);
  expect([...root.children.keys()]).toEqual(['emit node:events:471', '(garbage collector) ']);
  const emit = root.children.get('emit node:events:471');
  expect(emit).toMatchObject({ kind: 'node', self: 2000, total: 9000 });
  expect(emit.children.get('onBytes src/bridge.js:12')).toMatchObject({ kind: 'own', total: 3000 });
});

test('tells whose code the time was spent in', () => {
  expect(selfShares(fold(PROFILE))).toEqual({ own: 0.3, node: 0.2, native: 0.4, collector: 0.1 });
});

test('takes idle time in which the thread used a CPU for work of libuv', () => {
  // 17 ms, of which the thread used a CPU in 15: 10 are known.
  const root = fold(PROFILE, 15 / 17);
  expect(root.total).toBeCloseTo(15_000);
  expect(root.children.get('(libuv polls and reads)').self).toBeCloseTo(5000);
});

test('draws a box for each function with its name, place and share, and none below a half per cent', () => {
  const samples = [...Array(996).fill(2), ...Array(4).fill(3)];
  const svg = flameGraph(
    fold(
      profile(
        [
          [1, '(root)', '', 0, [2, 3]],
          [2, 'receive', BRIDGE, 7],
          [3, 'seldom', BRIDGE, 99],
        ],
        samples,
      ),
    ),
    'up <1k>',
  );
  expect(svg).toMatch(/^<svg .*<\/svg>\n$/s);
  expect(svg).toContain('up &#60;1k&#62;');
  expect(svg).toContain('<title>receive, src/bridge.js:7, 99.6 %, itself 99.6 %</title>');
  expect(svg).not.toContain('seldom');
  expect(svg).not.toContain('somewhere');
});

test('draws less where a picture would be too large for a page', () => {
  // Ten towers of 60 calls each: 600 boxes.
  const frames: Frame[] = [[1, '(root)', '', 0, Array.from({ length: 10 }, (_, i) => 2 + i * 60)]];
  for (let tower = 0; tower < 10; tower += 1)
    for (let depth = 0; depth < 60; depth += 1) {
      const id = 2 + tower * 60 + depth;
      const name = `aFunctionWithAVeryLongNameThatTakesMuchRoom${id}`;
      frames.push([id, name, BRIDGE, id, depth < 59 ? [id + 1] : []]);
    }
  const samples = Array.from({ length: 10 }, (_, i) =>
    Array.from({ length: i + 1 }, () => 2 + i * 60 + 59),
  ).flat();
  expect(flameGraph(fold(profile(frames, samples)), 'much').length).toBeLessThan(60_000);
});

import { expect, test } from 'vitest';
import { TICK } from '../src/limits.ts';
import { LoopWatch } from '../src/loop-watch.ts';

/** A watch that has been called after each of these times, in ms. */
function after(limit: number, ...waits: readonly number[]): LoopWatch {
  const watch = new LoopWatch(limit);
  let now = 5_000;
  watch.tick(now);
  for (const wait of waits) {
    now += wait;
    watch.tick(now);
  }
  return watch;
}

test('ticks in time are no lag, and one that is early is none either', () => {
  expect(after(1_000).lag).toBe(0);
  expect(after(1_000, TICK, TICK).lag).toBe(0);
  expect(after(1_000, TICK - 20).lag).toBe(0);
});

test('the lag is by how much the last tick was late', () => {
  expect(after(1_000, TICK, TICK + 700).lag).toBe(700);
  expect(after(1_000, TICK + 700, TICK).lag).toBe(0);
});

test('one late tick is no overload', () => {
  expect(after(1_000, TICK + 60_000).overloaded).toBe(false);
});

test('two in a row are, from the limit itself on', () => {
  expect(after(1_000, TICK + 1_000, TICK + 1_000).overloaded).toBe(true);
  expect(after(1_000, TICK + 1_000, TICK + 999).overloaded).toBe(false);
});

test('two late ones with one in time between them are none', () => {
  expect(after(1_000, TICK + 1_000, TICK, TICK + 1_000).overloaded).toBe(false);
});

test('it lasts while ticks are late, and is over with the first that is not', () => {
  expect(after(1_000, ...Array(10).fill(TICK + 2_000)).overloaded).toBe(true);
  expect(after(1_000, ...Array(10).fill(TICK + 2_000), TICK).overloaded).toBe(false);
});

test('without a limit there is no overload, but the lag is known', () => {
  const watch = after(0, TICK + 5_000, TICK + 5_000);
  expect(watch.overloaded).toBe(false);
  expect(watch.lag).toBe(5_000);
});

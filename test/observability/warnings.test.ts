/** One line in a while, and the number of the others. */
import { expect, test } from 'vitest';
import type { LogFields } from '../../src/observability/logger.ts';
import { ThrottledLog } from '../../src/observability/warnings.ts';

function record() {
  const lines: [string, LogFields | undefined][] = [];
  const log = new ThrottledLog((event, fields) => lines.push([event, fields]));
  return { lines, log };
}

test('the first goes out at once, those of the next second are counted, and the next one says how many', () => {
  const { lines, log } = record();
  for (let i = 0; i < 100; i += 1) log.log('refused', 'a', { n: i }, 1000 + i);
  expect(lines).toEqual([['refused', { n: 0 }]]);
  log.log('refused', 'a', { n: 100 }, 2000);
  expect(lines.slice(1)).toEqual([['refused', { n: 100, more: 99 }]]);
});

test('a tick says the last one that was kept back, when the second is over', () => {
  const { lines, log } = record();
  for (let i = 0; i < 100; i += 1) log.log('refused', 'a', { n: i }, 0);
  log.tick(999);
  expect(lines).toHaveLength(1);
  log.tick(1000);
  log.tick(5000);
  expect(lines.slice(1)).toEqual([['refused', { n: 99, more: 98 }]]);
});

test('one that was kept back alone has no number', () => {
  const { lines, log } = record();
  log.log('refused', 'a', { n: 0 }, 0);
  log.log('refused', 'a', { n: 1 }, 1);
  log.tick(1000);
  expect(lines).toEqual([
    ['refused', { n: 0 }],
    ['refused', { n: 1 }],
  ]);
});

test('what a tick has said begins a second of its own', () => {
  const { lines, log } = record();
  log.log('refused', 'a', {}, 0);
  log.log('refused', 'a', {}, 1);
  log.tick(1000);
  log.log('refused', 'a', {}, 1500);
  expect(lines).toHaveLength(2);
});

test('kinds do not hold each other back', () => {
  const { lines, log } = record();
  log.log('refused', 'a', {}, 0);
  log.log('refused', 'b', {}, 0);
  log.log('other', 'c', {}, 0);
  expect(lines).toHaveLength(3);
});

test('a flood of kinds that nobody foresaw is held back as one', () => {
  const { lines, log } = record();
  for (let i = 0; i < 10_000; i += 1) log.log('refused', `kind ${i}`, {}, 0);
  expect(lines).toHaveLength(65);
  log.tick(1000);
  expect(lines).toHaveLength(66);
  expect(lines.at(-1)).toEqual(['refused', { more: 10_000 - 65 - 1 }]);
});

test('kinds that are quiet again are forgotten', () => {
  const { lines, log } = record();
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 64; i += 1) log.log('refused', `kind ${round} ${i}`, {}, round * 5000);
    log.tick(round * 5000 + 1000);
  }
  expect(lines).toHaveLength(3 * 64);
});

test('a flush says what was kept back, and later ones go out as at the beginning', () => {
  const { lines, log } = record();
  for (let i = 0; i < 5; i += 1) log.log('refused', 'a', { n: i }, 0);
  log.flush();
  expect(lines.slice(1)).toEqual([['refused', { n: 4, more: 3 }]]);
  log.log('refused', 'a', { n: 5 }, 1);
  expect(lines.slice(2)).toEqual([['refused', { n: 5 }]]);
});

test('nothing is kept for a level that is off', () => {
  const log = new ThrottledLog(undefined);
  for (let i = 0; i < 5; i += 1) log.log('refused', 'a', {}, i);
  expect(() => log.flush()).not.toThrow();
});

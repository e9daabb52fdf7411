import { expect, test } from 'vitest';
import { Counters } from '../../src/observability/counters.ts';

test('a counter that nobody has touched is not in the snapshot', () => {
  const counters = new Counters();
  expect(counters.snapshot()).toEqual({});
});

test('counts by one unless told otherwise', () => {
  const counters = new Counters();
  counters.add('accepted');
  counters.add('accepted');
  counters.add('bytes-up', 1_000);
  counters.add('bytes-up', 24);
  expect(counters.snapshot()).toEqual({ accepted: 2, 'bytes-up': 1_024 });
});

test('what is 0 after all is left out', () => {
  const counters = new Counters();
  counters.add('undelivered-up', 0);
  expect(counters.snapshot()).toEqual({});
});

test('ends are counted by their code, the refused apart', () => {
  const counters = new Counters();
  counters.ended('refused', 'memory-full');
  counters.ended('closed', 'memory-full');
  counters.ended('closed', 'memory-full');
  expect(counters.snapshot()).toEqual({ 'closed-memory-full': 2, 'refused-memory-full': 1 });
});

test('the snapshot is in the order of the names, and does not change any more', () => {
  const counters = new Counters();
  for (const name of ['opened', 'accepted', 'closed-internal', 'bytes-up']) counters.add(name);
  const snapshot = counters.snapshot();
  expect(Object.keys(snapshot)).toEqual(['accepted', 'bytes-up', 'closed-internal', 'opened']);
  counters.add('opened');
  expect(snapshot['opened']).toBe(1);
});

test('a name of Object.prototype is a counter like any other', () => {
  const counters = new Counters();
  counters.add('constructor');
  expect(Object.entries(counters.snapshot())).toContainEqual(['constructor', 1]);
  expect(Object.hasOwn(counters.snapshot(), 'toString')).toBe(false);
});

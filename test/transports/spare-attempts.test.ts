import { expect, test } from 'vitest';
import { SpareAttempts } from '../../src/transports/spare-attempts.ts';

test('as many can be taken as there are, and one more for each that is given back', () => {
  const spare = new SpareAttempts(2);
  expect([spare.take(), spare.take(), spare.take()]).toEqual([true, true, false]);
  expect(spare.left).toBe(0);
  spare.give();
  expect(spare.left).toBe(1);
  expect([spare.take(), spare.take()]).toEqual([true, false]);
});

test('a try in vain takes nothing', () => {
  const spare = new SpareAttempts(0);
  expect(spare.take()).toBe(false);
  expect(spare.left).toBe(0);
});

/** The statistics of the soak: what it calls a rise. */
import { expect, test } from 'vitest';
import { Random } from '../support/randomness.ts';

const { judge, slopeOf } = await import(new URL('slope.mjs', import.meta.url).href);

const points = (count: number, y: (x: number) => number) =>
  Array.from({ length: count }, (_, x) => ({ x, y: y(x) }));

test('finds the slope of a line, whatever single readings say', () => {
  expect(slopeOf(points(9, (x) => 5 + 2 * x))).toEqual({ slope: 2, least: 2, most: 2, noise: 0 });
  const { slope } = slopeOf(points(21, (x) => (x % 7 === 3 ? 1e9 : 5 + 2 * x)));
  expect(slope).toBe(2);
});

test('tells a rise from noise that is larger than it', () => {
  const random = new Random(1);
  const noise = () => 100 * (random.next() - 0.5);
  expect(
    judge(
      points(60, (x) => 4 * x + noise()),
      1,
    ).rises,
  ).toBe(true);
  expect(judge(points(60, noise), 1).rises).toBe(false);
});

test('calls no rise what has none, in a thousand series of pure noise', () => {
  const random = new Random(2);
  const rising = Array.from({ length: 1000 }, () =>
    judge(
      points(24, () => random.next()),
      0,
    ),
  ).filter(({ rises }) => rises);
  expect(rising).toHaveLength(0);
});

test('forgives what grows in the first half and then stands', () => {
  expect(
    judge(
      points(40, (x) => Math.min(x, 19) * 1000),
      0,
    ).rises,
  ).toBe(false);
});

test('forgives a rise of no more in all than what may come once', () => {
  const line = points(40, (x) => 10 * x);
  expect(judge(line, 190)).toMatchObject({ slope: 10, tolerated: 10, rises: false });
  expect(judge(line, 189).rises).toBe(true);
});

test('says nothing of one reading', () => {
  expect(
    judge(
      points(1, () => 5),
      0,
    ),
  ).toMatchObject({ slope: 0, rises: false });
});

import { expect, test } from 'vitest';
import { SlidingWindow } from '../../src/rfc6455/sliding-window.ts';
import { counting } from '../support/bytes.ts';
import { Random, SEED } from '../support/randomness.ts';

test('has no contents before anything was pushed, nor for no bytes', () => {
  const window = new SlidingWindow(8);
  expect(window.contents()).toBeUndefined();
  window.push(counting(5), 2, 2);
  expect(window.contents()).toBeUndefined();
});

test('holds what was pushed, and of the source only the range', () => {
  const window = new SlidingWindow(8);
  window.push(Uint8Array.of(9, 1, 2, 9), 1, 3);
  window.push(Uint8Array.of(3), 0, 1);
  expect([...window.contents()!]).toEqual([1, 2, 3]);
});

test('holds the last bytes once there are more than its size, oldest first', () => {
  const bytes = counting(600);
  for (const length of [255, 256, 257, 511, 512, 513, 600]) {
    const whole = new SlidingWindow(8);
    whole.push(bytes, 0, length);
    const single = new SlidingWindow(8);
    for (let at = 0; at < length; at += 1) single.push(bytes, at, at + 1);
    const expected = [...bytes.slice(Math.max(0, length - 256), length)];
    expect([...whole.contents()!], `${length} at once`).toEqual(expected);
    expect([...single.contents()!], `${length} one by one`).toEqual(expected);
  }
});

test('the contents are a copy', () => {
  for (const length of [100, 256, 300]) {
    const window = new SlidingWindow(8);
    window.push(counting(length), 0, length);
    const contents = window.contents()!;
    const before = [...contents];
    window.push(new Uint8Array(50), 0, 50);
    expect([...contents]).toEqual(before);
    contents.fill(1);
    expect([...window.contents()!].slice(-50)).toEqual(new Array(50).fill(0));
    expect([...window.contents()!].slice(0, 10)).not.toEqual(new Array(10).fill(1));
  }
});

test('clear forgets everything, and the next bytes begin anew', () => {
  const window = new SlidingWindow(8);
  window.push(counting(700), 0, 700);
  window.clear();
  expect(window.contents()).toBeUndefined();
  window.push(Uint8Array.of(1, 2), 0, 2);
  expect([...window.contents()!]).toEqual([1, 2]);
});

test(`random pieces: is what the end of them all is (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 60; round += 1) {
    const bits = random.int(8, 11);
    const window = new SlidingWindow(bits);
    let all: number[] = [];
    for (let piece = random.int(1, 30); piece > 0; piece -= 1) {
      const bytes = random.bytes(random.int(0, random.pick([3, 100, 5_000])));
      const start = random.int(0, bytes.length);
      const end = random.int(start, bytes.length);
      window.push(bytes, start, end);
      all = [...all, ...bytes.subarray(start, end)].slice(-(2 ** bits));
      expect([...(window.contents() ?? [])]).toEqual(all);
    }
  }
});

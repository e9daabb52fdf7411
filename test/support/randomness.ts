/**
 * Randomness that can be repeated: every draw of a run follows from one seed, which each random test names in its
 * title. `TEST_SEED=123 npx vitest run test/wire` runs the same cases again.
 */
import { randomInt } from 'node:crypto';

export const SEED = Number(process.env['TEST_SEED'] ?? randomInt(2 ** 31));

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)]!;
  }

  bytes(count: number): Buffer {
    const result = Buffer.allocUnsafe(count);
    for (let i = 0; i < count; i++) result[i] = this.int(0, 255);
    return result;
  }
}

/** `bytes` in `count` pieces, none empty, cut at random. */
export function randomCuts(bytes: Buffer, count: number, random: Random): Buffer[] {
  const places = new Set<number>();
  const wanted = Math.min(count, bytes.length) - 1;
  while (places.size < wanted) places.add(random.int(1, bytes.length - 1));
  return cutAt(bytes, [...places]);
}

/** `bytes` cut at the given offsets. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ordered = [0, ...places, bytes.length].sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  for (let i = 1; i < ordered.length; i++) {
    const piece = bytes.subarray(ordered[i - 1], ordered[i]);
    if (piece.length > 0) pieces.push(piece);
  }
  return pieces;
}

/** One piece for each byte. */
export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
}

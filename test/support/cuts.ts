/**
 * Feeds one input to a parser under every kind of cut that a network makes: whole, byte by byte, in two at every place
 * (short inputs), and at random places, among them pieces without a byte.
 *
 * A failure names the cut and the seed; `TEST_SEED=… npx vitest run …` makes the same cuts again.
 */
import { Random, SEED } from './randomness.ts';

export { SEED } from './randomness.ts';

/** Up to this length an input is cut in two at every place. */
const SHORT = 400;
const RANDOM_ROUNDS = 12;

/** Options of fast-check that make its runs follow from the seed, too. */
export const SEEDED = { seed: SEED | 0 };

/** Calls `check` once for each way to cut. The pieces are copies, so they may be written to. */
export function eachCut(bytes: Uint8Array, check: (pieces: Uint8Array[]) => void): void {
  const under = (name: string, places: readonly number[]): void => {
    try {
      check(cutAt(bytes, places));
    } catch (error) {
      const where = places.length <= 40 ? ` at ${JSON.stringify(places)}` : '';
      if (error instanceof Error) error.message += `\n  (input cut ${name}${where}; TEST_SEED=${SEED})`;
      throw error;
    }
  };
  under('not at all', []);
  under(
    'byte by byte',
    Array.from({ length: Math.max(0, bytes.length - 1) }, (_, at) => at + 1),
  );
  if (bytes.length <= SHORT) for (let at = 0; at <= bytes.length; at += 1) under('in two', [at]);
  const random = new Random(SEED + bytes.length);
  for (let round = 0; round < RANDOM_ROUNDS; round += 1) under('at random', somePlaces(bytes.length, random));
}

/** `bytes` in copied pieces. A place that stands twice makes an empty piece. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  return [...places, bytes.length].map((end, i) => bytes.slice(i === 0 ? 0 : places[i - 1], end));
}

function somePlaces(length: number, random: Random): number[] {
  // Mostly few pieces, since those hold whole frames as well as split ones.
  const count = random.pick([1, 2, 3, 5, 8, Math.max(1, length >> 2)]);
  return Array.from({ length: count }, () => random.int(0, length)).sort((a, b) => a - b);
}

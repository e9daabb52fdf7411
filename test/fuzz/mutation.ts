/** Makes inputs of inputs: bits flipped, bytes replaced, pieces cut out, repeated, moved, taken from another, words put in. */
import { concat, latin1 } from '../support/bytes.ts';
import type { Random } from '../support/randomness.ts';

/** Bytes at which lengths, signs, characters and frames turn into something else. */
const EDGES = [
  0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x88, 0xc0, 0xff,
];

/** Most bytes of an input. */
export const LONGEST = 100_000;

/** @param other another input, to take pieces from */
export function mutate(
  input: Uint8Array,
  other: Uint8Array,
  words: readonly string[],
  random: Random,
): Uint8Array {
  let result: Uint8Array = input.slice();
  // Mostly one change, so that the rest still is what it was.
  for (let rounds = random.pick([1, 1, 1, 2, 3, 8]); rounds > 0; rounds -= 1)
    result = change(result, other, words, random);
  return result.length > LONGEST ? result.slice(0, LONGEST) : result;
}

function change(bytes: Uint8Array, other: Uint8Array, words: readonly string[], random: Random): Uint8Array {
  const { length } = bytes;
  const at = random.int(0, length);
  const to = Math.min(
    length,
    at + random.pick([1, 2, 4, random.int(1, 40), random.int(1, Math.max(1, length))]),
  );
  const insert = (piece: Uint8Array): Uint8Array => concat(bytes.subarray(0, at), piece, bytes.subarray(at));
  switch (random.int(0, 8)) {
    case 0:
      if (at < length) bytes[at]! ^= 1 << random.int(0, 7);
      return bytes;
    case 1:
      if (at < length) bytes[at] = random.pick(EDGES);
      return bytes;
    case 2:
      return insert(Uint8Array.of(random.pick([random.pick(EDGES), random.int(0, 255)])));
    case 3:
      return concat(bytes.subarray(0, at), bytes.subarray(to));
    case 4:
      return bytes.slice(0, at);
    case 5: {
      // A piece many times over: what takes quadratic time, or has a count too small.
      const piece = bytes.subarray(at, to);
      const times = random.pick([1, 1, 2, 5, 40]);
      return piece.length * times > 4_000 ? insert(piece) : insert(concat(...Array(times).fill(piece)));
    }
    case 6: {
      const from = random.int(0, other.length);
      return concat(bytes.subarray(0, at), other.subarray(from));
    }
    case 7: {
      const from = random.int(0, other.length);
      return insert(other.subarray(from, from + random.int(1, 60)));
    }
    default:
      return words.length === 0 ? bytes : insert(latin1(random.pick(words)));
  }
}

import { describe, expect, test } from 'vitest';
import { turn, unmask } from '../../src/rfc6455/mask.ts';
import { counting, hex, hexOf } from '../support/bytes.ts';
import { cutAt, SEED } from '../support/cuts.ts';
import { naiveUnmask } from '../support/naive-unmask.ts';
import { Random } from '../support/randomness.ts';

/** The key of §5.7, 37 fa 21 3d, as a number whose lowest byte is its first. */
const KEY = 0x3d21fa37;
/** Behind and before the run, to see whether anything else is touched. */
const MARGIN = 12;

test('§5.3: unmasks the example of §5.7', () => {
  const bytes = hex('7f9f4d5158');
  expect(unmask(bytes, 0, 5, KEY)).toBe(true);
  expect(hexOf(bytes)).toBe('48656c6c6f');
});

describe('against a byte loop', () => {
  test('§5.3: is the same at every alignment and length from 0 to 600, and touches nothing else', () => {
    for (let alignment = 0; alignment < 16; alignment += 1)
      for (let length = 0; length <= 600; length += 1) compare(alignment, MARGIN, length);
  });

  test('§5.3: is the same with every byte of the key first around the length from which words are used', () => {
    for (let length = 180; length <= 210; length += 1)
      for (let alignment = 0; alignment < 4; alignment += 1)
        for (let turned = 0; turned < 4; turned += 1)
          compare(alignment, MARGIN + alignment, length, turn(KEY, turned));
  });

  test('§5.3: is the same for a run that ends where its memory ends', () => {
    for (let length = 190; length <= 200; length += 1) {
      for (let offset = 0; offset < 4; offset += 1) {
        const memory = new ArrayBuffer(offset + length);
        const bytes = new Uint8Array(memory, offset).fill(0x55);
        const expected = new Uint8Array(length).fill(0x55);
        naiveUnmask(expected, 0, length, KEY);
        unmask(bytes, 0, length, KEY);
        expect(hexOf(bytes)).toBe(hexOf(expected));
      }
    }
  });

  test(`§5.3: is the same for random keys, lengths and places (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let round = 0; round < 500; round += 1) {
      const key = random.bytes(4).readInt32LE();
      compare(random.int(0, 15), random.int(0, 40), random.int(0, 5_000), key);
    }
  });
});

describe('ASCII', () => {
  test('is what has no byte of 0x80 or more when it is unmasked, wherever that byte stands', () => {
    for (const length of [1, 2, 3, 4, 5, 7, 8, 191, 192, 193, 194, 195, 196, 211]) {
      for (let offset = 0; offset < 4; offset += 1) {
        expect(unmask(masked(offset, length), offset, offset + length, KEY)).toBe(true);
        for (let at = 0; at < length; at += 1) {
          const bytes = masked(offset, length);
          bytes[offset + at]! ^= 0x80;
          expect(unmask(bytes, offset, offset + length, KEY), `${at} of ${length}`).toBe(false);
        }
      }
    }
  });

  test('bytes beside the run do not count', () => {
    for (const length of [0, 1, 4, 300]) {
      const bytes = new Uint8Array(length + 2 * MARGIN).fill(0xff);
      bytes.set(masked(0, length), MARGIN);
      expect(unmask(bytes, MARGIN, MARGIN + length, KEY)).toBe(true);
    }
  });

  /** Masked ASCII of all its bits, from `offset` on. */
  function masked(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(offset + length).fill(0x7f);
    naiveUnmask(bytes, offset, offset + length, KEY);
    return bytes;
  }
});

test(`§5.3: the turned key carries a run over any cuts (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED + 1);
  const plain = counting(1_500);
  const masked = plain.slice();
  naiveUnmask(masked, 0, masked.length, KEY);
  for (let round = 0; round < 100; round += 1) {
    const places = Array.from({ length: random.int(1, 9) }, () => random.int(0, 1_500)).sort((a, b) => a - b);
    let key = KEY;
    const pieces = cutAt(masked, places);
    for (const piece of pieces) {
      unmask(piece, 0, piece.length, key);
      key = turn(key, piece.length);
    }
    expect(Buffer.concat(pieces).equals(plain)).toBe(true);
    expect(key).toBe(KEY);
  }
});

test('§5.3: a turned key begins with the byte that is next', () => {
  const next = [0x3d21fa37, 0x373d21fa, 0xfa373d21, 0x21fa373d];
  for (let bytes = 0; bytes < 9; bytes += 1) expect(turn(KEY, bytes) >>> 0).toBe(next[bytes % 4]);
  expect(turn(KEY, 2 ** 32 + 1) >>> 0).toBe(next[1]);
});

test('§5.3: an empty run is ASCII and leaves the bytes as they are', () => {
  const bytes = hex('ff02ff');
  expect(unmask(bytes, 1, 1, KEY)).toBe(true);
  expect(hexOf(bytes)).toBe('ff02ff');
});

function compare(alignment: number, start: number, length: number, key = KEY): void {
  const size = start + length + MARGIN;
  const bytes = new Uint8Array(new ArrayBuffer(alignment + size), alignment);
  bytes.set(counting(size));
  const expected = bytes.slice();
  naiveUnmask(expected, start, start + length, key);
  const ascii = unmask(bytes, start, start + length, key);
  const where = `alignment ${alignment}, start ${start}, length ${length}, key ${key}`;
  if (!Buffer.from(expected).equals(bytes)) expect(hexOf(bytes), where).toBe(hexOf(expected));
  expect(ascii, where).toBe(expected.subarray(start, start + length).every((byte) => byte < 0x80));
}

import { describe, expect, test } from 'vitest';
import { unmask } from '../../src/rfc6455/mask.ts';
import { counting, hex, hexOf } from '../support/bytes.ts';
import { cutAt, SEED } from '../support/cuts.ts';
import { Random } from '../support/randomness.ts';

const KEY = hex('37fa213d');
/** Behind and before the run, to see whether anything else is touched. */
const MARGIN = 12;

/** §5.3 as it is written down there. */
function naive(bytes: Uint8Array, start: number, end: number, key: Uint8Array, phase: number): void {
  for (let i = 0; i < end - start; i += 1) bytes[start + i] = bytes[start + i]! ^ key[(phase + i) % 4]!;
}

test('§5.3: unmasks the example of §5.7', () => {
  const bytes = hex('7f9f4d5158');
  expect(unmask(bytes, 0, 5, KEY, 0)).toBe(1);
  expect(hexOf(bytes)).toBe('48656c6c6f');
});

describe('against a byte loop', () => {
  test('§5.3: is the same at every alignment, phase and length from 0 to 600, and touches nothing else', () => {
    // 16 alignments of the memory times all lengths times four phases.
    for (let alignment = 0; alignment < 16; alignment += 1) {
      for (let length = 0; length <= 600; length += 1) {
        const phase = (length + alignment + (length >> 2)) & 3;
        compare(alignment, MARGIN, length, phase);
      }
    }
  });

  test('§5.3: is the same at every phase around the length from which words are used', () => {
    for (let length = 180; length <= 210; length += 1)
      for (let alignment = 0; alignment < 4; alignment += 1)
        for (let phase = 0; phase < 4; phase += 1) compare(alignment, MARGIN + alignment, length, phase);
  });

  test('§5.3: is the same for a run that ends where its memory ends', () => {
    for (let length = 190; length <= 200; length += 1) {
      for (let offset = 0; offset < 4; offset += 1) {
        const memory = new ArrayBuffer(offset + length);
        const bytes = new Uint8Array(memory, offset).fill(0x55);
        const expected = new Uint8Array(length).fill(0x55);
        naive(expected, 0, length, KEY, 3);
        unmask(bytes, 0, length, KEY, 3);
        expect(hexOf(bytes)).toBe(hexOf(expected));
      }
    }
  });

  test(`§5.3: is the same for random keys, lengths and places (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let round = 0; round < 500; round += 1) {
      const key = random.bytes(4);
      compare(random.int(0, 15), random.int(0, 40), random.int(0, 5_000), random.int(0, 3), key);
    }
  });
});

test(`§5.3: the phase carries a run over any cuts (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED + 1);
  const plain = counting(1_500);
  const masked = plain.slice();
  naive(masked, 0, masked.length, KEY, 0);
  for (let round = 0; round < 100; round += 1) {
    const places = Array.from({ length: random.int(1, 9) }, () => random.int(0, 1_500)).sort((a, b) => a - b);
    let phase = 0;
    const pieces = cutAt(masked, places);
    for (const piece of pieces) phase = unmask(piece, 0, piece.length, KEY, phase);
    expect(Buffer.concat(pieces).equals(plain)).toBe(true);
    expect(phase).toBe(0);
  }
});

test('§5.3: an empty run leaves the phase and the bytes as they are', () => {
  const bytes = hex('010203');
  for (const phase of [0, 1, 2, 3]) expect(unmask(bytes, 1, 1, KEY, phase)).toBe(phase);
  expect(hexOf(bytes)).toBe('010203');
});

test('§5.3: the key is not changed', () => {
  const key = hex('37fa213d');
  unmask(counting(600), 1, 600, key, 2);
  expect(hexOf(key)).toBe('37fa213d');
});

function compare(alignment: number, start: number, length: number, phase: number, key = KEY): void {
  const size = start + length + MARGIN;
  const bytes = new Uint8Array(new ArrayBuffer(alignment + size), alignment);
  bytes.set(counting(size));
  const expected = bytes.slice();
  naive(expected, start, start + length, key, phase);
  const next = unmask(bytes, start, start + length, key, phase);
  const where = `alignment ${alignment}, start ${start}, length ${length}, phase ${phase}`;
  if (!Buffer.from(expected).equals(bytes)) expect(hexOf(bytes), where).toBe(hexOf(expected));
  if (next !== (phase + length) % 4) expect(next, where).toBe((phase + length) % 4);
}

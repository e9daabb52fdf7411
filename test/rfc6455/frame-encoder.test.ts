import { describe, expect, test } from 'vitest';
import { headerLength, MAX_HEADER, writeHeader } from '../../src/rfc6455/frame-encoder.ts';
import { hexOf } from '../support/bytes.ts';

/** A header written at an odd place, with what stands around it. */
function written(opcode: number, payloadLength: number): { header: string; around: string; next: number } {
  const memory = new Uint8Array(3 + MAX_HEADER + 3).fill(0xee);
  const next = writeHeader(memory, 3, opcode, payloadLength);
  const around = hexOf(memory.subarray(0, 3)) + hexOf(memory.subarray(next));
  return { header: hexOf(memory.subarray(3, next)), around, next };
}

const HEADERS = [
  [0, '8200'],
  [1, '8201'],
  [125, '827d'],
  [126, '827e007e'],
  [127, '827e007f'],
  [255, '827e00ff'],
  [256, '827e0100'],
  [65_535, '827effff'],
  [65_536, '827f0000000000010000'],
  [16_909_060, '827f0000000001020304'],
  [0x7fff_ffff, '827f000000007fffffff'],
  [0x8000_0000, '827f0000000080000000'],
  [0xffff_ffff, '827f00000000ffffffff'],
  [0x1_0000_0000, '827f0000000100000000'],
  [0x1_0203_0405_0607, '827f0001020304050607'],
  [Number.MAX_SAFE_INTEGER, '827f001fffffffffffff'],
] as const;

describe('§5.2: the length takes the fewest bytes, in network byte order', () => {
  test.for(HEADERS)('§5.2: a binary message of %i bytes', ([length, expected]) => {
    const { header, around, next } = written(0x2, length);
    expect(header).toBe(expected);
    expect(headerLength(length)).toBe(expected.length / 2);
    expect(next).toBe(3 + expected.length / 2);
    expect(around).toMatch(/^(ee)*$/);
  });
});

test('§5.1, §6.1: every opcode goes out with FIN, without RSV and without a mask', () => {
  expect(written(0x1, 5).header).toBe('8105');
  expect(written(0x2, 5).header).toBe('8205');
  expect(written(0x8, 2).header).toBe('8802');
  expect(written(0x9, 0).header).toBe('8900');
  expect(written(0xa, 125).header).toBe('8a7d');
});

test('§5.2: MAX_HEADER is the length of the longest header', () => {
  expect(MAX_HEADER).toBe(10);
  expect(headerLength(Number.MAX_SAFE_INTEGER)).toBe(10);
});

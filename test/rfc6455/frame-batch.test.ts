import { expect, test } from 'vitest';
import { FrameBatch } from '../../src/rfc6455/frame-batch.ts';
import { counting, hex, hexOf } from '../support/bytes.ts';

interface Write {
  readonly bytes: Uint8Array;
  readonly more: Uint8Array | undefined;
}

function batch(): { frames: FrameBatch; writes: Write[]; taken: () => string[] } {
  const writes: Write[] = [];
  const frames = new FrameBatch({ write: (bytes, more) => writes.push({ bytes, more }) });
  const taken = (): string[] =>
    writes.splice(0).map(({ bytes, more }) => hexOf(bytes) + (more === undefined ? '' : ` + ${more.length}`));
  return { frames, writes, taken };
}

/** From this size on a payload goes out where it lies (src/rfc6455/frame-batch.ts says why). */
const BY_REFERENCE = 32 * 1024;

test('writes nothing before the flush, and nothing without a frame', () => {
  const { frames, taken } = batch();
  frames.flush();
  expect(taken()).toEqual([]);
  frames.add(0xa, hex('01'), 0, 1);
  expect(taken()).toEqual([]);
  frames.flush();
  expect(taken()).toEqual(['8a0101']);
  frames.flush();
  expect(taken()).toEqual([]);
});

test('frames lie side by side in one write, in their order', () => {
  const { frames, taken } = batch();
  frames.add(0x1, hex('48 65 6c 6c 6f'), 0, 5);
  frames.add(0x9, hex(''), 0, 0);
  frames.add(0x2, hex('00 01 02 03'), 1, 3);
  frames.flush();
  expect(taken()).toEqual(['810548656c6c6f 8900 82020102'.replaceAll(' ', '')]);
});

test('the next frames go to other memory than those that were written', () => {
  const { frames, writes } = batch();
  frames.add(0x2, hex('01'), 0, 1, 4_096);
  frames.flush();
  frames.add(0x2, hex('ff'), 0, 1, 4_096);
  frames.flush();
  expect(writes.map(({ bytes }) => hexOf(bytes))).toEqual(['820101', '8201ff']);
});

const HEADERS = {
  0: '8200',
  1: '8201',
  3: '8203',
  125: '827d',
  126: '827e007e',
  300: '827e012c',
  2000: '827e07d0',
  20000: '827e4e20',
  32767: '827e7fff',
};

test('a batch of many sizes grows without losing a byte', () => {
  const { frames, taken } = batch();
  let expected = '';
  for (const length of [0, 1, 125, 126, 300, 2_000, 32_767, 20_000, 32_767, 3]) {
    const payload = counting(length);
    frames.add(0x2, payload, 0, length);
    expected += HEADERS[length as keyof typeof HEADERS];
    expected += hexOf(payload);
  }
  frames.flush();
  expect(taken().join() === expected).toBe(true);
});

test('expected is the size of the first allocation only: less and more than it are both right', () => {
  for (const expected of [0, 1, 7, 8, 1_000]) {
    const { frames, taken } = batch();
    frames.add(0x2, hex('010203'), 0, 3, expected);
    frames.add(0x2, hex('040506'), 0, 3, expected);
    frames.flush();
    expect(taken()).toEqual(['82030102038203040506']);
  }
});

test('a payload of 32 KiB less one byte is copied', () => {
  const { frames, writes } = batch();
  const payload = counting(BY_REFERENCE - 1);
  frames.add(0x2, payload, 0, payload.length);
  expect(writes).toHaveLength(0);
  frames.flush();
  expect(writes).toHaveLength(1);
  expect(writes[0]!.more).toBeUndefined();
  expect(hexOf(writes[0]!.bytes.subarray(0, 4))).toBe('827e7fff');
  expect(Buffer.from(payload).equals(writes[0]!.bytes.subarray(4))).toBe(true);
});

test('a payload of 32 KiB goes out where it lies, at once and in one write with what stands before it', () => {
  const { frames, writes, taken } = batch();
  const memory = counting(BY_REFERENCE + 20);
  frames.add(0x9, hex(''), 0, 0);
  frames.add(0x2, memory, 10, 10 + BY_REFERENCE);
  expect(writes).toHaveLength(1);
  const { more } = writes[0]!;
  expect(more?.buffer).toBe(memory.buffer);
  expect(more?.byteOffset).toBe(10);
  expect(taken()).toEqual(['8900827e8000 + 32768']);
  frames.add(0xa, hex('01'), 0, 1);
  frames.flush();
  expect(taken()).toEqual(['8a0101']);
});

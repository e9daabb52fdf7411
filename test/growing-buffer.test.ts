import { afterEach, describe, expect, test, vi } from 'vitest';
import { GrowingBuffer } from '../src/growing-buffer.ts';
import { MemoryAccount, MemoryBudget } from '../src/memory-budget.ts';
import { counting, hex, hexOf } from './support/bytes.ts';
import { eachCut } from './support/cuts.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** What has been gathered, without taking it. */
function contents(buffer: GrowingBuffer): string {
  return hexOf(buffer.bytes.subarray(0, buffer.length));
}

test('is empty at first, and taking nothing is harmless', () => {
  const buffer = new GrowingBuffer();
  expect(buffer.length).toBe(0);
  expect(buffer.take()).toHaveLength(0);
  expect(buffer.length).toBe(0);
});

test('gathers pieces in their order, whatever the cuts', () => {
  const bytes = counting(2_000);
  eachCut(bytes, (pieces) => {
    const buffer = new GrowingBuffer();
    let length = 0;
    for (const piece of pieces) {
      buffer.append(piece, 0, piece.length);
      length += piece.length;
      expect(buffer.length).toBe(length);
    }
    expect(contents(buffer)).toBe(hexOf(bytes));
    expect(hexOf(buffer.take())).toBe(hexOf(bytes));
  });
});

test('takes only the range that it was told to', () => {
  const buffer = new GrowingBuffer();
  buffer.append(hex('00 01 02 03'), 1, 3);
  buffer.append(hex('04 05'), 1, 1);
  buffer.append(hex('06 07'), 1, 2);
  buffer.append(hex('08 09'), 0, 1);
  expect(contents(buffer)).toBe('01020708');
});

test('takes the beginning of a source that is longer than its own memory', () => {
  const buffer = new GrowingBuffer();
  buffer.append(counting(1_000), 0, 256);
  expect(buffer.bytes).toHaveLength(256);
  expect(contents(buffer)).toBe(hexOf(counting(1_000).subarray(0, 256)));
});

test('copies: what happens to the source afterwards does not matter', () => {
  const source = hex('0102');
  const buffer = new GrowingBuffer();
  buffer.append(source, 0, 2);
  source.fill(0xff);
  expect(contents(buffer)).toBe('0102');
});

test('never writes again to what was taken', () => {
  const buffer = new GrowingBuffer();
  buffer.append(hex('0102'), 0, 2);
  const first = buffer.take();
  expect(buffer.length).toBe(0);
  buffer.append(hex('ffffffff'), 0, 4);
  const second = buffer.take();
  expect(hexOf(first)).toBe('0102');
  expect(hexOf(second)).toBe('ffffffff');
  expect(first.buffer).not.toBe(second.buffer);
});

test('its memory is its own, not a part of a pool that others read', () => {
  const buffer = new GrowingBuffer();
  buffer.append(hex('01'), 0, 1);
  expect(buffer.bytes.byteOffset).toBe(0);
  expect(buffer.bytes.buffer.byteLength).toBe(buffer.bytes.length);
});

describe('its cost', () => {
  test('a mebibyte in pieces of 16 bytes is moved a few times, not once for each piece', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    const buffer = new GrowingBuffer();
    const piece = counting(16);
    for (let i = 0; i < 65_536; i += 1) buffer.append(piece, 0, 16);
    expect(buffer.length).toBe(1_048_576);
    // From 256 bytes to 1 MiB by doubling: 13 steps.
    expect(allocate.mock.calls.map(([size]) => size)).toEqual(Array.from({ length: 13 }, (_, i) => 256 << i));
  });

  test('one large piece is given its length, and no more', () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
    const buffer = new GrowingBuffer();
    buffer.append(counting(10_000), 0, 10_000);
    expect(allocate.mock.calls).toEqual([[10_000]]);
  });

  test('what fits exactly does not grow', () => {
    const buffer = new GrowingBuffer();
    buffer.append(counting(256), 0, 256);
    const before = buffer.bytes;
    expect(before).toHaveLength(256);
    buffer.append(hex(''), 0, 0);
    expect(buffer.bytes).toBe(before);
    buffer.append(hex('01'), 0, 1);
    expect(buffer.bytes).toHaveLength(512);
  });
});

describe('its account', () => {
  /** A buffer, and what it counts as of a budget of 1,000 bytes. */
  function accounted() {
    const budget = new MemoryBudget(1_000);
    const account = new MemoryAccount(budget);
    return { budget, account, buffer: new GrowingBuffer(account) };
  }

  test('has the memory that was taken, not the bytes in it, and nothing after `take`', () => {
    const { account, buffer } = accounted();
    expect(account.held).toBe(0);
    buffer.append(counting(10), 0, 10);
    expect(account.held).toBe(256);
    buffer.append(counting(300), 0, 300);
    expect(account.held).toBe(512);
    buffer.take();
    expect(account.held).toBe(0);
    buffer.take();
    expect(account.held).toBe(0);
  });

  test('that is used up is a fault, and leaves everything as it was', () => {
    const { budget, account, buffer } = accounted();
    buffer.append(counting(500), 0, 500);
    expect(() => buffer.append(counting(600), 0, 600)).toThrow(
      expect.objectContaining({ code: 'memory-full' }),
    );
    expect([buffer.length, account.held, budget.used, account.overdrawn]).toEqual([500, 500, 500, false]);
    expect(contents(buffer)).toBe(hexOf(counting(500)));
    buffer.take();
    buffer.append(counting(600), 0, 600);
    expect(account.held).toBe(600);
  });

  test('that is used up does not matter to what fits', () => {
    const { budget, buffer } = accounted();
    buffer.append(counting(10), 0, 10);
    budget.add(5_000);
    buffer.append(counting(246), 0, 246);
    expect(() => buffer.append(counting(1), 0, 1)).toThrow(expect.objectContaining({ code: 'memory-full' }));
  });
});

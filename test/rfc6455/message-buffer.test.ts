import { describe, expect, test } from 'vitest';
import { MemoryAccount, MemoryBudget } from '../../src/memory-budget.ts';
import { MessageBuffer } from '../../src/rfc6455/message-buffer.ts';
import { concat, counting, hexOf } from '../support/bytes.ts';
import { Random, SEED } from '../support/randomness.ts';

test('gives the pieces as one message, of each source only the range', () => {
  const buffer = new MessageBuffer();
  buffer.append(Uint8Array.of(9, 1, 2, 9), 1, 3);
  buffer.append(Uint8Array.of(3), 0, 1);
  expect(buffer.length).toBe(3);
  expect([...buffer.take()]).toEqual([1, 2, 3]);
});

test('without a piece, and with empty ones, the message is empty', () => {
  const buffer = new MessageBuffer();
  expect(buffer.take()).toHaveLength(0);
  buffer.append(counting(4), 2, 2);
  expect(buffer.length).toBe(0);
  expect(buffer.take()).toHaveLength(0);
});

test('copies: neither the source nor the next message changes what was given away', () => {
  const buffer = new MessageBuffer();
  const source = Uint8Array.of(1, 2, 3);
  buffer.append(source, 0, 3);
  source.fill(9);
  const first = buffer.take();
  expect(buffer.length).toBe(0);
  for (let i = 0; i < 10; i += 1) buffer.append(Uint8Array.of(7, 7, 7), 0, 3);
  expect([...first]).toEqual([1, 2, 3]);
  expect(hexOf(buffer.take())).toBe('07'.repeat(30));
});

test('tiny pieces share chunks: a piece alone causes an allocation only when what has arrived has about doubled', () => {
  const buffer = new MessageBuffer();
  let allocations = 0;
  const allocate = Buffer.allocUnsafe;
  Buffer.allocUnsafe = (size: number) => {
    allocations += 1;
    return allocate(size);
  };
  try {
    for (let i = 0; i < 60_000; i += 1) buffer.append(Uint8Array.of(i & 0xff), 0, 1);
  } finally {
    Buffer.allocUnsafe = allocate;
  }
  expect(allocations).toBeLessThan(20);
  expect(hexOf(buffer.take().subarray(0, 300))).toBe(
    hexOf(Uint8Array.from({ length: 300 }, (_, i) => i & 0xff)),
  );
});

test('there is at no time much more memory than bytes: 1 MiB at most, and never more than twice as much', () => {
  const buffer = new MessageBuffer();
  let allocated = 0;
  const allocate = Buffer.allocUnsafe;
  Buffer.allocUnsafe = (size: number) => {
    allocated += size;
    return allocate(size);
  };
  try {
    const piece = new Uint8Array(10_000);
    for (let i = 0; i < 800; i += 1) {
      buffer.append(piece, 0, piece.length);
      expect(allocated).toBeLessThanOrEqual(Math.min(2 * buffer.length, buffer.length + 1_048_576));
    }
  } finally {
    Buffer.allocUnsafe = allocate;
  }
  expect(buffer.take()).toHaveLength(8_000_000);
});

test(`random pieces come out side by side (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 50; round += 1) {
    const buffer = new MessageBuffer();
    for (let message = 0; message < 3; message += 1) {
      const pieces: Uint8Array[] = [];
      for (let count = random.int(0, 40); count > 0; count -= 1) {
        const bytes = random.bytes(random.int(0, random.pick([2, 50, 3_000])));
        const start = random.int(0, bytes.length);
        buffer.append(bytes, start, bytes.length);
        pieces.push(bytes.subarray(start));
      }
      const expected = concat(...pieces);
      expect(buffer.length).toBe(expected.length);
      expect(Buffer.compare(buffer.take(), expected)).toBe(0);
    }
  }
});

describe('its account', () => {
  function accounted(limit = 1_000) {
    const budget = new MemoryBudget(limit);
    const account = new MemoryAccount(budget);
    return { budget, account, buffer: new MessageBuffer(account) };
  }

  test('has the chunks that were allocated, and nothing after `take` or `clear`', () => {
    const { account, buffer } = accounted();
    buffer.append(counting(100), 0, 100);
    expect(account.held).toBe(100);
    buffer.append(counting(10), 0, 10);
    // A chunk as long as what has come, for those that come next.
    expect(account.held).toBe(200);
    buffer.append(counting(90), 0, 90);
    expect(account.held).toBe(200);
    buffer.take();
    expect(account.held).toBe(0);
    buffer.append(counting(100), 0, 100);
    buffer.clear();
    expect(account.held).toBe(0);
  });

  test('that is used up is a fault, and nothing is taken for what did not fit', () => {
    const { budget, account, buffer } = accounted();
    buffer.append(counting(600), 0, 600);
    expect(() => buffer.append(counting(500), 0, 500)).toThrow(
      expect.objectContaining({ code: 'memory-full' }),
    );
    expect([account.held, budget.used]).toEqual([600, 600]);
    buffer.clear();
    expect(budget.used).toBe(0);
  });

  test(`is what was allocated, at every moment (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    const { budget, account, buffer } = accounted(1_000_000_000);
    let allocated = 0;
    const allocate = Buffer.allocUnsafe;
    Buffer.allocUnsafe = (size: number) => {
      allocated += size;
      return allocate(size);
    };
    try {
      for (let i = 0; i < 2_000; i += 1) {
        const bytes = counting(random.int(0, 3_000));
        buffer.append(bytes, random.int(0, bytes.length), bytes.length);
        expect(account.held).toBe(allocated);
        if (random.next() > 0.05) continue;
        buffer.clear();
        allocated = 0;
        expect(budget.used).toBe(0);
      }
    } finally {
      Buffer.allocUnsafe = allocate;
    }
  });
});

/** The slabs that bytes pass through: who has which, and when it is free again. */
import { beforeEach, describe, expect, test } from 'vitest';
import { HEADROOM, poolBytes, READ_BYTES, SLAB_BYTES, type Slab, SlabPool } from '../src/slab-pool.ts';

const FLOOR = 64;
const buffer = new ArrayBuffer(poolBytes(FLOOR));
let pool: SlabPool;

beforeEach(() => {
  pool = new SlabPool(buffer, FLOOR);
});

/** All that there are. */
function takeAll(): Slab[] {
  const slabs: Slab[] = [];
  for (let slab = pool.take(); slab !== undefined; slab = pool.take()) slabs.push(slab);
  return slabs;
}

describe('the memory', () => {
  test('the read slab and all output slabs lie side by side behind the floor, and fill the rest', () => {
    const all = [pool.readSlab, ...takeAll().map((slab) => slab.bytes)];
    const places = all.map((bytes) => [bytes.byteOffset, bytes.length]).sort((a, b) => a[0]! - b[0]!);
    let at = FLOOR;
    for (const [start, length] of places) {
      expect(start).toBe(at);
      at += length!;
    }
    expect(at).toBe(buffer.byteLength);
    for (const bytes of all) expect(bytes.buffer).toBe(buffer);
  });

  test('an output slab has room for a read, and for the headers of the messages that it becomes', () => {
    expect(pool.readSlab.length).toBe(READ_BYTES);
    expect(pool.take()!.bytes.length).toBe(SLAB_BYTES);
    expect(SLAB_BYTES).toBe(READ_BYTES + READ_BYTES / 8);
  });
});

describe('lending', () => {
  test('a slab is lent to one user at a time', () => {
    const slabs = takeAll();
    expect(slabs).toHaveLength(256);
    expect(new Set(slabs.map((slab) => slab.bytes.byteOffset)).size).toBe(256);
  });

  test('when all are lent there is none, and there is one again when one was given back', () => {
    const slabs = takeAll();
    expect(pool.take()).toBeUndefined();
    expect(pool.take()).toBeUndefined();
    pool.release(slabs[100]!);
    expect(pool.take()).toBe(slabs[100]);
    expect(pool.take()).toBeUndefined();
  });

  test('the one that was given back last is lent first', () => {
    const [first, second, third] = [pool.take()!, pool.take()!, pool.take()!];
    pool.release(second);
    pool.release(third);
    pool.release(first);
    expect([pool.take(), pool.take(), pool.take()]).toEqual([first, third, second]);
    const again = [first, third, second];
    for (const slab of again) pool.release(slab);
    expect(pool.take()).toBe(second);
  });

  test('a slab is empty but for the headroom when it is lent, whatever its last user filled it with', () => {
    const slab = pool.take()!;
    slab.used = 1_234;
    pool.release(slab);
    expect(pool.take()!.used).toBe(HEADROOM);
  });

  test('those that are out are counted', () => {
    expect(pool.outstanding).toBe(0);
    const [first, second] = [pool.take()!, pool.take()!];
    expect(pool.outstanding).toBe(2);
    pool.release(first);
    expect(pool.outstanding).toBe(1);
    pool.release(second);
    expect(pool.outstanding).toBe(0);
    const all = takeAll();
    expect(pool.outstanding).toBe(256);
    for (const slab of all) pool.release(slab);
    expect(pool.outstanding).toBe(0);
  });
});

describe('a pinned slab', () => {
  test('is not lent again before it is unpinned, as many times as it was pinned', () => {
    const slab = pool.take()!;
    const [head, tail] = [slab.bytes.subarray(0, 10), slab.bytes.subarray(SLAB_BYTES - 1)];
    pool.pin(head);
    pool.pin(tail);
    pool.release(slab);
    expect(pool.outstanding).toBe(1);
    expect(pool.take() === slab).toBe(false);
    pool.unpin(head);
    expect(pool.take() === slab).toBe(false);
    pool.unpin(tail);
    expect(pool.outstanding).toBe(2);
    expect(pool.take()).toBe(slab);
  });

  test('is not free before its user has given it back either', () => {
    const slab = pool.take()!;
    const bytes = slab.bytes.subarray(5, 6);
    pool.pin(bytes);
    pool.unpin(bytes);
    expect(pool.outstanding).toBe(1);
    expect(pool.take() === slab).toBe(false);
    pool.release(slab);
    expect(pool.take()).toBe(slab);
  });

  test('is found by bytes anywhere in it, and its neighbours stay as they are', () => {
    const slabs = [pool.take()!, pool.take()!, pool.take()!];
    for (const at of [0, 1, SLAB_BYTES / 2, SLAB_BYTES - 1]) {
      const bytes = slabs[1]!.bytes.subarray(at, at + 1);
      pool.pin(bytes);
      for (const slab of slabs) pool.release(slab);
      expect(pool.outstanding).toBe(1);
      const others = [pool.take()!, pool.take()!];
      expect(new Set(others)).toEqual(new Set([slabs[0], slabs[2]]));
      pool.unpin(bytes);
      expect(pool.take()).toBe(slabs[1]);
    }
  });

  test('when all are pinned there is none, and all are there again when the writes are over', () => {
    const slabs = takeAll();
    const writes = slabs.map((slab) => slab.bytes.subarray(3, 40));
    for (const bytes of writes) pool.pin(bytes);
    for (const slab of slabs) pool.release(slab);
    expect(pool.take()).toBeUndefined();
    expect(pool.outstanding).toBe(256);
    for (const bytes of writes) pool.unpin(bytes);
    expect(pool.outstanding).toBe(0);
    expect(new Set(takeAll())).toEqual(new Set(slabs));
  });

  test('bytes from elsewhere pin nothing: of the heap, of the read slab, of another pool', () => {
    const slab = pool.take()!;
    const other = new SlabPool(new ArrayBuffer(poolBytes(FLOOR)), FLOOR).take()!;
    for (const bytes of [
      Buffer.alloc(10),
      pool.readSlab,
      pool.readSlab.subarray(READ_BYTES - 1),
      other.bytes,
    ]) {
      pool.pin(bytes);
      expect(pool.outstanding).toBe(1);
      pool.unpin(bytes);
      expect(pool.outstanding).toBe(1);
    }
    pool.release(slab);
    expect(pool.outstanding).toBe(0);
  });
});

describe('a mistake of who has a slab', () => {
  test('is an error: to pin one that nobody holds', () => {
    const slab = pool.take()!;
    pool.release(slab);
    expect(() => pool.pin(slab.bytes.subarray(5, 6))).toThrow('a slab was pinned that nobody holds');
    expect(pool.outstanding).toBe(0);
    expect(pool.take()).toBe(slab);
    pool.pin(slab.bytes);
    expect(pool.outstanding).toBe(1);
  });

  test('is an error: to give one back twice, or to unpin it when nobody holds it', () => {
    const slab = pool.take()!;
    pool.release(slab);
    for (const again of [() => pool.release(slab), () => pool.unpin(slab.bytes)])
      expect(again).toThrow('a slab was given back twice');
    expect(pool.outstanding).toBe(0);
    // It is not lent to two because of that.
    const slabs = takeAll();
    expect([slabs.length, new Set(slabs).size]).toEqual([256, 256]);
  });

  test('does not become a leak: bytes of a slab that was given back are shared, so that they are copied', () => {
    const slab = pool.take()!;
    const bytes = slab.bytes.subarray(7, 9);
    pool.pin(bytes);
    pool.release(slab);
    expect(pool.isShared(bytes)).toBe(false);
    pool.unpin(bytes);
    expect(pool.isShared(bytes)).toBe(true);
    expect(pool.isShared(slab.bytes.subarray(SLAB_BYTES - 1))).toBe(true);
    pool.take();
    expect(pool.isShared(bytes)).toBe(false);
  });
});

describe('slabs that single sockets read into', () => {
  test('have room for a read behind the headroom', () => {
    const { bytes, reading } = pool.takeReading()!;
    expect(reading.length).toBe(READ_BYTES);
    expect(reading.byteOffset).toBe(bytes.byteOffset + HEADROOM);
    expect(reading.buffer).toBe(buffer);
    expect(pool.isShared(reading)).toBe(false);
    expect(pool.holds(reading)).toBe(true);
  });

  test('are a quarter of all at most, so that the others are left for what has to go out', () => {
    const slabs = Array.from({ length: 64 }, () => pool.takeReading()!);
    expect(new Set(slabs).size).toBe(64);
    expect(pool.takeReading()).toBeUndefined();
    expect(pool.take()).toBeDefined();
    pool.releaseReading(slabs[5]!);
    expect(pool.takeReading()).toBe(slabs[5]);
    expect(pool.takeReading()).toBeUndefined();
  });

  test('are none where all are lent, and that takes away none of the quarter', () => {
    const slabs = takeAll();
    expect(pool.takeReading()).toBeUndefined();
    for (const slab of slabs) pool.release(slab);
    const quarter = Array.from({ length: 64 }, () => pool.takeReading());
    expect(quarter).not.toContain(undefined);
  });

  test('are none while slabs are scarce, and some again when they are not', () => {
    const slabs = Array.from({ length: 129 }, () => pool.take()!);
    expect(pool.takeReading()).toBeUndefined();
    expect(pool.outstanding).toBe(129);
    pool.release(slabs[0]!);
    expect(pool.takeReading()).toBe(slabs[0]);
  });

  test('are not lent again while a write still reads from them', () => {
    const slab = pool.takeReading()!;
    const bytes = slab.reading.subarray(0, 9);
    expect(pool.isPinned(slab)).toBe(false);
    pool.pin(bytes);
    expect(pool.isPinned(slab)).toBe(true);
    pool.releaseReading(slab);
    expect(pool.take() === slab).toBe(false);
    pool.unpin(bytes);
    expect(pool.take()).toBe(slab);
  });
});

test('slabs are scarce when more than half of them are out', () => {
  const slabs = Array.from({ length: 128 }, () => pool.take()!);
  expect(pool.scarce).toBe(false);
  const one = pool.take()!;
  expect(pool.scarce).toBe(true);
  pool.pin(slabs[0]!.bytes);
  pool.release(slabs[0]!);
  pool.release(one);
  expect(pool.scarce).toBe(false);
});

describe('headroom', () => {
  test('is given to bytes that begin where the payload of a slab does, whatever view of it they are in', () => {
    const slab = pool.take()!;
    for (const [bytes, start, end] of [
      [slab.bytes, HEADROOM, HEADROOM + 100],
      [slab.bytes.subarray(HEADROOM), 0, 100],
      [slab.bytes.subarray(7), HEADROOM - 7, HEADROOM - 7 + 100],
    ] as const) {
      const frame = pool.withHeadroom(bytes, start, end, 10)!;
      expect(frame.buffer).toBe(buffer);
      expect([frame.byteOffset, frame.length]).toEqual([slab.bytes.byteOffset + HEADROOM - 10, 110]);
    }
  });

  test('is not given in front of bytes that begin elsewhere: somebody else has what is there', () => {
    const slab = pool.take()!;
    for (const start of [0, 1, HEADROOM - 1, HEADROOM + 1, SLAB_BYTES - 1])
      expect(pool.withHeadroom(slab.bytes, start, SLAB_BYTES, 4)).toBeUndefined();
    expect(pool.withHeadroom(pool.readSlab, HEADROOM, 100, 4)).toBeUndefined();
    expect(pool.withHeadroom(Buffer.alloc(100), HEADROOM, 100, 4)).toBeUndefined();
    for (let at = 0; at < READ_BYTES; at += 1)
      if (pool.withHeadroom(pool.readSlab, at, READ_BYTES, 4) !== undefined) expect.unreachable(`${at}`);
  });

  test('holds the longest header of a server, whose frames are not masked', () => {
    expect(HEADROOM).toBeGreaterThanOrEqual(10);
  });
});

describe('whose bytes are whose', () => {
  test('bytes of the read slab are shared, at its beginning and its end; no others are but what lies in no slab', () => {
    const slab = pool.take()!;
    expect(pool.isShared(pool.readSlab)).toBe(true);
    expect(pool.isShared(pool.readSlab.subarray(1, 2))).toBe(true);
    expect(pool.isShared(pool.readSlab.subarray(READ_BYTES - 1))).toBe(true);
    expect(pool.isShared(slab.bytes)).toBe(false);
    expect(pool.isShared(new Uint8Array(buffer, 0, 1))).toBe(true);
    expect(pool.isShared(Buffer.alloc(10))).toBe(false);
    const other = new SlabPool(new ArrayBuffer(poolBytes(FLOOR)), FLOOR);
    expect(pool.isShared(other.readSlab)).toBe(false);
  });

  test('own copies what lies in the pool, and nothing else', () => {
    const slab = pool.take()!;
    slab.bytes[7] = 42;
    pool.readSlab[0] = 43;
    for (const [bytes, value] of [
      [slab.bytes.subarray(7, 9), 42] as const,
      [pool.readSlab.subarray(0, 2), 43] as const,
    ]) {
      const own = pool.own(bytes);
      expect(own.buffer).not.toBe(buffer);
      bytes.fill(0);
      expect(own[0]).toBe(value);
      expect(own).toHaveLength(2);
    }
    const heap = Buffer.from('abc');
    expect(pool.own(heap)).toBe(heap);
  });
});

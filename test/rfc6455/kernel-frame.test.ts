/**
 * The kernel's `frame` and FrameBatch.addShort on it: short messages that end with a delimiter become the frames that a
 * message by itself becomes, and nothing else is touched.
 */
import { describe, expect, test } from 'vitest';
import { makeFastPath } from '../../src/fast-path.ts';
import { FrameBatch } from '../../src/rfc6455/frame-batch.ts';
import { FLOOR, loadKernel, MAX_SHORT_FRAME, OUT } from '../../src/rfc6455/kernel.ts';
import { hexOf } from '../support/bytes.ts';
import { SEED } from '../support/cuts.ts';
import { Random } from '../support/randomness.ts';

const BYTES = 128 * 1_024;
const TEXT_FRAME = 0x81;
const LF = 0x0a;
const CR = 0x0d;

/** The first messages of a stream, as they are written in §5.2, and where the first one begins that is long or not whole. */
function naive(stream: Buffer, delimiter: Buffer): { frames: Buffer; at: number; ends: number[] } {
  const frames: Buffer[] = [];
  const ends = [0];
  let at = 0;
  for (;;) {
    const end = stream.indexOf(delimiter, at);
    const length = end - at + delimiter.length;
    if (end < 0 || length > 125) return { frames: Buffer.concat(frames), at, ends };
    frames.push(Buffer.of(TEXT_FRAME, length), stream.subarray(at, at + length));
    at += length;
    ends.push(at);
  }
}

/** Lines of any length, with bytes of the delimiter strewn in. */
function lines(random: Random, delimiter: Buffer, length: number): Buffer {
  const pieces: Buffer[] = [];
  for (let left = length; left > 0; ) {
    const line = random.bytes(Math.min(left, random.int(0, random.int(1, 160))));
    if (line.length > 0 && random.int(0, 3) === 0) line[random.int(0, line.length - 1)] = delimiter[0]!;
    pieces.push(line, delimiter);
    left -= line.length + delimiter.length;
  }
  return Buffer.concat(pieces).subarray(0, length);
}

describe('the kernel', () => {
  const { buffer, record, frame } = loadKernel(BYTES);
  const memory = Buffer.from(buffer);

  function run(stream: Buffer, delimiter: Buffer, at: number, out: number, room: number) {
    const before = new Random(SEED).bytes(BYTES);
    stream.copy(before, at);
    before.copy(memory);
    const last = delimiter.at(-1)!;
    const inFront = delimiter.length > 1 ? delimiter[0]! : -1;
    const to = frame(at, at + stream.length, out, out + room, last, inFront, TEXT_FRAME);
    const end = record[OUT]!;
    expect(end).toBeGreaterThanOrEqual(out);
    expect(end).toBeLessThanOrEqual(out + room);
    // All but the record and the room for frames is as it was.
    expect(memory.compare(before, FLOOR, out, FLOOR, out)).toBe(0);
    expect(memory.compare(before, out + room, BYTES, out + room, BYTES)).toBe(0);
    return { taken: to - at, frames: Buffer.from(memory.subarray(out, end)) };
  }

  test('§5.2: frames lines', () => {
    const stream = Buffer.from(`ab\n\nc\n${'.'.repeat(16)}`);
    const { taken, frames } = run(stream, Buffer.of(LF), 1_000, 5_000, 1_000);
    expect(taken).toBe(6);
    expect(hexOf(frames)).toBe('810361620a81010a8102630a');
  });

  test('a last byte without the one before it ends nothing, also where that is the message’s first', () => {
    const stream = Buffer.from(`\na\nb\r\nc\r\r\n${'.'.repeat(16)}`);
    const { taken, frames } = run(stream, Buffer.of(CR, LF), 1_000, 5_000, 1_000);
    expect(taken).toBe(10);
    expect(hexOf(frames)).toBe('81060a610a620d0a8104630d0d0a');
  });

  test('a message of 125 bytes is short, one of 126 is not', () => {
    for (const [length, taken] of [
      [125, 125],
      [126, 0],
    ] as const) {
      const stream = Buffer.from(`${'x'.repeat(length - 1)}\n${'.'.repeat(32)}`);
      expect(run(stream, Buffer.of(LF), 64, 5_000, 1_000).taken).toBe(taken);
    }
  });

  test(`is the same as message by message, for any lines, places and room (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let round = 0; round < 300; round += 1) {
      const delimiter =
        random.int(0, 1) === 0 ? Buffer.of(LF) : Buffer.of(random.int(0, 255), random.int(0, 255));
      const stream = lines(random, delimiter, random.int(0, 3_000));
      const expected = naive(stream, delimiter);
      const room = random.int(0, 4_000);
      const { taken, frames } = run(
        stream,
        delimiter,
        FLOOR + random.int(0, 40),
        60_000 + random.int(0, 40),
        room,
      );
      expect(expected.ends).toContain(taken);
      expect(frames.equals(expected.frames.subarray(0, frames.length))).toBe(true);
      expect(frames.length).toBe(taken + 2 * expected.ends.indexOf(taken));
      // It stops only at what it may stop at: no room, a long message, or one that ends near the end of the read.
      if (taken === expected.at || room - frames.length < MAX_SHORT_FRAME) continue;
      const next = expected.ends[expected.ends.indexOf(taken) + 1]!;
      expect(next).toBeGreaterThan(stream.length - 16);
    }
  });

  test('takes nothing where input, frames and record are not apart, or not in the memory', () => {
    memory.fill(LF);
    const values = [
      0,
      FLOOR - 1,
      FLOOR,
      1_000,
      1_200,
      2_000,
      BYTES - 1,
      BYTES,
      BYTES + 1,
      2 ** 31,
      2 ** 32 - 16,
    ];
    const copy = Buffer.from(memory);
    for (const at of values)
      for (const end of values)
        for (const out of values)
          for (const limit of values) {
            const inside =
              at >= FLOOR && at <= end && end <= BYTES && out >= FLOOR && out <= limit && limit <= BYTES;
            if (inside && (limit <= at || end <= out)) continue;
            expect(frame(at, end, out, limit, LF, -1, TEXT_FRAME) >>> 0).toBe(at);
            if (memory.compare(copy, FLOOR, BYTES, FLOOR, BYTES) !== 0)
              expect.unreachable(`wrote: ${[at, end, out, limit]}`);
          }
  });
});

describe('FrameBatch.addShort', () => {
  test(`leaves what add leaves, in as many slabs as it takes (TEST_SEED=${SEED})`, () => {
    const fast = makeFastPath();
    const random = new Random(SEED);
    for (const most of [1, 8, 60, 200]) {
      const pieces: Buffer[] = [];
      for (let size = 0; size < 60_000; ) {
        const line = Buffer.concat([Buffer.alloc(random.int(0, most), 0x61), Buffer.of(LF)]);
        pieces.push(line);
        size += line.length;
      }
      const stream = fast.slabs.readSlab.subarray(
        0,
        Math.min(65_536, Buffer.concat(pieces).copy(fast.slabs.readSlab)),
      );
      const written: Buffer[] = [];
      const batch = new FrameBatch({ write: (bytes) => written.push(Buffer.from(bytes)) }, fast);
      for (let at = 0; at < stream.length; ) {
        at = batch.addShort(1, stream, at, stream.length, Buffer.of(LF));
        const end = stream.indexOf(LF, at) + 1;
        if (end === 0) break;
        batch.add(1, stream, at, end);
        at = end;
      }
      batch.flush();
      const expected: Buffer[] = [];
      const plain = new FrameBatch({ write: (bytes) => expected.push(Buffer.from(bytes)) });
      for (let at = 0; ; ) {
        const end = stream.indexOf(LF, at) + 1;
        if (end === 0) break;
        plain.add(1, stream, at, end);
        at = end;
      }
      plain.flush();
      expect(Buffer.concat(written).equals(Buffer.concat(expected))).toBe(true);
      expect(fast.slabs.outstanding).toBe(0);
    }
  });

  test('that frames nothing leaves no slab lent behind the flush', () => {
    const fast = makeFastPath();
    const written: string[] = [];
    const batch = new FrameBatch({ write: (bytes) => written.push(hexOf(bytes)) }, fast);
    const stream = fast.slabs.readSlab;
    // Not whole; and longer than a short message may be.
    for (const text of ['begun', `${'a'.repeat(200)}\n`]) {
      stream.write(text);
      expect(batch.addShort(1, stream, 0, text.length, Buffer.of(LF))).toBe(0);
      batch.flush();
      expect([written, fast.slabs.outstanding]).toEqual([[], 0]);
    }
    // What comes next is as ever.
    stream.write('ok\n');
    batch.add(1, stream, 0, 3);
    batch.flush();
    expect([written, fast.slabs.outstanding]).toEqual([['81036f6b0a'], 0]);
  });

  test('takes nothing from the heap', () => {
    const batch = new FrameBatch({ write: () => {} }, makeFastPath());
    expect(batch.addShort(1, Buffer.from('a\nb\n'.repeat(20)), 4, 80, Buffer.of(LF))).toBe(4);
  });

  test('takes nothing while no slab is left', () => {
    const fast = makeFastPath();
    while (fast.slabs.take() !== undefined);
    const batch = new FrameBatch({ write: () => {} }, fast);
    expect(batch.addShort(1, fast.slabs.readSlab.fill(LF), 0, 100, Buffer.of(LF))).toBe(0);
  });
});

/**
 * What the kernel touches: whatever it is given, it reads `[at, end)`, and writes its record and `[out, out + end - at)`.
 *
 * It is run as it is, without the decoder around it. The whole memory is compared with what it was, so that a write
 * anywhere shows; that nothing else is read shows in what comes out, which does not change with the bytes around.
 */
import { describe, expect, test } from 'vitest';
import {
  ASCII,
  EACH,
  FIN,
  FLOOR,
  HEADERS,
  KEY,
  LEFT,
  LENGTH,
  LOOK,
  loadKernel,
  MESSAGE,
  OUT,
  PIECE,
} from '../../src/rfc6455/kernel.ts';
import { hexOf } from '../support/bytes.ts';
import { SEED } from '../support/cuts.ts';
import { naiveUnmask } from '../support/naive-unmask.ts';
import { mutated, someFrames } from '../support/random-frames.ts';
import { Random } from '../support/randomness.ts';

const BYTES = 128 * 1_024;
const KERNEL = loadKernel(BYTES);

/** What a run goes on with. */
interface Start {
  readonly left?: number;
  readonly key?: number;
  readonly message?: number;
  readonly fin?: number;
  readonly each?: number;
}

interface Result {
  readonly to: number;
  readonly out: number;
  readonly piece: number;
  readonly look: number;
  /** What was written, up to `out`. */
  readonly payload: string;
  readonly record: readonly number[];
}

describe('the kernel', () => {
  const { buffer, record, run } = KERNEL;
  const memory = Buffer.from(buffer);
  /** What the memory was before a run; its bytes are random, since those of a pattern could be written unseen. */
  const before = new Random(SEED).bytes(BYTES);

  /** Runs the kernel, and fails if it has changed a byte that is not its to change. */
  function runWithin(at: number, end: number, out: number, start: Start = {}): Result {
    before.copy(memory);
    record[LEFT] = start.left ?? 0;
    record[KEY] = start.key ?? 0;
    record[MESSAGE] = start.message ?? 0;
    record[FIN] = start.fin ?? 0;
    record[EACH] = start.each ?? 0;
    const to = run(at, end, out) >>> 0;
    const ended = record[OUT]!;
    const where = `[${at}, ${end}) to ${out}, ${JSON.stringify(start)} (TEST_SEED=${SEED})`;
    if (to < at || to > Math.max(at, end)) expect.unreachable(`came to ${to}: ${where}`);
    if (ended - out > to - at || ended < out) expect.unreachable(`filled up to ${ended}: ${where}`);
    if (record[PIECE]! < out || record[PIECE]! > ended) expect.unreachable(`a piece elsewhere: ${where}`);
    // A run of nothing is held to change nothing, wherever `out` is.
    const from = ended === out ? FLOOR : out;
    const upTo = ended === out ? FLOOR : out + (end - at);
    const same =
      memory.compare(before, FLOOR, from, FLOOR, from) === 0 &&
      memory.compare(before, upTo, BYTES, upTo, BYTES) === 0;
    if (!same) expect.unreachable(`wrote elsewhere: ${where}`);
    return {
      to,
      out: ended,
      piece: record[PIECE]!,
      look: record[LOOK]!,
      payload: ended === out ? '' : hexOf(memory.subarray(out, ended)),
      record: [...record],
    };
  }

  /** Puts input into what the memory is before a run. */
  function put(bytes: Uint8Array, at: number): void {
    before.set(bytes, at);
  }

  describe('takes nothing', () => {
    const values = [
      0,
      1,
      FLOOR - 1,
      FLOOR,
      FLOOR + 1,
      1_000,
      1_001,
      2_000,
      BYTES - 20,
      BYTES - 1,
      BYTES,
      BYTES + 1,
      2 ** 31 - 1,
      2 ** 31,
      2 ** 31 + 64,
      2 ** 32 - 65_536,
      2 ** 32 - 64,
      2 ** 32 - 1,
    ];

    /** As the head of kernel.wat says it, in numbers that do not wrap around. */
    function inBounds(at: number, end: number, out: number): boolean {
      if (at < FLOOR || out < FLOOR || at > end || end > BYTES || out + (end - at) > BYTES) return false;
      return out >= end || at >= out + (end - at);
    }

    test('where the input or the output is not in the memory, is in the record, or one is in the other', () => {
      let refused = 0;
      for (const at of values) {
        for (const end of values) {
          for (const out of values) {
            // Payload without an end, and a key that changes each byte.
            const start = { left: 0xffff_ffff, key: 0x5a5a_5a5a, message: 2 };
            const { to, out: ended, look, record: after } = runWithin(at, end, out, start);
            const taken = inBounds(at, end, out) ? end - at : 0;
            if (to - at !== taken || ended - out !== taken) expect.unreachable(`[${at}, ${end}) to ${out}`);
            if (taken > 0) continue;
            refused += 1;
            if (
              look !== 0 ||
              after[HEADERS] !== 0 ||
              after[LEFT] !== 0xffff_ffff ||
              after[KEY] !== 0x5a5a_5a5a
            )
              expect.unreachable(`the record of [${at}, ${end}) to ${out}`);
          }
        }
      }
      expect(refused).toBeGreaterThan(4_000);
    });

    test('where they overlap by a byte, and takes all where they touch', () => {
      const start = { left: 1_000, key: 0x5a5a_5a5a, message: 2 };
      for (const size of [1, 2, 15, 16, 17, 64, 65, 200]) {
        const at = 1_000;
        expect(runWithin(at, at + size, at + size - 1, start).to).toBe(at);
        expect(runWithin(at, at + size, at + size, start).to).toBe(at + size);
        expect(runWithin(at, at + size, at - size + 1, start).to).toBe(at);
        expect(runWithin(at, at + size, at - size, start).to).toBe(at + size);
      }
    });

    test('where it would write beyond the memory by a byte, and takes all where it does not', () => {
      const start = { left: 1_000, key: 0x5a5a_5a5a, message: 2 };
      for (const size of [1, 2, 15, 16, 17, 64, 65, 200]) {
        expect(runWithin(1_000, 1_000 + size, BYTES - size + 1, start).to).toBe(1_000);
        expect(runWithin(1_000, 1_000 + size, BYTES - size, start).to).toBe(1_000 + size);
        expect(runWithin(BYTES - size, BYTES, 1_000, start).to).toBe(BYTES);
        expect(runWithin(BYTES - size, BYTES + 1, 1_000, start).to).toBe(BYTES - size);
        expect(runWithin(FLOOR - 1, FLOOR - 1 + size, 1_000, start).to).toBe(FLOOR - 1);
        expect(runWithin(FLOOR, FLOOR + size, 1_000, start).to).toBe(FLOOR + size);
        expect(runWithin(1_000, 1_000 + size, FLOOR - 1, start).to).toBe(1_000);
        expect(runWithin(1_000, 1_000 + size, FLOOR, start).to).toBe(1_000 + size);
      }
    });
  });

  /** Runs some input at a place and again and again from where it stopped, with a byte left out where it stands still. */
  function runAll(bytes: Uint8Array, at: number, out: number, start: Start): void {
    put(bytes, at);
    const end = at + bytes.length;
    let from = at;
    while (from < end) {
      const { to, record: after } = runWithin(from, end, out + (from - at), start);
      if (to === from) from += 1;
      else from = to;
      start = {
        left: after[LEFT]!,
        key: after[KEY]!,
        message: after[MESSAGE]!,
        fin: after[FIN]!,
        each: start.each ?? 0,
      };
    }
  }

  test(`writes nowhere else, whatever the bytes, wherever they lie (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED + 1);
    for (let round = 0; round < 400; round += 1) {
      const kind = random.int(0, 2);
      let bytes: Uint8Array = random.bytes(random.int(1, 300));
      if (kind > 0) bytes = someFrames(random, { count: random.int(1, 10), wrong: 0.1, badText: 0.1 });
      if (kind > 1) bytes = mutated(bytes, random);
      const size = bytes.length;
      const places: readonly (readonly [at: number, out: number])[] = [
        [FLOOR, FLOOR + size],
        [FLOOR + size, FLOOR],
        [BYTES - size, BYTES - 2 * size],
        [BYTES - 2 * size, BYTES - size],
        [1_000 + random.int(0, 15), 60_000 + random.int(0, 15)],
      ];
      const [at, out] = random.pick(places);
      const left = random.pick([0, 0, 1, 5, 16, 64, 200, 2 ** 31, 2 ** 32 - 1]);
      runAll(bytes, at, out, {
        left,
        key: random.int(0, 2 ** 32 - 1),
        message: left > 0 ? random.int(1, 2) : random.int(0, 2),
        fin: random.int(0, 1),
        each: random.int(0, 1),
      });
    }
  });

  test('reads no byte behind the end: a header that is not whole there is left, whatever follows it', () => {
    const headers = [
      [0x82, 0x83, 1, 2, 3, 4],
      [0x82, 0xfe, 0, 126, 1, 2, 3, 4],
      [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4],
    ];
    for (const header of headers) {
      for (const at of [1_000, 1_003, BYTES - header.length]) {
        put(Uint8Array.from(header), at);
        for (let length = 0; length <= header.length; length += 1) {
          const { to, record: after } = runWithin(at, at + length, 5_000);
          expect(to - at).toBe(length === header.length ? length : 0);
          expect(after[HEADERS]).toBe(length === header.length ? 1 : 0);
        }
      }
    }
  });

  test('what comes out of the same bytes does not depend on those around them', () => {
    const random = new Random(SEED + 2);
    for (let round = 0; round < 100; round += 1) {
      const bytes = someFrames(random, { count: 5, wrong: 0.05, badText: 0.1 });
      const seen: string[] = [];
      for (const around of [0x00, 0xff, 0x82]) {
        before.fill(around, FLOOR, 20_000);
        put(bytes, 1_000);
        const { to, payload, record: after } = runWithin(1_000, 1_000 + bytes.length, 30_000);
        seen.push(JSON.stringify([to, payload, after]));
      }
      expect(new Set(seen).size, `TEST_SEED=${SEED}`).toBe(1);
    }
  });

  describe('unmasks', () => {
    test(`§5.3: as a byte loop does, at every alignment and length from 0 to 600 (TEST_SEED=${SEED})`, () => {
      const random = new Random(SEED + 3);
      for (let alignment = 0; alignment < 16; alignment += 1) {
        for (let length = 0; length <= 600; length += 1) {
          const at = 4_096 + alignment;
          // Each alignment of one meets many of the other.
          const out = 8_192 + ((alignment + length * 5 + (length >> 4)) & 15);
          const key = random.int(0, 2 ** 32 - 1);
          const expected = new Uint8Array(before.subarray(at, at + length));
          naiveUnmask(expected, 0, length, key);
          const {
            to,
            payload,
            record: after,
          } = runWithin(at, at + length, out, { left: length, key, message: 2 });
          const where = `alignment ${alignment} to ${out & 15}, length ${length}, key ${key}`;
          if (payload !== hexOf(expected)) expect(payload, where).toBe(hexOf(expected));
          if (to !== at + length || after[LEFT] !== 0) expect.unreachable(where);
          // The key goes on where the payload does.
          const turned = new Uint8Array(4);
          naiveUnmask(turned, 0, 4, after[KEY]!);
          for (let i = 0; i < 4; i += 1)
            if (turned[i] !== ((key >>> (8 * ((length + i) % 4))) & 0xff))
              expect.unreachable(`key: ${where}`);
        }
      }
    });

    test('knows ASCII by each of its bytes, and by no other', () => {
      const key = 0x3d21fa37;
      for (let length = 1; length <= 200; length += 1) {
        for (let high = -1; high < length; high += 1) {
          const masked = new Uint8Array(length + 40).fill(0x7f, 20, 20 + length);
          if (high >= 0) masked[20 + high] = 0x80;
          naiveUnmask(masked, 20, 20 + length, key);
          masked.fill(0xff, 0, 20).fill(0xff, 20 + length);
          memory.set(masked, 1_000);
          memory.fill(0xff, 4_000, 4_000 + length + 40);
          record.set([length, key, 1, 0, 1]);
          run(1_020, 1_020 + length, 4_020);
          if (record[LOOK] !== 1 || record[ASCII] !== (high < 0 ? 1 : 0))
            expect.unreachable(`byte ${high} of ${length}`);
        }
      }
    });
  });

  describe('the record', () => {
    /** `82 85 00000000 0102030405` and so on, side by side at 1,000. */
    function frames(digits: string): number {
      const bytes = Buffer.from(digits.replaceAll(' ', ''), 'hex');
      put(bytes, 1_000);
      return 1_000 + bytes.length;
    }

    test('a message that ends is over, and one that goes on is not', () => {
      const whole = runWithin(1_000, frames('82 81 00000000 01'), 5_000);
      expect([whole.record[MESSAGE], whole.record[LEFT], whole.record[FIN]]).toEqual([0, 0, 1]);
      const fragment = runWithin(1_000, frames('02 81 00000000 01'), 5_000);
      expect([fragment.record[MESSAGE], fragment.record[LEFT], fragment.record[FIN]]).toEqual([2, 0, 0]);
      const cut = runWithin(1_000, frames('81 83 01020304 00'), 5_000);
      expect([cut.record[MESSAGE], cut.record[LEFT], cut.record[FIN]]).toEqual([1, 2, 1]);
      expect(cut.record[KEY]).toBe(0x01040302);
      expect(cut.record[LENGTH]).toBe(3);
    });

    test('with nothing to look at, the piece is at the end', () => {
      const { piece, out, look } = runWithin(1_000, frames('82 81 00000000 01 81 81 00000000 61'), 5_000);
      expect([piece, out, look]).toEqual([5_002, 5_002, 0]);
    });

    test('a length of 2^32 or more and one that is not minimal are left', () => {
      for (const length of ['0000000100000000', '0000000100010000', '8000000000010000', '000000000000ffff']) {
        expect(runWithin(1_000, frames(`82 ff ${length} 00000000 0102`), 5_000).to).toBe(1_000);
      }
      expect(runWithin(1_000, frames('82 fe 007d 00000000 0102'), 5_000).to).toBe(1_000);
      expect(runWithin(1_000, frames('82 ff 0000000000010000 00000000 0102'), 5_000).record[LEFT]).toBe(
        65_534,
      );
      expect(runWithin(1_000, frames('82 ff 00000000ffffffff 00000000 0102'), 5_000).record[LEFT]).toBe(
        0xffff_fffd,
      );
    });

    test('all first and second bytes: only data in order, masked and not empty, is taken', () => {
      for (let first = 0; first < 256; first += 1) {
        for (const message of [0, 1, 2]) {
          for (const second of [0x00, 0x01, 0x7d, 0x7e, 0x7f, 0x80, 0x81]) {
            const opcode = first & 0x7f;
            const inOrder = message === 0 ? opcode === 1 || opcode === 2 : opcode === 0;
            const digits = Buffer.of(first, second).toString('hex');
            const end = frames(`${digits} 00000000 61 ffff ffff ffff ffff ffff ffff`);
            const { to, record: after } = runWithin(1_000, end, 5_000, { message });
            const taken = inOrder && second > 0x80 ? 6 + (second - 0x80) : 0;
            if (to - 1_000 !== taken) expect.unreachable(`${digits} within ${message}: ${to - 1_000}`);
            const next = taken === 0 ? message : first >= 0x80 ? 0 : message || opcode;
            if (after[MESSAGE] !== next)
              expect.unreachable(`${digits} within ${message}: then ${after[MESSAGE]}`);
          }
        }
      }
    });
  });
});

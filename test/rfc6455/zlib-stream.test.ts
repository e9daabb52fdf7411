/** The short way into zlib, beside the public one. */
import { constants, type createInflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  deflateRaw,
  hasWriteSync,
  IdleStreams,
  inflateRaw,
  type Left,
  OUTPUT_BYTES,
  writeSync,
} from '../../src/rfc6455/zlib-stream.ts';
import { concat, counting, hex, hexOf, utf8 } from '../support/bytes.ts';
import { someBytes, TAIL } from '../support/deflated.ts';
import { Random, SEED } from '../support/randomness.ts';

const HELLO = hex('f2 48 cd c9 c9 07 00 00 00 ff ff');

function run(
  stream: Parameters<typeof writeSync>[0],
  input: Uint8Array,
  room = 100,
): { text: string; bytes: Uint8Array; left: Left } {
  const output = new Uint8Array(room);
  const left: Left = { output: -1, input: -1 };
  writeSync(stream, input, 0, input.length, output, left);
  const bytes = output.subarray(0, room - left.output);
  return { text: Buffer.from(bytes).toString('latin1'), bytes, left };
}

describe('writeSync', () => {
  test('RFC 7692 §7.2.3.1: inflates Hello, and says what is left', () => {
    expect(run(inflateRaw(15, true), HELLO)).toMatchObject({ text: 'Hello', left: { output: 95, input: 0 } });
  });

  test('takes the range of the input alone', () => {
    const stream = inflateRaw(15, true);
    const output = new Uint8Array(10);
    const left: Left = { output: 0, input: 0 };
    const padded = concat(hex('ffff'), HELLO, hex('ffff'));
    writeSync(stream, padded, 2, 2 + HELLO.length, output, left);
    expect(hexOf(output)).toBe('48656c6c6f0000000000');
    expect(left).toEqual({ output: 5, input: 0 });
  });

  test('stops where the output is full, and goes on with the next call', () => {
    const stream = inflateRaw(15, true);
    const first = run(stream, HELLO, 2);
    expect(first).toMatchObject({ text: 'He', left: { output: 0 } });
    const rest = HELLO.subarray(HELLO.length - first.left.input);
    expect(run(stream, rest, 10)).toMatchObject({ text: 'llo', left: { output: 7, input: 0 } });
  });

  test('leaves input where a final block ended', () => {
    const final = concat(deflateRawSync('Hello'), hex('0102'));
    expect(run(inflateRaw(15, true), final)).toMatchObject({ text: 'Hello', left: { input: 2 } });
  });

  test('without input nothing happens', () => {
    expect(run(inflateRaw(15, true), new Uint8Array(0))).toMatchObject({ text: '', left: { input: 0 } });
  });

  test('throws the error of zlib for corrupt input, and then again, and does not end the process', () => {
    const stream = inflateRaw(15, true);
    expect(() => run(stream, hex('07'))).toThrow('invalid block type');
    expect(() => run(stream, HELLO)).toThrow();
    stream.close();
  });

  test('throws for a stream that is closed, which Node would end the process for', () => {
    for (const stream of [inflateRaw(15, true), deflateRaw(15, 6)]) {
      stream.close();
      expect(() => run(stream, HELLO)).toThrow('zlib stream used after its end');
    }
  });

  test('RFC 7692 §7.2.3.1, §7.2.3.2: deflates Hello, and once more by a back-reference', () => {
    const stream = deflateRaw(15, 6);
    expect(hexOf(run(stream, utf8('Hello')).bytes)).toBe('f248cdc9c907000000ffff');
    expect(hexOf(run(stream, utf8('Hello')).bytes)).toBe('f20011000000 00ffff'.replace(' ', ''));
  });
});

test('on the versions of Node that are supported the short way is there', () => {
  expect(hasWriteSync()).toBe(true);
  expect(hasWriteSync()).toBe(true);
});

describe('the streams', () => {
  test('a dictionary is what back-references point into', () => {
    const dictionary = utf8('a long text to refer to');
    const deflated = deflateRawSync(dictionary, { dictionary });
    expect(run(inflateRaw(15, true, dictionary), deflated).text).toBe('a long text to refer to');
    expect(() => run(inflateRaw(15, true), deflated)).toThrow('too far back');
  });

  test(`every window of our deflater keeps within its size (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let bits = 8; bits <= 15; bits += 1) {
      const stream = deflateRaw(bits, 9);
      // Repeats at about the distance that the window may just reach, and from somewhat beyond.
      const unit = random.bytes(2 ** bits - random.int(-3, 300));
      const message = Buffer.concat([unit, unit, unit]);
      const deflated = run(stream, message, 4 * message.length + 1_000).bytes;
      const whole = concat(deflated, hex('03 00'));
      expect(inflateRawSync(whole, { windowBits: bits }).equals(message), `${bits} bits`).toBe(true);
    }
  });

  test('a smaller window sees less: a repeat beyond it does not shrink', () => {
    const unit = new Random(1).bytes(5_000);
    const twice = Buffer.concat([unit, unit]);
    expect(run(deflateRaw(15, 6), twice, 20_000).bytes.length).toBeLessThan(5_500);
    expect(run(deflateRaw(9, 6), twice, 20_000).bytes.length).toBeGreaterThan(9_500);
  });

  test('the level is obeyed', () => {
    const text = someBytes(new Random(7), 20_000);
    const lengths = [1, 4, 9].map((level) => run(deflateRaw(15, level), text, 40_000).bytes.length);
    const expected = [1, 4, 9].map(
      (level) => deflateRawSync(text, { level, finishFlush: constants.Z_SYNC_FLUSH }).length,
    );
    expect(lengths).toEqual(expected);
    expect(new Set(lengths).size).toBeGreaterThan(1);
  });

  test('one for other threads gives its output in pieces of 64 KiB', async () => {
    const stream = inflateRaw(15, false);
    const deflated = deflateRawSync(new Uint8Array(200_000));
    const lengths: number[] = [];
    await new Promise<void>((resolve) => {
      stream.on('data', (piece: Buffer) => lengths.push(piece.length)).on('end', resolve);
      stream.end(deflated);
    });
    expect(lengths.slice(0, 3)).toEqual([OUTPUT_BYTES, OUTPUT_BYTES, OUTPUT_BYTES]);
    expect(OUTPUT_BYTES).toBe(65_536);
  });

  test('an error that is thrown here does not end the process as an unhandled one', async () => {
    const stream = inflateRaw(15, true);
    const emitted = new Promise((resolve) => {
      stream.once('close', resolve);
    });
    expect(() => run(stream, hex('07'))).toThrow();
    await emitted;
  });
});

describe('IdleStreams', () => {
  test('has none at first, and lends what was given back, once', () => {
    const idle = new IdleStreams<ReturnType<typeof createInflateRaw>>();
    expect(idle.take(15)).toBeUndefined();
    const stream = inflateRaw(15, true);
    idle.give(15, stream);
    expect(idle.take(15)).toBe(stream);
    expect(idle.take(15)).toBeUndefined();
  });

  test('keeps each window’s apart', () => {
    const idle = new IdleStreams<ReturnType<typeof createInflateRaw>>();
    const nine = inflateRaw(9, true);
    idle.give(9, nine);
    expect(idle.take(15)).toBeUndefined();
    expect(idle.take(9)).toBe(nine);
  });

  test('keeps four for each window, and closes what is given beyond that', () => {
    const idle = new IdleStreams<ReturnType<typeof createInflateRaw>>();
    const streams = Array.from({ length: 6 }, () => inflateRaw(12, true));
    for (const stream of streams) idle.give(12, stream);
    expect(streams.map((stream) => stream.destroyed)).toEqual([false, false, false, false, true, true]);
    const other = inflateRaw(13, true);
    idle.give(13, other);
    expect(other.destroyed).toBe(false);
    expect(
      Array.from({ length: 5 }, () => idle.take(12)).filter((stream) => stream !== undefined),
    ).toHaveLength(4);
  });

  test('a context is forgotten: nothing of the one before can be referred to', () => {
    const secret = utf8('the secret of another connection');
    const reference = deflateRawSync(secret, { dictionary: secret });
    const inflates = new IdleStreams<ReturnType<typeof inflateRaw>>();
    const lender = inflateRaw(15, true);
    run(lender, deflateRawSync(secret));
    inflates.give(15, lender);
    expect(() => run(inflates.take(15)!, reference)).toThrow('too far back');

    const deflates = new IdleStreams<ReturnType<typeof deflateRaw>>();
    const compressor = deflateRaw(15, 6);
    const first = hexOf(run(compressor, secret).bytes);
    deflates.give(15, compressor);
    expect(hexOf(run(deflates.take(15)!, secret).bytes)).toBe(first);
  });

  test('a stream is lent and given back many times', () => {
    const idle = new IdleStreams<ReturnType<typeof inflateRaw>>();
    idle.give(15, inflateRaw(15, true));
    for (let i = 0; i < 2_000; i += 1) {
      const stream = idle.take(15)!;
      // Also in the middle of a block.
      const text = run(stream, i % 3 === 0 ? HELLO.subarray(0, 4) : HELLO).text;
      expect(text).toBe(i % 3 === 0 ? 'Hel' : 'Hello');
      idle.give(15, stream);
    }
  });
});

test('the tail is what Z_SYNC_FLUSH ends with', () => {
  const { bytes } = run(deflateRaw(15, 6), counting(10));
  expect(hexOf(bytes.subarray(-4))).toBe(hexOf(TAIL));
});

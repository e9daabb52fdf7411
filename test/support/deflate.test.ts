/** That the other end which the tests of permessage-deflate believe is as strict as they need it. */
import { describe, expect, test } from 'vitest';
import { hex } from './byte-stream.ts';
import { Deflater, Inflater } from './deflate.ts';
import { readAgreement } from './deflate-client.ts';
import { Random, SEED } from './randomness.ts';

describe('the inflater', () => {
  test.each([
    ['one block', 'f248cdc9c90700', 'Hello'],
    ['no compression', '000500faff48656c6c6f00', 'Hello'],
    ['a final block', 'f348cdc9c9070000', ''],
    ['two blocks', 'f248050000 00ffffcac9c90700', 'Hello'],
    ['an empty message', '00', ''],
  ])('reads the examples of RFC 7692 §7.2.3: %s', (name, payload, text) => {
    // zlib drops what is behind a final block, which no server of ours ever sends.
    if (name === 'a final block') expect(() => new Inflater().message(hex(payload))).toThrow(/last block/);
    else expect(new Inflater().message(hex(payload)).toString()).toBe(text);
  });

  test('reads the second example of §7.2.3.2 with a window, and refuses it without', () => {
    const keeps = new Inflater();
    keeps.message(hex('f248cdc9c90700'));
    expect(keeps.message(hex('f200110000')).toString()).toBe('Hello');
    const forgets = new Inflater(15, false);
    forgets.message(hex('f248cdc9c90700'));
    expect(() => forgets.message(hex('f200110000'))).toThrow(/distance/);
  });

  test('refuses a payload that ends within a block', () => {
    expect(() => new Inflater().message(hex('f248cd'))).toThrow();
    expect(() => new Inflater().message(hex(''))).toThrow();
  });

  test('refuses a tail that was not removed', () => {
    expect(() => new Inflater().message(hex('f248cdc9c907000000ffff'))).toThrow();
  });

  test.each([8, 9, 10, 11, 12, 13])('with %i bits refuses what was deflated with 15', (bits) => {
    const random = new Random(SEED);
    const [part, gap] = [random.bytes(300), random.bytes(3 * 2 ** bits)];
    const inside = new Deflater().message(Buffer.concat([part, gap, part]));
    expect(() => new Inflater(bits).message(inside), `TEST_SEED=${SEED}`).toThrow(/distance/);
    const [deflater, inflater] = [new Deflater(), new Inflater(bits)];
    inflater.message(deflater.message(Buffer.concat([part, random.bytes(2 ** bits)])));
    const across = deflater.message(part);
    expect(() => inflater.message(across), `TEST_SEED=${SEED}`).toThrow(/distance/);
  });

  test.each([
    [10, '1acdff0000'],
    [15, '1abdff1f00'],
  ])('with %i bits reaches back by the whole window', (bits, payload) => {
    const inflater = new Inflater(bits);
    const data = new Random(SEED).bytes(2 ** bits);
    inflater.message(new Deflater().message(data));
    expect(inflater.message(hex(payload)).equals(data.subarray(0, 258))).toBe(true);
  });
});

test.each([9, 10, 15])('what is deflated with %i bits is inflated with as many', (bits) => {
  const random = new Random(SEED);
  const part = random.bytes(2 ** bits / 2);
  const [deflater, inflater] = [new Deflater(bits), new Inflater(bits)];
  for (const data of [part, Buffer.concat([part, random.bytes(2 ** bits), part]), Buffer.alloc(0), part])
    expect(inflater.message(deflater.message(data)).equals(data), `TEST_SEED=${SEED}`).toBe(true);
});

test.each([
  'permessage-deflate, permessage-deflate',
  'permessage-deflate; server_max_window_bits',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; server_max_window_bits=16',
  'permessage-deflate; server_max_window_bits=09',
  'permessage-deflate; server_no_context_takeover=1',
  'permessage-deflate; server_no_context_takeover; server_no_context_takeover',
  'permessage-deflate; foo',
  'foo',
])('the reader of answers refuses %j', (answer) => {
  expect(() => readAgreement([answer])).toThrow();
});

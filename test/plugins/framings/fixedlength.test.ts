/** `fixedlength`: messages of so many bytes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import fixedlength from '../../../src/plugins/framings/fixedlength.ts';
import { eachCut, SEED, SEEDED } from '../../support/cuts.ts';
import { bytesOf, expectFramed, frame, type Make } from '../../support/framed.ts';

const made = (config: string): Make => fixedlength.configure(config);

describe('messages', () => {
  test('have the configured length, and the last one what is left', () => {
    expectFramed(made('3'), 'abcdef\n\0', [
      ['binary', 'abc'],
      ['binary', 'def'],
      ['binary', '\n\0'],
    ]);
    expectFramed(made('3'), 'abcdef', [
      ['binary', 'abc'],
      ['binary', 'def'],
    ]);
    expectFramed(made('1'), 'ab', [
      ['binary', 'a'],
      ['binary', 'b'],
    ]);
    expectFramed(made('9'), 'abc', [['binary', 'abc']]);
  });

  test(`are those of slices of the whole stream (TEST_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.uint8Array({ maxLength: 70 }), (length, bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        const expected = text.match(new RegExp(`[\\s\\S]{1,${length}}`, 'g')) ?? [];
        eachCut(bytesOf(text), (pieces) => {
          const { messages } = frame(made(String(length)), pieces);
          expect(messages).toEqual(expected.map((message) => ['binary', message]));
        });
      }),
      SEEDED,
    );
  });

  test('are found without a look at the bytes', () => {
    const unseen = new Proxy(new Uint8Array(0), {
      get: (_target, property) => {
        throw new Error(`looked at ${String(property)}`);
      },
    });
    const framing = made('16')({ maximum: 16 });
    expect(framing.next(unseen, 3, 18, 14, false)).toBe(0);
    expect(framing.next(unseen, 3, 19, 15, false)).toBe(16);
    expect(framing.next(unseen, 3, 18, 15, true)).toBe(0);
  });
});

describe('the configuration', () => {
  test.each([
    ['1', 1],
    ['10', 10],
    [' 10 ', 10],
    ['+10', 10],
    ['0x10', 16],
    ['0XfF', 255],
    ['010', 8],
    ['00000017', 15],
  ])('%j means %i bytes', (config, length) => {
    const framing = made(config)({ maximum: 1000 });
    expect(framing.next(new Uint8Array(length), 0, length - 1, 0, false)).toBe(0);
    expect(framing.next(new Uint8Array(length), 0, length, 0, false)).toBe(length);
  });

  test.each([
    '0',
    '00',
    '0x0',
    '-1',
    '-0',
    '08',
    '0x',
    '0xg',
    '1.5',
    '1e3',
    '10 bytes',
    '1 0',
    'ten',
    'NaN',
    'Infinity',
    '0b11',
    '0o17',
    '--1',
    '9007199254740992',
    '0x20000000000000',
    '99999999999999999999',
  ])('%j is refused', (config) => {
    expect(() => made(config)).toThrow(
      `"${config}" is no length: expected a whole number of bytes from 1 on (decimal, 0x… hexadecimal or 0… octal)`,
    );
  });

  test.each([undefined, '', '  '])('%j is refused, with an example', (config) => {
    expect(() => fixedlength.configure(config)).toThrow(
      'it needs a configuration: the length of a message in bytes, for example 32',
    );
  });

  test('is refused for a connection whose messages may not be that long', () => {
    expect(() => made('9007199254740991')({ maximum: 16_777_216 })).toThrow(
      'a length of 9007199254740991 bytes is too much: a message has at most 16777216',
    );
    expect(() => made('17')({ maximum: 16 })).toThrow();
    expectFramed(made('16'), '0123456789abcdef', [['binary', '0123456789abcdef']], { maximum: 16 });
  });
});

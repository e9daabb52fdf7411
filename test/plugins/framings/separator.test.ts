/** `separator`: messages through fixed bytes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import separator from '../../../src/plugins/framings/separator.ts';
import { eachCut, SEED, SEEDED } from '../../support/cuts.ts';
import { bytesOf, expectFramed, forgetfully, frame, type Make, type Message } from '../../support/framed.ts';

const BOUNDS = { maximum: 1000 };
const made = (config: string): Make => separator.configure(config);

/** What a configuration means, if its bytes follow one another: the shortest stream that it cuts. */
function meaning(config: string): string {
  const framing = made(config)(BOUNDS);
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('latin1');
  for (let first = 255; first >= 0; first -= 1) {
    const stream = bytesOf(every.slice(first));
    const length = framing.next(stream, 0, stream.length, 0, false);
    if (length > 0) return every.slice(first, first + length);
  }
  throw new Error('never found');
}

describe('messages', () => {
  test.each<[string, string, string, readonly Message[]]>([
    [
      'one byte',
      '|',
      'a|bc||d',
      [
        ['binary', 'a|'],
        ['binary', 'bc|'],
        ['binary', '|'],
        ['binary', 'd'],
      ],
    ],
    [
      'two bytes',
      '\\r\\n',
      'a\r\nb\rc\n\r\n',
      [
        ['binary', 'a\r\n'],
        ['binary', 'b\rc\n\r\n'],
      ],
    ],
    [
      'a NUL',
      '\\0',
      '\0\0x\0',
      [
        ['binary', '\0'],
        ['binary', '\0'],
        ['binary', 'x\0'],
      ],
    ],
    // What looks like the beginning of the separator is one only in part.
    [
      'a repeated beginning',
      'aab',
      'aaaabaab',
      [
        ['binary', 'aaaab'],
        ['binary', 'aab'],
      ],
    ],
    [
      'its own overlap',
      'abab',
      'ababab',
      [
        ['binary', 'abab'],
        ['binary', 'ab'],
      ],
    ],
    [
      'only the separator',
      'END',
      'ENDEND',
      [
        ['binary', 'END'],
        ['binary', 'END'],
      ],
    ],
    [
      'no separator',
      'END',
      'ENENDN',
      [
        ['binary', 'ENEND'],
        ['binary', 'N'],
      ],
    ],
    ['half a separator at the end', 'END', 'xEN', [['binary', 'xEN']]],
    [
      'bytes above 0x7f',
      '\\xff\\x00',
      'a\xffb\xff\x00c',
      [
        ['binary', 'a\xffb\xff\x00'],
        ['binary', 'c'],
      ],
    ],
    ['no bytes at all', '|', '', []],
  ])('%s: %j cuts %j however it comes in', (_what, config, stream, messages) => {
    expectFramed(made(config), stream, messages);
  });

  test('are whole reads where the separator is empty', () => {
    const reads = ['one', 'two|', '\0'].map(bytesOf);
    expect(frame(made(''), reads).messages).toEqual([
      ['binary', 'one'],
      ['binary', 'two|'],
      ['binary', '\0'],
    ]);
  });

  test(`are those that splitting the whole stream yields (TEST_SEED=${SEED})`, () => {
    const letters = fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 5 });
    const stream = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 });
    fc.assert(
      fc.property(letters, stream, (separatorLetters, streamLetters) => {
        const [end, text] = [separatorLetters.join(''), streamLetters.join('')];
        const parts = text.split(end);
        const expected = parts
          .map((part, i) => (i < parts.length - 1 ? part + end : part))
          .filter((m) => m !== '');
        eachCut(bytesOf(text), (pieces) => {
          const { messages } = frame(made(end), pieces);
          expect(messages.map(([, bytes]) => bytes)).toEqual(expected);
          expect(messages.map(([, bytes]) => bytes).join('')).toBe(text);
        });
      }),
      SEEDED,
    );
  });
});

describe('the search', () => {
  test.each([
    ['|', 'aaaa|bb|c', [5, 3]],
    ['END', 'some ENEND more, at lengthEND', [10, 19]],
    ['aab', 'aaaaabaab', [6, 3]],
  ])(
    'for %j goes on behind what was scanned, and stops at the end of what there is',
    (config, stream, lengths) => {
      for (const over of [config, 'x', '\0']) {
        expect(forgetfully(made(config)(BOUNDS), stream, config.length - 1, over)).toEqual(lengths);
      }
    },
  );

  test('does not find a separator that begins before its message', () => {
    const framing = made('ab')(BOUNDS);
    expect(framing.next(bytesOf('xabab'), 2, 5, 0, false)).toBe(3);
    expect(framing.next(bytesOf('xabxx'), 2, 5, 0, false)).toBe(0);
  });

  test('does not find one that only the memory behind the end completes', () => {
    expect(made('ab')(BOUNDS).next(bytesOf('xxab'), 0, 3, 0, false)).toBe(0);
    expect(made('ab')(BOUNDS).next(Buffer.from('xxab'), 0, 3, 0, false)).toBe(0);
  });

  test('counts from where the memory begins that it is given', () => {
    expect(made('ab')(BOUNDS).next(bytesOf('abxxab').subarray(2), 0, 4, 0, false)).toBe(4);
    expect(made('ab')(BOUNDS).next(Buffer.from('abxxab').subarray(2), 0, 4, 0, false)).toBe(4);
  });
});

describe('the limit', () => {
  test('is 1009 where no separator comes within it', () => {
    expectFramed(made('|'), 'abc|defghijk|', [['binary', 'abc|']], {
      maximum: 8,
      fault: 'segment-too-large',
    });
    expectFramed(made('|'), 'abcdefg|', [['binary', 'abcdefg|']], { maximum: 8 });
    expectFramed(made('||'), 'abcdefg||', [], { maximum: 8, fault: 'segment-too-large' });
  });

  test('refuses a separator that no message has room for', () => {
    expect(() => made('END')({ maximum: 2 })).toThrow(
      'a separator of 3 bytes cannot end a message: none is longer than 2 bytes',
    );
    expect(() => made('END')({ maximum: 3 })).not.toThrow();
  });
});

describe('the configuration', () => {
  test.each([
    ['\\r', '\r'],
    ['\\t', '\t'],
    ['\\n', '\n'],
    ['\\0', '\0'],
    ['\\f', '\f'],
    ['\\\\', '\\'],
    ['\\x41', 'A'],
    ['\\xaF', '\xaf'],
    ['\\xff', '\xff'],
    ['\\x00\\x01', '\0\x01'],
  ])('%s means the bytes %j', (config, expected) => {
    expect(meaning(config)).toBe(expected);
  });

  test.each<[string, string, readonly Message[]]>([
    [
      ';',
      'a;b',
      [
        ['binary', 'a;'],
        ['binary', 'b'],
      ],
    ],
    [
      '\\\\n',
      'a\nb\\nc',
      [
        ['binary', 'a\nb\\n'],
        ['binary', 'c'],
      ],
    ],
    [
      'a\\0012',
      'a\x0a\0a\x00012.',
      [
        ['binary', 'a\x0a\0a\x00012'],
        ['binary', '.'],
      ],
    ],
    [
      '-- \\r\\n',
      '-- \n-- \r\n.',
      [
        ['binary', '-- \n-- \r\n'],
        ['binary', '.'],
      ],
    ],
    [
      'a\nb',
      'a\nb.',
      [
        ['binary', 'a\nb'],
        ['binary', '.'],
      ],
    ],
  ])('%j is taken as it stands', (config, stream, messages) => {
    expectFramed(made(config), stream, messages);
  });

  test.each([
    ['é', '\xe9x\xc3\xa9.', ['\xe9x\xc3\xa9', '.']],
    ['→\\n', '\xe2\x86\n\xe2\x86\x92\n.', ['\xe2\x86\n\xe2\x86\x92\n', '.']],
    ['😀', '\xf0\x9f\x98\x81\xf0\x9f\x98\x80.', ['\xf0\x9f\x98\x81\xf0\x9f\x98\x80', '.']],
  ])('%s means its bytes in UTF-8', (config, stream, messages) => {
    expectFramed(
      made(config),
      stream,
      messages.map((bytes) => ['binary', bytes] as const),
    );
  });

  test.each([
    ['\\q', '"\\q" is no escape'],
    ['\\R', '"\\R" is no escape'],
    ['\\1', '"\\1" is no escape'],
    ['a\\', 'a backslash at the end is no escape'],
    ['\\\\\\', 'a backslash at the end is no escape'],
    ['\\x', '"\\x" is no escape'],
    ['\\x4', '"\\x4" is no escape'],
    ['\\x4g', '"\\x4g" is no escape'],
    ['\\xg4', '"\\xg4" is no escape'],
    ['\\x\\n', '"\\x\\n" is no escape'],
    ['\\X41', '"\\X" is no escape'],
    ['\\😀', '"\\😀" is no escape'],
    ['\\\n', '"\\\n" is no escape'.replace('\n', '\\n')],
  ])('%j is refused, and says what was expected', (config, message) => {
    expect(() => made(config)).toThrow(
      `${message}: expected one of \\r \\t \\n \\0 \\f \\\\ or \\xHH with two hexadecimal digits`,
    );
  });

  test('has to be there, though it may be empty', () => {
    expect(() => separator.configure(undefined)).toThrow(
      'it needs a configuration: the bytes that end a message, for example \\r\\n',
    );
    expect(() => separator.configure('')).not.toThrow();
  });

  test('may be 255 bytes long, not more', () => {
    const longest = 'x'.repeat(255);
    expect(frame(made(longest), [bytesOf(`${longest}.`)], 1000).messages).toHaveLength(2);
    expect(() => made('é'.repeat(128))).toThrow(
      'a separator of 256 bytes is too long: at most 255 are taken',
    );
  });
});

/** `newline`: messages are lines. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import newline from '../../../src/plugins/framings/newline.ts';
import { eachCut, SEED, SEEDED } from '../../support/cuts.ts';
import { bytesOf, expectFramed, forgetfully, frame, type Make, type Message } from '../../support/framed.ts';

const BOUNDS = { maximum: 1000 };
const made = (config: string | undefined): Make => newline.configure(config);

describe('messages', () => {
  test.each<[string | undefined, string, readonly Message[]]>([
    [
      undefined,
      'a\r\nb\nc\rd\r\n',
      [
        ['text', 'a\r\n'],
        ['text', 'b\nc\rd\r\n'],
      ],
    ],
    [
      '',
      'a\r\n\r\n',
      [
        ['text', 'a\r\n'],
        ['text', '\r\n'],
      ],
    ],
    [
      'crlf',
      'a\r\r\nb\n\r\n',
      [
        ['text', 'a\r\r\n'],
        ['text', 'b\n\r\n'],
      ],
    ],
    [
      'lfcr',
      'a\r\nb\n\rc\n\n\r',
      [
        ['text', 'a\r\nb\n\r'],
        ['text', 'c\n\n\r'],
      ],
    ],
    [
      'lf',
      'a\r\n\nb\n',
      [
        ['text', 'a\r\n'],
        ['text', '\n'],
        ['text', 'b\n'],
      ],
    ],
    [
      'cr',
      'a\r\nb\r',
      [
        ['text', 'a\r'],
        ['text', '\nb\r'],
      ],
    ],
    [
      'LF',
      'a\nb\n',
      [
        ['text', 'a\n'],
        ['text', 'b\n'],
      ],
    ],
    ['lf', '', []],
  ])('by %j of %j are the same however it comes in', (config, stream, messages) => {
    expectFramed(made(config), stream, messages);
  });

  test('are text where they are UTF-8, each judged alone', () => {
    const stream = 'gr\xc3\xbcn\r\n\xff\r\nok\r\n\xc0\xaf\r\n\xed\xa0\x80\r\n\0\r\n';
    expectFramed(made('crlf'), stream, [
      ['text', 'gr\xc3\xbcn\r\n'],
      ['binary', '\xff\r\n'],
      ['text', 'ok\r\n'],
      ['binary', '\xc0\xaf\r\n'],
      ['binary', '\xed\xa0\x80\r\n'],
      ['text', '\0\r\n'],
    ]);
  });

  test('at the end are what is left, by the same rule', () => {
    expectFramed(made('lf'), 'a\nrest \xc3\xbc', [
      ['text', 'a\n'],
      ['text', 'rest \xc3\xbc'],
    ]);
    expectFramed(made('lf'), 'a\nrest \xc3', [
      ['text', 'a\n'],
      ['binary', 'rest \xc3'],
    ]);
    expectFramed(made('crlf'), 'a\r', [['text', 'a\r']]);
  });

  test('at the end are counted from where they begin', () => {
    expect(made('lf')(BOUNDS).next(bytesOf('a\nrest'), 2, 6, 0, true)).toBe(4);
    expect(made('lf')(BOUNDS).next(bytesOf('a\nrest'), 2, 6, 0, false)).toBe(0);
  });

  test(`are those that a regular expression finds in the whole stream (TEST_SEED=${SEED})`, () => {
    const cases = [
      ['crlf', /[\s\S]*?\r\n|[\s\S]+$/g],
      ['lfcr', /[\s\S]*?\n\r|[\s\S]+$/g],
      ['lf', /[^\n]*\n|[^\n]+$/g],
      ['cr', /[^\r]*\r|[^\r]+$/g],
    ] as const;
    const stream = fc.array(fc.constantFrom('\r', '\n', '\r\n', '\n\r', 'a', '\xc3', '\xbc'), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(fc.constantFrom(...cases), stream, ([config, line], parts) => {
        const text = parts.join('');
        const expected = [...text.matchAll(line)].map(([found]) => [
          isText(found) ? 'text' : 'binary',
          found,
        ]);
        expect(expected.map(([, found]) => found).join('')).toBe(text);
        eachCut(bytesOf(text), (pieces) => expect(frame(made(config), pieces).messages).toEqual(expected));
      }),
      SEEDED,
    );
  });
});

/** Without what the segmenter uses. */
function isText(latin1: string): boolean {
  const bytes = Buffer.from(latin1, 'latin1');
  return Buffer.from(bytes.toString('utf8')).equals(bytes);
}

test.each([
  ['crlf', 'a line\r\r\n\r\nlast\r\n', [9, 2, 6]],
  ['lfcr', 'a line\n\n\r\n\rlast\n\r', [9, 2, 6]],
  ['lf', 'a line\n\nlast\n', [7, 1, 5]],
  ['cr', 'a line\r\rlast\r', [7, 1, 5]],
])('%s is looked for behind what was scanned, and not behind the end', (config, stream, lengths) => {
  for (const over of ['\r\n', '\r', '\n', 'x']) {
    expect(forgetfully(made(config)(BOUNDS), stream, config.length === 4 ? 1 : 0, over)).toEqual(lengths);
  }
});

test('a line that exceeds the limit is 1009', () => {
  expectFramed(made('lf'), 'abc\ndefghijk\n', [['text', 'abc\n']], {
    maximum: 8,
    fault: 'segment-too-large',
  });
  expectFramed(
    made('lf'),
    'abc\ndefghij\n',
    [
      ['text', 'abc\n'],
      ['text', 'defghij\n'],
    ],
    { maximum: 8 },
  );
  expectFramed(made('crlf'), 'abcdefg\r\n', [], { maximum: 8, fault: 'segment-too-large' });
  expectFramed(made('lf'), 'abcdefgh', [['text', 'abcdefgh']], { maximum: 8 });
});

test.each([['crlf '], ['\r\n'], ['\\n'], ['nl'], ['toString'], [',']])(
  'the configuration %j is refused',
  (config) => {
    expect(() => made(config)).toThrow(
      `${JSON.stringify(config)} is no end of a line: expected crlf, lfcr, lf, cr`,
    );
  },
);

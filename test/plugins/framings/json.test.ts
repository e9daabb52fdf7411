/** `json`: each message is a JSON value, and what is none goes out as it is. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import json from '../../../src/plugins/framings/json.ts';
import { Segmenter } from '../../../src/segmenter.ts';
import { eachCut, SEED, SEEDED } from '../../support/cuts.ts';
import { bytesOf, expectFramed, forgetfully, frame, type Make, type Message } from '../../support/framed.ts';
import { expectedOf } from '../../support/json-oracle.ts';

const made: Make = json.configure(undefined);
const BOUNDS = { maximum: 1_000_000 };

const text = (...values: string[]): Message[] => values.map((bytes) => ['text', bytes]);
const binary = (...values: string[]): Message[] => values.map((bytes) => ['binary', bytes]);

describe('values', () => {
  test.each([
    '{}',
    '[]',
    '""',
    'true',
    'false',
    'null',
    '{"a":1,"b":[true,false,null,{"c":{}}],"d":"e"}',
    '[[[[]]],[{}],1,-0,0.5,10,1e5,1E+5,1e-05,-12.034E10,""]',
    ' { "a" : [ 1 , 2 ] , "b" : { } }',
    '\r\n{\n\t"a":\r\n[\n]\t}',
    '{"":""}',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u0000\\uD83D\\ude00\\uAbCd\\u1234"',
    '{"\\u0022\\\\":"\\\\"}',
    '"{[,:]}"',
    '"gr\xc3\xbc\xc3\x9fe \xf0\x9f\x98\x80 \xe2\x80\xa8 \x7f"',
    '{"\xc3\xbc":"\xc3\xbc"}',
    '[0,0,-0,0e0,0.0]',
    '{"a":0,"b":1.5e3}',
    '{"a":"}","b":"]"}',
  ])('%s is one text message however it comes in', (value) => {
    expectFramed(made, value, text(value));
    expectFramed(made, `${value}${value}[]`, text(value, value, '[]'));
  });

  test.each<[string, readonly Message[]]>([
    ['{}{}', text('{}', '{}')],
    ['"a""b"', text('"a"', '"b"')],
    ['[]1', text('[]', '1')],
    ['1 2', text('1', ' 2')],
    ['1{}', text('1', '{}')],
    ['1[]', text('1', '[]')],
    ['1"a"', text('1', '"a"')],
    ['1\t2\r3\n4 5', text('1', '\t2', '\r3', '\n4', ' 5')],
    ['truefalse', text('true', 'false')],
    ['nulltrue1', text('null', 'true', '1')],
    ['true1', text('true', '1')],
    ['{}-1', text('{}', '-1')],
    ['{"a":1}\n{"b":2}\r\n[3]', text('{"a":1}', '\n{"b":2}', '\r\n[3]')],
    [' \t\r\n {} ', [...text(' \t\r\n {}'), ...binary(' ')]],
  ])('%j is several of them', (stream, messages) => {
    expectFramed(made, stream, messages);
  });

  test.each([
    '0',
    '-0',
    '7',
    '10',
    '123456',
    '0.5',
    '10.25',
    '1e5',
    '1E5',
    '1e+5',
    '1e-5',
    '1.5e10',
    '-1.0E-0',
  ])('the number %s ends before white space, before what begins another value, and at the end', (number) => {
    expectFramed(made, number, text(number));
    for (const behind of [' ', '\n', '\t', '\r']) {
      expectFramed(made, `${number}${behind}`, [...text(number), ...binary(behind)]);
    }
    for (const behind of ['{}', '[]', '""']) expectFramed(made, `${number}${behind}`, text(number, behind));
  });

  test('go out as soon as they are whole, without waiting for what follows', () => {
    for (const value of ['{}', '[1]', '"a"', 'true', 'false', 'null']) {
      const sent: string[] = [];
      const sink = {
        onSegment: (_text: boolean, bytes: Uint8Array, start: number, end: number) => {
          sent.push(Buffer.from(bytes.subarray(start, end)).toString());
        },
      };
      new Segmenter(made(BOUNDS), sink, BOUNDS.maximum).push(bytesOf(value));
      expect(sent).toEqual([value]);
    }
  });

  test('that are not UTF-8 go out as binary, and the next one does not', () => {
    expectFramed(made, '"\xff"["\xc3"]"\xed\xa0\x80"{"a":"\xc3\xbc"}', [
      ...binary('"\xff"', '["\xc3"]', '"\xed\xa0\x80"'),
      ...text('{"a":"\xc3\xbc"}'),
    ]);
  });

  test('may be nested as deeply as a message is long', () => {
    const depth = 10_000;
    const pattern = Array.from({ length: depth }, (_, i) => (i * 7919) % 3 === 0);
    const opened = pattern.map((object) => (object ? '{"":' : '[')).join('');
    const closed = pattern
      .map((object) => (object ? '}' : ']'))
      .reverse()
      .join('');
    const stream = `${opened}0${closed}[]`;
    for (const pieces of [[bytesOf(stream)], Array.from(bytesOf(stream), (byte) => Uint8Array.of(byte))]) {
      expect(frame(made, pieces)).toEqual({ messages: text(`${opened}0${closed}`, '[]'), over: 'end' });
    }
    // Each bit of the nesting counts, at the first growth of what holds them and elsewhere.
    for (const level of [1, 7, 8, 9, 510, 511, 512, 513, 1023, 1024, 9_999]) {
      const at = closed.length - level;
      const wrong = closed[at] === '}' ? ']' : '}';
      const broken = `${opened}0${closed.slice(0, at)}${wrong}${closed.slice(at + 1)}`;
      expect(frame(made, [bytesOf(`${broken}\n[]`)]).messages).toEqual([
        ...binary(`${broken}\n`),
        ...text('[]'),
      ]);
    }
  });

  test('that follow a deep one are read anew', () => {
    expectFramed(made, `${'['.repeat(600)}x\n{"a":[1]}[{}]`, [
      ...binary(`${'['.repeat(600)}x\n`),
      ...text('{"a":[1]}', '[{}]'),
    ]);
  });
});

describe('a value that breaks the grammar', () => {
  test.each([
    // Literals.
    'tru}',
    'tRue',
    'True',
    'nul ',
    'nan',
    'falsy',
    'undefined',
    '[truefalse]',
    '[nulll]',
    // Numbers.
    '01',
    '-01',
    '00',
    '1.',
    '1. ',
    '.5',
    '+1',
    '-',
    '- 1',
    '-a',
    '1e',
    '1e ',
    '1e+',
    '1e+-1',
    '1.e5',
    '1.5.5',
    '0x10',
    '1,',
    '1]',
    '1}',
    '1:',
    '12true',
    '12abc',
    '1_000',
    '1-2',
    '1+2',
    '12:30 hello',
    '2024-05-01',
    '0.5f',
    '1e5e',
    '1e5.5',
    '1\xc3\xbc',
    '[1 2]',
    '[01]',
    '[-]',
    '[1.]',
    '[1e]',
    '[1a]',
    '{"a":1 2}',
    '{"a":1a}',
    '-Infinity',
    '1\0',
    '1\x7f',
    // Strings.
    '"\\q"',
    '"\\x41"',
    '"\\u12g4"',
    '"\\u123"',
    '"\\u"',
    '"\\ud83d\\uzzzz"',
    '"\x00"',
    '"\x1f"',
    '"\t"',
    '"\r"',
    '"\\\x01"',
    '{"\\q":1}',
    '{"\x01":1}',
    '{"\\u00":1}',
    '"\\U0041"',
    '"\\\'"',
    "'a'",
    // Structure.
    ']',
    '}',
    ',',
    ':',
    '[,]',
    '[1,]',
    '[1,,2]',
    '[1}',
    '{]',
    '{"a"]',
    '{"a":1]',
    '{"a"}',
    '{"a":}',
    '{"a",1}',
    '{"a"1}',
    '{"a":1,}',
    '{,}',
    '{1:2}',
    '{a:1}',
    '{"a":1 "b":2}',
    '{"a"::1}',
    '["a""b"]',
    '["a":1]',
    '[{]',
    '[[}]',
    '{"a":[1}',
    '{"a":{"b":1]}',
    '{true:1}',
    '{{}}',
    '{[]}',
    '[}',
    '{"a":"b":1}',
    '[1:2]',
    '{"a"=1}',
    // What some parsers take.
    '/* a */1',
    '// a',
    '# a',
    '[1]'.replace('1', '\xa0'),
    '\xef\xbb\xbf{}',
    '\x1e{}',
    '\0',
    '\x0b1',
    '\x0c1',
  ])('%j goes out with its line as one binary message, and the next line is a value again', (value) => {
    expectFramed(made, `${value}\n{"next":1}`, [...binary(`${value}\n`), ...text('{"next":1}')]);
    expectFramed(made, `[] ${value} [}\r\n{"next":1}`, [
      ...text('[]'),
      ...binary(` ${value} [}\r\n`),
      ...text('{"next":1}'),
    ]);
  });

  test('goes out with the white space before it', () => {
    expectFramed(made, '{}\n \n\t x y\n1', [...text('{}'), ...binary('\n \n\t x y\n'), ...text('1')]);
  });

  test('ends at the first line feed from the byte on that broke it, not at one before', () => {
    expectFramed(made, '{\n"a":\n1,\n}x\n[]', [...binary('{\n"a":\n1,\n}x\n'), ...text('[]')]);
  });

  test.each<[string, readonly Message[]]>([
    ['"a\nb"\n[]', [...binary('"a\n'), ...binary('b"\n'), ...text('[]')]],
    ['"a\\\n[]', [...binary('"a\\\n'), ...text('[]')]],
    ['"\\u00\n[]', [...binary('"\\u00\n'), ...text('[]')]],
    ['tru\n[]', [...binary('tru\n'), ...text('[]')]],
    ['-\n[]', [...binary('-\n'), ...text('[]')]],
    ['1.\n[]', [...binary('1.\n'), ...text('[]')]],
    ['{"a\n":1}\n[]', [...binary('{"a\n', '":1}\n'), ...text('[]')]],
  ])('by a line feed, like %j, ends there', (stream, messages) => {
    // `":1}\n` is a string that its line feed breaks in turn; `b"\n` is a broken literal.
    expectFramed(made, stream, messages);
  });

  test('without a line feed goes out at the end of the stream', () => {
    expectFramed(made, '{} {x: [1]} "rest', [...text('{}'), ...binary(' {x: [1]} "rest')]);
    expectFramed(made, 'x', binary('x'));
    expectFramed(made, '\0\n\0', binary('\0\n', '\0'));
  });

  test('does not make text of the values in it, nor binary of those behind it', () => {
    expectFramed(made, 'x{"a":1}[2]\n{"b":"\xc3\xbc"}x\n3', [
      ...binary('x{"a":1}[2]\n'),
      ...text('{"b":"\xc3\xbc"}'),
      ...binary('x\n'),
      ...text('3'),
    ]);
  });
});

describe('the end of the stream', () => {
  test.each([
    '{',
    '[',
    '"',
    '"a',
    '"\\',
    '"\\u',
    '"\\u12',
    't',
    'tru',
    '-',
    '1.',
    '1e',
    '1e+',
    '{"a',
    '{"a"',
    '{"a":',
    '{"a":1',
    '[1',
    '[1,',
    '[[]',
    '{"a":{}',
    ' ',
    '\n\n',
    '\t[',
    '[1.5',
    '[12',
    '{"a":-0',
  ])('makes one binary message of the incomplete %j', (rest) => {
    expectFramed(made, rest, binary(rest));
    expectFramed(made, `{}${rest}`, [...text('{}'), ...binary(rest)]);
  });

  test('completes a number', () => {
    expectFramed(made, '{} -12.5e3', text('{}', ' -12.5e3'));
  });

  test('gives a datagram its type', () => {
    // As the bridge asks: once for each datagram, with all of it, at the end; only the type counts.
    const framing = made(BOUNDS);
    const typeOf = (datagram: string): string => {
      framing.next(bytesOf(datagram), 0, datagram.length, 0, true);
      return framing.type;
    };
    for (const datagram of ['{"a":1}', ' [1]\n', '12', '12\n', 'true', '""'])
      expect(typeOf(datagram)).toBe('text');
    for (const datagram of ['{"a":1', 'hello', 'x\n{}', ' ', '12a', '1.', '"', '\0'])
      expect(typeOf(datagram)).toBe('binary');
    expect(typeOf('{}')).toBe('text');
  });
});

describe('the limit', () => {
  test('is 1009 for a value that has no end within it', () => {
    expectFramed(made, '[1]"defghi"', [...text('[1]', '"defghi"')], { maximum: 8 });
    for (const stream of [
      '[1]"defghij"',
      '[1]         ',
      '[1][2,3,4,5]',
      '[1]123456789',
      '[1]       {}',
      '[1]"defghijk',
    ]) {
      expectFramed(made, stream, text('[1]'), { maximum: 8, fault: 'segment-too-large' });
    }
  });

  test('is not reached by a number of just that length', () => {
    expectFramed(made, '12345678 1', text('12345678', ' 1'), { maximum: 8 });
    expectFramed(made, '12345678', text('12345678'), { maximum: 8 });
  });

  test.each<[string, readonly string[]]>([
    ['xbcdefghijklmnopqrst', ['xbcdefgh', 'ijklmnop', 'qrst']],
    ['xbcdefg\nij', ['xbcdefg\n', 'ij']],
    ['xbcdefgh\nij', ['xbcdefgh', '\nij']],
    ['[1,2,3,4x\ny', ['[1,2,3,4', 'x\n', 'y']],
    ['       x\ny', ['       x', '\ny']],
    ['        x\ny', ['        ', 'x\n', 'y']],
  ])(
    'cuts the broken %j into pieces of that length, and looks for values anew behind each',
    (stream, pieces) => {
      expectFramed(made, stream, binary(...pieces), { maximum: 8 });
    },
  );

  test('sends such a piece as soon as it is full', () => {
    const framing = made({ maximum: 4 });
    expect(framing.next(bytesOf('{}xyz'), 2, 5, 0, false)).toBe(0);
    expect(framing.next(bytesOf('{}xyza'), 2, 6, 3, false)).toBe(4);
    expect(framing.type).toBe('binary');
  });

  test('makes text of a value that such a piece is followed by', () => {
    expectFramed(made, '[1,2,3,x5\ny', [...binary('[1,2,3,x'), ...text('5'), ...binary('\ny')], {
      maximum: 8,
    });
  });
});

describe('any stream', () => {
  const token = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      ' ',
      '\n',
      '0',
      '1',
      '-',
      '.',
      'e',
      '+',
      'u',
      't',
      'true',
      'false',
      'null',
    ],
    ...[
      '"a"',
      '"b":',
      '\\u00e',
      '\\"',
      '\xc3\xbc',
      '\x01',
      '\x7f',
      'x',
      '{}',
      '[1]',
      '12',
      '0.5',
      '{"a":',
      '[1,',
      '\r\n',
    ],
  );
  const stream = fc.array(token, { maxLength: 14 }).map((tokens) => tokens.join(''));

  test(`is cut as an oracle of JSON.parse says (TEST_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(stream, (bytes) => {
        const expected = { messages: expectedOf(bytes), over: 'end' };
        eachCut(bytesOf(bytes), (pieces) => expect(frame(made, pieces)).toEqual(expected));
      }),
      { ...SEEDED, numRuns: 300 },
    );
  });

  test(`of values is cut into them, and each parses (TEST_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 6 }),
        fc.constantFrom('\n', ' \r\n', '\n\t'),
        (values, gap) => {
          const lines = values.map((value) => JSON.stringify(value, null, values.length % 3));
          const utf8 = Buffer.from(lines.join(gap)).toString('latin1');
          eachCut(bytesOf(utf8), (pieces) => {
            const { messages } = frame(made, pieces);
            expect(messages.every(([type]) => type === 'text')).toBe(true);
            expect(
              messages.map(([, message]) => JSON.parse(Buffer.from(message, 'latin1').toString())),
            ).toEqual(lines.map((line) => JSON.parse(line)));
          });
        },
      ),
      { ...SEEDED, numRuns: 60 },
    );
  });

  test(`loses no byte and is cut alike however it comes in, also at a limit (TEST_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(stream, fc.integer({ min: 1, max: 12 }), (bytes, maximum) => {
        const whole = frame(made, [bytesOf(bytes)], maximum);
        const sent = whole.messages.map(([, message]) => message).join('');
        if (whole.over === 'end') expect(sent).toBe(bytes);
        else expect(bytes.startsWith(sent)).toBe(true);
        expect(whole.messages.every(([, { length }]) => length > 0 && length <= maximum)).toBe(true);
        eachCut(bytesOf(bytes), (pieces) => expect(frame(made, pieces, maximum)).toEqual(whole));
      }),
      { ...SEEDED, numRuns: 300 },
    );
  });
});

test('the scan goes on behind what was scanned, in values and in broken lines, and not behind the end', () => {
  const stream = ' {"a":[1.5e3,"b\\u00e9"],"c":tru}\n{"d":{"e":[true,null,{}]}}  [x "y" {}\n12 "last"';
  const lengths = [
    ' {"a":[1.5e3,"b\\u00e9"],"c":tru}\n',
    '{"d":{"e":[true,null,{}]}}',
    '  [x "y" {}\n',
    '12',
    ' "last"',
  ];
  for (const over of ['\n', '"', '}', ']', '1', ' ', 'x', '\\', '\0']) {
    expect(forgetfully(made(BOUNDS), stream, 0, over)).toEqual(lengths.map(({ length }) => length));
  }
});

test('json takes no configuration but an empty one', () => {
  expect(() => json.configure('')).not.toThrow();
  expect(() => json.configure('pretty')).toThrow('this framing takes no configuration');
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { type ExtensionOffer, parseExtensions } from '../../src/rfc6455/extensions.ts';
import { SEEDED } from '../support/cuts.ts';

function faultOf(value: string): string {
  try {
    return `none: ${JSON.stringify(parseExtensions(value))}`;
  } catch (error) {
    if (error instanceof Fault) return `${error.code} ${error.status}`;
    throw error;
  }
}

const plain = (name: string): ExtensionOffer => ({ name, parameters: [] });

describe('the grammar', () => {
  const taken: readonly (readonly [string, readonly ExtensionOffer[]])[] = [
    ['foo', [plain('foo')]],
    ['deflate-stream', [plain('deflate-stream')]],
    ['foo, bar; baz=2', [plain('foo'), { name: 'bar', parameters: [{ name: 'baz', value: '2' }] }]],
    [
      'mux; max-channels=4; flow-control, deflate-stream',
      [
        {
          name: 'mux',
          parameters: [
            { name: 'max-channels', value: '4' },
            { name: 'flow-control', value: undefined },
          ],
        },
        plain('deflate-stream'),
      ],
    ],
    ['a;b="c"', [{ name: 'a', parameters: [{ name: 'b', value: 'c' }] }]],
    ['a;b="\\c\\d"', [{ name: 'a', parameters: [{ name: 'b', value: 'cd' }] }]],
    [' \ta \t; b = c\t, d ', [{ name: 'a', parameters: [{ name: 'b', value: 'c' }] }, plain('d')]],
    [
      'a;b = "c" ; d',
      [
        {
          name: 'a',
          parameters: [
            { name: 'b', value: 'c' },
            { name: 'd', value: undefined },
          ],
        },
      ],
    ],
    [',, a,,b , ,', [plain('a'), plain('b')]],
    [
      'a;b;b=1',
      [
        {
          name: 'a',
          parameters: [
            { name: 'b', value: undefined },
            { name: 'b', value: '1' },
          ],
        },
      ],
    ],
    ['a, a', [plain('a'), plain('a')]],
    ['Foo;BAR=Baz', [{ name: 'Foo', parameters: [{ name: 'BAR', value: 'Baz' }] }]],
    ["!#$%&'*+-.^_`|~09", [plain("!#$%&'*+-.^_`|~09")]],
    ['__proto__;constructor=1', [{ name: '__proto__', parameters: [{ name: 'constructor', value: '1' }] }]],
  ];
  test.for(taken)('§9.1: takes %j', ([value, offers]) => {
    expect(parseExtensions(value)).toEqual(offers);
  });

  const refused = [
    '',
    ' ',
    ',',
    ' , \t,',
    ';',
    '=',
    'a;',
    'a; ',
    'a;;b',
    'a;,b',
    'a,;b',
    'a b',
    'a;b c',
    'a=b',
    'a;=b',
    'a;b=',
    'a;b=,c',
    'a;b=;c',
    'a;b==c',
    'a;b=c d',
    'a;b=c=d',
    'a;b="c',
    'a;b="',
    'a;b="c\\',
    'a;b="c\\"',
    'a;b=""',
    'a;b=" "',
    'a;b="c d"',
    'a;b="c,d"',
    'a;b="\\""',
    'a;b="c"d',
    'a;b="c" d',
    'a;b="c""d"',
    'a;"b"=c',
    '"a"',
    'a/b',
    'a(b)',
    'a\0',
    'ä',
    'a;b=ä',
    'a;b="ä"',
  ];
  test.for(refused)('§9.1: refuses %j', (value) => {
    expect(faultOf(value)).toBe('extensions-malformed 400');
  });
});

describe('at random', () => {
  const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/);
  const space = fc.constantFrom('', '', ' ', '\t', ' \t ');
  /** A value with the way it is written: bare, quoted, or quoted with needless escapes. */
  const value = fc.tuple(token, fc.constantFrom('bare', 'quoted', 'escaped')).map(([text, form]) => ({
    text,
    written: form === 'bare' ? text : `"${form === 'escaped' ? text.replace(/./g, '\\$&') : text}"`,
  }));
  const parameter = fc.record({ name: token, value: fc.option(value, { nil: undefined }) });
  const offer = fc.record({ name: token, parameters: fc.array(parameter, { maxLength: 4 }) });
  const offers = fc.array(offer, { minLength: 1, maxLength: 4 });

  test('§9.1: reads back whatever the grammar can write', () => {
    fc.assert(
      fc.property(offers, fc.infiniteStream(space), fc.infiniteStream(fc.nat(2)), (list, spaces, empties) => {
        const s = (): string => spaces.next().value as string;
        const comma = (): string => {
          const extra = empties.next().value as number;
          return `${s()},${`${s()},`.repeat(extra)}${s()}`;
        };
        const written = list.map(({ name, parameters }) => {
          const tail = parameters.map((p) => {
            const right = p.value === undefined ? '' : `${s()}=${s()}${p.value.written}`;
            return `${s()};${s()}${p.name}${right}`;
          });
          return name + tail.join('');
        });
        let text = s();
        for (const [i, one] of written.entries()) text += (i > 0 ? comma() : '') + one;
        expect(parseExtensions(text + s())).toEqual(
          list.map(({ name, parameters }) => ({
            name,
            parameters: parameters.map((p) => ({ name: p.name, value: p.value?.text })),
          })),
        );
      }),
      SEEDED,
    );
  });

  test('§9.1: takes just what a naive reading of the grammar takes', () => {
    // The grammar as one regular expression, with the quoted values checked behind it.
    const ows = '[ \\t]*';
    const word = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
    const quoted = `"(?:[!#$%&'*+\\-.^_\`|~0-9A-Za-z]|\\\\[!#$%&'*+\\-.^_\`|~0-9A-Za-z])+"`;
    const param = `${word}${ows}(?:=${ows}(?:${word}|${quoted}))?`;
    const extension = `${word}${ows}(?:;${ows}${param}${ows})*`;
    const list = new RegExp(
      `^${ows}(?:,${ows})*${extension}(?:(?:${ows},)+${ows}${extension})*(?:${ows},)*${ows}$`,
    );
    const pieces = ['a', 'b1', ',', ';', '=', '"', '\\', ' ', '\t', '-', '(', 'é'];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(''));
    let taken = 0;
    fc.assert(
      fc.property(text, (input) => {
        const expected = list.test(input);
        if (expected) taken += 1;
        expect(faultOf(input).startsWith('none')).toBe(expected);
      }),
      { ...SEEDED, numRuns: 20_000 },
    );
    // Else the property would say little about what is taken.
    expect(taken).toBeGreaterThan(200);
  });

  test('a value that is anything at all makes a Fault or a list, nothing else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (input) => {
        expect(faultOf(input)).toMatch(/^(none|extensions-malformed 400)/);
      }),
      SEEDED,
    );
  });
});

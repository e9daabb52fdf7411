/** `dynamic32`: messages that state their length. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import dynamic32 from '../../../src/plugins/framings/dynamic32.ts';
import { eachCut, SEED, SEEDED } from '../../support/cuts.ts';
import { bytesOf, expectFramed, frame, type Make, type Message } from '../../support/framed.ts';

const BOUNDS = { maximum: 100_000 };
const made = (config: string | undefined): Make => dynamic32.configure(config);

/** The length that a framing finds, where there is enough of everything. */
function lengthOf(config: string, header: string): number {
  const memory = new Uint8Array(100_000);
  memory.set(bytesOf(header));
  return made(config)(BOUNDS).next(memory, 0, memory.length, 0, false);
}

describe('messages', () => {
  test.each<[string | undefined, string, readonly Message[]]>([
    [
      undefined,
      '\x02\0\0\0ab\0\0\0\0\x01\0\0\0c',
      [
        ['binary', '\x02\0\0\0ab'],
        ['binary', '\0\0\0\0'],
        ['binary', '\x01\0\0\0c'],
      ],
    ],
    ['', '\x01\0\0\0a', [['binary', '\x01\0\0\0a']]],
    [
      'endian=big',
      '\0\0\0\x02ab\0\0\0\x01c',
      [
        ['binary', '\0\0\0\x02ab'],
        ['binary', '\0\0\0\x01c'],
      ],
    ],
    [
      'offset=2',
      'xy\x01\0\0\0axy\0\0\0\0',
      [
        ['binary', 'xy\x01\0\0\0a'],
        ['binary', 'xy\0\0\0\0'],
      ],
    ],
    [
      'static=2',
      '\x01\0\0\0abc\0\0\0\0de',
      [
        ['binary', '\x01\0\0\0abc'],
        ['binary', '\0\0\0\0de'],
      ],
    ],
    // The value counts the whole message.
    [
      'static=-4',
      '\x04\0\0\0\x06\0\0\0ab',
      [
        ['binary', '\x04\0\0\0'],
        ['binary', '\x06\0\0\0ab'],
      ],
    ],
    [
      'offset=1,static=-5,endian=big',
      'x\0\0\0\x06ax\0\0\0\x05',
      [
        ['binary', 'x\0\0\0\x06a'],
        ['binary', 'x\0\0\0\x05'],
      ],
    ],
    // Taken literally: a message that ends within its own length field, where the next one begins.
    [
      'static=-4',
      '\x01\0\0\0\x04\0\0\0',
      [
        ['binary', '\x01'],
        ['binary', '\0\0\0\x04\0\0\0'],
      ],
    ],
    ['', '\x05\0\0\0abc', [['binary', '\x05\0\0\0abc']]],
    ['', '\x05\0\0', [['binary', '\x05\0\0']]],
    ['offset=4', 'abcd\x01', [['binary', 'abcd\x01']]],
  ])('by %j of %j are the same however it comes in', (config, stream, messages) => {
    expectFramed(made(config), stream, messages);
  });

  test.each([
    ['', '\x01\x02\0\0', 4 + 0x0201],
    ['', '\x01\0\x01\0', 4 + 0x10001],
    ['endian=big', '\0\0\x02\x01', 4 + 0x0201],
    ['endian=big', '\0\x01\0\x01', 4 + 0x10001],
    ['static=-2147483649', '\x05\0\0\x80', 8],
    ['static=-4294967295', '\xff\xff\xff\xff', 4],
    ['endian=big,static=-4294967295', '\xff\xff\xff\xff', 4],
    ['endian=big,static=-4278190080', '\xff\x01\x02\x03', 4 + 0x010203],
    ['static=-4278190080', '\x03\x02\x01\xff', 4 + 0x010203],
    ['static=-4', '\x01\0\0\0', 1],
  ])(
    'by %j that begin with %j have the length that the formula yields, without wrapping',
    (config, header, length) => {
      expect(lengthOf(config, header)).toBe(length);
    },
  );

  test.each([
    ['static=-4', '\0\0\0\0', 'offset 0 + 4 + static -4 + value 0 leaves 0 bytes for a message'],
    [
      'static=-8,endian=big',
      '\0\0\0\x02',
      'offset 0 + 4 + static -8 + value 2 leaves -2 bytes for a message',
    ],
    [
      'offset=2,static=-4294967295',
      'xx\0\0\0\x80',
      'offset 2 + 4 + static -4294967295 + value 2147483648 leaves -2147483641 bytes for a message',
    ],
  ])('by %j that begin with %j fail, with the numbers', (config, stream, message) => {
    expect(() => lengthOf(config, stream)).toThrow(message);
    expectFramed(made(config), stream, [], { fault: 'framing-failed' });
  });

  test('that cannot be are binary all the same where nothing is behind them, as in a datagram', () => {
    const framing = dynamic32.configure('static=-4')({ maximum: 1000 });
    const datagram = Buffer.alloc(4);
    expect(framing.next(datagram, 0, 4, 0, true)).toBe(0);
    expect(framing.type).toBe('binary');
  });

  test(`are those that a walk over the whole stream finds (TEST_SEED=${SEED})`, () => {
    const layout = fc.record({
      offset: fc.integer({ min: 0, max: 5 }),
      added: fc.integer({ min: -6, max: 6 }),
      big: fc.boolean(),
    });
    const byte = fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(0, 0, 0, 1, 2, 3, 9) },
      { weight: 1, arbitrary: fc.nat(255) },
    );
    fc.assert(
      fc.property(layout, fc.array(byte, { maxLength: 60 }), ({ offset, added, big }, bytes) => {
        const buffer = Buffer.from(bytes);
        const expected: Message[] = [];
        let over = 'end';
        let rest = buffer;
        while (rest.length >= offset + 4) {
          const value = big ? rest.readUInt32BE(offset) : rest.readUInt32LE(offset);
          const length = offset + 4 + added + value;
          if (length <= 0) over = 'framing-failed';
          if (length <= 0 || length > rest.length) break;
          expected.push(['binary', rest.subarray(0, length).toString('latin1')]);
          rest = rest.subarray(length);
        }
        if (over === 'end' && rest.length > 0) expected.push(['binary', rest.toString('latin1')]);
        const config = `offset=${offset},static=${added},endian=${big ? 'big' : 'little'}`;
        eachCut(Uint8Array.from(buffer), (pieces) => {
          expect(frame(made(config), pieces)).toEqual({ messages: expected, over });
        });
      }),
      SEEDED,
    );
  });

  test('are found by a look at their four bytes alone', () => {
    let looks: string[] = [];
    const bytes = bytesOf('xxyy\x08\0\0\0zzzzzzzz');
    const watched = new Proxy(bytes, {
      get: (target, property) => {
        looks.push(String(property));
        return Reflect.get(target, property);
      },
    });
    const framing = made('offset=2')(BOUNDS);
    expect(framing.next(watched, 2, 7, 4, false)).toBe(0);
    expect(looks).toEqual([]);
    expect(framing.next(watched, 2, 15, 12, false)).toBe(0);
    expect(looks.sort()).toEqual(['4', '5', '6', '7']);
    looks = [];
    expect(framing.next(watched, 2, 16, 13, false)).toBe(14);
    expect(looks).toHaveLength(4);
  });
});

describe('the limit', () => {
  test('is 1009 for a longer message, once so many bytes have come', () => {
    expectFramed(made(''), '\x01\0\0\0a\x05\0\0\0abcde', [['binary', '\x01\0\0\0a']], {
      maximum: 8,
      fault: 'segment-too-large',
    });
    expectFramed(made(''), '\xff\xff\xff\xffabcde', [], { maximum: 8, fault: 'segment-too-large' });
    expectFramed(made(''), '\x04\0\0\0abcd', [['binary', '\x04\0\0\0abcd']], { maximum: 8 });
  });

  test.each([
    ['offset=5', 'offset=5 and static=0 ask for messages of more than 8 bytes'],
    ['static=5', 'offset=0 and static=5 ask for messages of more than 8 bytes'],
    ['offset=5,static=-4', 'offset=5 and static=-4 ask for messages of more than 8 bytes'],
    ['offset=4294967295', 'offset=4294967295 and static=0 ask for messages of more than 8 bytes'],
  ])('refuses %j, by which none would fit', (config, message) => {
    expect(() => made(config)({ maximum: 8 })).toThrow(message);
  });

  test.each(['offset=4', 'static=4', 'offset=2,static=2', 'offset=4,static=-4'])(
    'takes %j, by which some fit',
    (config) => {
      expect(() => made(config)({ maximum: 8 })).not.toThrow();
    },
  );
});

describe('the configuration', () => {
  test.each([
    [' offset = 2 , static = -1 , endian = big ', 'xx\0\0\0\x03', 8],
    ['endian=BIG', '\0\0\0\x03', 7],
    ['endian=Little', '\x03\0\0\0', 7],
    ['static=0x10', '\0\0\0\0', 20],
    ['static=010', '\0\0\0\0', 12],
    ['static=+1', '\0\0\0\0', 5],
    ['static=-0x2', '\0\0\0\0', 2],
    ['   ', '\0\0\0\0', 4],
  ])('%j is understood', (config, header, length) => {
    expect(lengthOf(config, header)).toBe(length);
  });

  test.each([
    ['length=4', 'unknown option "length": expected offset, static or endian'],
    ['Offset=4', 'unknown option "Offset": expected offset, static or endian'],
    ['=4', 'unknown option "": expected offset, static or endian'],
    ['offset', '"offset" is no option: expected NAME=VALUE, separated by commas'],
    ['offset=1,', '"" is no option: expected NAME=VALUE, separated by commas'],
    [',', '"" is no option: expected NAME=VALUE, separated by commas'],
    ['offset=1;static=2', 'offset=1;static=2: expected a whole number from 0 to 4294967295'],
    ['offset=1,static=2,offset=1', 'offset is given twice'],
    ['endian=', 'endian=: expected little or big'],
    ['endian=middle', 'endian=middle: expected little or big'],
    ['offset=', 'offset=: expected a whole number from 0 to 4294967295'],
    ['offset=-1', 'offset=-1: expected a whole number from 0 to 4294967295'],
    ['offset=4294967296', 'offset=4294967296: expected a whole number from 0 to 4294967295'],
    ['offset=1.5', 'offset=1.5: expected a whole number from 0 to 4294967295'],
    ['static=x', 'static=x: expected a whole number from -4294967295 to 4294967295'],
    ['static=4294967296', 'static=4294967296: expected a whole number from -4294967295 to 4294967295'],
    ['static=-4294967296', 'static=-4294967296: expected a whole number from -4294967295 to 4294967295'],
  ])('%j is refused by the name of what is wrong', (config, message) => {
    expect(() => made(config)).toThrow(message);
  });

  test('takes the greatest numbers', () => {
    expect(() => made('offset=4294967295,static=-4294967295')).not.toThrow();
    expect(() => made('static=4294967295')).not.toThrow();
  });
});

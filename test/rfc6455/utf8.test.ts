import { describe, expect, test } from 'vitest';
import { Utf8Validator } from '../../src/rfc6455/utf8.ts';
import { concat, hex, hexOf, utf8 } from '../support/bytes.ts';
import { eachCut, SEED } from '../support/cuts.ts';
import { Random } from '../support/randomness.ts';

const platform = new TextDecoder('utf-8', { fatal: true });

/** Whether a whole text is UTF-8, as the platform sees it. */
function isValid(bytes: Uint8Array): boolean {
  // The stack of each refusal is what would cost most here.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    platform.decode(bytes);
    return true;
  } catch {
    return false;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

type Verdict = 'valid' | 'open' | 'wrong';
const verdicts = new Map<string, Verdict>();

/** What a few bytes are, by brute force: `open` if some completion makes them valid. */
function verdictOn(prefix: Uint8Array): Verdict {
  const key = hexOf(prefix);
  const known = verdicts.get(key);
  if (known !== undefined) return known;
  const verdict = isValid(prefix) ? 'valid' : canBecomeValid(prefix, 4 - prefix.length) ? 'open' : 'wrong';
  verdicts.set(key, verdict);
  return verdict;
}

/** One of each range of continuation bytes that RFC 3629 §4 tells apart: 80–8F, 90–9F, A0–BF. */
const CONTINUATIONS = [0x80, 0x90, 0xa0];

function canBecomeValid(prefix: Uint8Array, more: number): boolean {
  return (
    more > 0 &&
    CONTINUATIONS.some((byte) => {
      const longer = concat(prefix, Uint8Array.of(byte));
      return isValid(longer) || canBecomeValid(longer, more - 1);
    })
  );
}

/** The index of the first byte that cannot be right; the length if there is none. */
function firstWrong(bytes: Uint8Array): number {
  let sound = 0;
  for (let end = 1; end <= bytes.length; end += 1) {
    const verdict = verdictOn(bytes.subarray(sound, end));
    if (verdict === 'wrong') return end - 1;
    if (verdict === 'valid') sound = end;
  }
  return bytes.length;
}

/** Pushes the pieces: the index in the whole of the piece that was refused, or -1. */
function push(
  validator: Utf8Validator,
  pieces: readonly Uint8Array[],
): { refused: number; from: number; to: number } {
  let from = 0;
  for (const [i, piece] of pieces.entries()) {
    // In the middle of other memory, so that reading outside of the range shows.
    const memory = new Uint8Array(piece.length + 8).fill(0xff);
    memory.set(piece, 5);
    if (!validator.push(memory, 5, 5 + piece.length)) return { refused: i, from, to: from + piece.length };
    from += piece.length;
  }
  return { refused: -1, from, to: from };
}

/** Holds the validator to the oracles, under every cut: it refuses the piece with the first wrong byte, and no other. */
function expectLikeOracle(text: Uint8Array): void {
  const wrong = firstWrong(text);
  const valid = isValid(text);
  eachCut(text, (pieces) => {
    const validator = new Utf8Validator();
    const result = push(validator, pieces);
    if (wrong === text.length) {
      if (result.refused >= 0 || validator.complete !== valid) {
        expect({ text: hexOf(text), refused: result.refused, complete: validator.complete }).toEqual({
          text: hexOf(text),
          refused: -1,
          complete: valid,
        });
      }
    } else if (result.refused < 0 || wrong < result.from || wrong >= result.to) {
      expect.fail(`first wrong byte of ${hexOf(text)} is ${wrong}, refused: ${JSON.stringify(result)}`);
    }
  });
}

describe('the table of RFC 3629 §4', () => {
  const valid = [
    ['a text of no bytes', ''],
    ['the first and the last of one byte', '00 7f'],
    ['the first and the last of two bytes', 'c280 dfbf'],
    ['the first and the last of three bytes', 'e0a080 efbfbf'],
    ['those around the surrogates', 'ed9fbf ee8080'],
    ['the first and the last of four bytes', 'f0908080 f48fbfbf'],
    ['non-characters and a byte order mark', 'efbbbf efb790 f09fbfbe'],
  ] as const;
  test.for(valid)('§8.1: %s is valid under every cut', ([, text]) => {
    expect(isValid(hex(text))).toBe(true);
    expectLikeOracle(hex(text));
  });

  const invalid = [
    ['a continuation byte without a lead', '80', 0],
    ['the last continuation byte without a lead', '61 bf', 1],
    ['C0, an overlong form', 'c080', 0],
    ['C1, an overlong form', 'c1bf', 0],
    ['an overlong form of three bytes', 'e09fbf', 1],
    ['an overlong form of four bytes', 'f08fbfbf', 1],
    ['the first surrogate', 'eda080', 1],
    ['the last surrogate', 'edbfbf', 1],
    ['the first behind U+10FFFF', 'f4908080', 1],
    ['F5', 'f5808080', 0],
    ['F8, a form of five bytes', 'f888808080', 0],
    ['FE', 'fe', 0],
    ['FF', 'ff', 0],
    ['a lead behind a lead of two bytes', 'c3c3a9', 1],
    ['ASCII in a character of three bytes', 'e28261', 2],
    ['ASCII in a character of four bytes', 'f09f9861', 3],
    ['a continuation byte too many', 'c3a980', 2],
    ['C0 as a continuation byte', 'c3c0', 1],
    ['7F as a continuation byte', 'e282 7f', 2],
  ] as const;
  test.for(invalid)('§8.1: %s is refused at its first wrong byte', ([, text, at]) => {
    expect(firstWrong(hex(text))).toBe(at);
    expectLikeOracle(hex(text));
    // The same where the native check takes over, in front of it and behind it.
    const ascii = utf8('x'.repeat(70));
    expectLikeOracle(concat(ascii, hex(text)));
    expectLikeOracle(concat(hex(text), ascii));
    expectLikeOracle(concat(ascii, hex(text), ascii));
  });

  test.for(['c3', 'e2', 'e282', 'f0', 'f09f', 'f09f98', 'e0', 'ed', 'f4', 'f48f'])(
    '§8.1: %s alone is not wrong yet, but no whole text',
    (text) => {
      const validator = new Utf8Validator();
      expect(validator.push(hex(text), 0, text.length / 2)).toBe(true);
      expect(validator.complete).toBe(false);
      expectLikeOracle(hex(text));
      expectLikeOracle(concat(utf8('x'.repeat(70)), hex(text)));
    },
  );

  test('§8.1: every pair of bytes is judged as the platform judges it', () => {
    for (let first = 0; first < 256; first += 1) {
      for (let second = 0; second < 256; second += 1) {
        const text = Uint8Array.of(first, second);
        const validator = new Utf8Validator();
        const taken = validator.push(text, 0, 1) && validator.push(text, 1, 2);
        const mayGoOn = firstWrong(text) === 2;
        if (taken !== mayGoOn) expect(`${hexOf(text)} ${taken}`).toBe(`${hexOf(text)} ${mayGoOn}`);
        if (taken && validator.complete !== isValid(text))
          expect.fail(`${hexOf(text)} ${validator.complete}`);
      }
    }
  });

  test('§8.1: every third byte behind the leads with a narrower range is judged as the platform judges it', () => {
    for (const lead of ['e0a0', 'e0bf', 'ed80', 'ed9f', 'f090', 'f0bf', 'f480', 'f48f']) {
      for (let third = 0; third < 256; third += 1) {
        const text = concat(hex(lead), Uint8Array.of(third));
        const taken = new Utf8Validator().push(text, 0, 3);
        if (taken !== (firstWrong(text) === 3)) expect.fail(`${hexOf(text)} ${taken}`);
      }
    }
  });
});

describe('around the length from which the native check is used', () => {
  const CHARACTERS = ['61', 'c3a9', 'e282ac', 'f09f9880'];
  /** Around the length for text that is not all ASCII, and around the one for any. */
  const LENGTHS = [48, 128].flatMap((from) => Array.from({ length: 11 }, (_, i) => from - 3 + i));

  test('§8.1: a character may end, begin or lie open at either end of a long piece', () => {
    for (const character of CHARACTERS) {
      for (const length of LENGTHS) {
        const text = concat(hex(character), utf8('x'.repeat(length - 4)), hex(character));
        for (let first = 0; first <= 4; first += 1) {
          for (let last = text.length - 4; last <= text.length; last += 1) {
            const validator = new Utf8Validator();
            const pieces = [text.subarray(0, first), text.subarray(first, last), text.subarray(last)];
            expect(push(validator, pieces).refused).toBe(-1);
            expect(validator.complete).toBe(true);
          }
        }
      }
    }
  });

  test('§8.1: a long piece of nothing but wide characters is cut anywhere', () => {
    for (const character of CHARACTERS) {
      const text = hex(character.repeat(60));
      for (let cut = 0; cut <= text.length; cut += 1) {
        const validator = new Utf8Validator();
        expect(push(validator, [text.subarray(0, cut), text.subarray(cut)]).refused).toBe(-1);
        expect(validator.complete).toBe(true);
      }
    }
  });

  test('§8.1: a wrong byte is found at each place of a piece of each length', () => {
    for (const length of [3, 4, 5, 47, 80, 127, 128, 140]) {
      for (let at = 0; at < length; at += 1) {
        for (const wrong of [0x80, 0xbf, 0xc0, 0xff]) {
          const text = utf8('x'.repeat(length));
          text[at] = wrong;
          if (new Utf8Validator().push(text, 0, length)) expect.fail(`${hexOf(text)} was taken`);
        }
      }
    }
  });

  test('§8.1: a wrong byte is found at each place behind a character that is not ASCII, at each place', () => {
    for (const length of [20, 47, 48, 49, 60]) {
      for (let wide = 0; wide < length - 2; wide += 1) {
        for (let at = wide + 2; at < length; at += 1) {
          const text = utf8('x'.repeat(length));
          text.set(hex('c3a9'), wide);
          if (!new Utf8Validator().push(text, 0, length)) expect.fail(`${hexOf(text)} was refused`);
          text[at] = 0x80;
          if (new Utf8Validator().push(text, 0, length)) expect.fail(`${hexOf(text)} was taken`);
        }
      }
    }
  });
});

describe('at random', () => {
  const POINTS = [0, 0x41, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff];

  function randomText(random: Random, characters: number): Uint8Array {
    const text = Array.from({ length: characters }, () => {
      if (random.int(0, 1) === 0) return String.fromCodePoint(random.pick(POINTS));
      const point = random.int(0, random.pick([0x7f, 0x7ff, 0xffff, 0x10_ffff]));
      return String.fromCodePoint(point >= 0xd800 && point <= 0xdfff ? 0x20ac : point);
    });
    return utf8(text.join(''));
  }

  test(`§8.1: valid text is valid under every cut (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (let round = 0; round < 120; round += 1) expectLikeOracle(randomText(random, random.int(0, 60)));
  });

  test(`§8.1: mutated text is refused at its first wrong byte (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED + 1);
    for (let round = 0; round < 250; round += 1) {
      const text = randomText(random, random.int(1, 60));
      const at = random.int(0, text.length - 1);
      const kind = random.int(0, 3);
      if (kind === 0) text[at] = random.int(0, 255);
      if (kind === 1) text[at] = text[at]! ^ (1 << random.int(0, 7));
      expectLikeOracle(
        kind < 2 ? text : kind === 2 ? text.slice(0, at) : concat(text.slice(0, at), text.slice(at + 1)),
      );
    }
  });

  test(`§8.1: random bytes are refused at the first wrong one (TEST_SEED=${SEED})`, () => {
    const random = new Random(SEED + 2);
    const likely = [
      0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf3, 0xf4,
    ];
    for (let round = 0; round < 400; round += 1) {
      const length = random.int(0, 8);
      expectLikeOracle(Uint8Array.from({ length }, () => random.pick(likely)));
    }
  });
});

describe('complete and reset', () => {
  test('is complete before the first byte and after each whole character', () => {
    const validator = new Utf8Validator();
    const states = [...hex('c3a9 61 f09f9880')].map((byte) => {
      validator.push(Uint8Array.of(byte), 0, 1);
      return validator.complete;
    });
    expect(new Utf8Validator().complete).toBe(true);
    expect(states).toEqual([false, true, true, false, false, false, true]);
  });

  test('reset forgets an unfinished character and its narrower range', () => {
    const validator = new Utf8Validator();
    for (const lead of ['e0', 'ed', 'f0', 'f4', 'f09f98']) {
      expect(validator.push(hex(lead), 0, lead.length / 2)).toBe(true);
      validator.reset();
      expect(validator.complete).toBe(true);
      expect(validator.push(hex('61 e18080 e1bfbf'), 0, 7)).toBe(true);
      expect(validator.complete).toBe(true);
    }
  });
});

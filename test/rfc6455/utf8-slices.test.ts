/** Slices of one memory are judged like each by itself, by the platform's decoder. */
import { describe, expect, test, vi } from 'vitest';
import { Utf8Slices } from '../../src/rfc6455/utf8-slices.ts';
import { concat, hex, hexOf, utf8 } from '../support/bytes.ts';
import { Random, SEED } from '../support/randomness.ts';

function isValid(bytes: Uint8Array): boolean {
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return hexOf(utf8(decoded)) === hexOf(bytes);
}

/** Judges the slices between these places, in the middle of other memory, and each by itself. */
function expectJudgedAlone(bytes: Uint8Array, places: readonly number[], limit = bytes.length): void {
  const memory = concat(hex('ff80'), bytes, hex('80ff'));
  const slices = new Utf8Slices();
  places.slice(1).forEach((end, i) => {
    const start = places[i]!;
    const judged = slices.isUtf8(memory, start + 2, end + 2, limit + 2);
    if (judged !== isValid(bytes.slice(start, end))) {
      expect.fail(`${hexOf(bytes)}[${start}, ${end}) was judged ${judged}; slices at ${places.join()}`);
    }
  });
}

describe('§5.6: a slice is text', () => {
  const TEXT = utf8('aé€😀\n');

  test('if it begins and ends between two characters of a text, and not if it cuts one', () => {
    const { length } = TEXT;
    for (let first = 0; first <= length; first += 1) {
      for (let second = first; second <= length; second += 1) {
        expectJudgedAlone(TEXT, [0, first, second, length]);
        expectJudgedAlone(TEXT, [first, second, length]);
      }
    }
  });

  test('wherever a character is cut at the end of all that there is', () => {
    for (let length = 0; length <= TEXT.length; length += 1) {
      const begun = TEXT.slice(0, length);
      for (let end = 0; end <= length; end += 1) expectJudgedAlone(begun, [0, end, length]);
    }
  });

  test('also behind others that are not', () => {
    const bytes = concat(utf8('good\n'), hex('fffe0a'), utf8('gut, grün\n'));
    expectJudgedAlone(bytes, [0, 5, 8, bytes.length]);
    expectJudgedAlone(bytes, [0, 2, 5, 6, 8, 10, bytes.length]);
  });

  test('where it goes on behind the limit, too', () => {
    const bytes = utf8('ab€cd€');
    for (let limit = 1; limit <= bytes.length; limit += 1) {
      for (let end = limit; end <= bytes.length; end += 1) expectJudgedAlone(bytes, [0, 1, end], limit);
    }
  });

  test('or not, whatever other memory held before a reset', () => {
    const slices = new Utf8Slices();
    expect(slices.isUtf8(utf8('one\ntwo\n'), 0, 4, 8)).toBe(true);
    slices.reset();
    expect(slices.isUtf8(hex('61ff0a 61ff0a'), 0, 3, 6)).toBe(false);
    expect(slices.isUtf8(hex('61ff0a 61ff0a'), 3, 6, 6)).toBe(false);
    slices.reset();
    expect(slices.isUtf8(utf8('one\ntwo\n'), 0, 4, 8)).toBe(true);
  });
});

test.each([
  ['text', '', 1],
  // What the cut character stands in is checked by itself.
  ['text whose last character is cut', 'e282', 2],
])('all slices of %s (%s) cost %i native checks, and so do those behind a reset', (_what, last, checks) => {
  const lines = concat(utf8('gr\u00fcn\n'.repeat(100)), hex(last));
  const slices = new Utf8Slices();
  for (let round = 0; round < 2; round += 1) {
    // Each check needs a view: memory that begins and ends elsewhere makes that sure.
    const memory = concat(hex('ff'), lines, hex('ff'));
    const views = vi.spyOn(memory, 'subarray');
    slices.reset();
    for (let at = 1; at < lines.length; at += 6)
      slices.isUtf8(memory, at, Math.min(at + 6, lines.length + 1), lines.length + 1);
    expect(views).toHaveBeenCalledTimes(checks);
  }
});

test(`§5.6: random slices of random text, spoilt or not, are judged alone (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  for (let round = 0; round < 3000; round += 1) {
    const characters = Array.from({ length: random.int(1, 30) }, () =>
      random.pick(['a', '\n', 'é', '€', '😀', '\u07ff', '\ud7ff', '\uffff', '\u{10ffff}']),
    );
    const bytes = utf8(characters.join(''));
    // A text that is sound, one with a byte that is wrong somewhere, or one of which the end is missing.
    const kind = random.int(0, 2);
    if (kind === 1) bytes[random.int(0, bytes.length - 1)] = random.int(0x80, 0xff);
    const all = kind === 2 ? bytes.slice(0, random.int(0, bytes.length)) : bytes;
    const places = Array.from({ length: random.int(1, 8) }, () => random.int(0, all.length));
    expectJudgedAlone(
      all,
      [...places, all.length].sort((a, b) => a - b),
    );
  }
});

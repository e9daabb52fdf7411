/** The UTF-8 validator against TextDecoder: the same verdict behind each piece, wherever the pieces lie in memory. */
import { isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import fc from 'fast-check';
import { Utf8Validator } from '../../../src/rfc6455/utf8.ts';
import { Utf8Slices } from '../../../src/rfc6455/utf8-slices.ts';
import { concat } from '../../support/bytes.ts';
import type { Random } from '../../support/randomness.ts';
import { cutsOf, insist, randomOf, type Target } from '../target.ts';

/** Around it in memory: the rest of a character, and the beginning of one. */
const BEFORE = Uint8Array.of(0x61, 0xf0, 0x90);
const BEHIND = Uint8Array.of(0x80, 0xbf, 0x41);

function compare(pieces: readonly Uint8Array[]): void {
  const validator = new Utf8Validator();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for (const [index, piece] of pieces.entries()) {
    const memory = concat(BEFORE, piece, BEHIND);
    const ours = validator.push(memory, BEFORE.length, BEFORE.length + piece.length);
    const theirs = decodes(decoder, piece, true);
    insist(ours === theirs, `piece ${index}: we say ${ours}, TextDecoder says ${theirs}`);
    if (!ours) return;
  }
  const whole = decodes(decoder, new Uint8Array(0), false);
  insist(validator.complete === whole, `at the end: we say ${validator.complete}, TextDecoder says ${whole}`);
}

function decodes(decoder: TextDecoder, bytes: Uint8Array, stream: boolean): boolean {
  try {
    decoder.decode(bytes, { stream });
    return true;
  } catch {
    return false;
  }
}

/** Slices one behind the other, each judged by itself and with the others in view. */
function compareSlices(input: Uint8Array, random: Random): void {
  const slices = new Utf8Slices();
  const limit = random.int(0, input.length);
  let start = 0;
  while (start < input.length) {
    const end = Math.min(input.length, start + random.int(1, 20));
    const expected = isUtf8(input.subarray(start, end));
    const found = slices.isUtf8(input, start, end, limit);
    insist(found === expected, `[${start}, ${end}) of ${limit}: ${found}, not ${expected}`);
    start = end + random.int(0, 1);
  }
}

const CHARACTERS = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
      {
        weight: 2,
        arbitrary: fc.constantFrom('a'.repeat(70), 'é'.repeat(30), '€𝄞'.repeat(20), '\u0000', '\ufeff'),
      },
    ),
    { maxLength: 6 },
  )
  .map((parts) => new Uint8Array(Buffer.from(parts.join(''), 'utf8')));

export const utf8: Target = {
  name: 'utf8',
  about: 'UTF-8 validator: the verdict of TextDecoder behind each piece',
  inputs: CHARACTERS,
  words: [
    '\xc0\x80',
    '\xe0\x80\x80',
    '\xed\xa0\x80',
    '\xf4\x90\x80\x80',
    '\xf0\x90\x80\x80',
    '\xc3',
    '\xe2\x82',
    '\xbf',
  ],
  run(input) {
    const random = randomOf(input);
    for (const pieces of cutsOf(input, random)) compare(pieces);
    compareSlices(input, random);
  },
};

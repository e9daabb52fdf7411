/** The search itself, on targets with a mistake that is known. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hexOf, latin1, utf8 } from '../support/bytes.ts';
import { Random } from '../support/randomness.ts';
import { fuzz, type Options } from './fuzzer.ts';
import { LONGEST, mutate } from './mutation.ts';
import { codeOf, insist, latin1Of, type Target } from './target.ts';

const TEXT = fc.string({ minLength: 20, maxLength: 60 }).map(utf8);

function target(run: Target['run'], words: readonly string[] = [], inputs = TEXT): Target {
  return { name: 'known', about: '', inputs, words, run };
}

const upTo = (most: number, more: Partial<Options> = {}): Options => ({
  seed: 1,
  goOn: (executions) => executions < most,
  ...more,
});

describe('the search', () => {
  test('finds what only one word of the target can lead to, and leaves out all else', async () => {
    const known = target(
      (input) => insist(!latin1Of(input).includes('\r\n\r\n'), 'an empty line'),
      ['\r\n\r\n'],
    );
    const { finding } = await fuzz(known, upTo(10_000));
    expect(hexOf(finding!.input)).toBe('0d0a0d0a');
    expect(String(finding!.error)).toBe('Error: an empty line');
  });

  test('makes the bytes plain that do not matter', async () => {
    const known = target((input) => insist(input.length < 5, 'five bytes'));
    const { finding } = await fuzz(known, upTo(100));
    expect(latin1Of(finding!.input)).toBe('aaaaa');
  });

  test('takes what a promise is rejected with for a finding', async () => {
    const known = target(async () => {
      await Promise.reject(new TypeError('later'));
    });
    const { finding } = await fuzz(known, upTo(1));
    expect(finding).toEqual({ input: new Uint8Array(0), error: new TypeError('later') });
  });

  test('tries the same inputs for the same seed', async () => {
    const tried = async (seed: number): Promise<string[]> => {
      const inputs: string[] = [];
      const known = target(() => {});
      await fuzz(known, upTo(300, { seed, onInput: (input) => inputs.push(hexOf(input)) }));
      return inputs;
    };
    expect(await tried(5)).toEqual(await tried(5));
    expect(await tried(5)).not.toEqual(await tried(6));
  });

  test('begins with the inputs that it is given', async () => {
    const known = target((input) => insist(!latin1Of(input).includes('magic words'), 'found'));
    const { finding } = await fuzz(known, upTo(1_000, { corpus: [latin1('the magic words')] }));
    expect(latin1Of(finding!.input)).toBe('magic words');
  });

  test('goes on from what has led to new code', async () => {
    // Of a magic number each byte is only looked at behind the one before: chance alone does not find it.
    const number = [0x80, 0x22, 0x7e, 0xc0];
    let depth = 0;
    let seen = 0;
    const known = target(
      (input) => {
        const wrong = number.findIndex((byte, at) => input[at] !== byte);
        insist(wrong !== -1, 'the magic number');
        depth = Math.max(depth, wrong);
      },
      [],
      fc.constant(Uint8Array.of(0, 0, 0, 0)),
    );
    const grew = (note = true) => {
      const more = depth > seen;
      if (note) seen = depth;
      else depth = seen;
      return more;
    };
    const coverage = { grew, reached: 0, close() {} };
    const { finding } = await fuzz(known, upTo(100_000, { coverage }));
    expect(hexOf(finding!.input)).toBe('80227ec0');
  });

  test('gives a target no more bytes than there is room for', async () => {
    const long = fc.constant(new Uint8Array(LONGEST + 1));
    const known = target((input) => insist(input.length <= LONGEST, 'too long'), [], long);
    expect((await fuzz(known, upTo(50))).finding).toBeUndefined();
  });
});

test('mutation leaves its input as it is', () => {
  const random = new Random(1);
  const input = utf8('some bytes to begin with');
  for (let i = 0; i < 1_000; i += 1) mutate(input, utf8('others'), ['word'], random);
  expect(input).toEqual(utf8('some bytes to begin with'));
});

test('a Fault that is not allowed for is a finding, and so is whatever is no Fault', () => {
  const wrong = () => {
    throw new RangeError('no Fault');
  };
  expect(() => codeOf(['head-malformed'], wrong)).toThrow('no Fault');
  expect(codeOf(['head-malformed'], () => {})).toBeUndefined();
});

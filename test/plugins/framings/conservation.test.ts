/** What every built-in framing promises: no byte lost, added or moved, however the stream comes in. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FramingPlugin } from '../../../src/plugins/api.ts';
import { builtIn, findBuiltIn } from '../../../src/plugins/modules.ts';
import { cutAt, SEED, SEEDED } from '../../support/cuts.ts';
import { frame } from '../../support/framed.ts';

const CONFIGURATIONS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  auto: [undefined],
  binary: [undefined],
  separator: ['', '\\n', 'ab', '\\x00\\x00', 'aba'],
  newline: [undefined, 'crlf', 'lfcr', 'lf', 'cr'],
  fixedlength: ['1', '2', '7'],
  dynamic32: [undefined, 'endian=big', 'offset=1,static=-3', 'static=-4'],
  json: [undefined],
};

const stream = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\r',
        '\n',
        '\0',
        '\0\0\0\x02',
        '\x02\0\0\0',
        'a',
        'b',
        '{}',
        '["',
        '"',
        '1',
        ' ',
        '\xc3\xbc',
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Uint8Array.from(Buffer.from(parts.join(''), 'latin1')));

test.each(builtIn('framing'))(`%s sends every byte once and in order (TEST_SEED=${SEED})`, async (name) => {
  const plugin = (await findBuiltIn('framing', name)!())['default'] as FramingPlugin;
  const makes = CONFIGURATIONS[name]!.map((config) => plugin.configure(config));
  fc.assert(
    fc.property(
      fc.constantFrom(...makes),
      stream,
      fc.array(fc.nat(60), { maxLength: 8 }),
      fc.constantFrom(8, 20, 10_000),
      (make, bytes, places, maximum) => {
        const within = places.filter((place) => place <= bytes.length).sort((a, b) => a - b);
        const { messages, over } = frame(make, cutAt(bytes, within), maximum);
        const sent = messages.map(([, message]) => message).join('');
        const all = Buffer.from(bytes).toString('latin1');
        // A Fault ends a stream before its end; what was sent until then is its beginning.
        expect(over === 'end' ? sent : all.slice(0, sent.length)).toBe(over === 'end' ? all : sent);
        expect(messages.every(([, message]) => message.length > 0 && message.length <= maximum)).toBe(true);
      },
    ),
    { ...SEEDED, numRuns: 400 },
  );
});

/** `auto` and `binary`: the cuts are the network's, the type is the framing's. */
import { describe, expect, test } from 'vitest';
import type { Framing } from '../../../src/plugins/api.ts';
import auto from '../../../src/plugins/framings/auto.ts';
import binary from '../../../src/plugins/framings/binary.ts';
import { Segmenter } from '../../../src/segmenter.ts';
import { KeepingSink } from '../../support/fixtures-framings.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe.each([
  ['auto', auto],
  ['binary', binary],
])('%s', (name, plugin) => {
  test('is a framing of that name', () => {
    expect(plugin).toMatchObject({ apiVersion: 1, kind: 'framing', name });
  });

  test('takes all that is there, wherever it lies, whether or not it is the end', () => {
    const framing: Framing = plugin.configure(undefined)();
    expect(framing.next(new Uint8Array(10), 0, 10, 0, false)).toBe(10);
    expect(framing.next(new Uint8Array(10), 3, 7, 0, true)).toBe(4);
  });

  test('takes no configuration but an empty one', () => {
    expect(() => plugin.configure('')).not.toThrow();
    expect(() => plugin.configure('\n')).toThrow('this framing takes no configuration');
    expect(() => plugin.configure(' ')).toThrow();
  });

  test('makes one message of each read and leaves nothing behind', () => {
    const sink = new KeepingSink();
    const segmenter = new Segmenter(plugin.configure(undefined)(), sink, 1000);
    for (const read of ['one', 'gr\xc3\xbcn', '\xff\x00', '\xc3', '\xbc']) segmenter.push(bytes(read));
    segmenter.end();
    expect(sink.messages).toEqual(['one', 'gr\xc3\xbcn', '\xff\x00', '\xc3', '\xbc']);
    expect(sink.types).toEqual(
      name === 'auto'
        ? ['text', 'text', 'binary', 'binary', 'binary']
        : ['binary', 'binary', 'binary', 'binary', 'binary'],
    );
    expect(segmenter.mistyped).toBe(0);
  });
});

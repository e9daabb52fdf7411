/** The search for the end of a message, which `newline` and `separator` share: what they find is in their own tests. */
import { describe, expect, test, vi } from 'vitest';
import { through } from '../../../src/plugins/framings/delimiter.ts';
import { bytesOf } from '../../support/framed.ts';

const find = (delimiter: string, stream: Uint8Array, start: number, end: number, scanned = 0): number =>
  through(bytesOf(delimiter))(stream, start, end, scanned, false);

describe('a message ends', () => {
  test.each([
    ['\n', 'ab\ncd\n', 3],
    ['\r\n', 'ab\r\n', 4],
    ['\r\n', 'a\rb\r\n', 5],
    ['\r\n', '\r\r\n', 3],
    ['\r\n', '\n\r\n', 3],
    ['aab', 'aaab', 4],
    ['aab', 'abaaab', 6],
    ['\x82\xac', '\xe2\x82\x82\xac', 4],
    ['\r\n', 'ab\r', 0],
    ['\r\n', 'a\rb', 0],
    ['\r\n', 'ab', 0],
  ])('with %j in %j after so many bytes: %i', (delimiter, stream, length) => {
    expect(find(delimiter, bytesOf(stream), 0, stream.length)).toBe(length);
    expect(find(delimiter, Buffer.from(stream, 'latin1'), 0, stream.length)).toBe(length);
  });

  test('not with bytes of which some lie before its beginning or behind all that there is', () => {
    const stream = Buffer.from('a\r\n\r\n', 'latin1');
    expect(find('\r\n', stream, 2, 5)).toBe(3);
    expect(find('\r\n', stream, 2, 4)).toBe(0);
    expect(find('\r\n', stream, 0, 2)).toBe(0);
    expect(find('\n', stream, 0, 2)).toBe(0);
    // Nor where its first byte was scanned and lies before what is looked at again.
    expect(find('\r\n', stream, 0, 5, 3)).toBe(5);
  });
});

test.each([
  ['is not there', 'x'.repeat(100), 1],
  ['ends the first byte that looks like it', `${'x'.repeat(100)}\r\n`, 1],
  ['comes behind many of its first byte', `${'x\r'.repeat(50)}\r\n`, 2],
  ['never comes behind many of its first byte', 'x\r'.repeat(50), 2],
])('a delimiter that %s is looked for with few native calls', (_what, stream, calls) => {
  const buffer = Buffer.from(stream, 'latin1');
  const searches = vi.spyOn(buffer, 'indexOf');
  find('\r\n', buffer, 0, buffer.length);
  expect(searches).toHaveBeenCalledTimes(calls);
});

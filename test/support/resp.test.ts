/**
 * The RESP2 decoder that the Redis suite trusts: the same replies, however the bytes are cut.
 */
import { describe, expect, test } from 'vitest';
import { encodeCommand, type Reply, RespDecoder, RespError } from './resp.ts';

const WIRE = Buffer.from(
  '+OK\r\n-ERR no\r\n:-12\r\n$-1\r\n$0\r\n\r\n$6\r\n\r\na\r\n\n\r\n*0\r\n*-1\r\n*3\r\n:1\r\n*1\r\n$3\r\n\xe2\x82\xac\r\n+x\r\n',
  'latin1',
);
const REPLIES: Reply[] = [
  'OK',
  new RespError('ERR no'),
  -12,
  null,
  Buffer.alloc(0),
  Buffer.from('\r\na\r\n\n'),
  [],
  null,
  [1, [Buffer.from('€')], 'x'],
];

describe('the RESP2 decoder', () => {
  test.each([WIRE.length, 1, 2, 3, 5, 7])('finds the same replies in pieces of %i bytes', (size) => {
    const decoder = new RespDecoder();
    const found: Reply[] = [];
    for (let at = 0; at < WIRE.length; at += size) found.push(...decoder.push(WIRE.subarray(at, at + size)));
    expect(found).toEqual(REPLIES);
    expect(decoder.pending).toBe(0);
  });

  test('refuses bytes that are not RESP2', () => {
    expect(() => new RespDecoder().push(Buffer.from('HTTP/1.1 400\r\n'))).toThrow('not a RESP2 reply');
    expect(() => new RespDecoder().push(Buffer.from('$2\r\nabcd'))).toThrow('does not end with CRLF');
  });

  test('counts bytes, not characters, when it encodes a command', () => {
    expect(encodeCommand('SET', '€', 7).toString('latin1')).toBe(
      '*3\r\n$3\r\nSET\r\n$3\r\n\xe2\x82\xac\r\n$1\r\n7\r\n',
    );
  });
});

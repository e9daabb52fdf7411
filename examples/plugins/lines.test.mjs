// Tests of a framing, run by `node --test examples/plugins/lines.test.mjs`. No daemon is needed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import plugin from './lines.mjs';

/** Does with a framing what the daemon does; `reads` are what the network delivers. */
function cut(reads) {
  const framing = plugin.configure(undefined)({ maximum: 1_000_000 });
  const messages = [];
  let rest = Buffer.alloc(0);
  let scanned = 0;
  for (const read of reads) {
    rest = Buffer.concat([rest, read]);
    while (rest.length > 0) {
      const length = framing.next(rest, 0, rest.length, scanned, false);
      scanned = length === 0 ? rest.length : 0;
      if (length === 0) break;
      messages.push(String(rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
  }
  return { messages, rest: String(rest) };
}

const stream = Buffer.from('one\n\ntwo\nthe rest');
const expected = { messages: ['one\n', '\n', 'two\n'], rest: 'the rest' };

test('cuts behind each line feed', () => {
  assert.deepEqual(cut([stream]), expected);
});

test('cuts at the same places when the bytes come one by one', () => {
  assert.deepEqual(cut(Array.from(stream, (byte) => Buffer.of(byte))), expected);
});

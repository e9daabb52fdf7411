/**
 * The deflater: what it makes is what node:zlib makes the message of again, behind the messages before it or without them, as was
 * agreed; it never refers further back than the window, and hardly grows what does not shrink.
 *
 * The input's first byte says with which options; then follow messages, each behind its length in two bytes.
 */
import fc from 'fast-check';
import { Deflater } from '../../../src/rfc6455/deflater.ts';
import { IdleStreams } from '../../../src/rfc6455/zlib-stream.ts';
import { concat, hexOf } from '../../support/bytes.ts';
import { inflateAll, someBytes, TAIL } from '../../support/deflated.ts';
import { longestDistance } from '../../support/longest-distance.ts';
import { Random } from '../../support/randomness.ts';
import { copyOf, insist, insistSame, type Target } from '../target.ts';
import { withLength } from './inflate.ts';

/** What a deflater does in this thread whatever its level. */
const MOST_MESSAGE = 2_000;
/** What zlib itself allows for (deflateBound): an eighth, a sixty-fourth, and the flush at the end. */
const mostOf = (length: number): number => length + (length >> 3) + (length >> 6) + 20;

const idle = new IdleStreams<import('node:zlib').DeflateRaw>();
const NEVER = {
  onDeflated() {
    throw new Error('another thread was asked for');
  },
  onFailed(error: Error) {
    throw error;
  },
};

function readMessages(input: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 1; at + 2 < input.length && messages.length < 20; ) {
    const length = Math.max(1, ((input[at]! << 8) | input[at + 1]!) % MOST_MESSAGE);
    messages.push(input.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return messages;
}

export const deflate: Target = {
  name: 'deflate',
  about: 'deflater: node:zlib makes the message of it again, within the window',
  inputs: fc.record({ seed: fc.nat(), count: fc.integer({ min: 1, max: 6 }) }).map(({ seed, count }) => {
    const random = new Random(seed);
    const messages = Array.from({ length: count }, () => withLength(someBytes(random, random.int(1, 1_900))));
    return new Uint8Array(concat(random.bytes(1), ...messages));
  }),
  words: ['\x07\xcf', '\0\x01a', 'abcabcabcabc', '\0'.repeat(100)],
  run(input) {
    const options = input[0] ?? 0;
    const takeover = (options & 1) === 1;
    const windowBits = 8 + ((options >> 1) & 7);
    const level = 1 + ((options >> 4) % 9);
    const deflater = new Deflater({ windowBits, takeover, level, idle, sync: true }, NEVER);
    const sent: Uint8Array[] = [];
    const messages = readMessages(input);
    for (const message of messages) {
      const deflated = deflater.deflate(
        concat(Uint8Array.of(0xee), message, Uint8Array.of(0xee)),
        1,
        1 + message.length,
      );
      insist(deflated !== undefined, 'another thread was asked for');
      insist(deflated.length <= mostOf(message.length), `${message.length} bytes grew to ${deflated.length}`);
      const copy = copyOf(deflated);
      sent.push(copy);
      if (!takeover) insistSame(hexOf(inflateAll([copy])), hexOf(message), 'a message alone inflates to');
    }
    deflater.close();
    if (takeover) insistSame(hexOf(inflateAll(sent)), hexOf(concat(...messages)), 'all messages inflate to');
    const furthest = longestDistance(concat(...sent.flatMap((message) => [message, TAIL])));
    insist(furthest <= 2 ** windowBits, `refers ${furthest} bytes back, of ${windowBits} bits`);
  },
};

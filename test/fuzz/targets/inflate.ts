/**
 * The inflater against node:zlib: the same output or the same refusal, whatever the cuts; never more at once than it says,
 * nothing while its taker wants no more, and others have their turn after each megabyte.
 *
 * The input's first byte says whether there is context takeover; then follow messages, each behind its length in two bytes.
 */
import fc from 'fast-check';
import type { Fault } from '../../../src/errors.ts';
import { type InflateHandler, Inflater } from '../../../src/rfc6455/inflater.ts';
import { IdleStreams, OUTPUT_BYTES } from '../../../src/rfc6455/zlib-stream.ts';
import { concat, hexOf } from '../../support/bytes.ts';
import { cutAt } from '../../support/cuts.ts';
import { MessageDeflate, someBytes, someStyle } from '../../support/deflated.ts';
import { Random } from '../../support/randomness.ts';
import { ReferenceInflate } from '../inflate-reference.ts';
import { copyOf, faultOf, insist, insistSame, randomOf, type Target } from '../target.ts';

/** Of an input, so that nothing inflates to more than some 4 MiB. */
const MOST_INPUT = 4_000;
const LONGEST = 8 * 1_048_576;
/** What comes in one turn: what inflater.ts says, and the step in which it is passed. */
const MOST_IN_TURN = 1_048_576 + OUTPUT_BYTES;

/** Streams that one client leaves to the next. */
const idle = new IdleStreams<import('node:zlib').InflateRaw>();

class Taker implements InflateHandler {
  readonly inflater: Inflater;
  readonly #random: Random;
  readonly parts: Uint8Array[] = [];
  ended = 0;
  #held = false;
  #turn = 0;
  #yielded = false;

  constructor(takeover: boolean, random: Random) {
    this.#random = random;
    this.inflater = new Inflater({ windowBits: 15, takeover, idle, sync: true }, this);
  }

  onInflated(bytes: Uint8Array, start: number, end: number, ends: boolean): boolean {
    const length = end - start;
    insist(!this.#held, 'output for a taker that wants no more');
    insist(length <= OUTPUT_BYTES && (length > 0 || ends), `output of ${length} bytes`);
    this.#turn += length;
    insist(this.#turn <= MOST_IN_TURN, `${this.#turn} bytes in one turn`);
    this.parts.push(copyOf(bytes, start, end));
    if (ends) this.ended += 1;
    this.#held = this.#random.int(0, 5) === 0;
    return !this.#held;
  }

  onYield(): void {
    this.#yielded = true;
  }

  onIdle(): void {
    throw new Error('another thread was asked for');
  }

  onFailed(fault: Fault): void {
    throw fault;
  }

  take(piece: Uint8Array, ends: boolean): void {
    this.#unblock();
    let done = this.inflater.push(piece, 0, piece.length, ends);
    while (!done) {
      insist(this.#held || this.#yielded, 'waits for nothing');
      if (this.#yielded) {
        this.#yielded = false;
        this.#turn = 0;
        this.inflater.beginTurn();
      }
      this.#unblock();
      this.inflater.goOn();
      done = !this.inflater.busy;
    }
  }

  #unblock(): void {
    if (!this.#held) return;
    this.#held = false;
    this.inflater.unblock();
  }
}

interface Said {
  readonly message?: string;
  readonly failed: boolean;
}

function ours(messages: readonly Uint8Array[], takeover: boolean, cuts: number, random: Random): Said[] {
  const taker = new Taker(takeover, random);
  const said: Said[] = [];
  for (const [index, message] of messages.entries()) {
    const places = Array.from({ length: cuts }, () => random.int(0, message.length)).sort((a, b) => a - b);
    const pieces = cutAt(message, places);
    const fault = faultOf(() => {
      for (const [i, piece] of pieces.entries()) taker.take(piece, i === pieces.length - 1);
    });
    insist(fault === undefined || fault.code === 'inflate-failed', `failed with ${fault?.code}`);
    if (fault !== undefined) {
      said.push({ failed: true });
      break;
    }
    insist(taker.ended === index + 1, `${taker.ended} messages have ended, not ${index + 1}`);
    said.push({ message: hexOf(concat(...taker.parts.splice(0))), failed: false });
  }
  taker.inflater.close();
  return said;
}

function theirs(messages: readonly Uint8Array[], takeover: boolean): Said[] {
  const reference = new ReferenceInflate(takeover, LONGEST);
  const said: Said[] = [];
  for (const message of messages) {
    try {
      said.push({ message: hexOf(reference.message(message)), failed: false });
    } catch {
      said.push({ failed: true });
      break;
    }
  }
  return said;
}

/** At most so many messages: the reference begins anew with each. */
const MOST_MESSAGES = 6;

function readMessages(input: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 1; at + 2 <= input.length && messages.length < MOST_MESSAGES; ) {
    const length = (input[at]! << 8) | input[at + 1]!;
    messages.push(input.slice(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return messages;
}

export function withLength(message: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(message.length >> 8, message.length & 0xff), message);
}

/** The same in all messages, so that each refers to those before it. */
const UNIT = new Random(1).bytes(200);

/** What messages say: little, more than a window holds, and as much as a few bytes can be made to say. */
const BYTES: Readonly<Record<string, (random: Random) => Uint8Array>> = {
  short: (random) => someBytes(random, random.int(0, 600)),
  window: (random) => Buffer.alloc(random.int(20_000, 60_000), UNIT),
  bomb: (random) => Buffer.alloc(random.int(1, 900_000)),
};

/** Messages of a sender that does all that it may, some of them damaged. */
const MESSAGES = fc
  .record({
    seed: fc.nat(),
    takeover: fc.boolean(),
    count: fc.integer({ min: 1, max: 4 }),
    damage: fc.constantFrom(0, 0, 0.2, 1),
    size: fc.constantFrom('short', 'short', 'short', 'short', 'window', 'bomb'),
  })
  .map(({ seed, takeover, count, damage, size }) => {
    const random = new Random(seed);
    const sender = new MessageDeflate(15, takeover);
    const messages = Array.from({ length: count }, () => {
      const bytes = BYTES[size]!(random);
      const finals = random.int(0, 4) === 0 ? [sender.final(someBytes(random, random.int(0, 100)))] : [];
      const message = concat(...finals, sender.message(bytes, someStyle(random)));
      if (random.next() < damage && message.length > 0)
        message[random.int(0, message.length - 1)]! ^= 1 << random.int(0, 7);
      return message;
    });
    return concat(Uint8Array.of(takeover ? 1 : 0), ...messages.map(withLength));
  });

export const inflate: Target = {
  name: 'inflate',
  about: 'inflater: the output of node:zlib for any cuts, in steps that are bounded',
  inputs: MESSAGES,
  words: [
    '\0\x01\0',
    '\x01\0\0\xff\xff',
    '\0\0\xff\xff',
    '\x03\0',
    '\x4b\x04\0',
    '\0\x05\xf2\x48\xcd\xc9\xc9\x07\0',
  ],
  run(input) {
    const bounded = input.subarray(0, MOST_INPUT);
    const takeover = ((bounded[0] ?? 0) & 1) === 1;
    const messages = readMessages(bounded);
    const random = randomOf(bounded);
    const expected = theirs(messages, takeover);
    for (const cuts of [0, 1, 20]) {
      insistSame(ours(messages, takeover, cuts, random), expected, `takeover ${takeover}, ${cuts} cuts`);
    }
  },
};

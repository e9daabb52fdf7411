/** Both ways of working, in this thread and in others, must come to the same; node:zlib's public calls say to what. */
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { createInflateRaw, type InflateRaw } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { asFault, type Fault } from '../../src/errors.ts';
import { type InflateHandler, Inflater, type InflaterOptions } from '../../src/rfc6455/inflater.ts';
import { IdleStreams, inflateRaw } from '../../src/rfc6455/zlib-stream.ts';
import { concat, counting, hex, hexOf, utf8 } from '../support/bytes.ts';
import { cutAt } from '../support/cuts.ts';
import { deflated, MessageDeflate, someBytes, someStyle } from '../support/deflated.ts';
import { Random, SEED } from '../support/randomness.ts';

const KIB = 1_024;
const MIB = KIB * KIB;

/** Takes what is inflated, as slowly as it likes, and drives the inflater on. */
class Taker implements InflateHandler {
  readonly inflater: Inflater;
  readonly messages: Buffer[] = [];
  /** Output of the message under way. */
  #parts: Buffer[] = [];
  bytes = 0;
  yields = 0;
  fault: Fault | undefined;
  /** What `onInflated` answers. */
  takes = (): boolean => true;
  /** What is done within `onInflated`. */
  meanwhile = (): void => {};
  /** How long it takes before it wants more, in ms: other threads run into its answer of false meanwhile. */
  pause = 0;
  #held = false;
  #wake = (): void => {};

  constructor(options: Partial<InflaterOptions> = {}) {
    this.inflater = new Inflater(
      { windowBits: 15, takeover: true, idle: new IdleStreams(), ...options },
      this,
    );
  }

  onInflated(bytes: Uint8Array, start: number, end: number, ends: boolean): boolean {
    this.bytes += end - start;
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
    if (ends) {
      expect(end).toBe(start);
      this.messages.push(Buffer.concat(this.#parts));
      this.#parts = [];
    }
    this.meanwhile();
    const takes = this.takes();
    this.#held ||= !takes;
    if (this.#held) this.#wake();
    return takes;
  }

  onYield(): void {
    this.yields += 1;
    this.#wake();
  }

  onIdle(): void {
    this.#wake();
  }

  onFailed(fault: Fault): void {
    expect(this.fault).toBeUndefined();
    this.fault = fault;
    this.#wake();
  }

  /** Gives a piece and waits until it is done or has failed. */
  async take(piece: Uint8Array, ends: boolean): Promise<void> {
    this.unblock();
    try {
      let woken = this.#awake();
      const done = this.inflater.push(piece, 0, piece.length, ends);
      expect(done).toBe(!this.inflater.busy);
      while (this.inflater.busy && this.fault === undefined) {
        await woken;
        if (this.pause > 0) await delay(this.pause);
        woken = this.#awake();
        if (this.fault !== undefined) break;
        this.unblock();
        this.goOn();
      }
    } catch (error) {
      this.fault = asFault(error);
    }
  }

  async message(...pieces: readonly Uint8Array[]): Promise<string | undefined> {
    for (const [i, piece] of pieces.entries()) {
      await this.take(piece, i === pieces.length - 1);
      if (this.fault !== undefined) return this.fault.code;
    }
    return this.messages.at(-1)?.toString('latin1');
  }

  /** In the next turn. */
  goOn(): void {
    this.inflater.beginTurn();
    this.inflater.goOn();
  }

  unblock(): void {
    if (!this.#held) return;
    this.#held = false;
    this.inflater.unblock();
  }

  #awake(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function places(random: Random, length: number): number[] {
  const count = random.pick([0, 1, 2, 5, Math.min(40, length)]);
  return Array.from({ length: count }, () => random.int(0, length)).sort((a, b) => a - b);
}

function everyPlace(length: number): number[] {
  return Array.from({ length: Math.max(0, length - 1) }, (_, at) => at + 1);
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.for([
  ['in this thread', true],
  ['in another thread', false],
] as const)('%s', ([, sync]) => {
  /** A message alone under every cut. */
  async function eachCut(bytes: Uint8Array): Promise<string | undefined> {
    const cuts = [
      [],
      everyPlace(bytes.length),
      ...everyPlace(bytes.length).map((at) => [at]),
      [0, bytes.length],
    ];
    const results = new Set<string | undefined>();
    for (const cut of cuts) results.add(await new Taker({ sync }).message(...cutAt(bytes, cut)));
    expect([...results], hexOf(bytes)).toHaveLength(1);
    return [...results][0];
  }

  describe('the examples of RFC 7692', () => {
    test('§7.2.3.1: a message in one block', async () => {
      expect(await eachCut(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
    });

    test('§7.2.3.1: the same in two fragments', async () => {
      expect(await new Taker({ sync }).message(hex('f2 48 cd'), hex('c9 c9 07 00'))).toBe('Hello');
    });

    test('§7.2.3.2: a message that refers to the one before', async () => {
      const taker = new Taker({ sync });
      expect(await taker.message(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
      expect(await taker.message(hex('f2 00 11 00 00'))).toBe('Hello');
      expect(taker.messages).toHaveLength(2);
    });

    test('§7.2.3.3: a block without compression', async () => {
      expect(await eachCut(hex('00 05 00 fa ff 48 65 6c 6c 6f 00'))).toBe('Hello');
    });

    test('§7.2.3.4: a final block', async () => {
      expect(await eachCut(hex('f3 48 cd c9 c9 07 00 00'))).toBe('Hello');
    });

    test('§7.2.3.5: two blocks', async () => {
      expect(await eachCut(hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00'))).toBe('Hello');
    });

    test('§7.2.3.6: an empty message', async () => {
      expect(await eachCut(hex('00'))).toBe('');
    });
  });

  describe('what follows from them', () => {
    test('a message without a byte is taken for an empty one, and the next is not harmed', async () => {
      const taker = new Taker({ sync });
      expect(await taker.message(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
      expect(await taker.message(hex(''))).toBe('');
      expect(await taker.message(hex('f2 00 11 00 00'))).toBe('Hello');
    });

    test('a fragment without a byte says nothing, also as the last one', async () => {
      const taker = new Taker({ sync });
      expect(await taker.message(hex(''), hex('f2 48 cd'), hex(''), hex('c9 c9 07 00'), hex(''))).toBe(
        'Hello',
      );
      expect(taker.messages).toHaveLength(1);
    });

    test('only the range of the source is looked at, and the end comes without bytes', () => {
      const ends: boolean[] = [];
      const bytes: string[] = [];
      const inflater = new Inflater(
        { windowBits: 15, takeover: true, idle: new IdleStreams(), sync: true },
        {
          onInflated: (source, start, end, last) => {
            ends.push(last);
            bytes.push(hexOf(source.subarray(start, end)));
            return true;
          },
          onYield: () => {},
          onIdle: () => {},
          onFailed: () => {},
        },
      );
      expect(inflater.push(hex('ffff f248cdc9c90700 ffff'), 2, 9, true)).toBe(true);
      expect(inflater.busy).toBe(false);
      expect(ends).toEqual([false, true]);
      expect(bytes).toEqual(['48656c6c6f', '']);
    });
  });

  describe('final blocks (§7.2.3.4)', () => {
    const finalHello = hex('f3 48 cd c9 c9 07 00');

    test('what follows in the message refers to what came before', async () => {
      expect(await eachCut(concat(finalHello, hex('f2 00 11 00 00')))).toBe('HelloHello');
    });

    test('exactly at the end of a message, without the byte that should follow', async () => {
      expect(await eachCut(finalHello)).toBe('Hello');
    });

    test('so does the next message', async () => {
      for (const end of ['', '00']) {
        const taker = new Taker({ sync });
        expect(await taker.message(concat(finalHello, hex(end)))).toBe('Hello');
        expect(await taker.message(hex('f2 00 11 00 00'))).toBe('Hello');
        expect(await taker.message(hex('f3 00 11 00 00'))).toBe('Hello');
        expect(await taker.message(hex('f2 00 11 00 00'))).toBe('Hello');
      }
    });

    test('several in a piece', async () => {
      expect(await eachCut(concat(finalHello, hex('03 00'), hex('f3 00 11 00'), hex('00')))).toBe(
        'HelloHello',
      );
    });

    test('without takeover the next message knows nothing of it, and is not harmed', async () => {
      const idle = new IdleStreams<InflateRaw>();
      const taker = new Taker({ sync, takeover: false, idle });
      expect(await taker.message(finalHello, hex('f2 00 11 00 00'))).toBe('HelloHello');
      expect(await taker.message(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
      const thief = new Taker({ sync, takeover: false, idle });
      await thief.message(hex('f2 48 cd c9 c9 07 00'));
      expect(await thief.message(hex('03 00 f2 00 11 00 00'))).toBe('inflate-failed');
    });

    test('the window behind them is the last of all output, over many blocks', async () => {
      const random = new Random(5);
      const deflate = new MessageDeflate();
      const taker = new Taker({ sync });
      for (let i = 0; i < 12; i += 1) {
        const parts = Array.from({ length: 4 }, () => someBytes(random, random.int(1, 20_000)));
        const blocks = parts.map((part, j) => (j === 3 ? deflate.message(part) : deflate.final(part)));
        await taker.message(concat(...blocks));
        expect(taker.messages.at(-1)!.equals(Buffer.concat(parts))).toBe(true);
      }
    });

    test('what follows is not lost while the taker wants no more', async () => {
      const taker = new Taker({ sync });
      taker.takes = () => false;
      expect(await taker.message(concat(finalHello, hex('f3 00 11 00 f2 00 11 00 00')))).toBe(
        'HelloHelloHello',
      );
    });

    test('nor is what came before, where it took more than one step', async () => {
      const random = new Random(9);
      for (const length of [64 * KIB + 1, 70_000, 64 * KIB + 12_000, 64 * KIB + 20_000, 140_000]) {
        const deflate = new MessageDeflate();
        const [before, behind] = [someBytes(random, length), someBytes(random, length)];
        const taker = new Taker({ sync });
        taker.takes = () => false;
        taker.pause = 3;
        await taker.message(concat(deflate.final(before), deflate.message(behind)));
        await taker.message(deflate.message(before));
        expect(taker.fault).toBeUndefined();
        expect(taker.messages.map(({ length: bytes }) => bytes)).toEqual([2 * length, length]);
        expect(Buffer.concat(taker.messages).equals(Buffer.concat([before, behind, before]))).toBe(true);
      }
    });

    test('with output that fills the step exactly', async () => {
      for (const length of [64 * KIB, 128 * KIB]) {
        const final = new MessageDeflate().final(new Uint8Array(length));
        const taker = new Taker({ sync });
        await taker.message(concat(final, hex('f2 48 cd c9 c9 07 00')));
        expect(taker.messages.map((message) => message.length)).toEqual([length + 5]);
      }
    });

    test('thousands of empty ones are done, and others have their turn meanwhile', async () => {
      const taker = new Taker({ sync });
      const count = sync ? 3_000 : 300;
      const blocks = concat(...Array.from({ length: count }, () => hex('03 00')));
      expect(await taker.message(concat(finalHello, blocks, hex('f2 00 11 00 00')))).toBe('HelloHello');
      // At least every 40 of them.
      if (sync) expect(taker.yields).toBeGreaterThan(count / 40);
    });

    test('a stream is closed when the next takes its place', async () => {
      const close = vi.spyOn(Object.getPrototypeOf(createInflateRaw()), 'close');
      const taker = new Taker({ sync });
      await taker.message(concat(finalHello, hex('03 00 03 00 00')));
      expect(close).toHaveBeenCalledTimes(3);
      taker.inflater.close();
      expect(close).toHaveBeenCalledTimes(4);
    });
  });

  describe('corrupt data', () => {
    const corrupt: readonly (readonly [string, string])[] = [
      ['a block of the reserved type', '06'],
      ['a stored block whose length is not confirmed', '00 05 00 05 00 48 65 6c 6c 6f 00'],
      ['a reference to before the beginning', 'f2 00 11 00 00'],
      ['the same behind some output', 'f2 48 cd c9 c9 07 00 06'],
      ['behind a final block', 'f3 48 cd c9 c9 07 00 06'],
    ];
    test.for(corrupt)('%s is a fault inflate-failed', async ([, digits]) => {
      const bytes = hex(digits);
      for (const cut of [[], everyPlace(bytes.length)]) {
        const taker = new Taker({ sync });
        expect(await taker.message(...cutAt(bytes, cut))).toBe('inflate-failed');
        expect(taker.fault).toMatchObject({ code: 'inflate-failed', close: 1007 });
        expect(taker.fault!.details['message']).toBeTypeOf('string');
        expect(taker.messages).toEqual([]);
      }
    });

    test('nothing is handed on behind it, neither for the same stream nor after close', async () => {
      const taker = new Taker({ sync });
      expect(await taker.message(hex('06'))).toBe('inflate-failed');
      const { fault } = taker;
      taker.fault = undefined;
      const again = await Promise.race([taker.message(hex('f2 48 cd c9 c9 07 00')), turn('nothing')]);
      expect(again === 'inflate-failed' || again === 'nothing').toBe(true);
      taker.fault = fault;
      taker.inflater.close();
      expect(taker.inflater.push(hex('f2 48 cd c9 c9 07 00'), 0, 7, true)).toBe(false);
      await turn();
      expect([taker.messages, taker.bytes]).toEqual([[], 0]);
    });

    test(`random bytes fail or not, but do nothing else, and as node:zlib does (TEST_SEED=${SEED})`, async () => {
      const random = new Random(SEED);
      for (let round = 0; round < (sync ? 300 : 60); round += 1) {
        const bytes = deflated(someBytes(random, random.int(1, 300)), someStyle(random)).slice();
        for (let flips = random.int(1, 4); flips > 0; flips -= 1) {
          const at = random.int(0, bytes.length - 1);
          bytes[at] = bytes[at]! ^ (1 << random.int(0, 7));
        }
        const taker = new Taker({ sync });
        const failed =
          (await taker.message(...cutAt(bytes, places(random, bytes.length)))) === 'inflate-failed';
        const other = new Taker({ sync: !sync });
        expect((await other.message(bytes)) === 'inflate-failed').toBe(failed);
        if (!failed) expect(taker.messages).toEqual(other.messages);
        taker.inflater.close();
        other.inflater.close();
      }
    });
  });

  describe('at random', () => {
    const windows = [8, 9, 10, 11, 12, 13, 14, 15];
    test.for(windows)(
      `a window of %i bits, any blocks, cuts and takers (TEST_SEED=${SEED})`,
      async (windowBits) => {
        const random = new Random(SEED + windowBits);
        const idle = new IdleStreams<InflateRaw>();
        for (const takeover of [true, false, true, false]) {
          const deflate = new MessageDeflate(windowBits, takeover);
          const taker = new Taker({ sync, windowBits, takeover, idle });
          if (random.int(0, 1) === 1) taker.takes = () => random.int(0, 2) > 0;
          const expected: Buffer[] = [];
          for (let message = 0; message < (sync ? 8 : 5); message += 1) {
            const parts = Array.from({ length: random.pick([1, 1, 3]) }, () =>
              someBytes(random, random.int(0, random.pick([0, 10, 300, 3_000, 150_000]))),
            );
            const last = parts.pop()!;
            const bytes = concat(
              ...parts.map((part) => deflate.final(part)),
              deflate.message(last, someStyle(random)),
            );
            const cut = bytes.length < 100 ? everyPlace(bytes.length) : places(random, bytes.length);
            await taker.message(...cutAt(bytes, cut));
            expect(taker.fault).toBeUndefined();
            expected.push(Buffer.concat([...parts, last]));
          }
          expect(taker.messages.map((bytes) => bytes.length)).toEqual(expected.map((bytes) => bytes.length));
          expect(taker.messages.every((bytes, i) => bytes.equals(expected[i]!))).toBe(true);
          taker.inflater.close();
        }
      },
    );

    test('a distance beyond the window fails, one that just reaches does not', async () => {
      const unit = new Random(3).bytes(600);
      const far = new MessageDeflate();
      const [first, second] = [far.message(unit), far.message(unit)];
      expect(second.length).toBeLessThan(20);
      for (const [windowBits, expected] of [
        [8, 'inflate-failed'],
        [9, 'inflate-failed'],
        [10, unit.toString('latin1')],
      ] as const) {
        const taker = new Taker({ sync, windowBits });
        await taker.message(first);
        expect(await taker.message(second), `${windowBits} bits`).toBe(expected);
      }
    });
  });

  describe('the taker’s pace', () => {
    test('no more than 64 KiB come behind an answer of false, until unblock and goOn', async () => {
      const bomb = deflated(new Uint8Array(2 * MIB));
      const taker = new Taker({ sync });
      taker.takes = () => false;
      expect(taker.inflater.push(bomb, 0, bomb.length, true)).toBe(false);
      let most = taker.bytes;
      while (taker.messages.length === 0) {
        const before = taker.bytes;
        taker.inflater.unblock();
        taker.goOn();
        for (let i = 0; i < 5; i += 1) await turn();
        most = Math.max(most, taker.bytes - before);
      }
      expect(most).toBe(64 * KIB);
      expect(taker.messages[0]!.length).toBe(2 * MIB);
    });

    test('goOn without unblock hands nothing on', async () => {
      const bomb = deflated(new Uint8Array(200 * KIB));
      const taker = new Taker({ sync: true });
      taker.takes = () => false;
      taker.inflater.push(bomb, 0, bomb.length, true);
      taker.goOn();
      taker.goOn();
      expect(taker.bytes).toBe(64 * KIB);
    });

    test('unblock alone does nothing; goOn without a piece neither', async () => {
      const taker = new Taker({ sync });
      taker.goOn();
      taker.inflater.unblock();
      expect(await taker.message(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
      taker.goOn();
      taker.inflater.unblock();
      await turn();
      expect(taker.messages).toHaveLength(1);
      expect(taker.bytes).toBe(5);
    });
  });

  describe('close', () => {
    test('frees the stream, also one that was never used', async () => {
      const close = vi.spyOn(Object.getPrototypeOf(createInflateRaw()), 'close');
      const taker = new Taker({ sync });
      await taker.message(hex('f2 48 cd c9 c9 07 00'));
      expect(close).toHaveBeenCalledTimes(0);
      taker.inflater.close();
      taker.inflater.close();
      expect(close).toHaveBeenCalledTimes(1);
      new Taker({ sync }).inflater.close();
      expect(close).toHaveBeenCalledTimes(1);
    });

    test('from within onInflated: nothing more is handed on, and the process lives', async () => {
      const bomb = deflated(new Uint8Array(MIB));
      // Each stream is given its listener for errors when it is made.
      const made = vi.spyOn(Object.getPrototypeOf(createInflateRaw()), 'on');
      for (const bytes of [bomb, hex('f2 48 cd c9 c9 07 00'), hex('f3 48 cd c9 c9 07 00 f2 00 11 00 00')]) {
        const taker = new Taker({ sync });
        let calls = 0;
        const closed = new Promise<void>((resolve) => {
          taker.meanwhile = () => {
            calls += 1;
            taker.inflater.close();
            resolve();
          };
        });
        taker.onIdle = () => expect.unreachable();
        expect(taker.inflater.push(bytes, 0, bytes.length, true)).toBe(false);
        await closed;
        expect(taker.inflater.busy).toBe(false);
        taker.inflater.unblock();
        taker.goOn();
        for (let i = 0; i < 10; i += 1) await turn();
        expect(calls).toBe(1);
        expect(taker.fault).toBeUndefined();
      }
      expect(made.mock.contexts.length).toBeGreaterThan(2);
      expect((made.mock.contexts as InflateRaw[]).every((stream) => stream.destroyed)).toBe(true);
    });

    test('while a piece is under way, at every moment', async () => {
      const bomb = deflated(new Uint8Array(500 * KIB));
      for (let turns = 0; turns < 12; turns += 1) {
        const taker = new Taker({ sync });
        taker.takes = () => false;
        taker.inflater.push(bomb, 0, bomb.length, true);
        for (let i = 0; i < turns; i += 1) {
          await turn();
          if (i % 3 === 2) {
            taker.inflater.unblock();
            taker.goOn();
          }
        }
        const { bytes } = taker;
        taker.inflater.close();
        taker.inflater.unblock();
        taker.goOn();
        taker.inflater.push(bomb, 0, bomb.length, true);
        for (let i = 0; i < 6; i += 1) await turn();
        expect(taker.bytes).toBe(bytes);
        expect(taker.fault).toBeUndefined();
      }
    });

    test('a handler that throws is told as a fault, once', async () => {
      const taker = new Taker({ sync });
      taker.meanwhile = () => {
        throw new Error('from the handler');
      };
      await taker.message(hex('f2 48 cd c9 c9 07 00'));
      expect(taker.fault).toMatchObject({ details: { message: 'from the handler' } });
    });
  });

  describe('without takeover', () => {
    test('a message cannot refer to the one before, nor to another connection’s', async () => {
      const idle = new IdleStreams<InflateRaw>();
      const secret = utf8('the secret of another connection');
      const deflate = new MessageDeflate();
      const first = deflate.message(secret);
      const reference = deflate.message(secret);
      for (let i = 0; i < 20; i += 1) {
        const victim = new Taker({ sync, takeover: false, idle });
        expect(await victim.message(first)).toBe('the secret of another connection');
        const thief = new Taker({ sync, takeover: i % 2 === 0, idle });
        expect(await thief.message(reference)).toBe('inflate-failed');
        expect(thief.bytes).toBe(0);
        thief.inflater.close();
        expect(await victim.message(reference)).toBe('inflate-failed');
        victim.inflater.close();
      }
    });

    test('a context that a message was cut off in is not lent on', async () => {
      const idle = new IdleStreams<InflateRaw>();
      const cut = new Taker({ sync, takeover: false, idle });
      expect(await cut.message(hex('f2 48 cd'))).toBe('inflate-failed');
      cut.inflater.close();
      const half = new Taker({ sync, takeover: false, idle });
      await half.take(hex('f2 48 cd'), false);
      half.inflater.close();
      const taker = new Taker({ sync, takeover: false, idle });
      expect(await taker.message(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
    });

    test.each([
      ['of fixed codes', 'f2'],
      ['of fixed codes', 'f2 48 cd'],
      ['without compression', '00 05 00 fa ff 48 65'],
      ['behind a final one', '03 00 f2 48 cd'],
    ])(
      'a message that ends inside a block %s, %s, is corrupt, and not what the tail would make of it',
      async (_, digits) => {
        const taker = new Taker({ sync, takeover: false });
        expect(await taker.message(hex(digits))).toBe('inflate-failed');
        taker.inflater.close();
      },
    );
  });
});

describe('in this thread alone', () => {
  test('a piece is not done before all of its output came, also where its input was used up before', () => {
    for (let rest = 1; rest < 600; rest += 7) {
      const bytes = deflated(new Uint8Array(64 * KIB + rest));
      const taker = new Taker({ sync: true });
      expect(taker.inflater.push(bytes, 0, bytes.length, false)).toBe(true);
      expect(taker.bytes).toBe(64 * KIB + rest);
      taker.inflater.close();
    }
  });

  test('a turn gives about 1 MiB, then others have theirs', () => {
    const bomb = deflated(new Uint8Array(5 * MIB));
    const taker = new Taker({ sync: true });
    expect(taker.inflater.push(bomb, 0, bomb.length, true)).toBe(false);
    for (let turns = 1; taker.inflater.busy; turns += 1) {
      expect(taker.yields).toBe(turns);
      expect(taker.bytes).toBeLessThanOrEqual(turns * MIB);
      expect(taker.bytes).toBeGreaterThan(turns * MIB * 0.95);
      // Before the turn begins it does nothing, and does not ask again.
      taker.inflater.goOn();
      expect(taker.yields).toBe(turns);
      taker.goOn();
    }
    expect(taker.yields).toBe(5);
    expect(taker.messages[0]!.length).toBe(5 * MIB);
  });

  test('pieces count together, as long as none asks for another turn', () => {
    const piece = deflated(new Uint8Array(400 * KIB));
    const taker = new Taker({ sync: true });
    const push = () => taker.inflater.push(piece, 0, piece.length, true);
    expect([push(), push(), push()]).toEqual([true, true, false]);
    expect(taker.yields).toBe(1);
    taker.goOn();
    expect(taker.messages).toHaveLength(3);
    // What was left of the third one is of the new turn.
    expect([push(), push()]).toEqual([true, false]);
    expect(taker.yields).toBe(2);
  });

  test('messages that bring next to nothing have their turns, too', () => {
    const taker = new Taker({ sync: true });
    const hello = hex('f2 48 cd c9 c9 07 00');
    const runs: number[] = [];
    for (let count = 0; runs.length < 5; count += 1) {
      if (taker.inflater.push(hello, 0, hello.length, true)) continue;
      runs.push(count);
      count = 0;
      taker.goOn();
    }
    for (const run of runs) expect(run).toBeGreaterThan(100);
    for (const run of runs) expect(run).toBeLessThan(1_000);
  });

  test('without takeover a stream is borrowed for a message and given back behind it', () => {
    const idle = new IdleStreams<InflateRaw>();
    const stream = inflateRaw(15, true);
    idle.give(15, stream);
    const taker = new Taker({ sync: true, takeover: false, idle });
    taker.inflater.push(hex('f2 48 cd'), 0, 3, false);
    expect(idle.take(15)).toBeUndefined();
    taker.inflater.push(hex('c9 c9 07 00'), 0, 4, true);
    expect(idle.take(15)).toBe(stream);
    expect(taker.messages.map(String)).toEqual(['Hello']);
  });

  test('with takeover none is borrowed, and none given away', () => {
    const idle = new IdleStreams<InflateRaw>();
    const stream = inflateRaw(15, true);
    idle.give(15, stream);
    const taker = new Taker({ sync: true, idle });
    taker.inflater.push(hex('f2 48 cd c9 c9 07 00'), 0, 7, true);
    taker.inflater.close();
    expect(idle.take(15)).toBe(stream);
    expect(idle.take(15)).toBeUndefined();
    expect(stream.destroyed).toBe(false);
  });

  test('a borrowed stream is closed, not given back, behind a final block, corrupt data or a close', () => {
    const idle = new IdleStreams<InflateRaw>();
    const expectClosed = (digits: string, ends: boolean): void => {
      const stream = inflateRaw(15, true);
      idle.give(15, stream);
      const taker = new Taker({ sync: true, takeover: false, idle });
      const bytes = hex(digits);
      try {
        taker.inflater.push(bytes, 0, bytes.length, ends);
      } catch {}
      taker.inflater.close();
      expect(stream.destroyed, digits).toBe(true);
      expect(idle.take(15), digits).toBeUndefined();
    };
    expectClosed('f3 48 cd c9 c9 07 00 00', true);
    expectClosed('f3 48 cd c9 c9 07 00', true);
    expectClosed('06', true);
    expectClosed('f2 48 cd', false);
  });

  test('behind a final block one is borrowed again for the next message', () => {
    const idle = new IdleStreams<InflateRaw>();
    const taker = new Taker({ sync: true, takeover: false, idle });
    const push = (digits: string): void => {
      const bytes = hex(digits);
      taker.inflater.push(bytes, 0, bytes.length, true);
    };
    push('f3 48 cd c9 c9 07 00 00');
    push('f2 48 cd c9 c9 07 00');
    const stream = idle.take(15);
    expect(stream).toBeDefined();
    expect(taker.messages.map(String)).toEqual(['Hello', 'Hello']);
  });

  test('nothing is made before the first compressed message', () => {
    const idle = new IdleStreams<InflateRaw>();
    const stream = inflateRaw(15, true);
    idle.give(15, stream);
    const taker = new Taker({ sync: true, takeover: false, idle });
    taker.inflater.goOn();
    expect(idle.take(15)).toBe(stream);
  });
});

test('in another thread no stream is borrowed or lent', async () => {
  const idle = new IdleStreams<InflateRaw>();
  const stream = inflateRaw(15, true);
  idle.give(15, stream);
  const close = vi.spyOn(Object.getPrototypeOf(createInflateRaw()), 'close');
  const taker = new Taker({ sync: false, takeover: false, idle });
  expect(await taker.message(hex('f2 48 cd c9 c9 07 00'))).toBe('Hello');
  expect(close).toHaveBeenCalledTimes(1);
  expect(idle.take(15)).toBe(stream);
  expect(idle.take(15)).toBeUndefined();
});

test('where nobody says how, it works in this thread if Node lets it', () => {
  const taker = new Taker();
  const bytes = hex('f2 48 cd c9 c9 07 00');
  expect(taker.inflater.push(bytes, 0, bytes.length, true)).toBe(true);
});

test('the source may be used for other things once a piece is done', async () => {
  for (const sync of [true, false]) {
    const taker = new Taker({ sync });
    const text = counting(1_000);
    const bytes = deflated(text).slice();
    for (let at = 0; at < bytes.length; at += 7) {
      const piece = bytes.slice(at, at + 7);
      await taker.take(piece, at + 7 >= bytes.length);
      piece.fill(0xff);
    }
    expect(taker.messages[0]!.equals(text)).toBe(true);
  }
});

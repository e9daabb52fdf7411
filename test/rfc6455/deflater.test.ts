/** What a client gets to inflate. node:zlib's public calls say whether it can. */
import { setImmediate as turn } from 'node:timers/promises';
import { createDeflateRaw, type DeflateRaw } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Fault } from '../../src/errors.ts';
import { type DeflateHandler, Deflater, type DeflaterOptions } from '../../src/rfc6455/deflater.ts';
import { deflateRaw, IdleStreams } from '../../src/rfc6455/zlib-stream.ts';
import { concat, hex, hexOf, utf8 } from '../support/bytes.ts';
import { inflateAll, someBytes } from '../support/deflated.ts';
import { Random, SEED } from '../support/randomness.ts';

/** Longest message that is deflated in this thread (src/rfc6455/deflater.ts says why). */
const AT_ONCE = 16 * 1_024;

class Sender implements DeflateHandler {
  readonly deflater: Deflater;
  readonly deflated: Uint8Array[] = [];
  readonly faults: Fault[] = [];
  /** What is done within `onDeflated`. */
  meanwhile = (): void => {};
  #wake = (): void => {};

  constructor(options: Partial<DeflaterOptions> = {}) {
    const all = { windowBits: 15, takeover: true, level: 6, idle: new IdleStreams<DeflateRaw>(), ...options };
    this.deflater = new Deflater(all, this);
  }

  onDeflated(bytes: Uint8Array): void {
    this.deflated.push(bytes);
    this.meanwhile();
    this.#wake();
  }

  onFailed(fault: Fault): void {
    this.faults.push(fault);
    this.#wake();
  }

  /** A copy of what a message is deflated to. */
  async message(bytes: Uint8Array): Promise<Uint8Array> {
    const heard = this.heard();
    const atOnce = this.deflater.deflate(bytes, 0, bytes.length);
    if (atOnce !== undefined) return Uint8Array.from(atOnce);
    await heard;
    return this.deflated.at(-1)!;
  }

  heard(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.for([
  ['in this thread', true],
  ['in another thread', false],
] as const)('%s', ([, sync]) => {
  test('RFC 7692 §7.2.3.1, §7.2.3.2: Hello, and once more by a back-reference', async () => {
    const sender = new Sender({ sync });
    expect(hexOf(await sender.message(utf8('Hello')))).toBe('f248cdc9c90700');
    expect(hexOf(await sender.message(utf8('Hello')))).toBe('f200110000');
  });

  test('§7.1.1.1: without takeover each message stands alone', async () => {
    const sender = new Sender({ sync, takeover: false });
    for (let i = 0; i < 5; i += 1) expect(hexOf(await sender.message(utf8('Hello')))).toBe('f248cdc9c90700');
  });

  test('only the range is deflated', async () => {
    const sender = new Sender({ sync });
    const heard = sender.heard();
    const atOnce = sender.deflater.deflate(utf8('>>Hello<<'), 2, 7);
    if (atOnce === undefined) await heard;
    expect(hexOf(atOnce ?? sender.deflated[0]!)).toBe('f248cdc9c90700');
  });

  const windows = [8, 9, 10, 11, 12, 13, 14, 15];
  test.for(windows)(
    `§7.1.2: with a window of %i bits a client with that window can inflate everything (TEST_SEED=${SEED})`,
    async (windowBits) => {
      const random = new Random(SEED + windowBits);
      const idle = new IdleStreams<DeflateRaw>();
      for (const takeover of [true, false, true, false]) {
        const sender = new Sender({ sync, windowBits, takeover, level: random.int(1, 9), idle });
        const messages: Buffer[] = [];
        const deflated: Uint8Array[] = [];
        for (let i = 0; i < 10; i += 1) {
          const unit = random.bytes(random.int(2 ** (windowBits - 2), 2 ** windowBits));
          const message = random.pick([
            () => someBytes(random, random.int(1, 300)),
            () => someBytes(random, random.int(1, 20_000)),
            () => Buffer.concat([unit, unit]).subarray(0, random.int(1, 2 * unit.length)),
          ])();
          messages.push(message);
          deflated.push(await sender.message(message));
        }
        const whole = takeover
          ? inflateAll(deflated, windowBits)
          : Buffer.concat(deflated.map((message) => inflateAll([message], windowBits)));
        expect(whole.equals(Buffer.concat(messages))).toBe(true);
        sender.deflater.close();
      }
    },
  );

  test('a message of one byte, and one that does not shrink', async () => {
    const sender = new Sender({ sync });
    const noise = new Random(1).bytes(AT_ONCE);
    const deflated = [await sender.message(utf8('a')), await sender.message(noise)];
    expect(inflateAll(deflated).equals(concat(utf8('a'), noise))).toBe(true);
  });

  test('nothing of one connection comes out of another: no message refers to what it did not see', async () => {
    const idle = new IdleStreams<DeflateRaw>();
    const secret = utf8('the secret of another connection');
    for (let i = 0; i < 10; i += 1) {
      const one = new Sender({ sync, takeover: false, idle });
      await one.message(secret);
      const other = new Sender({ sync, takeover: i % 2 === 0, idle });
      expect(inflateAll([await other.message(secret)]).equals(secret)).toBe(true);
      other.deflater.close();
    }
  });

  test('close frees the stream, once, and one that was never used has none', async () => {
    const close = vi.spyOn(Object.getPrototypeOf(createDeflateRaw()), 'close');
    new Sender({ sync }).deflater.close();
    expect(close).toHaveBeenCalledTimes(0);
    const sender = new Sender({ sync });
    await sender.message(utf8('Hello'));
    expect(close).toHaveBeenCalledTimes(0);
    sender.deflater.close();
    sender.deflater.close();
    expect(close).toHaveBeenCalledTimes(1);
  });

  test('without takeover a stream is borrowed for a message and given back behind it', async () => {
    const idle = new IdleStreams<DeflateRaw>();
    const stream = deflateRaw(15, 6);
    idle.give(15, stream);
    const sender = new Sender({ sync, takeover: false, idle });
    for (const length of [10, 20_000, 30, 40_000]) {
      const message = someBytes(new Random(length), length);
      expect(inflateAll([await sender.message(message)]).equals(message)).toBe(true);
      expect(idle.take(15)).toBe(stream);
      expect(idle.take(15)).toBeUndefined();
      idle.give(15, stream);
    }
    sender.deflater.close();
    expect(stream.destroyed).toBe(false);
  });

  test('with takeover none is borrowed, and none given away', async () => {
    const idle = new IdleStreams<DeflateRaw>();
    const stream = deflateRaw(15, 6);
    idle.give(15, stream);
    const sender = new Sender({ sync, idle });
    await sender.message(utf8('Hello'));
    sender.deflater.close();
    expect(idle.take(15)).toBe(stream);
    expect(idle.take(15)).toBeUndefined();
  });
});

describe('which thread', () => {
  test('up to 16 KiB in this one, longer ones in another, and one context for all', async () => {
    const sender = new Sender({ sync: true });
    const messages = [AT_ONCE, AT_ONCE + 1, 5, 100_000, 200].map((length) =>
      someBytes(new Random(length), length),
    );
    const deflated: Uint8Array[] = [];
    for (const message of messages) {
      const before = sender.deflated.length;
      deflated.push(await sender.message(message));
      expect(sender.deflated.length - before, `${message.length} bytes`).toBe(
        message.length > AT_ONCE ? 1 : 0,
      );
    }
    expect(inflateAll(deflated).equals(Buffer.concat(messages))).toBe(true);
  });

  test('all in another one where Node does not let us', () => {
    const sender = new Sender({ sync: false });
    expect(sender.deflater.deflate(utf8('Hello'), 0, 5)).toBeUndefined();
    sender.deflater.close();
  });

  test('where nobody says, short ones in this one if Node lets us', () => {
    expect(hexOf(new Sender().deflater.deflate(utf8('Hello'), 0, 5)!)).toBe('f248cdc9c90700');
  });

  test('what another thread made is the handler’s own, and does not change with the next message', async () => {
    const sender = new Sender({ sync: false });
    const first = await sender.message(new Random(1).bytes(20_000));
    const before = Uint8Array.from(first);
    await sender.message(new Random(2).bytes(20_000));
    expect(Buffer.compare(first, before)).toBe(0);
  });
});

describe('close', () => {
  test('while another thread works: nothing is handed on, and the process lives', async () => {
    const close = vi.spyOn(Object.getPrototypeOf(createDeflateRaw()), 'close');
    for (let turns = 0; turns < 6; turns += 1) {
      const sender = new Sender({ sync: true, takeover: turns % 2 === 0 });
      const message = someBytes(new Random(turns), 300_000);
      expect(sender.deflater.deflate(message, 0, message.length)).toBeUndefined();
      for (let i = 0; i < turns; i += 1) await turn();
      const before = sender.deflated.length;
      sender.deflater.close();
      for (let i = 0; i < 20; i += 1) await turn();
      expect(sender.deflated).toHaveLength(before);
      expect(sender.faults).toEqual([]);
    }
    expect(close).toHaveBeenCalled();
  });

  test('a stream that was in work is not lent to anyone', async () => {
    const idle = new IdleStreams<DeflateRaw>();
    const sender = new Sender({ sync: true, takeover: false, idle });
    const message = someBytes(new Random(1), 300_000);
    sender.deflater.deflate(message, 0, message.length);
    sender.deflater.close();
    for (let i = 0; i < 20; i += 1) await turn();
    expect(idle.take(15)).toBeUndefined();
  });

  test('from within onDeflated', async () => {
    for (const takeover of [true, false]) {
      const sender = new Sender({ sync: false, takeover });
      sender.meanwhile = () => sender.deflater.close();
      await sender.message(utf8('Hello'));
      for (let i = 0; i < 5; i += 1) await turn();
      expect(sender.deflated.map(hexOf)).toEqual(['f248cdc9c90700']);
      expect(sender.faults).toEqual([]);
    }
  });
});

describe('a stream that fails while another thread works', () => {
  test('is told once, and no half of a message is handed on', async () => {
    const idle = new IdleStreams<DeflateRaw>();
    const stream = deflateRaw(15, 6);
    idle.give(15, stream);
    const sender = new Sender({ sync: true, takeover: false, idle });
    const message = someBytes(new Random(1), 300_000);
    sender.deflater.deflate(message, 0, message.length);
    stream.destroy(new Error('out of memory'));
    await vi.waitUntil(() => stream.closed, { interval: 1 });
    for (let i = 0; i < 20; i += 1) await turn();
    expect(sender.deflated).toEqual([]);
    expect(sender.faults).toMatchObject([{ details: { message: 'out of memory' } }]);
    expect(idle.take(15)).toBeUndefined();
    sender.deflater.close();
  });

  test('behind close nothing is told', async () => {
    const idle = new IdleStreams<DeflateRaw>();
    const stream = deflateRaw(15, 6);
    idle.give(15, stream);
    const sender = new Sender({ sync: false, takeover: false, idle });
    sender.deflater.deflate(hex('01'), 0, 1);
    stream.destroy(new Error('out of memory'));
    sender.deflater.close();
    for (let i = 0; i < 20; i += 1) await turn();
    expect([sender.deflated, sender.faults]).toEqual([[], []]);
  });
});

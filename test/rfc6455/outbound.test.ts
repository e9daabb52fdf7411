/** What goes to the client, in which order and in how many writes; with a deflater that a test has in its hand, and with ours. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import type { DeflateHandler } from '../../src/rfc6455/deflater.ts';
import { parseExtensions } from '../../src/rfc6455/extensions.ts';
import { BINARY, TEXT } from '../../src/rfc6455/opcodes.ts';
import { Outbound, type OutboundHandler } from '../../src/rfc6455/outbound.ts';
import { Compression, type ConnectionCompression } from '../../src/rfc6455/permessage-deflate.ts';
import { counting, hex, hexOf, utf8 } from '../support/bytes.ts';
import { inflateAll, someBytes } from '../support/deflated.ts';
import { Random, SEED } from '../support/randomness.ts';
import { serverFrames } from '../support/server-frames.ts';

class Client implements OutboundHandler {
  readonly outbound = new Outbound(this);
  readonly seen: string[] = [];
  readonly written: Uint8Array[] = [];
  writable = true;
  meanwhile: { write?: () => void; onSendable?: () => void } = {};
  #wake = (): void => {};

  onWrite(bytes: Uint8Array, more?: Uint8Array): boolean {
    this.written.push(bytes);
    if (more !== undefined) this.written.push(more);
    this.seen.push(`write ${hexOf(bytes)}${more === undefined ? '' : ` + ${more.length}`}`);
    this.meanwhile.write?.();
    return this.writable;
  }

  onYield(): void {
    this.seen.push('yield');
  }

  onSendable(): void {
    this.seen.push('sendable');
    this.meanwhile.onSendable?.();
    this.#wake();
  }

  onFailed(fault: Fault): void {
    this.seen.push(`failed ${fault.code}`);
    this.#wake();
  }

  heard(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  take(): string[] {
    return this.seen.splice(0);
  }

  text(opcode: typeof TEXT | typeof BINARY, text: string): void {
    const bytes = utf8(text);
    this.outbound.message(opcode, bytes, 0, bytes.length);
  }
}

/** Deflates nothing by itself: what "another thread" makes of a message is what `done` is given. */
class HandDeflater {
  readonly turnBytes = 65_536;
  readonly given: string[] = [];
  closes = 0;
  handler!: DeflateHandler;
  /** Answered at once; absent: another thread is at work. */
  atOnce: Uint8Array | undefined;

  deflate(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    this.given.push(Buffer.from(bytes.subarray(start, end)).toString());
    return this.atOnce;
  }

  close(): void {
    this.closes += 1;
  }

  done(digits: string): void {
    this.handler.onDeflated(hex(digits));
  }
}

/** Messages of three bytes and more are deflated, elsewhere. */
function byHand(): { client: Client; deflater: HandDeflater; outbound: Outbound } {
  const client = new Client();
  const deflater = new HandDeflater();
  const compression = {
    threshold: 3,
    deflater: (handler: DeflateHandler) => {
      deflater.handler = handler;
      return deflater;
    },
  };
  client.outbound.deflate(compression as unknown as ConnectionCompression);
  return { client, deflater, outbound: client.outbound };
}

function compressed(options: { sync: boolean; threshold?: number; offer?: string }): Client {
  const { sync, threshold = 3, offer = 'permessage-deflate' } = options;
  const client = new Client();
  const compression = new Compression({
    level: 6,
    windowBits: 15,
    serverTakeover: true,
    clientTakeover: true,
    threshold,
    connections: 1,
    sync,
  });
  client.outbound.deflate(compression.agree(parseExtensions(offer))!);
  return client;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('without compression', () => {
  test('each frame is a write of its own', () => {
    const client = new Client();
    client.text(TEXT, 'Hello');
    client.outbound.ping();
    client.outbound.pong(hex('01'));
    client.outbound.close(hex('03e8'));
    expect(client.take()).toEqual(['write 810548656c6c6f', 'write 8900', 'write 8a0101', 'write 880203e8']);
    expect(client.outbound.sendable).toBe(true);
  });

  test('only the range of a message is sent', () => {
    const client = new Client();
    client.outbound.message(BINARY, hex('00010203'), 1, 3);
    expect(client.take()).toEqual(['write 82020102']);
  });

  test('between cork and uncork all leaves in one write, also where they nest', () => {
    const client = new Client();
    client.outbound.cork(100);
    client.text(TEXT, 'a');
    client.outbound.cork(10);
    client.outbound.pong(hex(''));
    client.outbound.uncork();
    client.text(BINARY, 'b');
    expect(client.take()).toEqual([]);
    client.outbound.uncork();
    expect(client.take()).toEqual(['write 8101618a00820162']);
    client.outbound.cork(0);
    client.outbound.uncork();
    expect(client.take()).toEqual([]);
  });

  test('a Close goes at once, also while corked', () => {
    const client = new Client();
    client.outbound.cork(0);
    client.text(TEXT, 'a');
    client.outbound.close(hex(''));
    expect(client.take()).toEqual(['write 8101618800']);
    client.outbound.uncork();
    expect(client.take()).toEqual([]);
  });

  test('end hands out what was corked, and then says so', () => {
    const client = new Client();
    client.outbound.cork(0);
    client.text(TEXT, 'a');
    client.outbound.end(() => client.seen.push('end'));
    expect(client.take()).toEqual(['write 810161', 'end']);
  });

  test('§5.5.3: while the client does not read, only the latest Ping is owed its Pong', () => {
    const client = new Client();
    client.writable = false;
    client.outbound.pong(hex('01'));
    client.outbound.pong(hex('02'));
    client.outbound.pong(hex('03'));
    expect(client.take()).toEqual(['write 8a0101']);
    client.writable = true;
    client.outbound.drained();
    expect(client.take()).toEqual(['write 8a0103']);
    client.outbound.drained();
    expect(client.take()).toEqual([]);
  });

  test('a Pong that is owed is not sent behind a Close, nor behind the end', () => {
    for (const last of ['close', 'end'] as const) {
      const client = new Client();
      client.writable = false;
      client.text(TEXT, 'a');
      client.outbound.pong(hex('01'));
      if (last === 'close') client.outbound.close(hex(''));
      else client.outbound.end(() => {});
      client.take();
      client.writable = true;
      client.outbound.drained();
      expect(client.take(), last).toEqual([]);
    }
  });

  test('bytes that are no frame count for what the client takes, too', () => {
    const client = new Client();
    client.writable = false;
    client.outbound.write(hex('48'));
    client.outbound.pong(hex('01'));
    expect(client.take()).toEqual(['write 48']);
  });
});

describe('deflated at once', () => {
  test('RFC 7692 §6, §7.2.3.1: RSV1 is set, and the payload is the deflated one', () => {
    const client = compressed({ sync: true });
    client.text(TEXT, 'Hello');
    client.text(BINARY, 'Hello');
    expect(client.take()).toEqual(['write c107f248cdc9c90700', 'write c205f200110000']);
    expect(client.outbound.sendable).toBe(true);
  });

  test('from the threshold on; control frames never', () => {
    const client = compressed({ sync: true, threshold: 5 });
    client.text(TEXT, 'Hell');
    client.text(TEXT, 'Hello');
    client.text(TEXT, '');
    client.outbound.pong(counting(100));
    client.outbound.close(counting(100));
    expect(client.take().map((line) => line.slice(0, 8))).toEqual([
      'write 81',
      'write c1',
      'write 81',
      'write 8a',
      'write 88',
    ]);
  });

  test('what was written does not change with the messages behind it', () => {
    const client = compressed({ sync: true });
    const random = new Random(1);
    for (const length of [10, 100, 16_384, 16_000, 50, 16_384]) {
      client.outbound.message(BINARY, random.bytes(length), 0, length);
    }
    expect(client.written.map(hexOf)).toEqual(client.take().map((line) => line.slice('write '.length)));
    client.outbound.cork(0);
    client.text(BINARY, 'first');
    client.text(BINARY, 'second');
    client.outbound.uncork();
    expect(
      inflateAll(serverFrames(client.written).map(({ payload }) => payload))
        .toString()
        .slice(-11),
    ).toBe('firstsecond');
  });

  test('what was saved is counted, and may be less than nothing', () => {
    const client = compressed({ sync: true });
    expect(client.outbound.saved).toBe(0);
    client.outbound.message(BINARY, new Uint8Array(1_000), 0, 1_000);
    const written = client.written[0]!.length - 2;
    expect(client.outbound.saved).toBe(1_000 - written);
    const noise = new Random(1).bytes(5_000);
    client.outbound.message(BINARY, noise, 0, 5_000);
    expect(client.outbound.saved).toBeLessThan(1_000 - written);
  });
});

describe('while another thread deflates', () => {
  test('messages behind it wait, deflated or not, and leave in their order in one write', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'long');
    expect(outbound.sendable).toBe(false);
    client.text(BINARY, 'b');
    client.text(TEXT, 'c');
    expect(client.take()).toEqual([]);
    deflater.done('aabb');
    expect(client.take()).toEqual(['write c102aabb820162810163', 'sendable']);
    expect(outbound.sendable).toBe(true);
    expect(outbound.saved).toBe(2);
  });

  test('one behind it may have to be waited for in its turn', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(BINARY, 'b');
    client.text(BINARY, 'third');
    client.text(TEXT, 'd');
    expect(deflater.given).toEqual(['first']);
    deflater.done('01');
    expect(deflater.given).toEqual(['first', 'third']);
    expect(client.take()).toEqual(['write c10101820162']);
    expect(outbound.sendable).toBe(false);
    deflater.done('03');
    expect(client.take()).toEqual(['write c20103810164', 'sendable']);
  });

  test('one behind it may be done at once', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(BINARY, 'second');
    deflater.atOnce = hex('02');
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101c20102', 'sendable']);
    expect(outbound.sendable).toBe(true);
  });

  test('§5.4: Pings and Pongs do not wait', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    outbound.ping();
    outbound.pong(hex('07'));
    expect(client.take()).toEqual(['write 8900', 'write 8a0107']);
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101', 'sendable']);
  });

  test('a Close waits, behind all that was sent before it', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(TEXT, 'b');
    outbound.close(hex('03e8'));
    expect(client.take()).toEqual([]);
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101810162880203e8', 'sendable']);
  });

  test('a Close waits also for one that waits itself', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(TEXT, 'second');
    outbound.close(hex(''));
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101']);
    deflater.done('02');
    expect(client.take()).toEqual(['write c101028800', 'sendable']);
  });

  test('end waits for all of it, frees the deflater, and says so once; nobody is told to send', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(TEXT, 'second');
    outbound.close(hex(''));
    outbound.end(() => client.seen.push('end'));
    expect(client.take()).toEqual([]);
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101']);
    expect(deflater.closes).toBe(0);
    deflater.done('02');
    expect(client.take()).toEqual(['write c101028800', 'end']);
    expect(deflater.closes).toBe(1);
  });

  test('what failed is told; what waited is not sent', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(TEXT, 'b');
    deflater.handler.onFailed(new Fault('internal'));
    expect(client.take()).toEqual(['failed internal']);
    expect(outbound.sendable).toBe(true);
    client.text(TEXT, 'next');
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101', 'sendable']);
    outbound.close(hex(''));
    outbound.end(() => client.seen.push('end'));
    expect(client.take()).toEqual(['write 8800', 'end']);
  });

  test('what fails behind the end ends it all the same', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    client.text(TEXT, 'b');
    outbound.end(() => client.seen.push('end'));
    deflater.handler.onFailed(new Fault('internal'));
    expect(client.take()).toEqual(['end']);
    expect(deflater.closes).toBe(1);
  });

  test('while corked from elsewhere it leaves with the rest', () => {
    const { client, deflater, outbound } = byHand();
    client.text(TEXT, 'first');
    outbound.cork(0);
    deflater.done('01');
    client.text(TEXT, 'b');
    expect(client.take()).toEqual(['sendable']);
    outbound.uncork();
    expect(client.take()).toEqual(['write c10101810162']);
  });

  test('who sends from within onSendable is behind all that waited', () => {
    const { client, deflater } = byHand();
    client.meanwhile.onSendable = () => {
      client.meanwhile = {};
      client.text(TEXT, 'second');
    };
    client.text(TEXT, 'first');
    client.text(TEXT, 'b');
    deflater.done('01');
    expect(client.take()).toEqual(['write c10101810162', 'sendable']);
    deflater.done('02');
    expect(client.take()).toEqual(['write c10102', 'sendable']);
  });

  test('a client that is gone from within the write is told of the end once', () => {
    for (const waiting of ['nothing', 'message', 'close']) {
      const { client, deflater, outbound } = byHand();
      client.text(TEXT, 'first');
      if (waiting === 'message') client.text(TEXT, 'b');
      if (waiting === 'close') outbound.close(hex(''));
      client.meanwhile.write = () => {
        client.meanwhile = {};
        outbound.end(() => client.seen.push('end'));
      };
      deflater.done('01');
      expect(
        client.take().filter((line) => !line.startsWith('write ')),
        waiting,
      ).toEqual(['end']);
      expect(deflater.closes).toBe(1);
    }
  });

  test('a Pong that is owed comes when the client reads again, also while it is at work', () => {
    const { client, outbound } = byHand();
    client.writable = false;
    client.text(TEXT, 'a');
    client.text(TEXT, 'long');
    outbound.pong(hex('01'));
    outbound.pong(hex('02'));
    expect(client.take()).toEqual(['write 810161']);
    client.writable = true;
    outbound.drained();
    expect(client.take()).toEqual(['write 8a0102']);
  });
});

describe.for([
  ['in this thread', true],
  ['in another thread', false],
] as const)('with our deflater, %s', ([, sync]) => {
  test('Hello, and Hello again (RFC 7692 §7.2.3.2), in order', async () => {
    const client = compressed({ sync });
    const heard = client.heard();
    client.text(TEXT, 'Hello');
    expect(client.outbound.sendable).toBe(sync);
    client.text(TEXT, 'Hello');
    client.text(TEXT, 'Hi');
    if (!sync) await heard;
    expect(client.outbound.sendable).toBe(true);
    expect(client.take().join(' ').replaceAll(' write ', ' ').replace(' sendable', '')).toBe(
      `write c107f248cdc9c90700 c105f200110000${sync ? ' ' : ''}81024869`,
    );
    client.outbound.end(() => {});
  });

  test(`messages of any length arrive in order and whole (TEST_SEED=${SEED})`, async () => {
    const random = new Random(SEED);
    for (const offer of [
      'permessage-deflate',
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=8',
    ]) {
      const client = compressed({ sync, offer });
      const sent: Buffer[] = [];
      for (let round = 0; round < 5; round += 1) {
        const heard = client.heard();
        for (let i = random.int(1, 8); i > 0; i -= 1) {
          const bytes = someBytes(random, random.pick([0, 2, 30, 5_000, 17_000, 60_000]));
          sent.push(bytes);
          client.outbound.message(BINARY, bytes, 0, bytes.length);
          if (random.int(0, 3) === 0) client.outbound.ping();
        }
        if (!client.outbound.sendable) await heard;
      }
      const frames = serverFrames(client.written).filter(({ opcode }) => opcode === BINARY);
      expect(frames.length).toBe(sent.length);
      let context: Uint8Array[] = [];
      let before = 0;
      for (const [i, { compressed: deflated, payload }] of frames.entries()) {
        let message: Uint8Array = payload;
        if (deflated && offer.includes('takeover')) message = inflateAll([payload], 8);
        else if (deflated) {
          context = [...context, payload];
          const whole = inflateAll(context);
          message = whole.subarray(before);
          before = whole.length;
        }
        expect(deflated).toBe(sent[i]!.length >= 3);
        expect(Buffer.compare(message, sent[i]!)).toBe(0);
      }
      await new Promise<void>((resolve) => {
        client.outbound.end(resolve);
      });
    }
  });

  test('end comes behind everything, and frees what zlib holds', async () => {
    const client = compressed({ sync });
    for (let i = 0; i < 3; i += 1)
      client.outbound.message(BINARY, someBytes(new Random(i), 40_000), 0, 40_000);
    client.outbound.close(hex('03e8'));
    await new Promise<void>((resolve) => {
      client.outbound.end(resolve);
    });
    const frames = serverFrames(client.written);
    expect(frames.map(({ opcode }) => opcode)).toEqual([BINARY, BINARY, BINARY, 8]);
    expect(inflateAll(frames.slice(0, 3).map(({ payload }) => payload)).length).toBe(120_000);
  });
});

/** Payload on its way to both kinds of peer, compressed and not. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { parseExtensions } from '../../src/rfc6455/extensions.ts';
import { Inbound, type InboundHandler } from '../../src/rfc6455/inbound.ts';
import { BINARY, type DataOpcode, TEXT } from '../../src/rfc6455/opcodes.ts';
import { Compression } from '../../src/rfc6455/permessage-deflate.ts';
import { concat, counting, hex, hexOf, utf8 } from '../support/bytes.ts';
import { deflated, MessageDeflate } from '../support/deflated.ts';

const KIB = 1_024;
const MIB = KIB * KIB;

class Peer implements InboundHandler {
  readonly inbound = new Inbound(this);
  readonly seen: string[] = [];
  readonly payloads: Uint8Array[] = [];
  takes = true;
  meanwhile = (): void => {};

  constructor(peer: 'stream' | number, sync: boolean | undefined = true) {
    if (peer !== 'stream') this.inbound.collect(peer);
    if (sync === undefined) return;
    const compression = new Compression({
      level: 6,
      windowBits: 15,
      serverTakeover: true,
      clientTakeover: true,
      threshold: 1,
      connections: 1,
      sync,
    });
    this.inbound.inflate(compression.agree(parseExtensions('permessage-deflate'))!);
  }

  onPayload(payload: Uint8Array, opcode: DataOpcode): boolean {
    this.payloads.push(payload);
    const text = payload.length > 100 ? `${payload.length} bytes` : hexOf(payload);
    this.seen.push(`${opcode === TEXT ? 'text' : 'binary'} ${text}`);
    this.meanwhile();
    return this.takes;
  }

  onYield(): void {
    this.seen.push('yield');
  }

  onIdle(): void {
    this.seen.push('idle');
  }

  onFailed(fault: Fault): void {
    this.seen.push(`failed ${fault.code}`);
    this.inbound.stop();
  }

  take(): string[] {
    return this.seen.splice(0);
  }

  plain(opcode: DataOpcode, bytes: Uint8Array, ends = true): void {
    this.inbound.take(
      opcode,
      bytes,
      0,
      bytes.length,
      ends,
      bytes.every((byte) => byte < 0x80),
    );
  }

  compressed(opcode: DataOpcode, bytes: Uint8Array, ends = true): boolean {
    this.inbound.takeCompressed(opcode, bytes, 0, bytes.length, ends);
    return !this.inbound.held;
  }

  /** The code of the fault that `step` throws. */
  fault(step: () => void): string | undefined {
    try {
      step();
    } catch (error) {
      return error instanceof Fault ? error.code : String(error);
    }
    return undefined;
  }
}

const HELLO = hex('f2 48 cd c9 c9 07 00');

afterEach(() => {
  vi.restoreAllMocks();
});

describe('text', () => {
  test.for(['stream', 1_000] as const)(
    '§8.1: ASCII where a character has to go on is not UTF-8 (%s)',
    (kind) => {
      const peer = new Peer(kind, undefined);
      peer.plain(TEXT, hex('61 c3'), false);
      expect(peer.fault(() => peer.plain(TEXT, hex('61')))).toBe('text-not-utf8');
    },
  );

  test('§8.1: a message that ends within a character is not UTF-8, also where its last piece is empty', () => {
    const peer = new Peer('stream', undefined);
    peer.plain(TEXT, hex('c3'), false);
    expect(peer.fault(() => peer.plain(TEXT, hex('')))).toBe('text-not-utf8');
  });
});

describe('a stream peer', () => {
  test('gets the payload of a chunk side by side, once, when it is flushed', () => {
    const peer = new Peer('stream', undefined);
    const chunk = hex('ff01 0203 ff 04 ff');
    peer.inbound.take(BINARY, chunk, 1, 2, false, true);
    peer.inbound.take(BINARY, chunk, 2, 4, true, true);
    peer.inbound.take(TEXT, chunk, 4, 4, true, true);
    peer.inbound.take(BINARY, chunk, 5, 6, true, true);
    expect(peer.take()).toEqual([]);
    peer.inbound.flush();
    expect(peer.take()).toEqual(['binary 01020304']);
    peer.inbound.flush();
    expect(peer.take()).toEqual([]);
  });

  test('gets runs that nobody needs to look at side by side with the rest', () => {
    const peer = new Peer('stream', undefined);
    const chunk = hex('0102 61 ff 03');
    peer.inbound.takeRun(chunk, 0, 2);
    peer.inbound.take(TEXT, chunk, 2, 3, true, true);
    peer.inbound.takeRun(chunk, 4, 5);
    peer.inbound.flush();
    expect(peer.take()).toEqual(['binary 01026103']);
  });

  test('gets inflated payload side by side as well', () => {
    const peer = new Peer('stream');
    expect(peer.compressed(TEXT, HELLO)).toBe(true);
    expect(peer.compressed(BINARY, hex('f2 00 11'), false)).toBe(true);
    expect(peer.compressed(BINARY, hex('00 00'))).toBe(true);
    expect(peer.take()).toEqual([]);
    peer.inbound.flush();
    expect(peer.take()).toEqual(['binary 48656c6c6f48656c6c6f']);
    peer.inbound.flush();
    expect(peer.take()).toEqual([]);
  });

  test('gets both in their order', () => {
    const peer = new Peer('stream');
    peer.plain(BINARY, hex('01'));
    peer.plain(BINARY, hex(''));
    peer.compressed(TEXT, HELLO);
    peer.plain(BINARY, hex('02'));
    peer.compressed(TEXT, hex('f2 00 11 00 00'));
    peer.inbound.flush();
    expect(peer.take()).toEqual(['binary 01', 'binary 48656c6c6f', 'binary 02', 'binary 48656c6c6f']);
  });

  test('gets inflated payload as it comes, in pieces of 64 KiB, however long the message is', () => {
    const peer = new Peer('stream');
    peer.compressed(BINARY, deflated(new Uint8Array(200 * KIB)));
    expect(peer.take()).toEqual(['binary 65536 bytes', 'binary 65536 bytes', 'binary 65536 bytes']);
    peer.inbound.flush();
    expect(peer.take()).toEqual(['binary 8192 bytes']);
  });

  test('that is full gets no more than 64 KiB behind it, and the rest when it takes again', () => {
    const peer = new Peer('stream');
    peer.takes = false;
    expect(peer.compressed(BINARY, deflated(new Uint8Array(150 * KIB)))).toBe(false);
    expect(peer.inbound.held).toBe(true);
    expect(peer.inbound.busy).toBe(true);
    expect(peer.take()).toEqual(['binary 65536 bytes']);
    peer.inbound.unblock();
    peer.inbound.goOn();
    expect(peer.take()).toEqual(['binary 65536 bytes']);
    expect(peer.inbound.busy).toBe(true);
    peer.takes = true;
    peer.inbound.unblock();
    peer.inbound.goOn();
    expect(peer.take()).toEqual(['binary 22528 bytes']);
    expect([peer.inbound.held, peer.inbound.busy]).toEqual([false, false]);
  });

  test('that is full by what was not compressed lets a compressed message wait', () => {
    const peer = new Peer('stream');
    peer.takes = false;
    peer.plain(BINARY, hex('01'));
    expect(peer.compressed(BINARY, HELLO)).toBe(false);
    expect(peer.inbound.held).toBe(true);
    peer.inbound.unblock();
    peer.inbound.goOn();
    peer.inbound.flush();
    expect(peer.take()).toEqual(['binary 01', 'binary 48656c6c6f']);
  });

  test('what is handed on is its own: the next message does not change it', () => {
    const peer = new Peer('stream');
    peer.compressed(BINARY, HELLO);
    peer.inbound.flush();
    const before = peer.payloads[0]!.slice();
    peer.compressed(BINARY, deflated(counting(5_000)));
    peer.inbound.flush();
    expect(hexOf(peer.payloads[0]!)).toBe(hexOf(before));
  });
});

describe('a message peer', () => {
  test('gets whole messages with their type, from any pieces', () => {
    const peer = new Peer(100);
    peer.plain(TEXT, hex('48'), false);
    peer.plain(TEXT, hex('69'));
    peer.compressed(TEXT, HELLO.subarray(0, 3), false);
    expect(peer.take()).toEqual(['text 4869']);
    peer.compressed(TEXT, HELLO.subarray(3));
    peer.compressed(BINARY, hex('f2 00 11 00 00'));
    peer.compressed(BINARY, hex('00'));
    peer.plain(BINARY, hex(''));
    expect(peer.take()).toEqual(['text 48656c6c6f', 'binary 48656c6c6f', 'binary ', 'binary ']);
  });

  test('a message of exactly the limit passes; one byte more is a fault, by what is inflated', () => {
    const noise = counting(200);
    expect(new Peer(200).fault(() => new Peer(200).compressed(BINARY, deflated(noise)))).toBeUndefined();
    const peer = new Peer(199);
    expect(peer.fault(() => peer.compressed(BINARY, deflated(noise)))).toBe('message-too-large');
    expect(peer.take()).toEqual([]);
    const exact = new Peer(5);
    exact.compressed(TEXT, HELLO);
    expect(exact.take()).toEqual(['text 48656c6c6f']);
    expect(exact.fault(() => exact.compressed(TEXT, deflated(utf8('Hello!'))))).toBe('message-too-large');
  });

  test('the fault says how much and how much is allowed, and comes before more than a step is kept', () => {
    const peer = new Peer(100_000);
    const bomb = deflated(new Uint8Array(50 * MIB));
    const allocate = vi.spyOn(Buffer, 'allocUnsafe');
    try {
      peer.compressed(BINARY, bomb);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: 'message-too-large',
        close: 1009,
        details: { actual: 131_072, maximum: 100_000 },
      });
    }
    const sum = allocate.mock.calls.reduce((total, [size]) => total + size, 0);
    expect(sum).toBeLessThanOrEqual(200_000);
  });

  test('that is full lets the next compressed message wait; the one that filled it was whole', () => {
    const peer = new Peer(100);
    peer.takes = false;
    expect(peer.compressed(TEXT, HELLO)).toBe(false);
    expect([peer.inbound.held, peer.inbound.busy]).toEqual([true, false]);
    expect(peer.take()).toEqual(['text 48656c6c6f']);
    peer.inbound.unblock();
    expect(peer.inbound.held).toBe(false);
  });

  test('messages do not share memory', () => {
    const peer = new Peer(100);
    peer.compressed(BINARY, HELLO);
    peer.compressed(BINARY, hex('f2 00 11 00 00'));
    peer.payloads[0]!.fill(0);
    expect(hexOf(peer.payloads[1]!)).toBe('48656c6c6f');
  });
});

describe('text (§8.1)', () => {
  const euro = utf8('€');

  test('is judged by what is inflated, over all pieces', () => {
    for (const kind of ['stream', 100] as const) {
      const peer = new Peer(kind);
      const bytes = deflated(utf8('a€b'));
      for (const [i, byte] of bytes.entries()) {
        peer.compressed(TEXT, Uint8Array.of(byte), i === bytes.length - 1);
      }
      peer.inbound.flush();
      expect(peer.take().join('')).toContain(hexOf(utf8('a€b')));
    }
  });

  test('that becomes invalid only after inflating is a fault, also by its end alone', () => {
    for (const kind of ['stream', 100] as const) {
      for (const text of [hex('61ff'), euro.subarray(0, 2), concat(euro.subarray(0, 1), utf8('a'))]) {
        const peer = new Peer(kind);
        expect(peer.fault(() => peer.compressed(TEXT, deflated(text)))).toBe('text-not-utf8');
      }
    }
  });

  test('binary messages are not judged, in whatever way they come', () => {
    const peer = new Peer(100);
    peer.compressed(BINARY, deflated(hex('ff')));
    peer.plain(BINARY, hex('ff'));
    peer.compressed(TEXT, deflated(euro));
    expect(peer.take()).toEqual(['binary ff', 'binary ff', `text ${hexOf(euro)}`]);
  });

  test('a character may not go on in the next message, compressed or not', () => {
    const peer = new Peer(100);
    peer.plain(TEXT, euro.subarray(0, 2), false);
    expect(peer.fault(() => peer.plain(TEXT, hex('')))).toBe('text-not-utf8');
  });
});

describe('what was saved', () => {
  test('counts what was inflated less what came, and nothing uncompressed', () => {
    const peer = new Peer('stream');
    expect(peer.inbound.saved).toBe(0);
    peer.plain(BINARY, counting(50));
    expect(peer.inbound.saved).toBe(0);
    const bytes = deflated(new Uint8Array(10_000));
    peer.compressed(BINARY, bytes.subarray(0, 5), false);
    peer.compressed(BINARY, bytes.subarray(5));
    expect(peer.inbound.saved).toBe(10_000 - bytes.length);
    peer.compressed(BINARY, hex('00'));
    expect(peer.inbound.saved).toBe(10_000 - bytes.length - 1);
  });
});

describe('turns', () => {
  test('a bomb yields after about 1 MiB, and goes on in the next turn', () => {
    const peer = new Peer(10 * MIB);
    expect(peer.compressed(BINARY, deflated(new Uint8Array(3 * MIB)))).toBe(false);
    while (peer.inbound.busy) {
      expect(peer.take()).toEqual(['yield']);
      peer.inbound.goOn();
      expect(peer.take()).toEqual([]);
      peer.inbound.beginTurn();
      peer.inbound.goOn();
    }
    expect(peer.take()).toEqual([`binary ${3 * MIB} bytes`]);
  });
});

describe('stop', () => {
  test('throws away what was not handed on, and hands nothing on any more', () => {
    for (const kind of ['stream', 10 * MIB] as const) {
      const peer = new Peer(kind);
      if (kind === 'stream') peer.plain(BINARY, hex('01'));
      peer.compressed(BINARY, HELLO);
      peer.takes = false;
      peer.compressed(BINARY, deflated(new Uint8Array(3 * MIB)), false);
      expect(peer.inbound.held).toBe(true);
      peer.take();
      peer.inbound.stop();
      expect([peer.inbound.held, peer.inbound.busy]).toEqual([false, false]);
      peer.inbound.flush();
      peer.inbound.unblock();
      peer.inbound.goOn();
      expect(peer.take()).toEqual([]);
    }
  });

  test('from within onPayload', () => {
    for (const kind of ['stream', 200 * KIB] as const) {
      const peer = new Peer(kind);
      peer.meanwhile = () => peer.inbound.stop();
      peer.compressed(BINARY, deflated(new Uint8Array(200 * KIB)));
      peer.inbound.flush();
      expect(peer.take()).toHaveLength(1);
      expect(peer.inbound.busy).toBe(false);
    }
  });

  test('from within onPayload of a peer that has enough: nothing is held any more', () => {
    for (const kind of ['stream', 200 * KIB] as const) {
      const peer = new Peer(kind);
      peer.takes = false;
      peer.meanwhile = () => peer.inbound.stop();
      peer.compressed(BINARY, deflated(new Uint8Array(200 * KIB)));
      peer.inbound.flush();
      expect(peer.take()).toHaveLength(1);
      expect(peer.inbound.held).toBe(false);
    }
  });

  test('from within onPayload, by what had to go before something else', () => {
    const first = new Peer('stream');
    first.meanwhile = () => first.inbound.stop();
    first.plain(BINARY, hex('01'));
    first.compressed(BINARY, HELLO);
    first.inbound.flush();
    expect(first.take()).toEqual(['binary 01']);
    const second = new Peer('stream');
    second.meanwhile = () => second.inbound.stop();
    second.compressed(BINARY, HELLO);
    second.plain(BINARY, hex('01'));
    second.inbound.flush();
    expect(second.take()).toEqual(['binary 48656c6c6f']);
  });

  test('without compression there is nothing to stop or to go on with', () => {
    const peer = new Peer('stream', undefined);
    peer.plain(BINARY, hex('01'));
    peer.inbound.unblock();
    peer.inbound.beginTurn();
    peer.inbound.goOn();
    expect(peer.take()).toEqual(['binary 01']);
    expect([peer.inbound.busy, peer.inbound.held]).toEqual([false, false]);
    peer.inbound.stop();
  });
});

describe('while another thread inflates', () => {
  async function idle(peer: Peer): Promise<void> {
    await vi.waitUntil(() => peer.seen.some((line) => line === 'idle' || line.startsWith('failed')), {
      interval: 1,
    });
  }

  test('a piece has to be waited for, and goOn takes it further', async () => {
    for (const kind of ['stream', 100] as const) {
      const peer = new Peer(kind, false);
      expect(peer.compressed(BINARY, HELLO)).toBe(false);
      expect([peer.inbound.held, peer.inbound.busy]).toEqual([true, true]);
      while (peer.inbound.busy) {
        await idle(peer);
        peer.seen.splice(peer.seen.indexOf('idle'), 1);
        peer.inbound.goOn();
      }
      expect(peer.take()).toEqual(['binary 48656c6c6f']);
      peer.inbound.stop();
    }
  });

  test('faults are told: corrupt data, text, and the limit', async () => {
    const cases = [
      [hex('06'), 'inflate-failed'],
      [deflated(hex('ff')), 'text-not-utf8'],
      [deflated(new Uint8Array(2_000)), 'message-too-large'],
    ] as const;
    for (const [bytes, code] of cases) {
      const peer = new Peer(1_000, false);
      peer.compressed(TEXT, bytes);
      await idle(peer);
      for (let i = 0; i < 5; i += 1) await turn();
      expect(peer.take()).toEqual([`failed ${code}`]);
    }
  });
});

test('messages of a context refer to each other only within it', () => {
  const deflate = new MessageDeflate();
  const first = deflate.message(utf8('the secret of another connection'));
  const second = deflate.message(utf8('the secret of another connection'));
  const one = new Peer(100);
  one.compressed(TEXT, first);
  const other = new Peer(100);
  expect(other.fault(() => other.compressed(TEXT, second))).toBe('inflate-failed');
  one.compressed(TEXT, second);
  expect(one.take()).toHaveLength(2);
});

/** One WebSocket that has agreed on permessage-deflate, as its handler sees it; in both ways of working. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import { Connection } from '../../src/rfc6455/connection.ts';
import type { AcceptOptions } from '../../src/rfc6455/connection-handler.ts';
import { BINARY, type DataOpcode, TEXT } from '../../src/rfc6455/opcodes.ts';
import { Compression, type CompressionOptions } from '../../src/rfc6455/permessage-deflate.ts';
import { clientFrame, concat, counting, hex, hexOf, latin1, utf8 } from '../support/bytes.ts';
import { cutAt } from '../support/cuts.ts';
import { deflated, inflateAll, MessageDeflate, someBytes, someStyle } from '../support/deflated.ts';
import { Random, SEED } from '../support/randomness.ts';
import { RecordingHandler } from '../support/recording-handler.ts';
import { serverFrames } from '../support/server-frames.ts';
import { fast, receive } from '../support/through-slabs.ts';

const KIB = 1_024;
const MIB = KIB * KIB;
const OPTIONS: CompressionOptions = {
  level: 6,
  windowBits: 15,
  serverTakeover: true,
  clientTakeover: true,
  threshold: 3,
  connections: 10,
};

function request(extensions: string): Uint8Array {
  return latin1(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
      `${extensions === '' ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`}\r\n`,
  );
}

interface ClientOptions extends Partial<AcceptOptions> {
  readonly sync?: boolean;
  readonly offer?: string;
  readonly compression?: Compression;
}

/** A connection and its handler, which goes on in the next turn where it is asked to. */
class Client extends RecordingHandler {
  readonly connection = new Connection(
    this,
    { headBytes: 16_384, headFields: 100, earlyBytes: 10_000 },
    fast,
  );
  readonly compression: Compression;
  readonly #options: ClientOptions;
  /** Whether a peer that has enough takes again in the next turn. */
  recovers = true;
  /** Whether a turn that is over is followed by another. */
  goesOn = true;

  constructor(options: ClientOptions = {}) {
    super();
    this.#options = options;
    this.compression = options.compression ?? new Compression({ ...OPTIONS, sync: options.sync ?? true });
    receive(this.connection, request(options.offer ?? 'permessage-deflate'));
    this.take();
  }

  accept(): this {
    const { peer = 'message', messageBytes = 1_000 } = this.#options;
    this.connection.accept({ peer, messageBytes, compression: this.compression });
    return this;
  }

  override onYield(): void {
    super.onYield();
    if (this.goesOn) setImmediate(() => this.connection.beginTurn());
  }

  override onPayload(payload: Uint8Array, opcode: DataOpcode): boolean {
    const takes = super.onPayload(payload, opcode);
    if (!takes && this.recovers) setImmediate(() => this.connection.resume());
    return takes;
  }

  /** Gives bytes when they are taken, and comes back when they are done. */
  async feed(...chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      receive(this.connection, chunk.slice());
      await this.settled();
    }
  }

  async settled(): Promise<void> {
    while (!this.connection.receivable) await turn();
  }

  async until(line: string): Promise<void> {
    while (!this.seen.includes(line)) await turn();
  }

  /** What was seen, less how it came about. */
  outcome(): string[] {
    return this.take().filter((line) => line !== 'yield' && line !== 'receivable' && line !== 'sendable');
  }
}

function open(options: ClientOptions = {}): Client {
  const client = new Client(options).accept();
  client.take();
  client.written.length = 0;
  return client;
}

function frame(opcode: number, payload: Uint8Array, compressed = true): Uint8Array {
  return clientFrame({ opcode, payload, rsv: compressed ? 4 : 0 });
}

const HELLO = frame(TEXT, hex('f2 48 cd c9 c9 07 00'));
const AGAIN = frame(TEXT, hex('f2 00 11 00 00'));
const PING = hex('89 81 00000000 07');
const CLOSE = hex('88 82 00000000 03e8');

/** A bomb of binary bytes: what it inflates to takes several turns. */
function bomb(bytes = 3 * MIB): Uint8Array {
  return frame(BINARY, deflated(new Uint8Array(bytes)));
}

function lengthOf(client: Client): number {
  return client.payloads.reduce((sum, payload) => sum + payload.length, 0);
}

describe('the agreement', () => {
  test('is in the 101, and is what `extensions` says', () => {
    const client = new Client({ offer: 'mystery, permessage-deflate; server_max_window_bits=10' }).accept();
    expect(client.take()[0]).toContain(
      '\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n',
    );
    expect(client.connection.extensions).toBe('permessage-deflate; server_max_window_bits=10');
  });

  test('there is none without an offer, without compression, or beyond the bound; RSV1 is refused then', () => {
    const full = new Compression({ ...OPTIONS, connections: 0 });
    const clients = [
      new Client({ offer: '' }),
      new Client({ offer: 'mystery' }),
      new Client({ compression: full }),
    ];
    for (const client of clients) {
      client.accept();
      expect(client.take()[0]).not.toContain('Extensions');
      expect(client.connection.extensions).toBeUndefined();
      receive(client.connection, HELLO.slice());
      expect(client.take().at(-1)).toBe('closed fault rsv-set');
    }
    const without = new Client();
    without.connection.accept({ peer: 'stream', messageBytes: 1 });
    expect(without.take()[0]).not.toContain('Extensions');
    without.connection.send(TEXT, new Uint8Array(500), 0, 500);
    expect(without.written[1]!.bytes[0]).toBe(0x81);
  });

  test('counts until the connection is over, however it ends', () => {
    const compression = new Compression({ ...OPTIONS, sync: true });
    const ends: ((client: Client) => void)[] = [
      ({ connection }) => connection.receiveEnd(),
      ({ connection }) => receive(connection, CLOSE.slice()),
      ({ connection }) => connection.fail(new Fault('client-silent')),
      ({ connection }) => receive(connection, frame(TEXT, hex('06'))),
      ({ connection }) => {
        connection.close(1000);
        receive(connection, CLOSE.slice());
      },
      ({ connection }) => {
        connection.close(1000);
        connection.receiveEnd();
      },
    ];
    for (const end of ends) {
      const client = open({ compression });
      expect(compression.connections).toBe(1);
      receive(client.connection, HELLO.slice());
      end(client);
      end(client);
      expect(client.connection.state).toBe('closed');
      expect(compression.connections).toBe(0);
      expect(client.endings).toHaveLength(1);
    }
  });

  test('a request that is refused, and a subprotocol that was not offered, do not count', () => {
    const compression = new Compression(OPTIONS);
    new Client({ compression }).connection.reject(404, 'x');
    const client = new Client({ compression });
    expect(() =>
      client.connection.accept({ peer: 'stream', messageBytes: 1, subprotocol: 'x', compression }),
    ).toThrow(RangeError);
    expect(compression.connections).toBe(0);
  });
});

describe.for([
  ['in this thread', true],
  ['in another thread', false],
] as const)('%s', ([, sync]) => {
  describe('what the client sends', () => {
    test('RFC 7692 §7.2.3: the examples, in one chunk, byte by byte and cut anywhere', async () => {
      const wire = concat(
        HELLO,
        AGAIN,
        frame(BINARY, hex('00')),
        clientFrame({ opcode: TEXT, payload: hex('f2 48 cd'), rsv: 4, fin: false }),
        PING,
        clientFrame({ opcode: 0, payload: hex('c9 c9 07 00') }),
        frame(TEXT, hex('f3 48 cd c9 c9 07 00 00')),
        frame(BINARY, utf8('Hello'), false),
        frame(BINARY, hex('00 05 00 fa ff 48 65 6c 6c 6f 00')),
        CLOSE,
      );
      const cuts = [[], Array.from({ length: wire.length - 1 }, (_, i) => i + 1)];
      const random = new Random(SEED);
      for (let i = 0; i < 20; i += 1) cuts.push([random.int(1, 20), random.int(21, wire.length - 1)]);
      for (const cut of cuts) {
        const client = open({ sync });
        for (const piece of cutAt(wire, cut)) await client.feed(piece);
        const seen = client.outcome();
        const hello = '48656c6c6f';
        expect(seen.filter((line) => !line.startsWith('write'))).toEqual([
          `text ${hello}`,
          `text ${hello}`,
          'binary ',
          `text ${hello}`,
          `text ${hello}`,
          `binary ${hello}`,
          `binary ${hello}`,
          'closed client 1000',
        ]);
        expect(
          seen
            .filter((line) => line.startsWith('write'))
            .join('')
            .replaceAll('write ', ''),
        ).toBe('8a0107880203e8');
      }
    });

    test(`any messages, to both kinds of peer, whatever their pace, and back again (TEST_SEED=${SEED})`, async () => {
      const random = new Random(SEED);
      for (let round = 0; round < 24; round += 1) {
        const windowBits = random.int(8, 15);
        const takeover = random.int(0, 1) === 1;
        const offer = `permessage-deflate; client_max_window_bits=${windowBits}; server_max_window_bits=${random.int(8, 15)}`;
        const peer = random.pick(['stream', 'message'] as const);
        const compression = new Compression({ ...OPTIONS, sync, clientTakeover: takeover });
        const client = open({ compression, offer, peer, messageBytes: MIB });
        const slow = random.int(0, 1) === 1;
        const deflate = new MessageDeflate(windowBits, takeover);
        const sent: { opcode: DataOpcode; bytes: Buffer }[] = [];
        const parts: Uint8Array[] = [];
        let pings = 0;
        for (let i = random.int(1, 12); i > 0; i -= 1) {
          const bytes = someBytes(random, random.int(0, random.pick([5, 200, 200, 3_000, 120_000])));
          const opcode: DataOpcode = BINARY;
          const compressed = random.int(0, 2) > 0;
          const payload = compressed ? deflate.message(bytes, someStyle(random)) : bytes;
          const at = random.int(0, payload.length);
          const fragments =
            random.int(0, 2) === 0 ? [payload] : [payload.subarray(0, at), payload.subarray(at)];
          for (const [j, piece] of fragments.entries()) {
            parts.push(
              clientFrame({
                opcode: j === 0 ? opcode : 0,
                payload: piece,
                fin: j === fragments.length - 1,
                rsv: compressed && j === 0 ? 4 : 0,
              }),
            );
            if (random.int(0, 3) === 0) {
              parts.push(clientFrame({ opcode: 9, payload: Uint8Array.of(pings) }));
              pings += 1;
            }
          }
          sent.push({ opcode, bytes });
        }
        const wire = concat(...parts, CLOSE);
        const places = Array.from({ length: random.pick([0, 3, 30]) }, () => random.int(0, wire.length));
        client.meanwhile.onPayload = () => {
          client.taking = !slow || random.int(0, 1) === 0;
          const payload = client.payloads.at(-1)!;
          client.connection.send(BINARY, payload, 0, payload.length);
        };
        for (const piece of cutAt(
          wire,
          places.sort((a, b) => a - b),
        ))
          await client.feed(piece);
        while (client.endings.length === 0) await turn();

        const whole = Buffer.concat(sent.map(({ bytes }) => bytes));
        expect(Buffer.concat(client.payloads).equals(whole)).toBe(true);
        if (peer === 'message') {
          expect(client.payloads.map(({ length }) => length)).toEqual(sent.map(({ bytes }) => bytes.length));
        }
        expect(client.endings).toMatchObject([{ by: 'client', status: { code: 1000 } }]);
        const frames = serverFrames(
          client.written.flatMap(({ bytes, more }) => (more ? [bytes, more] : [bytes])),
        );
        expect(frames.at(-1)!.opcode).toBe(8);
        expect(frames.filter(({ opcode }) => opcode === 10).map(({ payload }) => payload[0])).toEqual(
          Array.from({ length: pings }, (_, i) => i),
        );
        const deflatedBack = frames.filter((back) => back.compressed).map(({ payload }) => payload);
        const inflated = inflateAll(deflatedBack);
        let at = 0;
        const back = client.payloads.map((payload, i) => {
          const answer = frames.filter(({ opcode }) => opcode === BINARY)[i]!;
          if (!answer.compressed) return answer.payload;
          at += payload.length;
          return inflated.subarray(at - payload.length, at);
        });
        expect(Buffer.concat(back).equals(whole)).toBe(true);
        expect(compression.connections).toBe(0);
      }
    });

    test('to a stream peer compressed and uncompressed payload goes in its order', async () => {
      const client = open({ sync, peer: 'stream' });
      const plain = (digits: string): Uint8Array => frame(BINARY, hex(digits), false);
      await client.feed(concat(plain('01'), HELLO, plain('02'), plain('03'), AGAIN, AGAIN, plain('04')));
      const hello = '48656c6c6f';
      expect(hexOf(concat(...client.payloads))).toBe(`01${hello}0203${hello}${hello}04`);
    });

    test('corrupt data: what came before is delivered, 1007 goes out, nothing behind is obeyed', async () => {
      for (const peer of ['stream', 'message'] as const) {
        const client = open({ sync, peer });
        await client.feed(concat(HELLO, frame(BINARY, hex('06')), HELLO, PING));
        await client.until('closed fault inflate-failed');
        expect(client.outcome()).toEqual([
          peer === 'stream' ? 'binary 48656c6c6f' : 'text 48656c6c6f',
          `write 881c03ef${hexOf(latin1('compressed data is corrupt'))}`,
          'closed fault inflate-failed',
        ]);
        await client.feed(HELLO, PING, CLOSE);
        for (let i = 0; i < 5; i += 1) await turn();
        expect(client.take()).toEqual([]);
      }
    });

    test('§8.1: text that is invalid only when it is inflated gets 1007', async () => {
      for (const peer of ['stream', 'message'] as const) {
        for (const text of [hex('61ff'), utf8('€').subarray(0, 2)]) {
          const client = open({ sync, peer });
          await client.feed(frame(TEXT, deflated(text)));
          expect(client.take().slice(-2)).toEqual([
            `write 881a03ef${hexOf(latin1('text is not valid UTF-8'))}`.replace('881a', '8819'),
            'closed fault text-not-utf8',
          ]);
        }
      }
    });

    test('§10.4: more than the limit when it is inflated gets 1009; a stream peer gets all of it', async () => {
      const wire = frame(BINARY, deflated(new Uint8Array(1_001)));
      const message = open({ sync, messageBytes: 1_000 });
      await message.feed(wire);
      expect(message.take()).toEqual([
        `write 881303f1${hexOf(latin1('message too large'))}`,
        'closed fault message-too-large',
      ]);
      const exact = open({ sync, messageBytes: 1_001 });
      await exact.feed(wire);
      expect(exact.payloads).toHaveLength(1);
      const stream = open({ sync, peer: 'stream', messageBytes: 1_000 });
      await stream.feed(wire);
      expect(lengthOf(stream)).toBe(1_001);
    });

    test('a bomb for a message peer ends with 1009 before much more than the limit was inflated', async () => {
      const client = open({ sync, messageBytes: 200_000 });
      await client.feed(bomb(20 * MIB));
      const [ending] = client.endings;
      if (ending?.by !== 'fault') return expect.unreachable();
      expect(ending.fault.details).toMatchObject({ maximum: 200_000 });
      expect(ending.fault.details['actual']).toBeLessThanOrEqual(200_000 + 64 * KIB);
      expect(client.payloads).toEqual([]);
    });

    test('frames that came before accept are inflated behind the 101', async () => {
      const client = new Client({ sync });
      expect(receive(client.connection, concat(HELLO, AGAIN))).toBe(true);
      expect(client.take()).toEqual([]);
      client.accept();
      await client.settled();
      expect(client.outcome().map((line) => line.slice(0, 15))).toEqual([
        'http HTTP/1.1 1',
        'text 48656c6c6f',
        'text 48656c6c6f',
      ]);
    });

    test('what was saved is counted', async () => {
      const client = open({ sync });
      await client.feed(HELLO, AGAIN, frame(BINARY, counting(10), false));
      expect(client.connection.saved).toEqual({ up: 10 - 7 - 5, down: 0 });
      client.connection.send(BINARY, new Uint8Array(500), 0, 500);
      while (client.written.length === 0) await turn();
      expect(client.connection.saved.down).toBe(500 - (client.written[0]!.bytes.length - 2));
    });
  });

  describe('a peer that has enough', () => {
    test('the rest of the chunk waits, and goes on with resume', async () => {
      const client = open({ sync });
      client.recovers = false;
      client.taking = false;
      receive(client.connection, concat(HELLO, AGAIN, PING, AGAIN));
      expect(client.connection.receivable).toBe(false);
      await client.until('text 48656c6c6f');
      for (let i = 0; i < 20; i += 1) await turn();
      expect(client.take()).toEqual(['text 48656c6c6f']);
      client.connection.resume();
      await client.until('text 48656c6c6f');
      for (let i = 0; i < 20; i += 1) await turn();
      expect(client.take()).toEqual(['text 48656c6c6f']);
      client.connection.resume();
      await client.until('text 48656c6c6f');
      // The Pong leaves with its chunk, or before another thread is done with the message behind it.
      expect(client.take().sort()).toEqual(['text 48656c6c6f', 'write 8a0107']);
      expect(client.connection.receivable).toBe(false);
      client.connection.resume();
      await client.settled();
      expect(client.take()).toEqual(['receivable']);
    });

    test('a Ping behind a message that is held is answered behind it', async () => {
      const client = open({ sync });
      client.recovers = false;
      client.taking = false;
      receive(client.connection, concat(HELLO, PING));
      await client.until('text 48656c6c6f');
      for (let i = 0; i < 5; i += 1) await turn();
      expect(client.take()).toEqual(['text 48656c6c6f']);
      client.connection.resume();
      await client.until('receivable');
      expect(client.take()).toEqual(['write 8a0107', 'receivable']);
    });

    test('a stream peer is given no more than 64 KiB for each time it takes', async () => {
      const client = open({ sync, peer: 'stream' });
      client.taking = false;
      client.recovers = false;
      expect(receive(client.connection, bomb(MIB))).toBe(false);
      let most = 0;
      while (lengthOf(client) < MIB) {
        const before = lengthOf(client);
        for (let i = 0; i < 4; i += 1) await turn();
        client.connection.resume();
        most = Math.max(most, lengthOf(client) - before);
      }
      expect(most).toBeLessThanOrEqual(64 * KIB);
      client.taking = true;
      client.connection.resume();
      await client.settled();
      expect(lengthOf(client)).toBe(MIB);
    });

    test('resume from within onPayload goes on', async () => {
      for (const peer of ['stream', 'message'] as const) {
        const client = open({ sync, peer, messageBytes: MIB });
        client.meanwhile.onPayload = () => client.connection.resume();
        await client.feed(concat(HELLO, AGAIN, bomb(300 * KIB), frame(BINARY, hex('01'), false)));
        expect(lengthOf(client)).toBe(10 + 300 * KIB + 1);
        expect(client.connection.receivable).toBe(true);
        // In this thread `receive` itself has said so.
        if (sync) expect(client.take()).not.toContain('receivable');
      }
    });

    test('resume from within onPayload does not make a turn longer', () => {
      if (!sync) return;
      const client = open({ sync, peer: 'stream' });
      client.goesOn = false;
      client.meanwhile.onPayload = () => client.connection.resume();
      receive(client.connection, bomb(10 * MIB));
      expect(lengthOf(client)).toBeLessThanOrEqual(MIB);
      expect(lengthOf(client)).toBeGreaterThan(0.95 * MIB);
      expect(client.take().filter((line) => line === 'yield')).toHaveLength(1);
      client.connection.fail(new Fault('peer-failed'));
    });

    test('that takes again within the turn is given the rest', async () => {
      const client = open({ sync, peer: 'stream' });
      client.taking = false;
      await client.feed(concat(bomb(300 * KIB), AGAIN.slice(0, 0), frame(BINARY, hex('01'), false), PING));
      expect(lengthOf(client)).toBe(300 * KIB + 1);
      expect(client.outcome()).toContain('write 8a0107');
    });

    test('receivable is told once the rest is done', async () => {
      const client = open({ sync, messageBytes: 5 * MIB });
      expect(receive(client.connection, concat(bomb(), HELLO))).toBe(false);
      await client.until('receivable');
      expect(client.take().filter((line) => line === 'receivable')).toHaveLength(1);
      expect(client.payloads.map(({ length }) => length)).toEqual([3 * MIB, 5]);
    });

    test('bytes that are given all the same are kept, and taken in their order', async () => {
      const client = open({ sync, messageBytes: 5 * MIB });
      expect(receive(client.connection, bomb())).toBe(false);
      expect(receive(client.connection, HELLO.slice())).toBe(false);
      expect(receive(client.connection, concat(AGAIN, PING))).toBe(false);
      await client.settled();
      expect(client.payloads.map(({ length }) => length)).toEqual([3 * MIB, 5, 5]);
      expect(client.outcome().at(-1)).toBe('write 8a0107');
    });
  });

  describe('while payload waits', () => {
    /** A bomb is under way, or its peer has enough, and something stands behind it. */
    async function waiting(behind: Uint8Array, peer: 'stream' | 'message' = 'message'): Promise<Client> {
      const client = open({ sync, peer, messageBytes: 10 * MIB });
      client.goesOn = false;
      client.recovers = false;
      client.taking = false;
      expect(receive(client.connection, concat(bomb(), behind))).toBe(false);
      for (let i = 0; i < 3; i += 1) await turn();
      return client;
    }

    test('the end of the client’s bytes: what came before is still delivered', async () => {
      const client = await waiting(concat(HELLO, PING));
      client.connection.receiveEnd();
      expect(client.endings).toEqual([]);
      client.goesOn = true;
      client.taking = true;
      client.connection.beginTurn();
      client.connection.resume();
      await client.until('closed eof');
      expect(client.payloads.map(({ length }) => length)).toEqual([3 * MIB, 5]);
      expect(client.outcome().slice(-2)).toEqual(['write 8a0107', 'closed eof']);
    });

    test('the end of the client’s bytes, where nothing stands behind the piece', async () => {
      const client = await waiting(hex(''));
      client.connection.receiveEnd();
      expect(client.endings).toEqual([]);
      client.goesOn = true;
      client.taking = true;
      client.connection.beginTurn();
      client.connection.resume();
      await client.until('closed eof');
      expect(lengthOf(client)).toBe(3 * MIB);
    });

    test('the end of the client’s bytes, while only whole messages wait', async () => {
      const client = open({ sync });
      client.recovers = false;
      client.taking = false;
      receive(client.connection, concat(HELLO, AGAIN, PING));
      await client.until('text 48656c6c6f');
      for (let i = 0; i < 10; i += 1) await turn();
      client.connection.receiveEnd();
      expect(client.endings).toEqual([]);
      client.taking = true;
      client.connection.resume();
      await client.until('closed eof');
      expect(client.payloads).toHaveLength(2);
      expect(client.outcome().slice(-2)).toEqual(['write 8a0107', 'closed eof']);
    });

    test('the end of the client’s bytes, behind its Close', async () => {
      const client = await waiting(CLOSE);
      client.connection.receiveEnd();
      client.goesOn = true;
      client.taking = true;
      client.connection.beginTurn();
      client.connection.resume();
      await client.until('closed client 1000');
      for (let i = 0; i < 3; i += 1) await turn();
      expect(client.endings).toHaveLength(1);
      expect(lengthOf(client)).toBe(3 * MIB);
    });

    test('close: nothing more is delivered, and the client’s own Close behind it ends the connection', async () => {
      for (const peer of ['stream', 'message'] as const) {
        const client = await waiting(concat(HELLO, PING, CLOSE, HELLO), peer);
        const before = client.payloads.length;
        client.connection.close(1001);
        expect(client.connection.state).toBe('closed');
        client.connection.resume();
        for (let i = 0; i < 10; i += 1) await turn();
        expect(client.payloads).toHaveLength(before);
        expect(client.outcome().slice(-2)).toEqual(['write 880203e9', 'closed server 1000']);
        expect(client.compression.connections).toBe(0);
      }
    });

    test('close: where nothing stands behind it, the client’s Close is waited for', async () => {
      const client = await waiting(HELLO);
      const before = client.payloads.length;
      client.connection.close(1001);
      expect(client.connection.state).toBe('closing');
      expect(client.connection.receivable).toBe(true);
      expect(receive(client.connection, concat(HELLO, PING))).toBe(true);
      for (let i = 0; i < 10; i += 1) await turn();
      expect(client.outcome().at(-1)).toBe('write 880203e9');
      receive(client.connection, CLOSE.slice());
      expect(client.outcome()).toEqual(['closed server 1000']);
      expect(client.payloads).toHaveLength(before);
    });

    test('close: the client’s bytes had ended', async () => {
      const client = await waiting(HELLO);
      client.connection.receiveEnd();
      client.connection.close(1001);
      expect(client.outcome().slice(-2)).toEqual(['write 880203e9', 'closed eof']);
    });

    test('fail: nothing more is delivered, and it ends at once', async () => {
      for (const peer of ['stream', 'message'] as const) {
        const client = await waiting(concat(HELLO, CLOSE), peer);
        client.connection.fail(new Fault('peer-failed'));
        const { length } = client.payloads;
        expect(client.take().at(-1)).toBe('closed fault peer-failed');
        client.connection.resume();
        receive(client.connection, HELLO.slice());
        for (let i = 0; i < 10; i += 1) await turn();
        expect(client.payloads).toHaveLength(length);
        expect(client.take()).toEqual([]);
      }
    });

    test('messages go out all the same', async () => {
      const client = await waiting(HELLO);
      client.connection.send(TEXT, utf8('Hello'), 0, 5);
      client.connection.ping();
      while (client.written.length < 2) await turn();
      expect(client.written.map(({ bytes }) => hexOf(bytes)).sort()).toEqual(['8900', 'c107f248cdc9c90700']);
      client.connection.fail(new Fault('peer-failed'));
    });
  });

  describe('from within onPayload', () => {
    const ways: readonly (readonly [string, (connection: Connection) => void, string])[] = [
      ['close', (connection) => connection.close(1001), 'closing'],
      ['fail', (connection) => connection.fail(new Fault('peer-failed')), 'closed'],
    ];
    test.for(ways)('%s: nothing more is delivered', async ([, end, state]) => {
      for (const peer of ['stream', 'message'] as const) {
        const client = open({ sync, peer, messageBytes: MIB });
        client.meanwhile.onPayload = () => {
          client.meanwhile = {};
          end(client.connection);
        };
        receive(client.connection, concat(bomb(300 * KIB), HELLO, PING));
        while (client.payloads.length === 0) await turn();
        await client.settled();
        for (let i = 0; i < 10; i += 1) await turn();
        expect(lengthOf(client)).toBe(peer === 'stream' ? 64 * KIB : 300 * KIB);
        expect(client.connection.state).toBe(state);
      }
    });

    test('close, by a peer that has enough: the client’s Close behind it is still heard', async () => {
      for (const peer of ['stream', 'message'] as const) {
        const client = open({ sync, peer, messageBytes: MIB });
        client.taking = false;
        client.meanwhile.onPayload = () => client.connection.close(1001);
        receive(client.connection, concat(bomb(300 * KIB), HELLO, CLOSE));
        await client.until('closed server 1000');
        expect(client.payloads).toHaveLength(1);
      }
    });

    test('receiveEnd: what is under way is still delivered, and then it ends', async () => {
      for (const slow of [true, false]) {
        const client = open({ sync, peer: 'stream' });
        client.taking = !slow;
        client.meanwhile.onPayload = () => {
          client.meanwhile = {};
          client.connection.receiveEnd();
        };
        receive(client.connection, bomb(300 * KIB));
        await client.until('closed eof');
        expect(lengthOf(client)).toBe(300 * KIB);
        expect(client.endings).toHaveLength(1);
      }
    });

    test('an exception ends the connection as a fault', async () => {
      const client = open({ sync, peer: 'stream' });
      client.meanwhile.onPayload = () => {
        throw new Error('from the handler');
      };
      await client.feed(bomb(100 * KIB));
      expect(client.endings).toMatchObject([
        { by: 'fault', fault: { code: 'internal', details: { message: 'from the handler' } } },
      ]);
    });
  });

  describe('what is sent', () => {
    test('is deflated from the threshold on', async () => {
      const client = open({ sync });
      client.connection.send(TEXT, utf8('Hi'), 0, 2);
      client.connection.send(TEXT, utf8('Hello'), 0, 5);
      while (!client.connection.sendable) await turn();
      expect(client.written.map(({ bytes }) => hexOf(bytes)).join('')).toBe('81024869c107f248cdc9c90700');
    });

    test('a message that waits makes send answer false, and sendable is told once', async () => {
      const client = open({ sync });
      const bytes = someBytes(new Random(1), 100_000);
      expect(client.connection.sendable).toBe(true);
      expect(client.connection.send(BINARY, bytes, 0, bytes.length)).toBe(false);
      expect(client.connection.send(TEXT, utf8('Hi'), 0, 2)).toBe(false);
      expect(client.connection.sendable).toBe(false);
      expect(client.take()).toEqual([]);
      await client.until('sendable');
      expect(client.connection.send(TEXT, utf8('Hi'), 0, 2)).toBe(true);
      expect(client.take().filter((line) => line === 'sendable')).toHaveLength(1);
      const frames = serverFrames(
        client.written.flatMap(({ bytes, more }) => (more ? [bytes, more] : [bytes])),
      );
      expect(frames.map(({ opcode }) => opcode)).toEqual([BINARY, TEXT, TEXT]);
      expect(inflateAll([frames[0]!.payload]).equals(bytes)).toBe(true);
    });

    test('a Close waits for it; the client’s own answers it, and the end comes behind all writes', async () => {
      const client = open({ sync });
      const bytes = someBytes(new Random(1), 100_000);
      client.connection.send(BINARY, bytes, 0, bytes.length);
      client.connection.close(1001);
      expect(client.connection.state).toBe('closing');
      expect(client.connection.send(BINARY, bytes, 0, 10)).toBe(false);
      receive(client.connection, CLOSE.slice());
      expect(client.connection.state).toBe('closed');
      expect(client.take()).toEqual([]);
      expect(client.compression.connections).toBe(1);
      await client.until('closed server 1000');
      expect(client.compression.connections).toBe(0);
      const frames = serverFrames(
        client.written.flatMap(({ bytes, more }) => (more ? [bytes, more] : [bytes])),
      );
      expect(frames.map(({ opcode }) => opcode)).toEqual([BINARY, 8]);
      expect(client.take().at(-1)).toBe('closed server 1000');
    });

    test('the client’s Close is answered behind it, and a Ping before it', async () => {
      const client = open({ sync });
      const bytes = someBytes(new Random(1), 100_000);
      client.connection.send(BINARY, bytes, 0, bytes.length);
      receive(client.connection, concat(PING, CLOSE));
      expect(client.take()).toEqual(['write 8a0107']);
      await client.until('closed client 1000');
      const frames = serverFrames(
        client.written.flatMap(({ bytes, more }) => (more ? [bytes, more] : [bytes])),
      );
      expect(frames.map(({ opcode }) => opcode)).toEqual([10, BINARY, 8]);
    });

    test('the end of the client’s bytes ends it behind that message', async () => {
      const client = open({ sync });
      const bytes = someBytes(new Random(1), 100_000);
      client.connection.send(BINARY, bytes, 0, bytes.length);
      client.connection.receiveEnd();
      client.connection.fail(new Fault('peer-failed'));
      await client.until('closed eof');
      expect(client.endings).toHaveLength(1);
    });
  });
});

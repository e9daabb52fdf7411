/** Messages that the built daemon sends compressed: RFC 7692 §6.1 and §7.2.1. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { Deflater, TAIL } from '../support/deflate.ts';
import { compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { Random, SEED } from '../support/randomness.ts';
import { BINARY, CLOSE, clientClose, clientFrame, PING, PONG, TEXT } from '../support/raw-client.ts';
import { expectRunning, expectStillEchoing } from '../support/still-serving.ts';
import { TcpPeer } from '../support/tcp-peer.ts';
import { pattern } from '../support/ws-wire.ts';

const MIB = 1_048_576;
const THRESHOLD = 100;

let both: Daemon;
let none: Daemon;
let server: Daemon;
let client: Daemon;
let small: Daemon;
let fast: Daemon;
let bridge: Daemon;
let peers: TcpPeer;

beforeAll(async () => {
  peers = await TcpPeer.listen();
  const options = ['--compression', 'on', '--compression-threshold', String(THRESHOLD)];
  const start = (...more: string[]) => startDaemon(['-c', 'host=echo://', ...options, ...more]);
  [both, none, server, client, small, fast, bridge] = await Promise.all([
    start(),
    start('--compression-takeover', 'none'),
    start('--compression-takeover', 'server'),
    start('--compression-takeover', 'client'),
    start('--compression-window-bits', '10'),
    start('--compression-level', '1'),
    startDaemon([
      '-c',
      `host=${peers.address}`,
      '-c',
      'framing=newline',
      '-c',
      'framing-config=lf',
      ...options,
    ]),
  ]);
});
afterAll(async () => {
  await Promise.all(
    [both, none, server, client, small, fast, bridge].map((daemon) => daemon?.stop('SIGKILL')),
  );
  await peers.close();
});

/** Sends each, not compressed, and reads the echoes, which must be compressed; returns the payloads' lengths. */
async function compressedLengths(opened: DeflateClient, ...messages: Buffer[]): Promise<number[]> {
  const lengths: number[] = [];
  for (const data of messages) {
    opened.send(clientFrame(BINARY, data));
    const { compressed, payload } = await opened.expectData(BINARY, data);
    expect(compressed, `a message of ${data.length} bytes is compressed`).toBe(true);
    lengths.push(payload.length);
  }
  return lengths;
}

describe.concurrent('a message', () => {
  test('§6.1: has RSV1 from the threshold on, and not below it', async () => {
    const opened = await DeflateClient.agree(both);
    for (const opcode of [TEXT, BINARY])
      for (const length of [0, 1, 5, THRESHOLD - 1, THRESHOLD, THRESHOLD + 1, 1_000, 70_000]) {
        const data = Buffer.alloc(length, 'a');
        opened.send(clientFrame(opcode, data));
        const { compressed, payload } = await opened.expectData(opcode, data);
        expect({ length, compressed }).toEqual({ length, compressed: length >= THRESHOLD });
        if (compressed) expect(payload.length).toBeLessThan(length);
      }
  });

  test('is measured in bytes, not in characters', async () => {
    const opened = await DeflateClient.agree(both);
    for (const [text, expected] of [
      ['é'.repeat(THRESHOLD / 2), true],
      ['é'.repeat(THRESHOLD / 2 - 1), false],
    ] as const) {
      opened.send(clientFrame(TEXT, text));
      expect((await opened.expectData(TEXT, text)).compressed).toBe(expected);
    }
  });

  test('is compressed whether or not it came so', async () => {
    const opened = await DeflateClient.agree(both);
    const data = Buffer.alloc(1_000, 'ab');
    const short = Buffer.from('short');
    const deflater = new Deflater();
    opened.send(compressedFrame(TEXT, deflater.message(data)), clientFrame(TEXT, data));
    opened.send(compressedFrame(TEXT, deflater.message(short)), clientFrame(TEXT, short));
    for (const expected of [data, data, short, short]) {
      const { compressed } = await opened.expectData(TEXT, expected);
      expect(compressed).toBe(expected === data);
    }
  });

  test('§7.2.1: ends without the four bytes of the flush', async () => {
    const opened = await DeflateClient.agree(both);
    const random = new Random(SEED);
    for (const length of [100, 101, 127, 128, 129, 1_000, 16_383, 16_384, 16_385, 65_536, 100_000]) {
      const data = random.bytes(length).map((byte) => 97 + (byte % 7)) as Buffer;
      opened.send(clientFrame(BINARY, data));
      // That it inflates at all shows that the tail belongs behind it; the reader puts it there.
      const { payload } = await opened.expectData(BINARY, data);
      expect(payload.subarray(-4).equals(TAIL), `TEST_SEED=${SEED}`).toBe(false);
    }
  });

  test('§7.2.1: has at least one byte of payload, even when there is nothing in it', async () => {
    const opened = await DeflateClient.agree(both);
    opened.send('c2 81 00000000 00', 'c1 81 00000000 00');
    for (const opcode of [BINARY, TEXT]) {
      // Below the threshold: hence not compressed, or as §7.2.3.6 has it. The reader refuses RSV1 without a byte.
      await opened.expectData(opcode, '');
    }
  });

  test.each([0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 3 * MIB, 16 * MIB])(
    'of %i bytes comes back, random or regular',
    async (length) => {
      const opened = await DeflateClient.agree(both);
      opened.send(clientFrame(BINARY, pattern(length)));
      await opened.expectData(BINARY, pattern(length));
      if (length > 3 * MIB) return;
      const data = new Random(SEED).bytes(length);
      opened.send(clientFrame(BINARY, data));
      await opened.expectData(BINARY, data);
      // And the window behind it is what it should be.
      opened.send(clientFrame(BINARY, data.subarray(-1_000)));
      await opened.expectData(BINARY, data.subarray(-1_000));
    },
  );

  test('at level 1 comes back as well, from more bytes than at level 6', async () => {
    const text = readFileSync(new URL(import.meta.url));
    const [slow] = await compressedLengths(await DeflateClient.agree(both), text);
    const [quick] = await compressedLengths(await DeflateClient.agree(fast), text);
    expect(quick).toBeGreaterThan(slow!);
  });

  test('of a stream peer is compressed in the same way', async () => {
    const opened = await DeflateClient.agree(bridge);
    const peer = await peers.accept();
    const lines = [1, 98, 99, 100, 101, 5_000, 3, 200_000].map((length) => `${'x'.repeat(length)}\n`);
    for (const line of lines) peer.write(line);
    for (const line of lines) {
      const { compressed } = await opened.expectData(TEXT, line);
      expect(compressed).toBe(line.length >= THRESHOLD);
    }
    peer.end();
    expect((await opened.readClose()).code).toBe(1000);
  });
});

describe.concurrent('a control frame', () => {
  // The reader fails any test that sees RSV1 on one (§6).
  test('has no RSV1, and its payload as it is', async () => {
    const opened = await DeflateClient.agree(both);
    const payload = Buffer.alloc(125, 'a');
    opened.send(clientFrame(PING, payload));
    expect(await opened.readFrame()).toMatchObject({ opcode: PONG, rsv1: false, payload });
    opened.send(clientClose(4000, 'a'.repeat(123)));
    expect(await opened.readFrame()).toMatchObject({ opcode: CLOSE, rsv1: false });
  });

  test('has none amid compressed messages', async () => {
    const opened = await DeflateClient.agree(both);
    const data = Buffer.alloc(50_000, 'abc');
    for (let i = 0; i < 10; i += 1)
      opened.send(clientFrame(BINARY, data), clientFrame(PING, Buffer.alloc(125, 'p')));
    for (let i = 0; i < 10; i += 1) await opened.expectData(BINARY, data);
    await opened.readPongs(10);
    for (const pong of opened.pongs) expect(pong.toString()).toBe('p'.repeat(125));
  });
});

describe.concurrent('the window of the server (§7.1.1.1)', () => {
  const part = () => new Random(SEED).bytes(2_000);

  test.each(['both', 'server'] as const)('is kept with --compression-takeover %s', async (takeover) => {
    const opened = await DeflateClient.agree({ both, server }[takeover]);
    expect(opened.agreement).toMatchObject({ serverNoContextTakeover: false });
    const [first, second, third] = await compressedLengths(opened, part(), part(), part());
    expect(first, `TEST_SEED=${SEED}`).toBeGreaterThanOrEqual(2_000);
    expect(second, `TEST_SEED=${SEED}`).toBeLessThan(200);
    expect(third, `TEST_SEED=${SEED}`).toBeLessThan(200);
  });

  test.each(['none', 'client'] as const)('is empty with --compression-takeover %s', async (takeover) => {
    const opened = await DeflateClient.agree({ none, client }[takeover]);
    expect(opened.agreement).toMatchObject({ serverNoContextTakeover: true });
    // The reader inflates each on its own.
    const [first, second] = await compressedLengths(opened, part(), part());
    expect(second, `TEST_SEED=${SEED}`).toBe(first);
  });

  test('is empty for each message where the client offered server_no_context_takeover', async () => {
    const opened = await DeflateClient.agree(both, 'permessage-deflate; server_no_context_takeover');
    const [first, second] = await compressedLengths(opened, part(), part());
    expect(second, `TEST_SEED=${SEED}`).toBe(first);
  });

  test('holds no more than what was compressed', async () => {
    const opened = await DeflateClient.agree(both);
    const long = new Random(SEED).bytes(1_000);
    const short = long.subarray(0, THRESHOLD - 1);
    for (const data of [short, long, short, long, short, long.subarray(0, 500)]) {
      opened.send(clientFrame(BINARY, data));
      await opened.expectData(BINARY, data);
    }
  });

  test('does not mix with the window of the client', async () => {
    const opened = await DeflateClient.agree(both);
    const deflater = new Deflater();
    const random = new Random(SEED);
    const repeated = random.bytes(500);
    for (let i = 0; i < 20; i += 1) {
      const data = Buffer.concat([random.bytes(random.int(0, 3_000)), repeated]);
      opened.send(i % 2 === 0 ? clientFrame(BINARY, data) : compressedFrame(BINARY, deflater.message(data)));
      await opened.expectData(BINARY, data);
    }
  });
});

describe.concurrent('the size of the window of the server (§7.1.2.1)', () => {
  /** Repeats nearer and farther than the window, inside one message and across messages. */
  async function expectWithin(opened: DeflateClient, bits: number): Promise<void> {
    const random = new Random(SEED);
    const [part, size] = [random.bytes(300), 2 ** bits];
    const gaps = [0, size >> 1, size, 3 * size].map((length) => random.bytes(length));
    const messages = [
      ...gaps.map((gap) => Buffer.concat([part, gap, part])),
      ...gaps.flatMap((gap) => [Buffer.concat([gap, Buffer.alloc(THRESHOLD)]), part]),
    ];
    // The reader inflates with the window that was agreed, and throws for a distance beyond it.
    await compressedLengths(opened, ...messages);
  }

  test.each([8, 9, 10, 11, 12, 13, 14, 15])(
    'is at most what the client offered: server_max_window_bits=%i',
    async (bits) => {
      const opened = await DeflateClient.offer(both, `permessage-deflate; server_max_window_bits=${bits}`);
      if (bits === 8 && opened.agreement === undefined) return; // may be declined
      expect(opened.agreement?.serverMaxWindowBits).toBeLessThanOrEqual(bits);
      await expectWithin(opened, opened.agreement!.serverMaxWindowBits!);
    },
  );

  test('is at most what the client offered, without takeover', async () => {
    const opened = await DeflateClient.agree(none, 'permessage-deflate; server_max_window_bits=9');
    expect(opened.agreement?.serverMaxWindowBits).toBeLessThanOrEqual(9);
    await expectWithin(opened, opened.agreement!.serverMaxWindowBits!);
  });

  test('is at most what --compression-window-bits says', async () => {
    const opened = await DeflateClient.agree(small, 'permessage-deflate; client_max_window_bits');
    expect(opened.agreement?.serverMaxWindowBits).toBeLessThanOrEqual(10);
    await expectWithin(opened, opened.agreement!.serverMaxWindowBits!);
  });

  test('is at most what the client offered below --compression-window-bits', async () => {
    const offer = 'permessage-deflate; client_max_window_bits; server_max_window_bits=9';
    const opened = await DeflateClient.agree(small, offer);
    expect(opened.agreement?.serverMaxWindowBits).toBeLessThanOrEqual(9);
    await expectWithin(opened, opened.agreement!.serverMaxWindowBits!);
  });

  test('is the whole 32,768 bytes, where nobody limits it', async () => {
    const opened = await DeflateClient.agree(both);
    const random = new Random(SEED);
    const repeated = random.bytes(1_000);
    const [, , again] = await compressedLengths(opened, repeated, random.bytes(30_000), repeated);
    expect(again, `TEST_SEED=${SEED}`).toBeLessThan(200);
  });
});

test('echoes of several clients at once keep to the windows of each', async () => {
  await Promise.all(
    Array.from({ length: 20 }, async (_, id) => {
      const opened = await DeflateClient.agree(both);
      const random = new Random(SEED + id);
      const repeated = random.bytes(400);
      const sent = Array.from({ length: 20 }, () =>
        Buffer.concat([repeated, random.bytes(random.int(0, 2_000)), repeated]),
      );
      opened.send(...sent.map((data) => clientFrame(BINARY, data)), clientClose(1000));
      for (const data of sent) await opened.expectData(BINARY, data);
      await opened.expectCloseEcho(1000);
    }),
  );
});

test('at the end the daemons run and echo', async () => {
  for (const daemon of [both, none, server, client, small, fast]) await expectStillEchoing(daemon);
  await expectRunning(bridge);
});

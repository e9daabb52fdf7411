/** One client, one TCP peer, and the daemon between them: what passes, and how each end reaches the other side. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ByteStream } from '../support/byte-stream.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { byteByByte, Random, randomCuts, SEED } from '../support/randomness.ts';
import {
  BINARY,
  CLOSE,
  clientClose,
  clientFrame,
  hex,
  PING,
  PONG,
  RawClient,
  request,
  TEXT,
} from '../support/raw-client.ts';
import { expectRunning } from '../support/still-serving.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

const MIB = 1_048_576;

let server: TcpPeer;
let daemon: Daemon;
let binaryServer: TcpPeer;
let binaryDaemon: Daemon;

beforeAll(async () => {
  [server, binaryServer] = await Promise.all([TcpPeer.listen(), TcpPeer.listen()]);
  [daemon, binaryDaemon] = await Promise.all([
    startDaemon(['-c', `host=${server.address}`]),
    startDaemon(['-c', `host=${binaryServer.address}`, '-c', 'framing=binary']),
  ]);
});

afterAll(async () => {
  await Promise.all([daemon, binaryDaemon].map((each) => each?.stop('SIGKILL')));
  await Promise.all([server, binaryServer].map((each) => each?.close()));
});

// A test that failed before it took its peer must not leave it to the next one.
beforeEach(() => {
  server.forget();
  binaryServer.forget();
});

/** A client and the peer's end of its connection. The tests here run one by one, so the next peer is this client's. */
async function bridge(): Promise<{ client: RawClient; peer: ByteStream }> {
  const client = await RawClient.open(daemon);
  return { client, peer: await server.accept() };
}

/** Another client and its peer, exchanging so many messages that a stalled connection has come to a halt meanwhile. */
async function passBothWays(rounds: number): Promise<void> {
  const { client, peer } = await bridge();
  for (let i = 0; i < rounds; i++) {
    const payload = Buffer.alloc(10_000, i);
    client.send(clientFrame(BINARY, payload));
    expect((await peer.take(payload.length)).equals(payload)).toBe(true);
    peer.write(payload);
    expect((await collect(client, payload.length)).bytes.equals(payload)).toBe(true);
  }
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
}

/** Bytes that repeat with no period near a power of two. */
function pattern(length: number): Buffer {
  return Buffer.alloc(length, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Payloads of data frames, put together until there are this many bytes. */
async function collect(client: RawClient, length: number): Promise<{ bytes: Buffer; types: Set<number> }> {
  const parts: Buffer[] = [];
  const types = new Set<number>();
  let total = 0;
  while (total < length) {
    const { opcode, payload, fin } = await client.readFrame();
    expect([TEXT, BINARY]).toContain(opcode);
    expect(fin).toBe(true);
    types.add(opcode);
    parts.push(payload);
    total += payload.length;
  }
  expect(total).toBe(length);
  return { bytes: Buffer.concat(parts), types };
}

describe('from the client to the peer', () => {
  test('text goes as its bytes', async () => {
    const { client, peer } = await bridge();
    client.send('81 85 37fa213d 7f9f4d5158');
    expect((await peer.take(5)).toString()).toBe('Hello');
  });

  test('binary goes as its bytes', async () => {
    const { client, peer } = await bridge();
    client.send('82 84 00000000 00ff80c0');
    expect(await peer.take(4)).toEqual(hex('00ff80c0'));
  });

  test('messages follow one another with nothing between them, empty ones leave no trace', async () => {
    const { client, peer } = await bridge();
    client.send(
      '81 81 00000000 61',
      '82 80 00000000',
      '82 81 00000000 62',
      '81 80 00000000',
      '81 81 00000000 63',
    );
    expect((await peer.take(3)).toString()).toBe('abc');
  });

  test('frames in the same write as the request arrive', async () => {
    const client = await RawClient.connect(daemon);
    client.send(request(), '81 85 37fa213d 7f9f4d5158', '82 81 00000000 21');
    const peer = await server.accept();
    expect((await peer.take(6)).toString()).toBe('Hello!');
    await client.expectAccepted();
  });

  test('the request and its frames may come byte by byte', async () => {
    const client = await RawClient.connect(daemon);
    await client.sendPieces(byteByByte(Buffer.concat([request(), hex('81 85 37fa213d 7f9f4d5158')])));
    const peer = await server.accept();
    expect((await peer.take(5)).toString()).toBe('Hello');
    await client.expectAccepted();
  });

  test('fragments go on before the message ends', async () => {
    const { client, peer } = await bridge();
    client.send('01 83 00000000 48656c');
    expect((await peer.take(3)).toString()).toBe('Hel');
    client.send('80 82 00000000 6c6f');
    expect((await peer.take(2)).toString()).toBe('lo');
  });

  test('the bytes of a frame go on before the frame ends', async () => {
    const { client, peer } = await bridge();
    client.send('82 fe 03e8 00000000 48656c'); // 1,000 bytes announced, 3 sent
    expect((await peer.take(3)).toString()).toBe('Hel');
    client.send(Buffer.from('lo'));
    expect((await peer.take(2)).toString()).toBe('lo');
  });

  test.each([
    ['2^40 bytes', '82 ff 0000010000000000 00000000'],
    ['2^53 - 1 bytes', '82 ff 001fffffffffffff 00000000'],
  ])('a frame of %s is begun like any other', async (_, header) => {
    const { client, peer } = await bridge();
    client.send(header, '48656c6c6f');
    expect((await peer.take(5)).toString()).toBe('Hello');
    client.stream.destroy();
  });

  test('a message of 17 MiB passes, since there is no limit', async () => {
    const { client, peer } = await bridge();
    const payload = pattern(17 * MIB);
    client.send(clientFrame(BINARY, payload));
    expect(digest(await peer.take(payload.length))).toBe(digest(payload));
    client.send('81 81 00000000 61');
    expect((await peer.take(1)).toString()).toBe('a');
  });

  test('a message of 17 MiB in many fragments passes, with pings between them', async () => {
    const { client, peer } = await bridge();
    const fragment = pattern(MIB);
    for (let i = 0; i < 17; i++) {
      client.send(clientFrame(i === 0 ? BINARY : 0, fragment, { fin: i === 16 }), clientFrame(PING, `${i}`));
    }
    const all = await peer.take(17 * MIB);
    for (let i = 0; i < 17; i++) expect(all.subarray(i * MIB, (i + 1) * MIB).equals(fragment)).toBe(true);
    for (let i = 0; i < 17; i++) await client.expectPong(`${i}`);
  });

  test('pings are answered and do not reach the peer, nor do pongs', async () => {
    const { client, peer } = await bridge();
    client.send('01 81 00000000 61', '89 82 00000000 6869', '8a 82 00000000 686f', '80 81 00000000 62');
    await client.expectPong('hi');
    expect((await peer.take(2)).toString()).toBe('ab');
    client.send('88 82 00000000 03e8');
    await peer.expectEnd();
  });

  test.each(Array.from({ length: 10 }, (_, i) => SEED + i))(
    'random messages in random cuts arrive in order (TEST_SEED=%i)',
    async (seed) => {
      const random = new Random(seed);
      const { client, peer } = await bridge();
      const payloads = Array.from({ length: random.int(1, 30) }, () =>
        random.bytes(random.pick([0, 1, 7, 125, 126, 2_000, 70_000])),
      );
      const frames = payloads.map((payload, i) =>
        clientFrame(i === 0 ? BINARY : 0, payload, { fin: i === payloads.length - 1, mask: random.bytes(4) }),
      );
      const all = Buffer.concat(frames);
      const writing = client.sendPieces(randomCuts(all, random.int(1, 30), random));
      const expected = Buffer.concat(payloads);
      expect((await peer.take(expected.length)).equals(expected)).toBe(true);
      await writing;
    },
  );

  test('a peer that does not read for a while loses nothing, and holds up nobody else', async () => {
    const { client, peer } = await bridge();
    peer.socket.pause();
    const payload = pattern(32 * MIB);
    client.send(clientFrame(BINARY, payload), clientClose(1000));
    await passBothWays(50);
    peer.socket.resume();
    expect(digest(await peer.take(payload.length))).toBe(digest(payload));
    await peer.expectEnd();
    await client.expectCloseEcho(1000);
  });
});

describe('from the peer to the client', () => {
  test('what is UTF-8 comes as text', async () => {
    const { client, peer } = await bridge();
    peer.write('Hello');
    await client.expectMessage(TEXT, 'Hello');
    peer.write(Buffer.from('κόσμε 😀'));
    await client.expectMessage(TEXT, 'κόσμε 😀');
  });

  test('what is not UTF-8 comes as binary', async () => {
    const { client, peer } = await bridge();
    for (const bytes of ['ff', 'c080', 'eda080', 'f4908080', '61c3']) {
      peer.write(hex(bytes));
      await client.expectMessage(BINARY, hex(bytes));
    }
  });

  test('the type is decided anew for each read', async () => {
    const { client, peer } = await bridge();
    for (const [bytes, opcode] of [
      ['ff', BINARY],
      ['61', TEXT],
      ['e282', BINARY],
      ['ac', BINARY],
      ['e282ac', TEXT],
      ['00', TEXT],
    ] as const) {
      peer.write(hex(bytes));
      await client.expectMessage(opcode, hex(bytes));
    }
  });

  test('what the peer says at once follows the 101', async () => {
    const client = await RawClient.connect(daemon);
    client.send(request());
    const peer = await server.accept();
    peer.write('220 ready\r\n');
    await client.expectAccepted();
    await client.expectMessage(TEXT, '220 ready\r\n');
  });

  test('a mebibyte of ASCII is text in every frame', async () => {
    const { client, peer } = await bridge();
    const all = Buffer.alloc(MIB, 'the quick brown fox; ');
    peer.write(all);
    const { bytes, types } = await collect(client, all.length);
    expect(bytes.equals(all)).toBe(true);
    expect([...types]).toEqual([TEXT]);
  });

  test('a mebibyte of FF is binary in every frame', async () => {
    const { client, peer } = await bridge();
    const all = Buffer.alloc(MIB, 0xff);
    peer.write(all);
    const { bytes, types } = await collect(client, all.length);
    expect(bytes.equals(all)).toBe(true);
    expect([...types]).toEqual([BINARY]);
  });

  test('text frames hold whole characters, however the reads fall', async () => {
    const { client, peer } = await bridge();
    const all = Buffer.from('😀€é'.repeat(30_000));
    peer.write(all);
    const parts: Buffer[] = [];
    for (let total = 0; total < all.length; ) {
      const { opcode, payload } = await client.readFrame();
      // Fails on half a character in a text frame (§5.6).
      if (opcode === TEXT) new TextDecoder('utf-8', { fatal: true }).decode(payload);
      parts.push(payload);
      total += payload.length;
    }
    expect(Buffer.concat(parts).equals(all)).toBe(true);
  });

  test('a client that does not read for a while loses nothing, and holds up nobody else', async () => {
    const { client, peer } = await bridge();
    client.stream.socket.pause();
    const all = pattern(32 * MIB);
    peer.write(all);
    peer.end();
    await passBothWays(50);
    client.stream.socket.resume();
    const { bytes } = await collect(client, all.length);
    expect(digest(bytes)).toBe(digest(all));
    await client.expectClosedByServer(1000);
  });

  test('both ways at once, each in its order', async () => {
    const { client, peer } = await bridge();
    const [up, down] = [pattern(4 * MIB), pattern(4 * MIB).reverse()];
    for (let at = 0; at < up.length; at += 65_536)
      client.send(clientFrame(BINARY, up.subarray(at, at + 65_536)));
    peer.write(down);
    const [arrived, { bytes }] = await Promise.all([peer.take(up.length), collect(client, down.length)]);
    expect(digest(arrived)).toBe(digest(up));
    expect(digest(bytes)).toBe(digest(down));
  });

  test('framing=binary makes all of it binary', async () => {
    const client = await RawClient.open(binaryDaemon);
    const peer = await binaryServer.accept();
    for (const bytes of ['48656c6c6f', 'ff', '524642203030332e3030380a']) {
      peer.write(hex(bytes));
      await client.expectMessage(BINARY, hex(bytes));
    }
    client.send('81 85 37fa213d 7f9f4d5158');
    expect((await peer.take(5)).toString()).toBe('Hello');
  });
});

describe('the end of the peer', () => {
  test('in order is a Close 1000 (§7.4.1)', async () => {
    const { client, peer } = await bridge();
    peer.end();
    await client.expectClosedByServer(1000);
  });

  test('comes behind everything that the peer has said', async () => {
    const { client, peer } = await bridge();
    peer.write('bye');
    peer.end();
    await client.expectMessage(TEXT, 'bye');
    await client.expectClosedByServer(1000);
  });

  test('comes behind 4 MiB and half a character', async () => {
    const { client, peer } = await bridge();
    const all = Buffer.concat([pattern(4 * MIB), hex('e282')]);
    peer.write(all);
    peer.end();
    const { bytes } = await collect(client, all.length);
    expect(digest(bytes)).toBe(digest(all));
    await client.expectClosedByServer(1000);
  });

  test('right behind its accept comes behind the 101', async () => {
    const client = await RawClient.connect(daemon);
    client.send(request());
    (await server.accept()).end();
    await client.expectAccepted();
    await client.expectClosedByServer(1000);
  });

  test('by a reset is a Close 1011', async () => {
    const { client, peer } = await bridge();
    peer.reset();
    await client.expectClosedByServer(1011);
  });

  test('by a reset in the middle of a message from the client is a Close 1011', async () => {
    const { client, peer } = await bridge();
    client.send('01 83 00000000 48656c');
    await peer.take(3);
    peer.reset();
    await client.expectClosedByServer(1011);
  });

  test('leaves what the client says behind the Close unanswered', async () => {
    const { client, peer } = await bridge();
    peer.end();
    expect((await client.readClose()).code).toBe(1000);
    client.send('89 80 37fa213d', '81 81 00000000 61', '88 82 00000000 03e8');
    await client.stream.expectEnd();
  });
});

describe('the end of the client', () => {
  test('by a Close is echoed, and the peer gets a FIN', async () => {
    const { client, peer } = await bridge();
    client.send('88 82 00000000 03e9');
    await client.expectCloseEcho(1001);
    await peer.expectEnd();
  });

  test('by an empty Close is answered by an empty Close, and the peer gets a FIN', async () => {
    const { client, peer } = await bridge();
    client.send('88 80 37fa213d');
    await client.expectCloseEcho(undefined);
    await peer.expectEnd();
  });

  test('by a Close comes to the peer behind what the client has sent', async () => {
    const { client, peer } = await bridge();
    const payload = pattern(4 * MIB);
    client.send(clientFrame(BINARY, payload), '81 83 00000000 627965', '88 82 00000000 03e8');
    expect(digest(await peer.take(payload.length))).toBe(digest(payload));
    expect((await peer.take(3)).toString()).toBe('bye');
    await peer.expectEnd();
    await client.expectCloseEcho(1000);
  });

  test('by a Close in the same write as the request reaches the peer, too', async () => {
    const client = await RawClient.connect(daemon);
    client.send(request(), '81 81 00000000 61', '88 82 00000000 03e8');
    const peer = await server.accept();
    expect((await peer.take(1)).toString()).toBe('a');
    await peer.expectEnd();
    await client.expectAccepted();
    await client.expectCloseEcho(1000);
  });

  test('by a Close is echoed though the peer never ends its side', async () => {
    const { client, peer } = await bridge();
    client.send('88 82 00000000 03e8');
    await client.expectCloseEcho(1000);
    expect(peer.socket.writableEnded).toBe(false);
  });

  test('by FIN alone ends the peer', async () => {
    const { client, peer } = await bridge();
    client.send('81 81 00000000 61');
    client.stream.end();
    expect((await peer.rest()).toString()).toBe('a');
  });

  test('by a reset ends the peer', async () => {
    const { client, peer } = await bridge();
    client.stream.reset();
    await peer.rest();
  });

  test('in the middle of a frame ends the peer', async () => {
    const { client, peer } = await bridge();
    client.send('82 fe 03e8 00000000 48656c');
    expect((await peer.take(3)).toString()).toBe('Hel');
    client.stream.end();
    await peer.rest();
  });
});

describe('a client that breaks a rule', () => {
  test.each([
    ['a frame that is not masked', '81 05 48656c6c6f', 1002],
    ['a reserved opcode', '83 80 37fa213d', 1002],
    ['a length that is not minimal', '82 fe 0005 00000000 48656c6c6f', 1002],
    ['a 64-bit length with its top bit set', '82 ff 8000000000000000 00000000', 1002],
    ['a frame of 2^53 bytes', '82 ff 0020000000000000 00000000', 1009],
    ['a frame of 2^63 - 1 bytes', '82 ff 7fffffffffffffff 00000000', 1009],
    ['a Close of one byte', '88 81 00000000 03', 1002],
    ['text that is not UTF-8', '81 81 00000000 ff', 1007],
  ])('by %s is failed, and its peer is ended without any of it', async (_, bytes, code) => {
    const { client, peer } = await bridge();
    client.send(bytes, '81 85 37fa213d 7f9f4d5158');
    await client.expectFailed(code);
    expect((await peer.rest()).toString('latin1')).toBe('');
  });

  test('by text that turns bad has its peer see at most what was good', async () => {
    const { client, peer } = await bridge();
    client.send('01 81 00000000 61');
    expect((await peer.take(1)).toString()).toBe('a');
    client.send('80 83 00000000 62ff63');
    await client.expectFailed(1007);
    expect(['', 'b']).toContain((await peer.rest()).toString('latin1'));
  });

  test('has its peer see the good message before', async () => {
    const { client, peer } = await bridge();
    client.send('81 81 00000000 61', '83 80 37fa213d');
    await client.expectFailed(1002);
    expect((await peer.rest()).toString()).toBe('a');
  });

  test('by text is failed at the first wrong byte of a frame that never ends', async () => {
    const { client } = await bridge();
    client.send('81 ff 0000010000000000 00000000 6162c0');
    await client.expectFailed(1007);
  });
});

describe.concurrent('keepalive with -k 1', () => {
  test('sends a ping after a second without a byte, and keeps who answers (§5.5.2)', async () => {
    await using alive = await startDaemon(['-k', '1', '-c', 'host=echo://']);
    let quietSince = performance.now();
    const client = await RawClient.open(alive);
    for (let round = 0; round < 2; round++) {
      const { opcode, payload } = await client.readFrame();
      expect(opcode).toBe(PING);
      // Timers may be a little early by another clock, but never by much.
      expect(performance.now() - quietSince).toBeGreaterThan(900);
      quietSince = performance.now();
      client.send(clientFrame(PONG, payload));
    }
    await client.expectOpen();
  });

  test('drops a client that says nothing to its ping, and ends its peer', async () => {
    const quietServer = await TcpPeer.listen();
    await using quiet = await startDaemon(['-k', '1', '-c', `host=${quietServer.address}`]);
    const start = performance.now();
    const client = await RawClient.open(quiet);
    const peer = await quietServer.accept();
    expect((await client.readFrame()).opcode).toBe(PING);
    await peer.rest();
    expect(performance.now() - start).toBeGreaterThan(1_800);
    await client.stream.rest();
    await expectRunning(quiet);
    await quietServer.close();
  });
});

describe('SIGTERM', () => {
  test('is a Close 1001 behind what the peer has said, and the end of the peer', async () => {
    const otherServer = await TcpPeer.listen();
    await using stopping = await startDaemon(['-c', `host=${otherServer.address}`]);
    const client = await RawClient.open(stopping);
    const peer = await otherServer.accept();
    peer.write('last words');
    await client.expectMessage(TEXT, 'last words');
    client.send('81 85 37fa213d 7f9f4d5158');
    expect((await peer.take(5)).toString()).toBe('Hello');
    const exit = stopping.stop('SIGTERM');
    const { opcode, payload } = await client.readFrame();
    expect(opcode).toBe(CLOSE);
    expect(payload.readUInt16BE()).toBe(1001);
    client.send('88 82 00000000 03e9');
    await client.expectEndAndLeave();
    await peer.rest();
    peer.end();
    expect(await exit).toBe(0);
    await otherServer.close();
  });
});

test('at the end the daemons run and pass bytes both ways', async () => {
  for (const [each, own] of [
    [daemon, server],
    [binaryDaemon, binaryServer],
  ] as const) {
    await expectRunning(each);
    const client = await RawClient.open(each);
    const peer = await own.accept();
    client.send('81 85 37fa213d 7f9f4d5158');
    expect((await peer.take(5)).toString()).toBe('Hello');
    peer.write(hex('ff'));
    await client.expectMessage(BINARY, hex('ff'));
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await expectRunning(each);
  }
});

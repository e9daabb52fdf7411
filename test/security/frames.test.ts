/**
 * Published weaknesses in how WebSocket implementations read frames: lengths that overflow, memory for what was only
 * announced, a price for each small fragment, answers that pile up, memory that was never written to.
 * docs/security.md names the advisories.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { serve } from '../support/in-process.ts';
import {
  BINARY,
  CLOSE,
  clientFrame,
  hex,
  PING,
  PONG,
  RawClient,
  SAMPLE_MASK,
  TEXT,
} from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';
import { TcpPeer } from '../support/tcp-peer.ts';
import { MIB, pattern } from '../support/ws-wire.ts';
import { withinMemory } from './daemon-memory.ts';

let echo: Daemon;
let bridge: Daemon;
let peers: TcpPeer;
beforeAll(async () => {
  peers = await TcpPeer.listen();
  [echo, bridge] = await Promise.all([
    startDaemon(['-c', 'host=echo://']),
    startDaemon(['-c', `host=${peers.address}`, '-c', 'framing=binary']),
  ]);
});
afterAll(async () => {
  await Promise.all([echo, bridge].map((daemon) => daemon?.stop('SIGKILL')));
  await peers.close();
});

/** What a client without an end of its own would be told of: it takes all that is sent, and never answers. */
function fragments(count: number, payload: string): Buffer {
  const first = clientFrame(BINARY, payload, { fin: false });
  const next = clientFrame(0, payload, { fin: false });
  return Buffer.concat([first, Buffer.alloc((count - 1) * next.length, next)]);
}

describe('a length that no frame can have', () => {
  test.each([
    ['2^64 - 1', 'ffffffffffffffff', 1002],
    ['2^63', '8000000000000000', 1002],
    ['2^63 - 1', '7fffffffffffffff', 1009],
    ['2^62', '4000000000000000', 1009],
    ['2^53', '0020000000000000', 1009],
    ['2^32', '0000000100000000', 1009],
    ['one byte over the limit of a message', '0000000001000001', 1009],
  ])('%s fails the connection', async (_, length, code) => {
    const client = await RawClient.open(echo);
    client.send(`82 ff ${length} 37fa213d 00`);
    await client.expectFailed(code);
    client.stream.end();
  });

  test('of a control frame fails the connection before anything is kept for it', async () => {
    const client = await RawClient.open(echo);
    client.send('89 ff 7fffffffffffffff 37fa213d');
    await client.expectFailed(1002);
    client.stream.end();
  });

  test('fails the connection when only the sum of the fragments is too large', async () => {
    const client = await RawClient.open(echo);
    client.send('02 81 00000000 00', '00 ff 0000000001000000 00000000');
    await client.expectFailed(1009);
    client.stream.end();
  });

  test('that a stream may have is carried byte by byte as it comes', async () => {
    const client = await RawClient.open(bridge);
    const peer = await peers.accept();
    client.send('82 ff 001fffffffffffff 00000000', Buffer.from('as it comes'));
    expect((await peer.take(11)).toString()).toBe('as it comes');
    client.stream.end();
    await peer.expectEnd();
    peer.end();
  });
});

test('a length that is announced takes no memory until its bytes come', async () => {
  const served = await serve({ peer: 'echo://' });
  const clients = await Promise.all(Array.from({ length: 50 }, () => served.open()));
  const before = process.memoryUsage().arrayBuffers;
  for (const client of clients) client.send('82 ff 0000000001000000 00000000', Buffer.from('x'));
  // What is sent behind it is a part of the payload: that it has come shows in what the sockets have read.
  await Promise.all(
    clients.map(async (client) => {
      const socket = served.socketTo(client);
      while (socket.bytesRead < client.stream.socket.bytesWritten)
        await new Promise((resolve) => setImmediate(resolve));
    }),
  );
  // 50 times 16 MiB have been announced.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MIB);
  for (const client of clients) client.stream.destroy();
});

describe('a message in a million pieces', () => {
  const COUNT = 1_000_000;

  test.each([
    ['of one byte', 'x'],
    ['of nothing', ''],
  ])('%s, and no end, takes no memory for each of them', async (_, payload) => {
    const client = await RawClient.open(echo);
    await withinMemory(echo, async () => {
      client.send(fragments(COUNT, payload));
      await client.expectOpen();
    });
    client.send(clientFrame(0, 'end'));
    const { opcode, payload: message } = await client.readFrame();
    expect(opcode).toBe(BINARY);
    expect(message.equals(Buffer.from(`${payload.repeat(COUNT)}end`))).toBe(true);
    client.stream.end();
  });

  test('is a stream to a peer that takes streams', async () => {
    const client = await RawClient.open(bridge);
    const peer = await peers.accept();
    await withinMemory(bridge, async () => {
      client.send(fragments(COUNT, 'x'));
      expect((await peer.take(COUNT)).equals(Buffer.alloc(COUNT, 'x'))).toBe(true);
    });
    client.stream.end();
    await peer.expectEnd();
    peer.end();
  });

  test('a million messages of nothing come back, and none is kept', async () => {
    const client = await RawClient.open(echo);
    const [frame, answer] = [clientFrame(TEXT, ''), hex('81 00')];
    await withinMemory(echo, async () => {
      client.send(Buffer.alloc(COUNT * frame.length, frame));
      const echoed = await client.stream.take(COUNT * answer.length);
      expect(echoed.equals(Buffer.alloc(echoed.length, answer))).toBe(true);
    });
    client.stream.end();
  });
});

test('32 MiB of Pings from a client that does not read are answered by the latest', async () => {
  const client = await RawClient.open(echo);
  client.stream.socket.pause();
  const ping = clientFrame(PING, 'x'.repeat(125));
  await withinMemory(echo, async () => {
    const pings = Buffer.alloc(Math.floor(MIB / ping.length) * ping.length, ping);
    for (let i = 0; i < 32; i += 1) client.stream.write(pings);
    client.send(clientFrame(PING, 'the last one'));
    while (client.stream.socket.writableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    client.stream.socket.resume();
    let heard = 0;
    for (;;) {
      const { opcode, payload } = await client.readFrame();
      expect(opcode).toBe(PONG);
      if (payload.toString() === 'the last one') break;
      heard += payload.length;
    }
    // The system has kept some for the client, and the daemon none.
    expect(heard).toBeLessThan(16 * MIB);
  });
  client.stream.end();
});

describe('a Close full of garbage', () => {
  test.each([
    ['of one byte', '88 81 00000000 03', 1002],
    ['with the code 0', '88 82 00000000 0000', 1002],
    ['with a code that is never sent', '88 82 00000000 03ed', 1002],
    ['with a reason that is not UTF-8', '88 84 00000000 03e8 c328', 1007],
    ['with a reason of 123 bytes that are not UTF-8', `88 fd 00000000 03e8 ${'ff'.repeat(123)}`, 1007],
    ['of 126 bytes', `88 fe 007e 00000000 03e8 ${'61'.repeat(124)}`, 1002],
    ['in two pieces', '08 81 00000000 03', 1002],
    ['without a mask', '88 02 03e8', 1002],
  ])('%s fails the connection', async (_, close, code) => {
    const client = await RawClient.open(echo);
    client.send(close);
    await client.expectFailed(code);
    client.stream.end();
  });

  test('is answered by its code alone: the reason does not come back', async () => {
    const client = await RawClient.open(echo);
    client.send(clientFrame(CLOSE, Buffer.concat([hex('0fa0'), Buffer.from('reflected')])));
    expect(await client.readClose()).toEqual({ code: 4000, reason: '' });
    await client.stream.expectEnd();
    client.stream.end();
  });

  test('and frames behind it are not looked at', async () => {
    const client = await RawClient.open(echo);
    client.send('88 82 00000000 03e8', Buffer.alloc(MIB, clientFrame(TEXT, 'behind', { mask: SAMPLE_MASK })));
    await client.expectCloseEcho(1000);
    client.stream.destroy();
  });
});

describe('nothing leaves but what was put in', () => {
  test('each Ping of 0 to 125 bytes comes back as it was', async () => {
    const client = await RawClient.open(echo);
    for (let length = 0; length <= 125; length += 1) {
      const payload = pattern(length);
      client.send(clientFrame(PING, payload));
      await client.expectPong(payload);
    }
    client.stream.end();
  });

  test.each([0, 1, 125, 126, 127, 65_535, 65_536, 70_000])(
    'a message of %i bytes comes back as it was, and no byte more',
    async (length) => {
      const client = await RawClient.open(echo);
      client.send(clientFrame(BINARY, pattern(length)));
      await client.expectMessage(BINARY, pattern(length));
      await client.expectOpen();
      client.stream.end();
    },
  );

  test('the Ping that keeps a connection alive is empty', async () => {
    const served = await serve({ keepalive: 100 });
    const { client, peer } = await served.bridge();
    expect(await client.readFrame()).toMatchObject({ opcode: PING, payload: Buffer.alloc(0) });
    client.stream.end();
    peer.end();
  });
});

test('the daemons live, serve, and met nothing unforeseen', async () => {
  await expectStillEchoing(echo);
  expect(bridge.output()).not.toMatch(/\n\s+at \S/);
});

/**
 * The tail: what is queued, half framed or under compression when one side ends in order reaches the other side, whole
 * and in order, before its end does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, deflateRawSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CompressionOptions } from '../../src/rfc6455/permessage-deflate.ts';
import { compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { built, UdpPeer, UnixPeer } from '../support/dgram-peer.ts';
import { leave, type Pair, type Served, serve } from '../support/in-process.ts';
import { BINARY, CLOSE, clientClose, clientFrame, RawClient, request, TEXT } from '../support/raw-client.ts';
import { expectPattern, FLOOD, FLOOD_BYTES, MIB, pattern, readUntilClose } from '../support/ws-wire.ts';

describe('a Close of the client while both directions are full', () => {
  test('the peer gets all that the client sent, the client all that was read of the peer, then the ends', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    await served.fillClient(pair, FLOOD);
    client.send(clientClose(1000));
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1000);
    await client.stream.expectEnd();
    leave(pair);
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'client-closed', up: `${FLOOD_BYTES}` });
    expectPattern(bytes, Number(fields['down']));
    expect(fields).not.toHaveProperty('undelivered-up');
  });

  test('the same where the client reads first', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    await served.fillClient(pair, FLOOD);
    client.send(clientClose(1000));
    client.stream.socket.resume();
    // Its Close lies behind what the peer does not take: until then all of the peer's comes.
    const heard = readUntilClose(client);
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    const { bytes, close } = await heard;
    expect(close.code).toBe(1000);
    await client.stream.expectEnd();
    leave(pair);
    expectPattern(bytes, Number((await served.ended())['down']));
  });
});

test('a client that ends by FIN while data waits for it, and then resets: what it did not get is counted', async () => {
  const served = await serve();
  const pair = await served.bridge();
  const { client, peer } = pair;
  await served.fillClient(pair, FLOOD);
  client.stream.end();
  await peer.expectEnd();
  client.stream.reset();
  peer.end();
  const fields = await served.ended();
  expect(fields['why']).toBe('client-vanished');
  expect(Number(fields['undelivered-down'])).toBeGreaterThan(0);
});

describe('what a framing has not made a message of yet', () => {
  const FRAMINGS: readonly (readonly [string, string | undefined, string, string])[] = [
    ['newline', 'lf', 'whole\n', 'half'],
    ['separator', ';', 'whole;', 'half'],
    ['fixedlength', '5', 'whole', 'half'],
    ['dynamic32', 'offset=0,endian=big', '\0\0\0\x05whole', '\0\0\0\x05half'],
    ['json', undefined, '{"whole":1}', '{"half":'],
  ];

  async function framed([framing, framingConfig]: readonly [string, string | undefined, ...string[]]) {
    const served: Served = await serve({
      backend: { query: async () => ({ peer: served.peers.address, framing, framingConfig }) },
    });
    return { served, ...(await served.bridge()) };
  }

  test.each(FRAMINGS)('%s: is sent at the end of the peer, as a message of its own', async (...row) => {
    const { served, client, peer } = await framed(row);
    peer.write(row[2] + row[3]);
    peer.end();
    expect((await client.readFrame()).payload.toString()).toBe(row[2]);
    expect((await client.readFrame()).payload.toString()).toBe(row[3]);
    await client.expectClosedByServer(1000);
    client.stream.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'peer-closed', down: `${row[2].length + row[3].length}` });
    expect(fields).not.toHaveProperty('unframed');
  });

  test.each(FRAMINGS)('%s: is counted as unframed when the daemon stops', async (...row) => {
    const { served, client, peer } = await framed(row);
    peer.write(row[2] + row[3]);
    expect((await client.readFrame()).payload.toString()).toBe(row[2]);
    const stopped = served.daemon.stop();
    await client.expectClosedByServer(1001);
    await peer.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({
      why: 'stopping',
      down: `${row[2].length}`,
      unframed: `${row[3].length}`,
    });
    expect(served.daemon.counters['unframed']).toBe(row[3].length);
  });

  test.each<[string, string, (pair: Pair) => Promise<void>]>([
    [
      'the client closes',
      'client-closed',
      async ({ client }) => {
        client.send(clientClose(1000));
        await client.expectCloseEcho(1000);
      },
    ],
    [
      'the client ends',
      'client-vanished',
      async ({ client }) => {
        client.stream.end();
        await client.stream.expectEnd();
      },
    ],
    [
      'the peer resets',
      'peer-failed',
      async ({ client, peer }) => {
        peer.reset();
        await client.expectClosedByServer(1011);
      },
    ],
  ])('newline: is counted as unframed when %s', async (_, why, end) => {
    const { served, client, peer } = await framed(['newline', 'lf']);
    peer.write('whole\nhalf');
    await client.expectMessage(TEXT, 'whole\n');
    await end({ client, peer });
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why, down: '6', unframed: '4' });
  });
});

describe('under compression', () => {
  const COMPRESSION: CompressionOptions = {
    level: 6,
    windowBits: 15,
    serverTakeover: true,
    clientTakeover: true,
    threshold: 64,
    connections: 10,
  };

  interface Scene {
    readonly served: Served;
    readonly client: DeflateClient;
    readonly peer: Awaited<ReturnType<Served['peers']['accept']>>;
  }

  async function compressing(): Promise<Scene> {
    const served = await serve({ compression: COMPRESSION });
    const client = await DeflateClient.agree(served.daemon);
    onTestFinished(() => client.stream.destroy());
    return { served, client, peer: await served.peers.accept() };
  }

  /** RFC 7692 §7.2.1, one message without a context. */
  const deflate = (bytes: Uint8Array): Buffer =>
    deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

  /** All messages through the server's Close. */
  async function heard(client: DeflateClient): Promise<{ bytes: Buffer; code: number }> {
    const parts: Buffer[] = [];
    for (;;) {
      const { opcode, data } = await client.readMessageOrClose();
      if (opcode === CLOSE) return { bytes: Buffer.concat(parts), code: data.readUInt16BE() };
      parts.push(data);
    }
  }

  test('16 MiB of the client in one message, and its Close behind it: the peer gets all, then a FIN', async () => {
    const { served, client, peer } = await compressing();
    client.send(compressedFrame(BINARY, deflate(FLOOD)), clientClose(1000));
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.expectCloseEcho(1000);
    client.stream.end();
    peer.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'client-closed', up: `${FLOOD_BYTES}` });
    expect(fields).not.toHaveProperty('undelivered-up');
  });

  test('the same behind a peer that does not read at first, and with a FIN instead of the Close', async () => {
    const { served, client, peer } = await compressing();
    peer.socket.pause();
    client.send(compressedFrame(BINARY, deflate(FLOOD)));
    client.stream.end();
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.stream.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: `${FLOOD_BYTES}` });
  });

  test('16 MiB of the peer, and its FIN: the client gets all, then Close 1000', async () => {
    const { served, client, peer } = await compressing();
    peer.write(FLOOD);
    peer.end();
    const { bytes, code } = await heard(client);
    expect(code).toBe(1000);
    expectPattern(bytes, FLOOD_BYTES);
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    client.stream.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'peer-closed', down: `${FLOOD_BYTES}` });
    expect(fields).not.toHaveProperty('undelivered-down');
  });

  test('a Close of the client while 16 MiB of the peer are deflated: it gets all that was taken, then its Close', async () => {
    const { served, client, peer } = await compressing();
    peer.write(FLOOD);
    const first = (await client.readMessage()).data;
    client.send(clientClose(1000));
    const { bytes, code } = await heard(client);
    expect(code).toBe(1000);
    await client.stream.expectEnd();
    leave({ client, peer });
    const { down } = await served.ended();
    expectPattern(Buffer.concat([first, bytes]), Number(down));
  });

  test('3 MiB each way, and a Close of the client: both get all', async () => {
    const { served, client, peer } = await compressing();
    peer.write(pattern(3 * MIB));
    const parts: Buffer[] = [];
    for (let total = 0; total < 3 * MIB; total += parts.at(-1)!.length)
      parts.push((await client.readMessage()).data);
    expectPattern(Buffer.concat(parts), 3 * MIB);
    client.send(compressedFrame(BINARY, deflate(pattern(3 * MIB))), clientClose(1000));
    expectPattern(await peer.take(3 * MIB), 3 * MIB);
    await peer.expectEnd();
    await client.expectCloseEcho(1000);
    client.stream.end();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed', down: `${3 * MIB}` });
  });
});

describe('a peer of datagrams', () => {
  async function udp(): Promise<UdpPeer> {
    const peer = await UdpPeer.listen();
    onTestFinished(() => peer.close());
    return peer;
  }

  async function unix(): Promise<UnixPeer> {
    const folder = mkdtempSync(join(tmpdir(), 'ws-tail-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const peer = await UnixPeer.listen(join(folder, 'peer'));
    onTestFinished(() => peer.close());
    return peer;
  }

  const KINDS: readonly (readonly [string, () => Promise<UdpPeer | UnixPeer>])[] = built
    ? [
        ['udp', udp],
        ['unix-dgram', unix],
      ]
    : [['udp', udp]];

  const MESSAGES = Array.from({ length: 40 }, (_, i) => `message ${i} `.padEnd(1_000, '.'));
  const WIRE = MESSAGES.map((text) => clientFrame(TEXT, text));

  describe.each(KINDS)('of %s', (_kind, bind) => {
    test.each<[string, string, (client: RawClient) => Promise<void>]>([
      [
        'its Close',
        'client-closed',
        async (client) => {
          client.send(...WIRE, clientClose(1000));
          await client.expectCloseEcho(1000);
        },
      ],
      [
        'a FIN',
        'client-vanished',
        async (client) => {
          client.send(...WIRE);
          client.stream.end();
          await client.stream.expectEnd();
        },
      ],
      [
        'a frame that breaks a rule',
        'mask-missing',
        async (client) => {
          client.send(...WIRE, '81 01 61');
          await client.expectFailed(1002);
        },
      ],
    ])('gets all that the client sent before %s', async (_how, why, end) => {
      const peer = await bind();
      const served = await serve({ peer: peer.address });
      const client = await served.open();
      if (peer instanceof UnixPeer) await peer.hold();
      await end(client);
      if (peer instanceof UnixPeer) await peer.goOn();
      const came = await peer.takeMany(MESSAGES.length);
      expect(came.map(({ bytes }) => bytes.toString())).toEqual(MESSAGES);
      client.stream.end();
      const fields = await served.ended();
      expect(fields).toMatchObject({ why });
      expect(fields).not.toHaveProperty('undelivered-up');
    });

    test('gets no part of a message that the client never finished: that is counted', async () => {
      const peer = await bind();
      const served = await serve({ peer: peer.address });
      const client = await served.open();
      client.send(clientFrame(TEXT, 'whole'), clientFrame(TEXT, 'half', { fin: false }));
      client.stream.end();
      expect((await peer.take()).bytes.toString()).toBe('whole');
      await client.stream.expectEnd();
      expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '5', 'undelivered-up': '4' });
      expect(peer.all).toHaveLength(1);
    });
  });
});

test('without a peer to wait for, an echo of 8 MiB comes back whole before the Close', async () => {
  const served = await serve({ peer: 'echo://' });
  const client = await RawClient.connect(served.daemon);
  onTestFinished(() => client.stream.destroy());
  client.send(request());
  await client.expectAccepted();
  client.send(clientFrame(BINARY, pattern(8 * MIB)), clientClose(1000));
  const { bytes, close } = await readUntilClose(client);
  expectPattern(bytes, 8 * MIB);
  expect(close.code).toBe(1000);
  await client.stream.expectEnd();
  client.stream.end();
  expect(await served.ended()).toMatchObject({ why: 'client-closed', up: `${8 * MIB}`, down: `${8 * MIB}` });
});

/**
 * Ends of connections while messages are being inflated or deflated: what was sent before an end arrives before it, as
 * it does without compression (RFC 6455 §1.4 and §7), by the built daemon.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { ByteStream } from '../support/byte-stream.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { Deflater } from '../support/deflate.ts';
import { compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { stable } from '../support/in-process.ts';
import { Random, SEED } from '../support/randomness.ts';
import { BINARY, CLOSE, clientClose, TEXT } from '../support/raw-client.ts';
import { expectRunning, expectStillEchoing } from '../support/still-serving.ts';
import { TcpPeer } from '../support/tcp-peer.ts';
import { MIB, pattern } from '../support/ws-wire.ts';

/** More than the kernel takes for two connections whose reader sleeps. */
const DATA = pattern(24 * MIB);
const FRAME = compressedFrame(BINARY, new Deflater().message(DATA));
/** As much that does not deflate, since its period is beyond the window. */
const RANDOM = Buffer.alloc(24 * MIB, new Random(SEED).bytes(251 * 1_024));

let echo: Daemon;
let bridge: Daemon;
let peers: TcpPeer;

beforeAll(async () => {
  peers = await TcpPeer.listen();
  [echo, bridge] = await Promise.all([
    startDaemon(['-c', 'host=echo://', '--compression', 'on']),
    startDaemon(['-c', `host=${peers.address}`, '-c', 'framing=binary', '--compression', 'on']),
  ]);
});
afterAll(async () => {
  await Promise.all([echo, bridge].map((daemon) => daemon?.stop('SIGKILL')));
  await peers.close();
});

async function bridged(daemon = bridge): Promise<{ client: DeflateClient; peer: ByteStream }> {
  const client = await DeflateClient.agree(daemon);
  const peer = await peers.accept();
  onTestFinished(() => {
    client.stream.destroy();
    peer.destroy();
  });
  return { client, peer };
}

/** Exactly these bytes, then the end, which is orderly. */
async function expectThenEnd(peer: ByteStream, data: Buffer): Promise<void> {
  const bytes = await peer.take(data.length);
  expect(bytes.equals(data), 'every byte is in its place').toBe(true);
  await peer.expectEnd();
}

/** Reads messages until the Close; returns their data side by side, and the Close's code. */
async function readUntilClose(client: DeflateClient): Promise<{ data: Buffer; code: number }> {
  const parts: Buffer[] = [];
  for (;;) {
    const message = await client.readMessageOrClose();
    if (message.opcode === CLOSE) return { data: Buffer.concat(parts), code: message.data.readUInt16BE() };
    parts.push(message.data);
  }
}

function expectPrefix(data: Buffer, whole: Buffer): void {
  expect(data.equals(whole.subarray(0, data.length)), 'every byte is in its place').toBe(true);
}

describe('behind a compressed message that inflates to 24 MiB, all of which the peer gets,', () => {
  const ends: [string, (client: DeflateClient) => void, number | undefined][] = [
    ['a Close is answered', (client) => client.send(clientClose(1000)), 1000],
    ['a FIN is a FIN', (client) => client.stream.end(), undefined],
    ['a frame without a mask is 1002', (client) => client.send('81 00'), 1002],
    ['RSV1 on a Ping is 1002', (client) => client.send('c9 80 00000000'), 1002],
    ['a message that is corrupt is 1007', (client) => client.send('c2 81 00000000 07'), 1007],
    ['text that is not UTF-8 is 1007', (client) => client.send('c1 87 00000000 000100feffff00'), 1007],
  ];
  test.each(ends)('%s', async (_, end, code) => {
    const { client, peer } = await bridged();
    client.send(FRAME);
    end(client);
    await expectThenEnd(peer, DATA);
    if (code !== undefined) expect((await client.readClose()).code).toBe(code);
    await client.stream.expectEnd();
  });

  test.each(ends)('though it waits for the peer: %s', async (_, end, code) => {
    const { client, peer } = await bridged();
    peer.socket.pause();
    client.send(FRAME);
    end(client);
    await stable(() => client.stream.socket.writableLength);
    peer.socket.resume();
    await expectThenEnd(peer, DATA);
    peer.end();
    if (code !== undefined) expect((await client.readClose()).code).toBe(code);
    await client.stream.expectEnd();
  });
});

describe('a client that goes away', () => {
  test('by FIN within a compressed message: the peer gets what it had said, then a FIN', async () => {
    const { client, peer } = await bridged();
    client.send(compressedFrame(BINARY, new Deflater().blocks(Buffer.from('hello')), { fin: false }));
    client.stream.end();
    await expectThenEnd(peer, Buffer.from('hello'));
    await client.stream.expectEnd();
  });

  test('by a reset behind a compressed message: the peer gets a part of it or all, and no reset', async () => {
    const { client, peer } = await bridged();
    client.send(FRAME);
    expectPrefix(await peer.take(1_000), DATA);
    client.stream.reset();
    const rest = await peer.rest();
    expect(peer.ending).toBe('FIN');
    expectPrefix(rest, DATA.subarray(1_000));
  });

  test('by FIN behind messages on echo://: it gets their echoes, then a FIN', async () => {
    const client = await DeflateClient.agree(echo);
    const deflater = new Deflater();
    const data = pattern(2 * MIB);
    for (let i = 0; i < 3; i += 1) client.send(compressedFrame(BINARY, deflater.message(data)));
    client.stream.end();
    for (let i = 0; i < 3; i += 1) await client.expectData(BINARY, data);
    await client.stream.expectEnd();
  });
});

describe('a peer that ends', () => {
  test('behind 24 MiB to deflate: the client gets all of them, then 1000', async () => {
    const { client, peer } = await bridged();
    peer.write(DATA);
    peer.end();
    const { data, code } = await readUntilClose(client);
    expect(data.equals(DATA)).toBe(true);
    expect(code).toBe(1000);
  });

  test('behind a byte: the client gets it, then 1000', async () => {
    const { client, peer } = await bridged();
    peer.write('x');
    peer.end();
    await client.expectData(BINARY, 'x');
    await client.expectClosedByServer(1000);
  });
});

describe('while messages that were deflated wait for the client,', () => {
  test('its Close is answered behind those that had been read from the peer', async () => {
    const { client, peer } = await bridged();
    client.stream.socket.pause();
    peer.write(RANDOM);
    await stable(() => peer.socket.writableLength);
    client.send(clientClose(1000));
    client.stream.socket.resume();
    const { data, code } = await readUntilClose(client);
    expectPrefix(data, RANDOM);
    expect(data.length).toBeGreaterThan(0);
    expect(code).toBe(1000);
    await client.stream.expectEnd();
  });

  test('its broken rule is failed behind those that had been read from the peer', async () => {
    const { client, peer } = await bridged();
    client.stream.socket.pause();
    peer.write(RANDOM);
    await stable(() => peer.socket.writableLength);
    client.send('c2 81 00000000 07');
    client.stream.socket.resume();
    const { data, code } = await readUntilClose(client);
    expectPrefix(data, RANDOM);
    expect(code).toBe(1007);
    await client.stream.expectEnd();
  });
});

describe('a daemon that is stopped', () => {
  test('ends its messages, then sends 1001, then exits', async () => {
    await using daemon = await startDaemon([
      ...['-c', `host=${peers.address}`, '-c', 'framing=binary', '--compression', 'on'],
    ]);
    const { client, peer } = await bridged(daemon);
    peer.write(RANDOM);
    const first = await client.readMessage();
    const stopped = daemon.stop('SIGTERM');
    const { data, code } = await readUntilClose(client);
    expectPrefix(Buffer.concat([first.data, data]), RANDOM);
    expect(code).toBe(1001);
    client.send(clientClose(1001));
    await client.expectEndAndLeave();
    peer.end();
    expect(await stopped).toBe(0);
  });

  test('with a client that has sent half of a compressed message: 1001, and it exits', async () => {
    await using daemon = await startDaemon(['-c', 'host=echo://', '--compression', 'on']);
    const client = await DeflateClient.agree(daemon);
    client.send('c1 87 00000000 f248cdc9c90700', '41 83 00000000 f248cd');
    await client.expectData(TEXT, 'Hello');
    const stopped = daemon.stop('SIGTERM');
    await client.expectClosedByServer(1001);
    client.stream.end();
    expect(await stopped).toBe(0);
  });
});

test('at the end the daemons run and echo', async () => {
  await expectStillEchoing(echo);
  await expectRunning(bridge);
});

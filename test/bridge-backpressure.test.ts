/**
 * A side that takes no more stops the other one from being read: what is queued for either has a ceiling, nothing is
 * lost when it goes on, nobody else is held up, and a side that never goes on is ended.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { HIGH_WATER } from '../src/transports/stream.ts';
import type { ByteStream } from './support/byte-stream.ts';
import { leave, type Pair, type Served, serve, stable, unsent, until } from './support/in-process.ts';
import { FramingFolder } from './support/peer.ts';
import { BINARY, clientClose, clientFrame, PING, PONG, RawClient, TEXT } from './support/raw-client.ts';
import {
  expectPattern,
  FLOOD,
  FLOOD_BYTES,
  framedFlood,
  frames,
  MIB,
  pattern,
  readBytes,
  readUntilClose,
} from './support/ws-wire.ts';

const framings = new FramingFolder();
afterAll(() => framings.remove());

/** What may wait in a socket of the daemon's: up to the mark, and the read that went over it, with its headers. */
const CEILING = HIGH_WATER + 2 * 65_536;

/** Two messages there and back over another connection, as it looks to a neighbour. */
async function expectServes(served: Served): Promise<void> {
  const { client, peer } = await served.bridge();
  for (let round = 0; round < 2; round += 1) {
    client.send(clientFrame(TEXT, 'marco'));
    expect((await peer.take(5)).toString()).toBe('marco');
    peer.write('polo');
    await client.expectMessage(TEXT, 'polo');
  }
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  leave({ client, peer });
}

/** Reads a little at a time, so that the sender stops and goes on again and again. */
function sip({ socket }: ByteStream, bytes = 1, pause = 0): void {
  let had = 0;
  socket.on('data', (chunk) => {
    had += chunk.length;
    if (had < bytes) return;
    had = 0;
    socket.pause();
    void (pause === 0 ? turn() : sleep(pause)).then(() => socket.resume());
  });
  socket.resume();
}

describe('a peer that does not read', () => {
  test('stops the client from being read, within a ceiling, and then gets every byte in order', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillPeer(pair);
    expect(unsent(served.socketToPeer(pair.peer))).toBeLessThanOrEqual(CEILING);
    await expectServes(served);
    pair.peer.socket.resume();
    expectPattern(await pair.peer.take(FLOOD_BYTES), FLOOD_BYTES);
    pair.client.send(clientFrame(TEXT, 'more'));
    expect((await pair.peer.take(4)).toString()).toBe('more');
  });

  test('is still heard: what it says goes to the client', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillPeer(pair);
    pair.peer.write('hello');
    await pair.client.expectMessage(TEXT, 'hello');
  });

  test('may read in sips', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillPeer(pair);
    sip(pair.peer);
    expectPattern(await pair.peer.take(FLOOD_BYTES), FLOOD_BYTES);
  });
});

describe('a client that does not read', () => {
  test('stops the peer from being read, within a ceiling, and then gets every byte in order', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    expect(unsent(served.socketTo(pair.client))).toBeLessThanOrEqual(CEILING);
    await expectServes(served);
    pair.client.stream.socket.resume();
    expectPattern((await readBytes(pair.client, FLOOD_BYTES)).bytes, FLOOD_BYTES);
    pair.peer.write('more');
    await pair.client.expectMessage(TEXT, 'more');
  });

  test('is still heard: what it says goes to the peer', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    pair.client.send(clientFrame(TEXT, 'hello'));
    expect((await pair.peer.take(5)).toString()).toBe('hello');
  });

  test('may read in sips', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    sip(pair.client.stream);
    expectPattern((await readBytes(pair.client, FLOOD_BYTES)).bytes, FLOOD_BYTES);
  });

  test('gets messages that are too large to be copied in order, too', async () => {
    const body = 'const need = 300000; if (end - start >= need) return need; return ended ? end - start : 0;';
    const served = await serve({ framing: framings.write('large', body) });
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    expect(unsent(served.socketTo(pair.client))).toBeLessThanOrEqual(CEILING + 600_000);
    pair.peer.end();
    sip(pair.client.stream);
    const { bytes, messages, close } = await readUntilClose(pair.client);
    expectPattern(bytes, FLOOD_BYTES);
    expect(messages).toBe(Math.ceil(FLOOD_BYTES / 300_000));
    expect(close.code).toBe(1000);
  });

  test('of an echo is not read from either', async () => {
    const served = await serve({ peer: 'echo://' });
    const client = await served.open();
    client.stream.socket.pause();
    client.send(framedFlood());
    const socket = served.socketTo(client);
    await until('a full client', () => unsent(socket) > 0 && socket.isPaused());
    expect(await stable(() => socket.bytesRead)).toBeLessThan(framedFlood().length);
    expect(unsent(socket)).toBeLessThanOrEqual(CEILING);
    client.stream.socket.resume();
    expectPattern((await readBytes(client, FLOOD_BYTES)).bytes, FLOOD_BYTES);
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
  });

  test('and sends Pings without end fills no memory, and gets the Pong of the latest', async () => {
    const served = await serve();
    const client = await served.open();
    client.stream.socket.pause();
    const socket = served.socketTo(client);
    const ping = (i: number) => clientFrame(PING, String(i).padStart(125, '.'));
    const count = 120_000;
    const pings = Buffer.concat(Array.from({ length: count }, (_, i) => ping(i)));
    client.send(pings);
    let most = 0;
    await until('the last Ping', () => {
      most = Math.max(most, unsent(socket));
      return socket.bytesRead >= pings.length;
    });
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(CEILING);
    client.stream.socket.resume();
    let last = -1;
    while (last < count - 1) {
      const { opcode, payload } = await client.readFrame();
      expect(opcode).toBe(PONG);
      const number = Number(payload.toString().replace(/^\.+/, ''));
      if (number <= last) throw new Error(`the Pong of Ping ${number} behind that of ${last}`);
      last = number;
    }
    await client.expectOpen();
  });
});

describe('neither side reads', () => {
  test('both stop, and both get everything when they go on', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    await served.fillPeer(pair);
    client.stream.socket.resume();
    peer.socket.resume();
    const [up, down] = await Promise.all([peer.take(FLOOD_BYTES), readBytes(client, FLOOD_BYTES)]);
    expectPattern(up, FLOOD_BYTES);
    expectPattern(down.bytes, FLOOD_BYTES);
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
  });

  test('ten connections of that kind hold up no other, and mix nothing up', async () => {
    const served = await serve();
    const stalled: Pair[] = [];
    for (let i = 0; i < 10; i += 1) {
      const pair = await served.bridge();
      pair.client.stream.socket.pause();
      pair.peer.socket.pause();
      pair.client.send(frames(Buffer.alloc(MIB, i)));
      pair.peer.write(Buffer.alloc(MIB, 0x80 | i));
      stalled.push(pair);
    }
    await expectServes(served);
    for (const [i, { client, peer }] of stalled.entries()) {
      client.stream.socket.resume();
      peer.socket.resume();
      expect((await peer.take(MIB)).equals(Buffer.alloc(MIB, i))).toBe(true);
      expect((await readBytes(client, MIB)).bytes.equals(Buffer.alloc(MIB, 0x80 | i))).toBe(true);
    }
  });
});

describe('a side that stands still for the stall timeout', () => {
  test('is cut if it is the peer; the client gets Close 1013', async () => {
    const served = await serve({ limits: { stallTimeout: 500 } });
    const pair = await served.bridge();
    await served.fillPeer(pair);
    expect(await pair.client.readClose()).toEqual({ code: 1013, reason: 'peer takes no more data' });
    pair.client.send(clientClose(1013));
    await pair.client.stream.expectEnd();
    pair.client.stream.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'peer-stalled' });
    expect(Number(fields['undelivered-up'])).toBeGreaterThan(0);
    expect(served.daemon.connections).toBe(0);
  });

  test('is cut if it is the peer; the client gets what waits for it before the Close 1013', async () => {
    const served = await serve({ limits: { stallTimeout: 1_500 } });
    const pair = await served.bridge();
    await served.fillPeer(pair);
    pair.peer.write(pattern(3 * MIB));
    const { bytes, close } = await readUntilClose(pair.client);
    expectPattern(bytes, 3 * MIB);
    expect(close.code).toBe(1013);
  });

  test('is cut if it is the client; the peer gets what was queued, then a FIN', async () => {
    const served = await serve({ limits: { stallTimeout: 500 } });
    const pair = await served.bridge();
    pair.client.send(clientFrame(BINARY, Buffer.from('hello')));
    await served.fillClient(pair, FLOOD);
    expect((await pair.peer.take(5)).toString()).toBe('hello');
    await pair.peer.expectEnd();
    pair.peer.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'client-stalled', up: '5' });
    expect(Number(fields['undelivered-down'])).toBeGreaterThan(0);
    pair.client.stream.socket.resume();
    await pair.client.stream.rest();
  });

  test('is cut if it is a client that was told to close', async () => {
    const served = await serve({ limits: { stallTimeout: 500 } });
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    pair.client.send(clientClose(1000));
    await pair.peer.expectEnd();
    pair.peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
  });

  test('is not cut while it takes a little now and then', async () => {
    const served = await serve({ limits: { stallTimeout: 1_000 } });
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    // About three times the timeout for all of it.
    sip(pair.client.stream, MIB / 2, 100);
    expectPattern((await readBytes(pair.client, FLOOD_BYTES)).bytes, FLOOD_BYTES);
    expect(served.lines.join('')).not.toMatch(/closed/);
  });
});

describe('a side that does not answer', () => {
  test('our Close is cut if it is the client', async () => {
    const served = await serve({ limits: { closeTimeout: 300 } });
    const { client, peer } = await served.bridge();
    peer.end();
    expect((await client.readClose()).code).toBe(1000);
    await client.stream.rest();
    expect(await served.ended()).toMatchObject({ why: 'peer-closed' });
  });

  test('our Close is cut if it is a client that talks without end', async () => {
    const served = await serve({ limits: { closeTimeout: 300 } });
    const { client, peer } = await served.bridge();
    const talk = setInterval(() => client.send(clientFrame(BINARY, Buffer.alloc(1_000))), 20);
    peer.socket.resume();
    peer.end();
    expect((await served.ended())['why']).toBe('peer-closed');
    clearInterval(talk);
  });

  test('our FIN is cut if it is the client', async () => {
    const served = await serve({ limits: { closeTimeout: 300 } });
    const { client, peer } = await served.bridge();
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
    expect(client.stream.socket.writableEnded).toBe(false);
  });

  test('our FIN is cut if it is the peer', async () => {
    const served = await serve({ limits: { closeTimeout: 300 } });
    const { client, peer } = await served.bridge();
    client.send(clientFrame(TEXT, 'bye'), clientClose(1000));
    await client.expectCloseEcho(1000);
    client.stream.end();
    expect((await peer.take(3)).toString()).toBe('bye');
    await peer.expectEnd();
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
    expect(peer.socket.writableEnded).toBe(false);
  });

  test('our FIN is cut if it is a peer that talks without end', async () => {
    const served = await serve({ limits: { closeTimeout: 300 } });
    const { client, peer } = await served.bridge();
    const talk = setInterval(() => peer.write(Buffer.alloc(1_000)), 20);
    client.send(clientClose(1000));
    expect((await readUntilClose(client)).close.code).toBe(1000);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
    clearInterval(talk);
  });

  test('an HTTP error is cut if it is the client', async () => {
    const served = await serve({ backend: { query: async () => null }, limits: { closeTimeout: 300 } });
    const client = await served.connect();
    client.stream.write('GET / HTTP/1.0\r\n\r\n');
    await client.expectRefused(400);
    expect(await served.ended()).toMatchObject({ why: 'version-http', status: '400' });
    expect(client).toBeInstanceOf(RawClient);
  });
});

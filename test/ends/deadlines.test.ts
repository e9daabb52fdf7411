/**
 * `idle-time` and `life-time` end a connection both of whose sides are well: what the client has sent until its Close is
 * delivered, however long its peer takes within the time to close; what the peer sends behind our Close is counted.
 */
import { describe, expect, test } from 'vitest';
import { UdpPeer } from '../support/dgram-peer.ts';
import { leave, serve, stable, until } from '../support/in-process.ts';
import { BINARY, clientClose, clientFrame, TEXT } from '../support/raw-client.ts';
import {
  expectPattern,
  FLOOD,
  FLOOD_BYTES,
  framedFlood,
  frames,
  MIB,
  pattern,
  readUntilClose,
} from '../support/ws-wire.ts';

const DEADLINES = [
  ['idle-timeout', { idleTimeout: 300 }],
  ['life-timeout', { lifeTimeout: 300 }],
] as const;

describe.each(DEADLINES)('%s', (why, limits) => {
  test('what the client sends between our Close and its own is delivered; the peer gets a FIN behind it', async () => {
    const served = await serve({ limits });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    client.send(frames(pattern(3 * MIB)), clientClose(1008));
    expectPattern(await peer.take(3 * MIB), 3 * MIB);
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    const fields = await served.ended();
    expect(fields).toMatchObject({ why, up: `${3 * MIB}` });
    expect(fields).not.toHaveProperty('undelivered-up');
  });

  test('a Ping behind our Close is not answered, and nothing else is', async () => {
    const served = await serve({ limits });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    client.send('89 80 00000000', clientFrame(TEXT, 'x'), '89 80 00000000', clientClose(1008));
    expect((await peer.take(1)).toString()).toBe('x');
    // RawClient fails at whatever follows a Close.
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why });
  });

  test('a client that ends by FIN instead of its Close: the same', async () => {
    const served = await serve({ limits });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientFrame(TEXT, 'last'));
    client.stream.end();
    expect((await peer.take(4)).toString()).toBe('last');
    await peer.expectEnd();
    await client.stream.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why, up: '4' });
  });

  test('a client that breaks a rule behind our Close: what was valid is delivered, then both get a FIN', async () => {
    const served = await serve({ limits });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientFrame(TEXT, 'valid'), '81 01 61');
    expect((await peer.take(5)).toString()).toBe('valid');
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why, up: '5' });
  });

  test('a client that never answers is cut after the time to close; its peer gets what came, and a FIN', async () => {
    const served = await serve({ limits: { ...limits, closeTimeout: 500 } });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientFrame(TEXT, 'last'));
    expect((await peer.take(4)).toString()).toBe('last');
    await peer.expectEnd();
    peer.end();
    await client.stream.rest();
    expect(await served.ended()).toMatchObject({ why });
  });

  test('what the peer says behind our Close goes nowhere, and keeps nothing from its end', async () => {
    const served = await serve({ limits });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    peer.write('too late');
    client.send(clientFrame(TEXT, 'last'), clientClose(1008));
    expect((await peer.take(4)).toString()).toBe('last');
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why, down: '0', up: '4' });
  });

  test('a peer that resets behind our Close: the client’s own Close ends it all the same', async () => {
    const served = await serve({ limits });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    peer.reset();
    client.send(clientFrame(BINARY, 'nobody gets this'), clientClose(1008));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why });
  });
});

describe('life-timeout', () => {
  test('while 16 MiB wait for the peer: it gets all of them when it reads again, then a FIN', async () => {
    const served = await serve({ limits: { lifeTimeout: 1_000, closeTimeout: 60_000 } });
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientClose(1008));
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave(pair);
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'life-timeout', up: `${FLOOD_BYTES}` });
    expect(fields).not.toHaveProperty('undelivered-up');
  });

  test('while data waits for the client: it gets what was taken before, then the Close', async () => {
    const served = await serve({ limits: { lifeTimeout: 1_000, closeTimeout: 60_000 } });
    const pair = await served.bridge();
    const { client, peer } = pair;
    client.stream.socket.pause();
    peer.write(FLOOD);
    // Whoever came later is told later.
    const witness = await served.open();
    expect((await witness.readClose()).code).toBe(1008);
    witness.stream.destroy();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1008);
    client.send(clientClose(1008));
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave(pair);
    const { down } = await served.ended();
    expectPattern(bytes, Number(down));
    expect(bytes.length).toBeLessThan(FLOOD_BYTES);
  });

  test('while both directions are full: the peer gets all, the client what was taken before', async () => {
    const served = await serve({ limits: { lifeTimeout: 1_000, closeTimeout: 60_000 } });
    const pair = await served.bridge();
    const { client, peer } = pair;
    client.stream.socket.pause();
    peer.socket.pause();
    client.send(framedFlood());
    peer.write(FLOOD);
    const source = served.socketToPeer(peer);
    await until('all of the peer to be read', () => source.bytesRead === FLOOD_BYTES);
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1008);
    client.send(clientClose(1008));
    await stable(() => served.socketTo(client).bytesRead);
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave(pair);
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'life-timeout', up: `${FLOOD_BYTES}` });
    expectPattern(bytes, Number(fields['down']));
    expect(Number(fields['down']) + Number(fields['late'])).toBe(FLOOD_BYTES);
  });

  test('while a peer takes nothing and is given up: what it did not get is counted', async () => {
    const served = await serve({ limits: { lifeTimeout: 1_000, closeTimeout: 1_000, stallTimeout: 2_000 } });
    const { client, peer } = await served.bridge();
    peer.socket.pause();
    client.send(framedFlood());
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientClose(1008));
    await client.stream.rest();
    const fields = await served.ended();
    expect(fields['why']).toBe('life-timeout');
    expect(Number(fields['undelivered-up'])).toBeGreaterThan(0);
    peer.socket.resume();
    const got = await peer.rest();
    expectPattern(got);
    // A write of which the system has taken a part counts whole: nothing is missing from the count.
    expect(got.length + Number(fields['undelivered-up'])).toBeGreaterThanOrEqual(Number(fields['up']));
    expect(got.length).toBeLessThan(Number(fields['up']));
  });

  test('while a peer takes nothing: the client waits for twice the time to close, then the peer gets what was taken', async () => {
    const served = await serve({ limits: { lifeTimeout: 1_000, closeTimeout: 500 } });
    const { client, peer } = await served.bridge();
    peer.socket.pause();
    client.send(framedFlood());
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientClose(1008));
    // The stall timeout is 5 minutes.
    await client.stream.rest();
    peer.socket.resume();
    const got = await peer.rest();
    expect(peer.ending).toBe('FIN');
    peer.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'life-timeout', up: `${got.length}` });
    expect(fields).not.toHaveProperty('undelivered-up');
    expectPattern(got);
    expect(got.length).toBeLessThan(FLOOD_BYTES);
  });

  test('and then the peer ends its side: what the client sends until its Close is delivered all the same', async () => {
    const served = await serve({ limits: { lifeTimeout: 300 } });
    const { client, peer } = await served.bridge();
    expect((await client.readClose()).code).toBe(1008);
    peer.end();
    client.send(frames(pattern(MIB)), clientClose(1008));
    expectPattern(await peer.take(MIB), MIB);
    await peer.expectEnd();
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'life-timeout', up: `${MIB}` });
  });

  test('with a peer of datagrams: it gets each message until the client’s Close', async () => {
    const udp = await UdpPeer.listen();
    const served = await serve({ peer: udp.address, limits: { lifeTimeout: 300 } });
    const client = await served.open();
    expect((await client.readClose()).code).toBe(1008);
    const messages = Array.from({ length: 20 }, (_, i) => `late ${i}`);
    client.send(...messages.map((text) => clientFrame(TEXT, text)), clientClose(1008));
    const came = await udp.takeMany(messages.length);
    expect(came.map(({ bytes }) => bytes.toString())).toEqual(messages);
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'life-timeout' });
    udp.close();
  });
});

/**
 * A client that ends before its peer is reached. Where it has sent frames already they are delivered, and then its end;
 * where it has not, or has reset the connection, nobody is dialled for it any more.
 */
import { describe, expect, test } from 'vitest';
import { UdpPeer } from '../support/dgram-peer.ts';
import { HeldLookup } from '../support/held-lookup.ts';
import { type Served, serve, stable, unsent, until } from '../support/in-process.ts';
import { BINARY, clientClose, clientFrame, type RawClient, request, TEXT } from '../support/raw-client.ts';
import { expectPattern, FLOOD_BYTES, framedFlood } from '../support/ws-wire.ts';

interface Scene {
  readonly served: Served;
  readonly client: RawClient;
  readonly lookup: HeldLookup;
}

/** A client that has sent its request and `early`, all of which the daemon has read, while the look-up hangs. */
async function dialling(...early: readonly Uint8Array[]): Promise<Scene> {
  const lookup = new HeldLookup();
  const served: Served = await serve({
    backend: { query: async () => ({ peer: served.peers.address.replace('127.0.0.1', 'peer.test') }) },
    resolver: lookup.resolver,
  });
  const client = await served.connect();
  const wire = Buffer.concat([request(), ...early]);
  client.send(wire);
  await until('the look-up', () => lookup.asked > 0);
  await until('all of it to be read', () => served.socketTo(client).bytesRead === wire.length);
  return { served, client, lookup };
}

describe('a client that has sent frames already', () => {
  test('and its Close, and a FIN: they are delivered, then its end; it gets the 101 and its Close back', async () => {
    const early = [clientFrame(TEXT, 'in '), clientFrame(TEXT, 'time'), clientClose(1000)];
    const { served, client, lookup } = await dialling(...early);
    client.stream.end();
    await stable(() => served.daemon.connections);
    expect(served.daemon.connections).toBe(1);
    lookup.answer();
    const peer = await served.peers.accept();
    expect((await peer.take(7)).toString()).toBe('in time');
    await peer.expectEnd();
    await client.expectAccepted();
    await client.expectCloseEcho(1000);
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: '7' });
  });

  test('and its Close: the same without the FIN', async () => {
    const { served, client, lookup } = await dialling(clientFrame(TEXT, 'early'), clientClose(4000));
    lookup.answer();
    const peer = await served.peers.accept();
    expect((await peer.take(5)).toString()).toBe('early');
    await peer.expectEnd();
    await client.expectAccepted();
    await client.expectCloseEcho(4000);
    client.stream.end();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed', code: '4000' });
  });

  test('and a FIN without a Close: they are delivered, then its end; it gets the 101 and a FIN', async () => {
    const { served, client, lookup } = await dialling(clientFrame(TEXT, 'early'));
    client.stream.end();
    await stable(() => served.daemon.connections);
    lookup.answer();
    const peer = await served.peers.accept();
    expect((await peer.take(5)).toString()).toBe('early');
    await peer.expectEnd();
    await client.expectAccepted();
    await client.stream.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '5' });
  });

  test('and a FIN in the middle of one: what there is of it is delivered', async () => {
    const { served, client, lookup } = await dialling(clientFrame(BINARY, 'half', { announce: 9 }));
    client.stream.end();
    await stable(() => served.daemon.connections);
    lookup.answer();
    const peer = await served.peers.accept();
    expect((await peer.take(4)).toString()).toBe('half');
    await peer.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '4' });
  });

  test('16 MiB of them, its Close and a FIN: all of it is delivered, to a peer that first does not read', async () => {
    const lookup = new HeldLookup();
    const served: Served = await serve({
      backend: { query: async () => ({ peer: served.peers.address.replace('127.0.0.1', 'peer.test') }) },
      resolver: lookup.resolver,
    });
    const client = await served.connect();
    client.send(request(), framedFlood(), clientClose(1000));
    client.stream.end();
    await until('the client to be held back', () => served.socketTo(client).isPaused());
    lookup.answer();
    const peer = await served.peers.accept();
    peer.socket.pause();
    await until('a full peer', () => unsent(served.socketToPeer(peer)) > 0);
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.expectAccepted();
    await client.expectCloseEcho(1000);
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: `${FLOOD_BYTES}` });
  });

  test('and its Close and a FIN, for a peer of datagrams: each message is one, the peer gets all', async () => {
    const udp = await UdpPeer.listen();
    const lookup = new HeldLookup();
    const served = await serve({ peer: `udp://peer.test:${udp.port}`, resolver: lookup.resolver });
    const client = await served.connect();
    const messages = Array.from({ length: 20 }, (_, i) => `early ${i}`);
    client.send(request(), ...messages.map((text) => clientFrame(TEXT, text)), clientClose(1000));
    client.stream.end();
    await until('the look-up', () => lookup.asked > 0);
    await stable(() => served.daemon.connections);
    lookup.answer();
    const came = await udp.takeMany(messages.length);
    expect(came.map(({ bytes }) => bytes.toString())).toEqual(messages);
    await client.expectAccepted();
    await client.expectCloseEcho(1000);
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
    udp.close();
  });

  test('but resets: the dial is dropped', async () => {
    const { served, client, lookup } = await dialling(clientFrame(TEXT, 'early'));
    client.stream.reset();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
    lookup.answer();
    await stable(() => served.daemon.connections);
    expect(served.peerConnections()).toBe(0);
    expect(served.lines.join('')).not.toMatch(/ open /);
  });

  test('and a FIN, but whose dial fails: it gets the HTTP error', async () => {
    const { served, client, lookup } = await dialling(clientFrame(TEXT, 'early'), clientClose(1000));
    client.stream.end();
    await stable(() => served.daemon.connections);
    lookup.fail();
    await client.expectRefused(502);
    expect(await served.ended()).toMatchObject({ why: 'dial-failed', status: '502' });
  });

  test('and a FIN, when the daemon stops: 503, and nobody is dialled', async () => {
    const { served, client, lookup } = await dialling(clientFrame(TEXT, 'early'));
    client.stream.end();
    await stable(() => served.daemon.connections);
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    expect(await stopped).toBe(0);
    lookup.answer();
    expect(await served.ended()).toMatchObject({ why: 'stopping', status: '503' });
    expect(served.peerConnections()).toBe(0);
  });
});

describe('a client that has sent none', () => {
  test('but a FIN: the dial is dropped', async () => {
    const { served, client, lookup } = await dialling();
    client.stream.end();
    await client.stream.expectEnd();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
    lookup.answer();
    await stable(() => served.daemon.connections);
    expect(served.peerConnections()).toBe(0);
  });

  test('but its Close alone: it gets the 101 and its Close back, and the peer a FIN', async () => {
    const { served, client, lookup } = await dialling(clientClose(1001));
    lookup.answer();
    const peer = await served.peers.accept();
    await client.expectAccepted();
    await client.expectCloseEcho(1001);
    await peer.expectEnd();
    client.stream.end();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: '0' });
  });
});

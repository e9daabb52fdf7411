/**
 * A stop finds connections in every state there is. Each is told in its own way, what was accepted of either side reaches
 * the other or is counted, and nobody holds up the others. test/daemon.test.ts has the plain cases.
 */
import { constants, deflateRawSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CompressionOptions } from '../../src/rfc6455/permessage-deflate.ts';
import { compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { HeldLookup } from '../support/held-lookup.ts';
import {
  leave,
  type Served,
  type ServeOptions,
  serve as serveBriefly,
  stable,
  unsent,
  until,
} from '../support/in-process.ts';
import { FramingFolder, pendingConnects, unansweringPort } from '../support/peer.ts';
import { BINARY, CLOSE, clientClose, clientFrame, RawClient, request, TEXT } from '../support/raw-client.ts';
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
} from '../support/ws-wire.ts';

/** With time for megabytes on a busy machine. */
function serve(options: ServeOptions = {}): Promise<Served> {
  const limits = { drainTimeout: 15_000, closeTimeout: 15_000, ...options.limits };
  return serveBriefly({ ...options, limits });
}

/** Nothing was lost, of no connection. */
function expectNothingLost({ daemon }: Served): void {
  expect(daemon.counters).not.toHaveProperty('undelivered-up');
  expect(daemon.counters).not.toHaveProperty('undelivered-down');
  expect(daemon.counters['connections']).toBe(0);
}

describe('a stop while a client opens', () => {
  test('answers 503 to each prefix of its request, and to a request that comes behind the answer', async () => {
    const served = await serve();
    const lengths = [0, 1, 17, 60, request().length - 1];
    const clients: RawClient[] = [];
    for (const length of lengths) {
      const client = await served.connect();
      client.send(request().subarray(0, length));
      await until('the connection', () => served.daemon.connections === clients.length + 1);
      await until('its bytes', () => served.socketTo(client).bytesRead === length);
      clients.push(client);
    }
    const stopped = served.daemon.stop();
    for (const [i, client] of clients.entries()) {
      expect((await client.readResponse()).status).toBe(503);
      client.send(request().subarray(lengths[i]));
      await client.stream.expectEnd();
      client.stream.end();
    }
    expect(await stopped).toBe(0);
    expect(served.daemon.counters['refused-stopping']).toBe(lengths.length);
  });

  test('answers 503 while the peer does not answer the dial, and takes the dial along', async () => {
    const silent = await unansweringPort();
    const served = await serve({ peer: `tcp://127.0.0.1:${silent.port}`, limits: { dialTimeout: 60_000 } });
    const linux = process.platform === 'linux';
    const others = new Set(linux ? pendingConnects(silent.port) : []);
    const ours = () => pendingConnects(silent.port).filter((port) => !others.has(port)).length;
    const client = await served.connect();
    client.send(request());
    if (linux) await until('a dial', () => ours() === 1);
    const stopped = served.daemon.stop();
    expect((await client.expectRefused(503)).fields.get('retry-after')).toHaveLength(1);
    client.stream.end();
    expect(await stopped).toBe(0);
    if (linux) await until('the dial to be gone', () => ours() === 0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', status: '503' });
    await silent.release();
  });

  test('answers 503 to one that has sent early frames, and dials nobody; they are not called delivered', async () => {
    const lookup = new HeldLookup();
    const served = await serve({ peer: 'tcp://peer.test:1', resolver: lookup.resolver });
    const client = await served.connect();
    client.send(request(), framedFlood());
    await until('the client to be held back', () => served.socketTo(client).isPaused());
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    client.stream.end();
    expect(await stopped).toBe(0);
    lookup.answer();
    expect(await served.ended()).toMatchObject({ why: 'stopping', status: '503' });
    await stable(() => served.peerConnections());
    expect(served.peerConnections()).toBe(0);
  });

  test('does not hold back one that comes at that moment: 503, 101 and 1001, or no connection at all', async () => {
    const served = await serve();
    const coming = Array.from({ length: 20 }, () =>
      RawClient.connect(served.daemon).then(
        (client) => client,
        () => undefined,
      ),
    );
    const stopped = served.daemon.stop();
    const outcomes = new Set<string>();
    for (const client of await Promise.all(coming)) {
      if (client === undefined) continue;
      client.send(request());
      const wire = (await client.stream.rest()).toString('latin1');
      outcomes.add(wire.slice(0, 12));
      client.stream.destroy();
    }
    expect(await stopped).toBe(0);
    for (const outcome of outcomes) expect(['', 'HTTP/1.1 503', 'HTTP/1.1 101']).toContain(outcome);
    expect(served.daemon.connections).toBe(0);
  });

  test('lets clients that were turned away have their answer, and waits for them no longer than 2 s', async () => {
    const served = await serve({ peer: 'echo://', limits: { connections: 1, drainTimeout: 60_000 } });
    const inside = await served.open();
    const turned = await served.connect();
    const silent = await served.connect();
    expect((await turned.readResponse()).status).toBe(503);
    expect((await silent.readResponse()).status).toBe(503);
    const stopped = served.daemon.stop();
    await inside.expectClosedByServer(1001);
    inside.stream.end();
    turned.stream.end();
    // The other one never ends.
    expect(await stopped).toBe(0);
    expect(served.daemon.counters).toMatchObject({ 'refused-connections-full': 2 });
  });
});

describe('a stop in the middle of a message', () => {
  test('of the client: it may finish it, and the peer gets all of it', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    const message = clientFrame(BINARY, pattern(MIB));
    client.send(message.subarray(0, 300_000));
    await until('its beginning', () => served.socketTo(client).bytesRead > 299_000);
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(message.subarray(300_000), clientClose(1001));
    expectPattern(await peer.take(MIB), MIB);
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expectNothingLost(served);
  });

  test('of the client that leaves it there: the peer gets what came of it', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    client.send(clientFrame(BINARY, 'half', { announce: 1_000 }));
    expect((await peer.take(4)).toString()).toBe('half');
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.stream.end();
    await peer.expectEnd();
    await client.stream.expectEnd();
    peer.end();
    expect(await stopped).toBe(0);
    expectNothingLost(served);
  });

  test('of the client, in fragments, to an echo: it may finish it, and what was no message is counted', async () => {
    const served = await serve({ peer: 'echo://' });
    const client = await served.open();
    client.send(clientFrame(TEXT, 'begun ', { fin: false }));
    await client.expectOpen();
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientFrame(0, 'and done'), clientFrame(TEXT, 'lost', { fin: false }), clientClose(1001));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({
      why: 'stopping',
      up: '14',
      'undelivered-up': '4',
      // The echo of it came when nothing could be sent any more.
      late: '14',
    });
  });

  test('of the peer: what is no message yet is counted, not sent', async () => {
    const framings = new FramingFolder();
    onTestFinished(() => framings.remove());
    const framing = framings.write('hundred', 'return end - start < 100 ? 0 : 100;');
    const served = await serve({ framing });
    const { client, peer } = await served.bridge();
    peer.write(pattern(250));
    expectPattern((await client.readFrame()).payload, 100);
    await client.readFrame();
    const stopped = served.daemon.stop();
    await client.expectClosedByServer(1001);
    await peer.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', down: '200', unframed: '50' });
    expectNothingLost(served);
  });
});

describe('a stop while', () => {
  test('nothing happens: 1001, and both sides get their end', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    const stopped = served.daemon.stop();
    expect(await client.readClose()).toEqual({ code: 1001, reason: 'server shutting down' });
    // The peer's end comes behind the client's Close, not before it.
    await stable(() => served.socketToPeer(peer).bytesWritten);
    expect(peer.ending).toBe('open');
    client.send(clientClose(1001));
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expectNothingLost(served);
  });

  test('a client does not read, until it does: it gets all that was read of its peer, then 1001', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    const source = served.socketToPeer(peer);
    const before = source.bytesRead;
    const stopped = served.daemon.stop();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1001);
    client.send(clientClose(1001));
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    const { down } = await served.ended();
    expectPattern(bytes, Number(down));
    // What Node has read ahead of a paused socket counts as read, too.
    expect(bytes.length).toBeGreaterThanOrEqual(before - 2 * 65_536 - MIB);
    expect(bytes.length).toBeLessThan(FLOOD_BYTES);
  });

  test('a client does not read, and never does: it is cut after the drain, and what it did not get is counted', async () => {
    const served = await serve({ limits: { drainTimeout: 500 } });
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    const stopped = served.daemon.stop();
    const source = served.socketToPeer(pair.peer);
    const read = () => source.bytesRead;
    expect(await stopped).toBe(1);
    const fields = await served.ended();
    expect(fields['why']).toBe('stopping');
    // Frames have headers, too: not less than what could not be handed to the system.
    const kept = Number(fields['undelivered-down']);
    expect(kept).toBeGreaterThan(0);
    expect(served.daemon.counters['undelivered-down']).toBe(kept);
    expect(kept + pair.client.stream.socket.bytesRead).toBeLessThanOrEqual(read() + MIB);
  });

  test('a peer does not read, until it does: it gets every byte the client sent before its Close', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientFrame(BINARY, 'the last'), clientClose(1001));
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    expect((await peer.take(8)).toString()).toBe('the last');
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', up: `${FLOOD_BYTES + 8}` });
    expectNothingLost(served);
  });

  test('a peer does not read, and never does: it is cut after the drain, and what it did not get is counted', async () => {
    const served = await serve({ limits: { drainTimeout: 500 } });
    const pair = await served.bridge();
    await served.fillPeer(pair);
    const sink = served.socketToPeer(pair.peer);
    const waits = unsent(sink);
    const stopped = served.daemon.stop();
    expect((await pair.client.readClose()).code).toBe(1001);
    expect(await stopped).toBe(1);
    expect(served.lines.join('')).toMatch(/ warn {2}cut connections=1\n/);
    const fields = await served.ended();
    expect(fields['why']).toBe('stopping');
    expect(Number(fields['undelivered-up'])).toBeGreaterThanOrEqual(waits);
    expect(served.daemon.counters['undelivered-up']).toBe(Number(fields['undelivered-up']));
    // What it had been given is the beginning of what was sent, without a gap.
    pair.peer.socket.resume();
    expectPattern(await pair.peer.rest());
  });

  test('a peer does not read, and is given up: what it did not get is counted, and the stop ends', async () => {
    const served = await serve({ limits: { drainTimeout: 60_000, stallTimeout: 4_000 } });
    const pair = await served.bridge();
    await served.fillPeer(pair);
    const stopped = served.daemon.stop();
    expect((await pair.client.readClose()).code).toBe(1001);
    pair.client.send(clientClose(1001));
    await pair.client.stream.expectEnd();
    pair.client.stream.end();
    expect(await stopped).toBe(0);
    const fields = await served.ended();
    expect(fields['why']).toBe('stopping');
    expect(Number(fields['undelivered-up'])).toBeGreaterThan(0);
  });

  test('its peer ends before the client has answered: what the client sends is delivered all the same', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    peer.end();
    client.send(frames(pattern(MIB)), clientClose(1001));
    expectPattern(await peer.take(MIB), MIB);
    await peer.expectEnd();
    await client.stream.expectEnd();
    client.stream.end();
    expect(await stopped).toBe(0);
    expectNothingLost(served);
  });

  test('its peer resets before the client has answered: what it sends then is counted, and its Close ends it', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillPeer(pair);
    const stopped = served.daemon.stop();
    expect((await pair.client.readClose()).code).toBe(1001);
    pair.peer.reset();
    pair.client.send(clientClose(1001));
    await pair.client.stream.expectEnd();
    pair.client.stream.end();
    expect(await stopped).toBe(0);
    expect(Number((await served.ended())['undelivered-up'])).toBeGreaterThan(0);
  });

  test('both directions are full, until both sides read', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    await served.fillClient(pair, FLOOD);
    const stopped = served.daemon.stop();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1001);
    client.send(clientClose(1001));
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    const { down, up } = await served.ended();
    expectPattern(bytes, Number(down));
    expect(up).toBe(`${FLOOD_BYTES}`);
    expect(served.daemon.counters).not.toHaveProperty('undelivered-up');
  });

  test('traffic goes both ways: the client gets a beginning of what the peer says, the peer all of the client', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    let sent = 0;
    const chatter = () => {
      while (peer.socket.writable && peer.socket.write(FLOOD.subarray(0, 251 * 100))) sent += 1;
    };
    peer.socket.on('drain', chatter);
    chatter();
    client.send(frames(pattern(3 * MIB)));
    await client.readFrame();
    const stopped = served.daemon.stop();
    const { close } = await readUntilClose(client);
    expect(close.code).toBe(1001);
    client.send(frames(pattern(251 * 1_000)), clientClose(1001));
    expectPattern(await peer.take(3 * MIB), 3 * MIB);
    expectPattern(await peer.take(251 * 1_000));
    await peer.expectEnd();
    peer.socket.off('drain', chatter);
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(sent).toBeGreaterThan(0);
    expect(served.daemon.counters).not.toHaveProperty('undelivered-up');
  });
});

describe('a stop with compression, while', () => {
  const compression: CompressionOptions = {
    level: 6,
    windowBits: 15,
    serverTakeover: true,
    clientTakeover: true,
    threshold: 64,
    connections: 10,
  };

  async function compressing() {
    const served = await serve({ compression });
    const client = await DeflateClient.agree(served.daemon);
    onTestFinished(() => client.stream.destroy());
    return { served, client, peer: await served.peers.accept() };
  }

  const deflate = (bytes: Uint8Array): Buffer =>
    deflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);

  test('16 MiB of the client are inflated: all of them reach the peer before its FIN', async () => {
    const { served, client, peer } = await compressing();
    client.send(compressedFrame(BINARY, deflate(FLOOD)));
    await peer.take(1);
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientClose(1001));
    await peer.take(FLOOD_BYTES - 1);
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', up: `${FLOOD_BYTES}` });
    expectNothingLost(served);
  });

  test('the same, and the peer takes nothing until it does', async () => {
    const { served, client, peer } = await compressing();
    peer.socket.pause();
    client.send(compressedFrame(BINARY, deflate(FLOOD)));
    await until('a full peer', () => unsent(served.socketToPeer(peer)) > 0);
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientClose(1001));
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expectNothingLost(served);
  });

  test('the same, and the peer never takes it: it is cut, and counted', async () => {
    const served = await serve({ compression, limits: { drainTimeout: 500 } });
    const client = await DeflateClient.agree(served.daemon);
    onTestFinished(() => client.stream.destroy());
    const peer = await served.peers.accept();
    peer.socket.pause();
    client.send(compressedFrame(BINARY, deflate(FLOOD)));
    await until('a full peer', () => unsent(served.socketToPeer(peer)) > 0);
    expect(await served.daemon.stop()).toBe(1);
    expect(Number((await served.ended())['undelivered-up'])).toBeGreaterThan(0);
  });

  test('8 MiB of the peer are deflated: the client gets all that was read of it, then 1001', async () => {
    const { served, client, peer } = await compressing();
    peer.write(FLOOD.subarray(0, 8 * MIB));
    const parts = [(await client.readMessage()).data];
    const stopped = served.daemon.stop();
    for (;;) {
      const { opcode, data } = await client.readMessageOrClose();
      if (opcode !== CLOSE) {
        parts.push(data);
        continue;
      }
      expect(data.readUInt16BE()).toBe(1001);
      break;
    }
    client.send(clientClose(1001));
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expectPattern(Buffer.concat(parts), Number((await served.ended())['down']));
  });
});

describe('a stop while a connection closes already:', () => {
  test('the client has sent its Close, and its peer does not take the rest: it gets it all', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    client.send(clientClose(1000));
    const stopped = served.daemon.stop();
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    await peer.expectEnd();
    // The daemon's came first, for the client's lay behind what nobody took.
    expect((await client.readClose()).code).toBe(1001);
    await client.stream.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    expectNothingLost(served);
  });

  test('the client has its Close back, and has not ended yet; nor has the peer', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    client.send(clientFrame(TEXT, 'bye'), clientClose(1000));
    await client.expectCloseEcho(1000);
    expect((await peer.take(3)).toString()).toBe('bye');
    await peer.expectEnd();
    const stopped = served.daemon.stop();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: '3' });
    expectNothingLost(served);
  });

  test('the peer has ended, and the client does not take the rest: it gets it all, and Close 1000', async () => {
    const served = await serve();
    const pair = await served.bridge();
    const { client, peer } = pair;
    peer.write(FLOOD);
    peer.end();
    client.stream.socket.pause();
    const source = served.socketToPeer(peer);
    await until('the end of the peer, or a full client', () => unsent(served.socketTo(client)) > 0);
    const read = await stable(() => source.bytesRead);
    const stopped = served.daemon.stop();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect([1000, 1001]).toContain(close.code);
    client.send(clientClose(close.code));
    await client.stream.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    expect(bytes.length).toBeLessThanOrEqual(FLOOD_BYTES);
    expectPattern(bytes, Number((await served.ended())['down']));
    expect(read).toBeGreaterThan(0);
  });

  test('the peer has reset, and the client has not answered the 1011', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    peer.reset();
    expect((await client.readClose()).code).toBe(1011);
    const stopped = served.daemon.stop();
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'peer-failed' });
  });

  test('the peer has ended its side, with half-close = keep: 1001, and it gets what the client still sends', async () => {
    const served = await serve({ halfClose: 'keep' });
    const { client, peer } = await served.bridge();
    peer.write('done');
    peer.end();
    await client.expectMessage(TEXT, 'done');
    await client.expectOpen();
    const stopped = served.daemon.stop();
    expect((await client.readClose()).code).toBe(1001);
    client.send(frames(pattern(MIB)), clientClose(1001));
    expectPattern(await peer.take(MIB), MIB);
    await peer.expectEnd();
    await client.stream.expectEnd();
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', up: `${MIB}`, down: '4' });
    expectNothingLost(served);
  });

  test('the client was refused, and has not ended', async () => {
    const served = await serve({ backend: { query: async () => null } });
    const client = await served.connect();
    client.send(request());
    expect((await client.readResponse()).status).toBe(404);
    await client.stream.expectEnd();
    const stopped = served.daemon.stop();
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'route-none', status: '404' });
  });
});

describe('a stop that waits', () => {
  test('lets traffic go on for that time, both ways, and loses nothing of it', async () => {
    const served = await serve({ limits: { drainWait: 60_000 } });
    const { client, peer } = await served.bridge();
    const stopped = served.daemon.stop();
    await served.logged(/ stopping /);
    client.send(frames(pattern(3 * MIB)));
    peer.write(pattern(3 * MIB));
    const [up, { bytes }] = await Promise.all([peer.take(3 * MIB), readBytes(client, 3 * MIB)]);
    expectPattern(up, 3 * MIB);
    expectPattern(bytes, 3 * MIB);
    client.send(clientFrame(TEXT, 'last'), clientClose(1000));
    expect((await peer.take(4)).toString()).toBe('last');
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
    expectNothingLost(served);
  });
});

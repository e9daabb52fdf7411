/**
 * Keepalive: a silent client is sent a Ping and then dropped, but backpressure never looks like a dead client. Where a
 * test says that something does not happen, it waits until a silent client of the same daemon has been dropped twice.
 */
import { describe, expect, type TestContext, test } from 'vitest';
import { leave, type Pair, type Served, serve, unsent, until } from './support/in-process.ts';
import { BINARY, clientClose, clientFrame, PING, PONG, type RawClient, TEXT } from './support/raw-client.ts';
import { expectPattern, FLOOD, FLOOD_BYTES, framedFlood, readBytes } from './support/ws-wire.ts';

const KEEPALIVE = 400;

function bridged(context: TestContext, keepalive = KEEPALIVE): Promise<Served> {
  return serve({ keepalive, onTestFinished: context.onTestFinished });
}

async function expectPing(client: RawClient): Promise<void> {
  await client.expectMessage(PING, '');
}

/** Time for a silent client to be sent a Ping and dropped, twice over, by this daemon's clock. */
async function twoLives(served: Served): Promise<void> {
  for (let i = 0; i < 2; i += 1) {
    const { client, peer } = await served.bridge();
    await expectPing(client);
    await client.stream.rest();
    client.stream.end();
    peer.end();
  }
}

describe.concurrent('a client that is silent', () => {
  test('gets a Ping, and if it answers stays', async (context) => {
    const served = await bridged(context);
    const { client, peer } = await served.bridge();
    for (let round = 0; round < 4; round += 1) {
      await expectPing(client);
      client.send(clientFrame(PONG, ''));
    }
    client.send(clientFrame(TEXT, 'here'));
    expect((await peer.take(4)).toString()).toBe('here');
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
  });

  test.for([
    ['a message', clientFrame(TEXT, 'x')],
    ['a Ping of its own', clientFrame(PING, 'x')],
    ['an unasked Pong', clientFrame(PONG, 'x')],
    ['a fragment', clientFrame(0, 'x', { fin: false })],
  ] as const)('stays by %s just as well', async ([what, frame], context) => {
    const served = await bridged(context);
    const { client } = await served.bridge();
    if (what === 'a fragment') client.send(clientFrame(TEXT, 'x', { fin: false }));
    for (let round = 0; round < 4; round += 1) {
      await expectPing(client);
      client.send(frame);
      if (what === 'a Ping of its own') await client.expectPong('x');
    }
    expect(served.daemon.connections).toBe(1);
  });

  test('is dropped, and its peer gets what it had sent, then a FIN', async (context) => {
    const served = await bridged(context);
    const { client, peer } = await served.bridge();
    client.send(clientFrame(TEXT, 'last words'));
    await expectPing(client);
    // Neither a second Ping nor a Close: nobody is there to read it.
    expect((await client.stream.rest()).length).toBe(0);
    expect((await peer.take(10)).toString()).toBe('last words');
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'client-silent', up: '10' });
  });

  test('is dropped though its peer talks', async (context) => {
    const served = await bridged(context);
    const { client, peer } = await served.bridge();
    const talk = setInterval(() => peer.write('tick'), 50);
    await peer.rest();
    clearInterval(talk);
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'client-silent' });
  });

  test('of a peer that closes is not pinged behind our Close', async (context) => {
    const served = await bridged(context);
    const { client, peer } = await served.bridge();
    peer.end();
    expect((await client.readClose()).code).toBe(1000);
    await twoLives(served);
    client.send(clientClose(1000));
    await client.stream.expectEnd();
  });

  test('is left alone without keepalive', async (context) => {
    const served = await bridged(context, 0);
    const clock = await bridged(context);
    const { client, peer } = await served.bridge();
    await twoLives(clock);
    peer.write('still there?');
    await client.expectMessage(TEXT, 'still there?');
    client.send(clientFrame(TEXT, 'yes'));
    expect((await peer.take(3)).toString()).toBe('yes');
  });
});

describe.concurrent('a client that is not read', () => {
  test('because its peer stalls is neither pinged nor dropped', async (context) => {
    const served = await bridged(context);
    const pair = await served.bridge();
    await served.fillPeer(pair);
    await twoLives(served);
    pair.peer.socket.resume();
    const answering = answerPings(pair);
    expectPattern(await pair.peer.take(FLOOD_BYTES), FLOOD_BYTES);
    pair.client.send(clientClose(1000));
    // A Ping that is out when the client was read again is all that may have come.
    expect(await answering).toBeLessThanOrEqual(1);
    expect(served.lines.filter((line) => line.includes('client-silent'))).toHaveLength(2);
  });

  test('because its echoes pile up is neither pinged nor dropped', async (context) => {
    const served = await serve({
      peer: 'echo://',
      keepalive: KEEPALIVE,
      onTestFinished: context.onTestFinished,
    });
    const clock = await bridged(context);
    const client = await served.open();
    client.stream.socket.pause();
    client.send(framedFlood());
    const socket = served.socketTo(client);
    await until('a full client', () => unsent(socket) > 0 && socket.isPaused());
    await twoLives(clock);
    client.stream.socket.resume();
    expectPattern((await readBytes(client, FLOOD_BYTES)).bytes, FLOOD_BYTES);
    expect(served.daemon.connections).toBe(1);
  });
});

describe.concurrent('a client for whom data waits', () => {
  test('is not dropped before a Ping could reach it, and then has the whole time to answer', async (context) => {
    // From when the Ping has left, all that the kernel holds is to be read and answered: that takes a busy machine a while.
    const served = await bridged(context, 1_000);
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    await twoLives(served);
    pair.client.stream.socket.resume();
    const { bytes, pings } = await readBytes(pair.client, FLOOD_BYTES);
    expectPattern(bytes, FLOOD_BYTES);
    // One Ping waits behind the data, not one for each time that has passed.
    expect(pings).toBeLessThanOrEqual(1);
    if (pings === 0) await expectPing(pair.client);
    pair.client.send(clientFrame(BINARY, Buffer.from('alive')));
    expect((await pair.peer.take(5)).toString()).toBe('alive');
    expect(served.lines.filter((line) => line.includes('client-silent'))).toHaveLength(2);
  });

  test('is dropped if it then does not answer', async (context) => {
    const served = await bridged(context);
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    pair.client.stream.socket.resume();
    // However long it takes to read what the kernel holds: that alone is no sign of life.
    await pair.client.stream.rest();
    await pair.peer.expectEnd();
    leave(pair);
    expect(await served.ended()).toMatchObject({ why: 'client-silent' });
  });
});

/** Reads and answers Pings until our Close is echoed; returns how many there were. */
async function answerPings({ client }: Pair): Promise<number> {
  for (let pings = 0; ; pings += 1) {
    const { opcode } = await client.readFrame();
    if (opcode !== PING) return pings;
    client.send(clientFrame(PONG, ''));
  }
}

/**
 * The closing table at the head of src/bridge.ts, row by row: what the client gets, what the peer gets, and what the
 * log says; in rest, and while data is queued towards either side. Stalls and stops have files of their own.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { leave, type Pair, type Served, serve } from './support/in-process.ts';
import { FramingFolder } from './support/peer.ts';
import { BINARY, clientClose, clientFrame, hex, TEXT } from './support/raw-client.ts';
import {
  dataOf,
  expectPattern,
  FLOOD,
  FLOOD_BYTES,
  frames,
  MIB,
  pattern,
  readUntilClose,
} from './support/ws-wire.ts';

const framings = new FramingFolder();
afterAll(() => framings.remove());

/** A message that has to arrive before whatever ends the connection. */
const HELLO = clientFrame(TEXT, 'hello');

async function bridge(): Promise<Pair & { served: Served }> {
  const served = await serve();
  return { served, ...(await served.bridge()) };
}

/** The peer gets everything that the client has sent, then a FIN. */
async function expectFloodAtPeer({ peer }: Pair): Promise<void> {
  peer.socket.resume();
  expectPattern(await peer.take(FLOOD_BYTES));
  await peer.expectEnd();
}

describe('the client sends a Close', () => {
  test('the Close is echoed, with a FIN behind it; the peer gets what was sent before, then a FIN', async () => {
    const { served, client, peer } = await bridge();
    client.send(HELLO, clientClose(1000, 'done'));
    await client.expectCloseEcho(1000);
    expect((await peer.take(5)).toString()).toBe('hello');
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'client-closed', code: '1000', up: '5', down: '0' });
  });

  test('right behind 3 MB: all of them are at the peer before its FIN', async () => {
    const { served, client, peer } = await bridge();
    const payload = pattern(3 * MIB);
    client.send(frames(payload), clientClose(4321));
    expectPattern(await peer.take(payload.length), payload.length);
    await peer.expectEnd();
    await client.expectCloseEcho(4321);
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'client-closed', code: '4321', up: `${3 * MIB}` });
  });

  test('between two fragments: the peer gets what came of the message, then a FIN', async () => {
    const { served, client, peer } = await bridge();
    client.send(clientFrame(TEXT, 'half', { fin: false }), clientClose(1000), HELLO);
    expect((await peer.take(4)).toString()).toBe('half');
    await peer.expectEnd();
    await client.expectCloseEcho(1000);
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: '4' });
  });

  test('behind data that waits for a peer: the same, once the peer reads', async () => {
    const { served, ...pair } = await bridge();
    await served.fillPeer(pair);
    pair.client.send(clientClose());
    await expectFloodAtPeer(pair);
    await pair.client.expectCloseEcho(undefined);
    leave(pair);
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: `${FLOOD_BYTES}` });
  });

  test('while data waits for itself: that comes first, and the peer is not reset for what it says meanwhile', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    client.send(HELLO, clientClose(1000));
    expect((await peer.take(5)).toString()).toBe('hello');
    await peer.expectEnd();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1000);
    await client.stream.expectEnd();
    leave(pair);
    const { why, down } = await served.ended();
    expect(why).toBe('client-closed');
    expectPattern(bytes, Number(down));
    expect(peer.socket.errored).toBeNull();
  });
});

describe('the client ends without a Close', () => {
  test('by FIN: it gets a FIN; the peer gets what was sent before, then a FIN', async () => {
    const { served, client, peer } = await bridge();
    client.send(HELLO);
    client.stream.end();
    expect((await peer.take(5)).toString()).toBe('hello');
    await peer.expectEnd();
    await client.stream.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '5' });
  });

  test('by FIN behind data that waits for the peer: the peer gets all of it, then a FIN', async () => {
    const { served, ...pair } = await bridge();
    await served.fillPeer(pair);
    pair.client.stream.end();
    await expectFloodAtPeer(pair);
    await pair.client.stream.expectEnd();
    pair.peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: `${FLOOD_BYTES}` });
  });

  test('by FIN while data waits for itself: it gets that, then a FIN', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    client.stream.end();
    await peer.expectEnd();
    client.stream.socket.resume();
    const data = dataOf(await client.stream.rest());
    expect(client.stream.ending).toBe('FIN');
    peer.end();
    const { why, down } = await served.ended();
    expect(why).toBe('client-vanished');
    expectPattern(data, Number(down));
  });

  test('by a reset: the peer gets what was sent before, then a FIN', async () => {
    const { served, client, peer } = await bridge();
    client.send(HELLO);
    expect((await peer.take(5)).toString()).toBe('hello');
    client.stream.reset();
    await peer.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '5' });
  });

  test.each(['FIN', 'reset'] as const)(
    'by a %s in the middle of a message: the peer gets what came of it, then a FIN',
    async (how) => {
      const { served, client, peer } = await bridge();
      client.send(HELLO, clientFrame(BINARY, 'half', { announce: 1_000 }));
      expect((await peer.take(9)).toString()).toBe('hellohalf');
      if (how === 'FIN') client.stream.end();
      else client.stream.reset();
      await peer.expectEnd();
      peer.end();
      expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '9' });
    },
  );

  test('by a reset while data waits for the peer: the peer gets what was taken, then a FIN', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    client.stream.reset();
    peer.socket.resume();
    const bytes = await peer.rest();
    expect(peer.ending).toBe('FIN');
    peer.end();
    const { why, up } = await served.ended();
    expect(why).toBe('client-vanished');
    expectPattern(bytes, Number(up));
  });

  test('by a reset while data waits for itself: the peer gets a FIN and is not reset', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    client.stream.reset();
    await peer.expectEnd();
    peer.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'client-vanished' });
    expect(Number(fields['undelivered-down'])).toBeGreaterThan(0);
    expect(peer.socket.errored).toBeNull();
  });
});

describe('the client breaks a rule', () => {
  const BROKEN = [
    ['1002', 'an unmasked frame', hex('81 01 61'), 'mask-missing', 'frame not masked'],
    [
      '1007',
      'a text that is not UTF-8',
      hex('81 81 00000000 ff'),
      'text-not-utf8',
      'text is not valid UTF-8',
    ],
    [
      '1009',
      'a frame of 2^53 bytes',
      hex('82 ff 0020000000000000 00000000'),
      'frame-too-large',
      'frame too large',
    ],
  ] as const;

  test.each(BROKEN)(
    'Close %s for %s, and a FIN; the peer gets what was valid, then a FIN',
    async (...row) => {
      const [code, , wire, why, reason] = row;
      const { served, client, peer } = await bridge();
      client.send(HELLO, wire, HELLO);
      expect(await client.readClose()).toEqual({ code: Number(code), reason });
      await client.stream.expectEnd();
      expect((await peer.take(5)).toString()).toBe('hello');
      await peer.expectEnd();
      leave({ client, peer });
      expect(await served.ended()).toMatchObject({ why, up: '5' });
    },
  );

  test('behind data that waits for the peer: the peer gets all of it, then a FIN', async () => {
    const { served, ...pair } = await bridge();
    await served.fillPeer(pair);
    pair.client.send(BROKEN[0][2]);
    await expectFloodAtPeer(pair);
    await pair.client.expectFailed(1002);
    leave(pair);
    expect(await served.ended()).toMatchObject({ why: 'mask-missing', up: `${FLOOD_BYTES}` });
  });

  test('while data waits for itself: it gets that, then the Close', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    client.send(BROKEN[1][2]);
    await peer.expectEnd();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1007);
    await client.stream.expectEnd();
    leave(pair);
    const { why, down } = await served.ended();
    expect(why).toBe('text-not-utf8');
    expectPattern(bytes, Number(down));
  });

  test('a message over the limit of a message peer is 1009', async () => {
    const served = await serve({ peer: 'echo://', limits: { messageBytes: 1_000 } });
    const client = await served.open();
    client.send(clientFrame(BINARY, Buffer.alloc(1_000)), clientFrame(BINARY, Buffer.alloc(1_001)));
    await client.expectMessage(BINARY, Buffer.alloc(1_000));
    expect(await client.readClose()).toEqual({ code: 1009, reason: 'message too large' });
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'message-too-large', actual: '1001', maximum: '1000' });
  });
});

describe('the peer ends', () => {
  test('the client gets the rest of its data, Close 1000 and a FIN; the peer gets a FIN', async () => {
    const { served, client, peer } = await bridge();
    peer.write('bye');
    peer.end();
    await client.expectMessage(TEXT, 'bye');
    expect(await client.readClose()).toEqual({ code: 1000, reason: 'peer closed' });
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    await peer.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-closed', down: '3' });
  });

  test('behind 3 MB: all of them are at the client before the Close', async () => {
    const { served, client, peer } = await bridge();
    peer.write(pattern(3 * MIB));
    peer.end();
    const { bytes, close } = await readUntilClose(client);
    expectPattern(bytes, 3 * MIB);
    expect(close.code).toBe(1000);
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-closed', down: `${3 * MIB}` });
  });

  test('behind data that waits for the client: the client gets all of it, then Close 1000', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    peer.end();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expectPattern(bytes, FLOOD_BYTES);
    expect(close.code).toBe(1000);
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    await peer.expectEnd();
  });

  test('while data waits for it: it gets what was queued, then a FIN; the client is read again', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillPeer(pair);
    peer.end();
    expect((await client.readClose()).code).toBe(1000);
    // Behind all that the client has sent: it arrives only if that is read and thrown away.
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    peer.socket.resume();
    const bytes = await peer.rest();
    expect(peer.ending).toBe('FIN');
    client.stream.end();
    const { why, up } = await served.ended();
    expect(why).toBe('peer-closed');
    expectPattern(bytes, Number(up));
  });

  test('what a framing still waits for is sent before the Close', async () => {
    const framing = framings.write('never', 'return 0;', 'text');
    const served = await serve({ framing });
    const { client, peer } = await served.bridge();
    peer.write('unfinished');
    peer.end();
    await client.expectMessage(BINARY, 'unfinished');
    await client.expectClosedByServer(1000);
  });
});

describe('the peer resets', () => {
  test('the client gets Close 1011', async () => {
    const { served, client, peer } = await bridge();
    peer.reset();
    expect(await client.readClose()).toEqual({ code: 1011, reason: 'peer failed' });
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-failed' });
  });

  test('while data waits for it: the client gets Close 1011 and is read again', async () => {
    const { served, ...pair } = await bridge();
    await served.fillPeer(pair);
    pair.peer.reset();
    await pair.client.expectClosedByServer(1011);
    pair.client.stream.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'peer-failed' });
    expect(Number(fields['undelivered-up'])).toBeGreaterThan(0);
  });

  // The kernel reports a reset behind data that it still holds as an end, once that data was read: 1000 by timing.
  test('while data waits for the client: it gets what was taken, then Close 1011 or 1000', async () => {
    const { served, ...pair } = await bridge();
    const { client, peer } = pair;
    await served.fillClient(pair, FLOOD);
    peer.reset();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect([1011, 1000]).toContain(close.code);
    client.send(clientClose(close.code));
    await client.stream.expectEnd();
    client.stream.end();
    const { why, down } = await served.ended();
    expect(why).toBe(close.code === 1011 ? 'peer-failed' : 'peer-closed');
    expectPattern(bytes, Number(down));
  });
});

describe('the peer cannot be framed', () => {
  test.each([
    ['throws', "if (buffer[start] === 33) throw new Error('secret'); return 1;", /message=secret/],
    ['answers more than there is', 'return buffer[start] === 33 ? 99 : 1;', /answered 99 for 1 bytes/],
    ['answers a fraction', 'return buffer[start] === 33 ? 0.5 : 1;', /answered 0.5/],
    ['answers nothing', 'if (buffer[start] !== 33) return 1;', /answered undefined/],
  ])('a framing that %s: messages before, then Close 1011; the peer gets what was queued', async (...row) => {
    const [name, body, details] = row;
    const served = await serve({ framing: framings.write(name.replaceAll(' ', '-'), body) });
    const { client, peer } = await served.bridge();
    client.send(HELLO);
    expect((await peer.take(5)).toString()).toBe('hello');
    peer.write('ok!');
    await client.expectMessage(BINARY, 'o');
    await client.expectMessage(BINARY, 'k');
    expect(await client.readClose()).toEqual({ code: 1011, reason: 'peer data could not be framed' });
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'framing-failed', up: '5', down: '2' });
    expect(await served.logged(/closed id=1/)).toMatch(details);
  });

  test('while data waits for the peer: the client gets Close 1011, the peer what was queued, then a FIN', async () => {
    const served = await serve({ framing: framings.write('throws-at-once', 'throw new Error();') });
    const pair = await served.bridge();
    await served.fillPeer(pair);
    pair.peer.write('x');
    await pair.client.expectClosedByServer(1011);
    pair.peer.socket.resume();
    const bytes = await pair.peer.rest();
    expect(pair.peer.ending).toBe('FIN');
    leave(pair);
    const { why, up } = await served.ended();
    expect(why).toBe('framing-failed');
    expectPattern(bytes, Number(up));
  });

  test('a segment over the limit: Close 1009; the peer gets what was queued, then a FIN', async () => {
    const served = await serve({
      framing: framings.write('waits', 'return 0;'),
      limits: { segmentBytes: 1_000 },
    });
    const { client, peer } = await served.bridge();
    client.send(HELLO);
    expect((await peer.take(5)).toString()).toBe('hello');
    peer.write(Buffer.alloc(1_001));
    expect(await client.readClose()).toEqual({ code: 1009, reason: 'message from peer too large' });
    client.send(clientClose(1009));
    await client.stream.expectEnd();
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).toMatchObject({ why: 'segment-too-large', maximum: '1000' });
  });
});

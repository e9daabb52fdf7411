/**
 * A peer that ends its side while the client still has something to say. `half-close = close`: that ends the connection.
 * `keep`: the other direction goes on until the client closes, or until it turns out that the peer is gone.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { ByteStream } from '../support/byte-stream.ts';
import { leave, type Pair, type Served, type ServeOptions, serve, until } from '../support/in-process.ts';
import { FramingFolder } from '../support/peer.ts';
import { BINARY, clientClose, clientFrame, type RawClient, TEXT } from '../support/raw-client.ts';
import { Listener } from '../support/sockets.ts';
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

const framings = new FramingFolder();
afterAll(() => framings.remove());

const KEEP: ServeOptions = { halfClose: 'keep' };

interface Scene extends Pair {
  readonly served: Served;
}

async function overTcp(options: ServeOptions): Promise<Scene> {
  const served = await serve(options);
  return { served, ...(await served.bridge()) };
}

async function overUnix(options: ServeOptions): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-half-'));
  const listener = await Listener.at(join(folder, 'peer'));
  onTestFinished(async () => {
    await listener[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  const served = await serve({ ...options, peer: `unix://${join(folder, 'peer')}` });
  const client = await served.open();
  return { served, client, peer: new ByteStream(await listener.accept()) };
}

/** The client goes on until it is told of its end. */
async function sendUntilClose(client: RawClient): Promise<{ code: number | undefined; reason: string }> {
  let told = false;
  const close = client.readClose().finally(() => {
    told = true;
  });
  await until('a Close', () => {
    if (!told) client.send(clientFrame(TEXT, 'anybody there?'));
    return told;
  });
  return close;
}

describe.each([
  ['tcp', overTcp],
  ['unix', overUnix],
])('keep, with a peer of %s that ends its side:', (_kind, bridge) => {
  test('the client gets its rest and goes on; the peer gets all of it, and a FIN at the client’s Close', async () => {
    const { served, client, peer } = await bridge(KEEP);
    peer.write('I have said what I had to say');
    peer.end();
    await client.expectMessage(TEXT, 'I have said what I had to say');
    await client.expectOpen();
    client.send(frames(pattern(3 * MIB)));
    expectPattern(await peer.take(3 * MIB));
    client.send(clientFrame(TEXT, 'bye'), clientClose(1000));
    expect((await peer.take(3)).toString()).toBe('bye');
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
    leave({ client, peer });
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'client-closed', up: `${3 * MIB + 3}`, down: '29' });
    expect(fields).not.toHaveProperty('undelivered-up');
    expect(fields).not.toHaveProperty('undelivered-down');
  });

  test('and behind it takes nothing for a while: it gets everything when it reads again', async () => {
    const scene = await bridge(KEEP);
    const { served, client, peer } = scene;
    peer.end();
    await client.expectOpen();
    await served.fillPeer(scene);
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES));
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
    leave(scene);
    expect(await served.ended()).toMatchObject({ why: 'client-closed', up: `${FLOOD_BYTES}` });
  });

  test('behind data that waits for the client: it gets all of it, no Close, and goes on', async () => {
    const scene = await bridge(KEEP);
    const { served, client, peer } = scene;
    await served.fillClient(scene, FLOOD);
    peer.end();
    client.stream.socket.resume();
    expectPattern((await readBytes(client, FLOOD_BYTES)).bytes);
    client.send(clientFrame(TEXT, 'thanks'));
    expect((await peer.take(6)).toString()).toBe('thanks');
    await client.expectOpen();
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
    leave(scene);
  });

  test('and in fact is gone: 1011 as soon as the client has sent enough for it to show', async () => {
    const { served, client, peer } = await bridge(KEEP);
    peer.write('x');
    await client.expectMessage(TEXT, 'x');
    peer.destroy();
    expect(await sendUntilClose(client)).toEqual({ code: 1011, reason: 'peer failed' });
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-failed' });
  });

  test('then the client ends by FIN: the peer gets what was sent before, and a FIN', async () => {
    const { served, client, peer } = await bridge(KEEP);
    peer.end();
    await client.expectOpen();
    client.send(frames(pattern(MIB)));
    client.stream.end();
    expectPattern(await peer.take(MIB), MIB);
    await peer.expectEnd();
    await client.stream.expectEnd();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: `${MIB}` });
  });

  test('then the client resets: the peer gets what was taken, and a FIN', async () => {
    const { served, client, peer } = await bridge(KEEP);
    peer.end();
    client.send(clientFrame(TEXT, 'hello'));
    expect((await peer.take(5)).toString()).toBe('hello');
    client.stream.reset();
    await peer.expectEnd();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: '5' });
  });

  test('then the client breaks a rule: 1002, and the peer gets what was valid, and a FIN', async () => {
    const { served, client, peer } = await bridge(KEEP);
    peer.end();
    client.send(clientFrame(TEXT, 'valid'), '81 01 61');
    await client.expectFailed(1002);
    expect((await peer.take(5)).toString()).toBe('valid');
    await peer.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'mask-missing', up: '5' });
  });

  test('then the time of the connection is over: what the client sends until its Close is delivered', async () => {
    const { served, client, peer } = await bridge({ ...KEEP, limits: { lifeTimeout: 300 } });
    peer.end();
    expect((await client.readClose()).code).toBe(1008);
    client.send(clientFrame(TEXT, 'one more thing'), clientClose(1008));
    expect((await peer.take(14)).toString()).toBe('one more thing');
    await peer.expectEnd();
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'life-timeout', up: '14' });
  });
});

describe('keep, with a peer that ends its side', () => {
  test('in the middle of a message: the client gets what there is of it, and goes on', async () => {
    const framing = framings.write('never', 'return 0;', 'text');
    const { served, client, peer } = await overTcp({ ...KEEP, framing });
    peer.write('unfinished');
    peer.end();
    await client.expectMessage(BINARY, 'unfinished');
    client.send(clientFrame(TEXT, 'never mind'));
    expect((await peer.take(10)).toString()).toBe('never mind');
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
    leave({ client, peer });
    expect(await served.ended()).not.toHaveProperty('unframed');
  });

  test('and then resets, while data waits for it: 1011, and the client is read again', async () => {
    const scene = await overTcp(KEEP);
    const { served, client, peer } = scene;
    peer.end();
    await client.expectOpen();
    await served.fillPeer(scene);
    peer.reset();
    await client.expectClosedByServer(1011);
    client.stream.end();
    const fields = await served.ended();
    expect(fields).toMatchObject({ why: 'peer-failed' });
    expect(Number(fields['undelivered-up'])).toBeGreaterThan(0);
  });

  test('and then takes nothing for too long: 1013', async () => {
    const { served, client, peer } = await overTcp({ ...KEEP, limits: { stallTimeout: 500 } });
    peer.end();
    await client.expectOpen();
    peer.socket.pause();
    client.send(framedFlood());
    await client.expectClosedByServer(1013);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'peer-stalled' });
  });
});

describe('close, with a peer that ends its side while the client still sends:', () => {
  test.each([
    ['tcp', overTcp],
    ['unix', overUnix],
  ])(
    'the client of a peer of %s gets Close 1000; the peer gets what was queued, and a FIN',
    async (...row) => {
      const [, bridge] = row;
      const scene = await bridge({ halfClose: 'close' });
      const { served, client, peer } = scene;
      await served.fillPeer(scene);
      peer.write('good bye');
      peer.end();
      await client.expectMessage(TEXT, 'good bye');
      expect((await client.readClose()).code).toBe(1000);
      client.send(clientClose(1000));
      await client.stream.expectEnd();
      peer.socket.resume();
      const bytes = await peer.rest();
      expect(peer.ending).toBe('FIN');
      leave(scene);
      const { why, up } = await served.ended();
      expect(why).toBe('peer-closed');
      expectPattern(bytes, Number(up));
    },
  );

  test('what is queued both ways is delivered both ways', async () => {
    const scene = await overTcp({ halfClose: 'close' });
    const { served, client, peer } = scene;
    await served.fillPeer(scene);
    await served.fillClient(scene, FLOOD);
    peer.end();
    client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(client);
    expect(close.code).toBe(1000);
    expectPattern(bytes, FLOOD_BYTES);
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    peer.socket.resume();
    const got = await peer.rest();
    expect(peer.ending).toBe('FIN');
    leave(scene);
    const { up, down } = await served.ended();
    expect(Number(down)).toBe(FLOOD_BYTES);
    expectPattern(got, Number(up));
    expect(framedFlood().length).toBeGreaterThan(got.length);
  });
});

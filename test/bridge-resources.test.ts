/**
 * What connections hold: slabs of the pool, which all come back however a connection ends, timers, of which they have
 * none, and buffers, which no frame has of its own. Counted, not timed.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { fastPath } from '../src/fast-path.ts';
import { leave, type Pair, serve, until } from './support/in-process.ts';
import { clientClose, clientFrame, PING, TEXT } from './support/raw-client.ts';
import { expectPattern, FLOOD, frames, pattern, readBytes } from './support/ws-wire.ts';

const FAST = fastPath();
const SLABS = 'slabs' in FAST ? FAST.slabs : undefined;

describe.skipIf(SLABS === undefined)('all slabs come back', () => {
  const slabs = SLABS!;
  const back = () => until('the slabs to come back', () => slabs.outstanding === 0);

  test('while connections are open and idle', async () => {
    const served = await serve();
    const pairs: Pair[] = [];
    for (let i = 0; i < 10; i += 1) pairs.push(await served.bridge());
    for (const { client, peer } of pairs) {
      client.send(frames(pattern(200_000), 1_000));
      expectPattern(await peer.take(200_000), 200_000);
      peer.write(pattern(200_000));
      expectPattern((await readBytes(client, 200_000)).bytes, 200_000);
    }
    await back();
    expect(served.daemon.connections).toBe(10);
  });

  test('after an orderly end', async () => {
    const served = await serve();
    const pair = await served.bridge();
    pair.client.send(frames(pattern(500_000), 70_000), clientFrame(PING, 'x'), clientClose(1000));
    expectPattern(await pair.peer.take(500_000), 500_000);
    leave(pair);
    await served.ended();
    await back();
  });

  test.each<[string, (pair: Pair) => void]>([
    ['the peer resets', ({ peer }) => peer.reset()],
    ['the client resets', ({ client }) => client.stream.reset()],
    [
      'both go at once',
      ({ client, peer }) => {
        client.stream.destroy();
        peer.destroy();
      },
    ],
  ])('when writes are pending, either way, and %s', async (_how, end) => {
    const served = await serve({ limits: { closeTimeout: 500 } });
    for (const id of [1, 2]) {
      const pair = await served.bridge();
      if (id === 1) await served.fillPeer(pair);
      else await served.fillClient(pair, FLOOD);
      end(pair);
      leave(pair);
      pair.client.stream.socket.resume();
      pair.peer.socket.resume();
      await served.ended(id);
      await back();
    }
  });

  test('when a side that takes nothing is cut', async () => {
    const served = await serve({ limits: { stallTimeout: 300, closeTimeout: 500 } });
    const up = await served.bridge();
    await served.fillPeer(up);
    await served.ended(1);
    const down = await served.bridge();
    await served.fillClient(down, FLOOD);
    await served.ended(2);
    await back();
  });

  test('when the daemon stops, and cuts what does not end by itself', async () => {
    const served = await serve({ limits: { drainTimeout: 300 } });
    const [up, down] = [await served.bridge(), await served.bridge()];
    await served.fillPeer(up);
    await served.fillClient(down, FLOOD);
    expect(await served.daemon.stop()).toBe(2);
    await back();
  });

  test('when more connections are held up than there are slabs, and then go on', async () => {
    const served = await serve();
    const held = Array.from({ length: 300 }, () => slabs.take()).filter((slab) => slab !== undefined);
    expect(slabs.take()).toBeUndefined();
    const { client, peer } = await served.bridge();
    client.send(frames(pattern(300_000), 1_000));
    expectPattern(await peer.take(300_000), 300_000);
    peer.write(pattern(300_000));
    expectPattern((await readBytes(client, 300_000)).bytes, 300_000);
    for (const slab of held) slabs.release(slab);
    client.send(clientFrame(TEXT, 'again'));
    expect((await peer.take(5)).toString()).toBe('again');
    await back();
  });
});

test('connections that wait have no timers', async () => {
  const served = await serve({ keepalive: 30_000 });
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await served.bridge();
  const before = timers();
  for (let i = 0; i < 50; i += 1) {
    const { client, peer } = await served.bridge();
    client.send(clientFrame(TEXT, 'hello'));
    expect((await peer.take(5)).toString()).toBe('hello');
  }
  expect(served.daemon.connections).toBe(51);
  await until('no more timers than before', () => timers() <= before);
});

describe.skipIf(SLABS === undefined)('a frame has no buffer of its own', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** How many buffers are made while the daemon deals with what is sent. */
  async function made(act: () => Promise<void>): Promise<number> {
    const spies = (['from', 'alloc', 'allocUnsafe', 'allocUnsafeSlow', 'concat'] as const).map((name) =>
      vi.spyOn(Buffer, name),
    );
    await act();
    const count = spies.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    vi.restoreAllMocks();
    return count;
  }

  /** The least of some tries: other things of this process make buffers now and then, but no fewer than none. */
  async function least(act: () => Promise<void>): Promise<number> {
    let count = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i += 1) count = Math.min(count, await made(act));
    return count;
  }

  test('on its way to the peer', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    const send = (bytes: Buffer) => async () => {
      client.stream.write(bytes);
      await peer.take(2_000);
    };
    const one = frames(pattern(2_000), 2_000);
    const many = frames(pattern(2_000), 10);
    await send(many)();
    const few = await least(send(one));
    expect(await least(send(many))).toBeLessThanOrEqual(few + 5);
  });

  test('on its way to the client', async () => {
    const served = await serve({ framing: 'newline' });
    const { client, peer } = await served.bridge();
    const read = (lines: number) => async () => {
      peer.write(Buffer.alloc(2_000, `${'x'.repeat(2_000 / lines - 2)}\r\n`));
      // A header has 2 bytes, or 4 for more than 125 bytes of payload.
      await client.stream.take(2_000 + (lines === 1 ? 4 : 2 * lines));
    };
    await read(1)();
    const few = await least(read(1));
    expect(await least(read(200))).toBeLessThanOrEqual(few + 5);
  });
});

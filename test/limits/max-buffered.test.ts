/**
 * What waits in all connections together. Over the limit who asks for more ends, nobody new comes in, and who asks for
 * nothing is served on; well over it who asks for more is cut. When those are gone who were held up, nothing waits.
 */
import { describe, expect, test } from 'vitest';
import type { Backend } from '../../src/plugins/api.ts';
import { type Pair, type Served, serve, stable, until } from '../support/in-process.ts';
import {
  counted,
  expectAnswer,
  expectClose,
  expectNothingBuffered,
  expectServed,
} from '../support/limits.ts';
import { BINARY, clientClose, clientFrame, request, TEXT } from '../support/raw-client.ts';
import { FLOOD, framedFlood } from '../support/ws-wire.ts';

const KIB = 1024;
const REASON = 'too much data is waiting';

/** Both ways of a connection that has nothing waiting. */
async function expectCarries({ client, peer }: Pair): Promise<void> {
  client.send(clientFrame(BINARY, 'up'));
  expect((await peer.take(2)).toString()).toBe('up');
  peer.write('down');
  await client.expectMessage(BINARY, 'down');
}

async function expectFull(served: Served, bufferedBytes: number): Promise<void> {
  await until('a full budget', () => served.daemon.counters['buffered']! > bufferedBytes);
}

/** Nobody comes in before there is room. */
async function expectTurnsAway(served: Served): Promise<void> {
  await expectAnswer(await served.connect(), 503, REASON, 5);
  await served.logged(/ warn {2}turned away client=127\.0\.0\.1 why=memory-full\n/);
  expect(served.daemon.counters['refused-memory-full']).toBeGreaterThanOrEqual(1);
}

async function expectRecovers(served: Served): Promise<void> {
  await expectNothingBuffered(served);
  await expectServed(await served.connect());
}

describe.each(['auto', 'off'] as const)('with kernel=%s', (kernel) => {
  test('peers that do not read: the client that sends on gets 1013, new ones get 503, an idle one goes on', async () => {
    const bufferedBytes = 900 * KIB;
    const limits = { bufferedBytes, queuedBytes: 512 * KIB };
    const served = await serve({ framing: 'binary', kernel, limits });
    const idle = await served.bridge();
    const stalled: Pair[] = [];
    const ended: Pair[] = [];
    // Each holds more than half of it.
    for (let i = 0; i < 2; i += 1) {
      const pair = await served.bridge();
      stalled.push(pair);
      pair.peer.socket.pause();
      pair.client.send(framedFlood());
      if (i === 0) await stable(() => served.daemon.counters['buffered']!);
    }
    await expectFull(served, bufferedBytes);
    await expectTurnsAway(served);
    await expectCarries(idle);
    // Who has grown last hears of it.
    ended.push(stalled[1]!);
    await expectClose(ended[0]!.client, 1013, REASON);
    ended[0]!.client.send(clientClose(1013));
    await ended[0]!.client.expectEndAndLeave();
    for (const { client, peer } of stalled) {
      peer.destroy();
      client.stream.destroy();
    }
    await counted(served, 'closed-memory-full');
    expect(await served.ended(3)).toMatchObject({ why: 'memory-full' });
    await expectRecovers(served);
    await expectCarries(idle);
  });

  test('clients that do not read: who wants more ends, new ones get 503, an idle one goes on', async () => {
    const bufferedBytes = 900 * KIB;
    const limits = { bufferedBytes, queuedBytes: 512 * KIB };
    const served = await serve({ framing: 'binary', kernel, limits });
    const idle = await served.bridge();
    const stalled: Pair[] = [];
    for (let i = 0; i < 2; i += 1) {
      const pair = await served.bridge();
      stalled.push(pair);
      pair.client.stream.socket.pause();
      pair.peer.write(FLOOD);
      if (i === 0) await stable(() => served.daemon.counters['buffered']!);
    }
    await expectFull(served, bufferedBytes);
    await expectTurnsAway(served);
    await expectCarries(idle);
    for (const { client, peer } of stalled) {
      client.stream.destroy();
      peer.destroy();
    }
    await counted(served, 'closed-memory-full');
    expect(await served.ended(3)).toMatchObject({ why: 'memory-full' });
    await expectRecovers(served);
    await expectCarries(idle);
  });

  test('over it nobody is waited for longer than for an answer to a Close', async () => {
    const bufferedBytes = 256 * KIB;
    const limits = { bufferedBytes, queuedBytes: 1_024 * KIB, closeTimeout: 800, stallTimeout: 0 };
    const served = await serve({ framing: 'binary', kernel, limits });
    const { client, peer } = await served.bridge();
    client.stream.socket.pause();
    peer.write(FLOOD);
    // It stays, and reads nothing: without pressure it could do so for ever.
    expect(await served.ended(1)).toMatchObject({ why: 'memory-full' });
    peer.destroy();
    await expectRecovers(served);
  });

  test('well over it, who wants more is cut', async () => {
    const served = await serve({ framing: 'binary', kernel, limits: { bufferedBytes: 4 * KIB } });
    const idle = await served.bridge();
    const { client, peer } = await served.bridge();
    client.stream.socket.pause();
    peer.write(FLOOD);
    // At once: one read is more than five quarters of it. Its peer hears of it as well.
    await peer.rest();
    expect(await served.ended(2)).toMatchObject({ why: 'memory-full' });
    await counted(served, 'closed-memory-full');
    await expectCarries(idle);
    await expectRecovers(served);
  });

  test('a peer’s message without an end ends by 1013', async () => {
    const served = await serve({ framing: 'newline', kernel, limits: { bufferedBytes: 256 * KIB } });
    const other = await served.bridge();
    const { client, peer } = await served.bridge();
    peer.write(Buffer.alloc(400 * KIB, 'x'));
    await expectClose(client, 1013, REASON);
    client.send(clientClose(1013));
    await client.expectEndAndLeave();
    await peer.rest();
    peer.end();
    expect(await served.ended(2)).toMatchObject({ why: 'memory-full' });
    await counted(served, 'closed-memory-full');
    other.peer.write('line\r\n');
    await other.client.expectMessage(TEXT, 'line\r\n');
    await expectRecovers(served);
  });

  test('a client’s message without an end ends by 1013', async () => {
    const served = await serve({ peer: 'echo://', kernel, limits: { bufferedBytes: 256 * KIB } });
    const [client, other] = [await served.open(), await served.open()];
    client.send(clientFrame(BINARY, Buffer.alloc(400 * KIB), { announce: 1_024 * KIB }));
    await expectClose(client, 1013, REASON);
    await client.expectEndAndLeave();
    expect(await served.ended(1)).toMatchObject({ why: 'memory-full' });
    await counted(served, 'closed-memory-full');
    other.send(clientFrame(TEXT, 'here'));
    await other.expectMessage(TEXT, 'here');
    await expectRecovers(served);
  });

  test('a length that is announced is not taken for bytes', async () => {
    const served = await serve({ peer: 'echo://', kernel, limits: { bufferedBytes: 256 * KIB } });
    for (let i = 0; i < 20; i += 1) {
      const client = await served.open();
      client.send(clientFrame(BINARY, 'x', { announce: 16 * 1_024 * KIB }));
    }
    await until('a byte of each', () => served.daemon.counters['buffered']! >= 20);
    expect(await stable(() => served.daemon.counters['buffered']!)).toBeLessThan(20 * KIB);
  });

  test('frames that come before there is a peer are refused by 503', async () => {
    const backend: Backend = { query: async () => ({ peer: 'tcp://peer.test:7' }) };
    const served = await serve({
      kernel,
      backend,
      resolver: () => new Promise<never>(() => {}),
      limits: { bufferedBytes: 16 * KIB, earlyBytes: 1_024 * KIB },
    });
    const client = await served.connect();
    client.send(request(), clientFrame(BINARY, Buffer.alloc(40 * KIB)));
    await expectAnswer(client, 503, REASON, 5);
    expect(await served.ended(1)).toMatchObject({ status: '503', why: 'memory-full' });
    await counted(served, 'refused-memory-full');
    await expectNothingBuffered(served);
  });
});

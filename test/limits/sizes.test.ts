/** What one connection may hold: early frames, messages, segments, what is queued. */
import { expect, test } from 'vitest';
import { serve, stable, until } from '../support/in-process.ts';
import { counted, expectClose, expectEchoed, expectNothingBuffered } from '../support/limits.ts';
import { BINARY, clientClose, clientFrame, request, TEXT } from '../support/raw-client.ts';
import { expectPattern, FLOOD, FLOOD_BYTES, framedFlood } from '../support/ws-wire.ts';

const KIB = 1024;
/** One read of Node's: what may come on top of a limit, since it is there already. */
const READ = 64 * KIB;

test('early-bytes: frames that come before the peer is there wait up to the limit, then the client is not read', async () => {
  let answer: (addresses: readonly string[]) => void = () => {};
  const resolver = () =>
    new Promise<readonly string[]>((resolve) => {
      answer = resolve;
    });
  const limits = { earlyBytes: 4 * KIB, dialTimeout: 60_000 };
  const served = await serve({
    resolver,
    limits,
    backend: { query: async () => ({ peer: `tcp://peer.test:${port}`, framing: 'binary' }) },
  });
  const port = new URL(served.peers.address).port;
  const client = await served.connect();
  client.send(request(), framedFlood());
  await until('a client that is not read', () => served.socketTo(client).isPaused());
  await stable(() => served.socketTo(client).bytesRead);
  const buffered = served.daemon.counters['buffered']!;
  expect(buffered).toBeGreaterThanOrEqual(4 * KIB);
  // They lie in memory that grows by doubling. Without the kernel Node has read on, once; and the head is kept, too.
  expect(buffered).toBeLessThanOrEqual(2 * (4 * KIB + READ) + READ + KIB);
  answer(['127.0.0.1']);
  await client.expectAccepted();
  const peer = await served.peers.accept();
  expectPattern(await peer.take(FLOOD_BYTES));
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
});

test('max-message: a longer message to a peer of messages is 1009, however it is cut, and one of that length is echoed', async () => {
  const served = await serve({ peer: 'echo://', limits: { messageBytes: 1_000 } });
  const [whole, announced, pieces, other] = [
    await served.open(),
    await served.open(),
    await served.open(),
    await served.open(),
  ];
  whole.send(clientFrame(BINARY, Buffer.alloc(1_001)));
  await expectClose(whole, 1009, 'message too large');
  await whole.expectEndAndLeave();

  // Nobody waits for what is too long.
  announced.send(clientFrame(BINARY, Buffer.alloc(1), { announce: 1_001 }));
  await expectClose(announced, 1009, 'message too large');
  await announced.expectEndAndLeave();

  pieces.send(clientFrame(TEXT, 'x'.repeat(999), { fin: false }), clientFrame(0, 'yy'));
  await expectClose(pieces, 1009, 'message too large');
  await pieces.expectEndAndLeave();

  await counted(served, 'closed-message-too-large', 3);
  expect(await served.ended(1)).toMatchObject({ why: 'message-too-large', actual: '1001', maximum: '1000' });
  await expectEchoed(other, 'x'.repeat(1_000));
  await expectNothingBuffered(served);
});

test('max-message says nothing of a stream peer, for which nothing is collected', async () => {
  const served = await serve({ framing: 'binary', limits: { messageBytes: 1_000 } });
  const { client, peer } = await served.bridge();
  client.send(clientFrame(BINARY, FLOOD.subarray(0, 100_000)));
  expectPattern(await peer.take(100_000));
});

test('max-segment: a peer’s message that is longer, or never ends, is 1009', async () => {
  const served = await serve({ framing: 'newline', limits: { segmentBytes: 1_000 } });
  const other = await served.bridge();
  for (const line of [`${'x'.repeat(999)}\r\n`, 'y'.repeat(1_001)]) {
    const { client, peer } = await served.bridge();
    peer.write(line);
    await expectClose(client, 1009, 'message from peer too large');
    client.send(clientClose(1009));
    await client.expectEndAndLeave();
    await peer.expectEnd();
    peer.end();
  }
  await counted(served, 'closed-segment-too-large', 2);
  expect(await served.ended(2)).toMatchObject({ why: 'segment-too-large', maximum: '1000' });
  other.peer.write(`${'z'.repeat(998)}\r\n`);
  expect((await other.client.readFrame()).payload.length).toBe(1_000);
  await expectNothingBuffered(served);
});

test.each([
  ['peer', 16 * KIB],
  ['peer', 1024 * KIB],
  ['client', 16 * KIB],
  ['client', 1024 * KIB],
] as const)('max-queued: for a %s that does not read, about %i bytes wait', async (who, queuedBytes) => {
  const served = await serve({ framing: 'binary', limits: { queuedBytes } });
  const pair = await served.bridge();
  if (who === 'peer') await served.fillPeer(pair);
  else await served.fillClient(pair, FLOOD);
  const buffered = await stable(() => served.daemon.counters['buffered']!);
  expect(buffered).toBeGreaterThan(0);
  // What was read when it was full waits too, in front of the socket or behind it; a write costs a little of its own.
  expect(buffered).toBeLessThanOrEqual(queuedBytes + 3 * READ);
  if (queuedBytes > 8 * READ) expect(buffered).toBeGreaterThanOrEqual(queuedBytes);
  pair.client.stream.socket.resume();
  pair.peer.socket.resume();
  if (who === 'peer') expectPattern(await pair.peer.take(FLOOD_BYTES));
  await expectNothingBuffered(served);
});

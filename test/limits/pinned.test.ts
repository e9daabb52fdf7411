/** While memory is short, those who hold some and deliver nothing have to give it back: a silent few cannot keep all of it. */
import { expect, test } from 'vitest';
import { serve, until } from '../support/in-process.ts';
import { expectClose } from '../support/limits.ts';
import { BINARY, clientFrame, type RawClient } from '../support/raw-client.ts';

const KIB = 1024;
const LIMITS = { bufferedBytes: 1024 * KIB, closeTimeout: 1_000 };
const TOO_MUCH = 'too much data is waiting';

/** Others are refused while somebody has it all. */
async function expectRefused(other: RawClient): Promise<void> {
  other.send(clientFrame(BINARY, Buffer.alloc(100 * KIB)));
  await expectClose(other, 1013, TOO_MUCH);
  other.stream.end();
}

test('a client that is silent in the middle of a message gets 1013, and others have the memory', async () => {
  // All but what the others' requests take.
  const served = await serve({ peer: 'echo://', limits: { ...LIMITS, bufferedBytes: 1088 * KIB } });
  const silent = await served.open();
  silent.send(clientFrame(BINARY, Buffer.alloc(1000 * KIB), { announce: 16 * 1024 * KIB }));
  await until('the message to be held', () => served.daemon.counters['buffered']! > 900 * KIB);
  await expectRefused(await served.open());
  await expectClose(silent, 1013, TOO_MUCH);
  silent.stream.end();
  await until('it to be given back', () => served.daemon.counters['buffered'] === 0);
  const other = await served.open();
  other.send(clientFrame(BINARY, Buffer.alloc(100 * KIB, 'x')));
  await other.expectMessage(BINARY, Buffer.alloc(100 * KIB, 'x'));
});

test('nobody has to give anything back while there is enough', async () => {
  const served = await serve({ peer: 'echo://', limits: { ...LIMITS, closeTimeout: 300 } });
  const silent = await served.open();
  silent.send(clientFrame(BINARY, Buffer.alloc(500 * KIB), { announce: 600 * KIB }));
  await until('the message to be held', () => served.daemon.counters['buffered']! > 400 * KIB);
  const other = await served.open();
  for (let i = 0; i < 8; i += 1) {
    other.send(clientFrame(BINARY, Buffer.alloc(100 * KIB, 'x')));
    await other.expectMessage(BINARY, Buffer.alloc(100 * KIB, 'x'));
  }
  expect(served.daemon.connections).toBe(2);
});

test('what the peer’s unfinished message took is given back with our Close, not with the client’s', async () => {
  const served = await serve({ framing: 'newline', limits: { ...LIMITS, closeTimeout: 60_000 } });
  const { client, peer } = await served.bridge();
  peer.write(Buffer.alloc(700 * KIB, 'x'));
  await until('a segment', () => served.daemon.counters['buffered']! > 500 * KIB);
  peer.write(Buffer.alloc(700 * KIB, 'x'));
  await expectClose(client, 1013, TOO_MUCH);
  await until('it to be given back', () => served.daemon.counters['buffered']! < 100 * KIB);
  client.stream.end();
});

/** What nobody has to set: at the defaults honest clients meet no limit, however many they are and whatever they send. */
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { serve } from '../support/in-process.ts';
import { connectFrom, expectEchoed, expectServed } from '../support/limits.ts';
import { BINARY, clientFrame, PING, PONG, TEXT } from '../support/raw-client.ts';

/** TEST_CLIENTS=10000 where as many files may be open; test/admission.test.ts counts to it without sockets. */
const CLIENTS = Number(process.env['TEST_CLIENTS'] ?? 1_000);

const ECHO = { peer: 'echo://', limits: DEFAULT_LIMITS };

test('limits by address, and rates, are off', () => {
  expect(DEFAULT_LIMITS).toMatchObject({
    addressConnections: 0,
    addressRate: 0,
    addressBurst: 0,
    controlRate: 0,
    idleTimeout: 0,
    lifeTimeout: 0,
  });
});

test(`${CLIENTS} clients from one address are served side by side`, { timeout: 120_000 }, async () => {
  const served = await serve(ECHO);
  const clients = [];
  for (let i = 0; i < CLIENTS; i += 50) {
    clients.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(50, CLIENTS - i) }, async () => {
          const client = await connectFrom('127.0.0.1', served.daemon);
          await expectServed(client);
          return client;
        }),
      )),
    );
  }
  for (const client of clients) await expectEchoed(client);
  expect(served.daemon.counters).toMatchObject({ accepted: CLIENTS, opened: CLIENTS, connections: CLIENTS });
  expect(served.lines.join('')).not.toContain('turned away');
  for (const client of clients) client.stream.destroy();
});

test('one client opens and leaves as fast as it can, and is never too fast', async () => {
  const served = await serve(ECHO);
  for (let i = 0; i < 300; i += 1) {
    const client = await connectFrom('127.0.0.1', served.daemon);
    await expectServed(client);
    client.stream.destroy();
  }
  expect(served.daemon.counters['opened']).toBe(300);
});

test('control frames between all fragments, as Autobahn sends them, are answered', async () => {
  const served = await serve(ECHO);
  const client = await served.open();
  const rounds = 50;
  for (let round = 0; round < rounds; round += 1) {
    const parts = [clientFrame(TEXT, 'a', { fin: false })];
    for (let i = 0; i < 100; i += 1) {
      parts.push(clientFrame(PING, String(i)), clientFrame(PONG, ''), clientFrame(0, '', { fin: false }));
    }
    client.send(...parts, clientFrame(0, 'z'));
    for (let i = 0; i < 100; i += 1) await client.expectPong(String(i));
    await client.expectMessage(TEXT, 'az');
  }
  expect(served.daemon.connections).toBe(1);
});

test('a message of 16 MiB comes back, in one frame and in small ones', async () => {
  const served = await serve(ECHO);
  const client = await served.open();
  const message = Buffer.alloc(16 * 1_024 * 1_024, 'm');
  client.send(clientFrame(BINARY, message));
  await client.expectMessage(BINARY, message);
  const size = 64 * 1_024;
  const count = message.length / size;
  const piece = message.subarray(0, size);
  for (let i = 0; i < count; i += 1)
    client.send(clientFrame(i === 0 ? BINARY : 0, piece, { fin: i === count - 1 }));
  await client.expectMessage(BINARY, message);
});

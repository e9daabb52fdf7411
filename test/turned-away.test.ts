import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Fault, type FaultCode } from '../src/errors.ts';
import { STREAM_OPTIONS } from '../src/transports/stream.ts';
import { TurnedAway } from '../src/turned-away.ts';
import { expectAnswer } from './support/limits.ts';
import { RawClient, request } from './support/raw-client.ts';
import { until } from './support/sockets.ts';

/** A client that connects and is turned away. */
async function turnAway(why: FaultCode, early: Uint8Array = Buffer.alloc(0)) {
  const server = createServer(STREAM_OPTIONS);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const { port } = server.address() as AddressInfo;
  const client = await RawClient.connect({ host: '127.0.0.1', port });
  client.send(early);
  const [socket] = await accepted;
  const gone: TurnedAway[] = [];
  const one = new TurnedAway(socket, new Fault(why), (which) => gone.push(which));
  onTestFinished(() => {
    client.stream.destroy();
    socket.destroy();
    server.close();
  });
  return { client, socket, one, gone };
}

test.each([
  ['connections-full', 503, 'too many connections', 5],
  ['address-full', 429, 'too many connections from one address', 5],
  ['address-rate', 429, 'too many new connections from one address', 1],
  ['overloaded', 503, 'overloaded', 5],
  ['memory-full', 503, 'too much data is waiting', 5],
] as const)('%s is answered %i before anything was asked', async (why, status, text, retry) => {
  const { client, one, gone } = await turnAway(why);
  await expectAnswer(client, status, text, retry);
  await until('its end', () => gone.length > 0);
  expect(gone).toEqual([one]);
});

test('what the client has sent, and still sends, does not take the answer from it', async () => {
  const { client, gone } = await turnAway('connections-full', request());
  client.send(Buffer.alloc(500_000, 'x'));
  await expectAnswer(client, 503, 'too many connections', 5);
  await until('its end', () => gone.length > 0);
});

test('who does not leave is cut two seconds later, and told of once', async () => {
  const { client, socket, one, gone } = await turnAway('connections-full');
  await client.readResponse();
  await client.stream.expectEnd();
  one.tick(10_000);
  one.tick(11_999);
  expect(socket.destroyed).toBe(false);
  one.tick(12_000);
  expect(socket.destroyed).toBe(true);
  await until('its end', () => gone.length > 0);
  one.tick(20_000);
  expect(gone).toEqual([one]);
});

test('at the daemon’s stop it is cut at once', async () => {
  const { socket, one, gone } = await turnAway('connections-full');
  one.cut();
  expect(socket.destroyed).toBe(true);
  await until('its end', () => gone.length > 0);
});

test('a client that has gone already is no trouble', async () => {
  const { client, one, gone } = await turnAway('connections-full', request());
  client.stream.reset();
  await until('its end', () => gone.length > 0);
  one.tick(1);
  one.cut();
  expect(gone).toEqual([one]);
});

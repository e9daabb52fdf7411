/** What tests of limits say again and again: what a client that meets one is told, and that the log and the counters know. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { ByteStream } from './byte-stream.ts';
import { type Served, until } from './in-process.ts';
import { BINARY, clientFrame, RawClient, request } from './raw-client.ts';

/** A client at an address of its own: all of 127.0.0.0/8 is the loopback's. */
export async function connectFrom(localAddress: string, { host, port }: { host: string; port: number }) {
  const socket = connect({ host, port, localAddress, allowHalfOpen: true });
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  return new RawClient(new ByteStream(socket));
}

/** Whatever it has asked, or before it has: this answer, `Retry-After` if any, and an orderly end. */
export async function expectAnswer(
  client: RawClient,
  status: number,
  text: string,
  retryAfter?: number,
): Promise<void> {
  const { body, fields } = await client.expectRefused(status);
  expect(body).toBe(`${text}\n`);
  expect(fields.get('retry-after')).toEqual(retryAfter === undefined ? undefined : [String(retryAfter)]);
  client.stream.end();
}

/** The next frame is this Close. */
export async function expectClose(client: RawClient, code: number, reason: string): Promise<void> {
  expect(await client.readClose()).toEqual({ code, reason });
}

/** A request that is answered 101. */
export async function expectServed(client: RawClient): Promise<void> {
  client.send(request());
  await client.expectAccepted();
}

/** A message there and back, by a peer that echoes. */
export async function expectEchoed(client: RawClient, text = 'still there'): Promise<void> {
  client.send(clientFrame(BINARY, text));
  await client.expectMessage(BINARY, text);
}

/** That a counter has come to so many. */
export async function counted(served: Served, name: string, wanted = 1): Promise<void> {
  const count = () => served.daemon.counters[name] ?? 0;
  await until(`${wanted} ${name}`, () => count() >= wanted);
  expect(count()).toBe(wanted);
}

/** That nothing waits any more in any connection, to the byte. */
export async function expectNothingBuffered(served: Served): Promise<void> {
  await until('an empty budget', () => served.daemon.counters['buffered'] === 0);
}

/** Does something again and again, some ms apart, until it is told to stop. */
export function repeatedly(action: () => void, interval = 20): () => void {
  const timer = setInterval(action, interval);
  const stop = () => clearInterval(timer);
  onTestFinished(stop);
  return stop;
}

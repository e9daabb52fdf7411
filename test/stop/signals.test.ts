/** The signals of the built daemon: one stops it in order, with 0; a second one ends it at once, with 1. */
import { expect, onTestFinished, test } from 'vitest';
import { startDaemon } from '../support/daemon.ts';
import { clientClose, clientFrame, RawClient, TEXT } from '../support/raw-client.ts';
import { until } from '../support/sockets.ts';
import { TcpPeer } from '../support/tcp-peer.ts';
import { expectPattern, frames, MIB, pattern } from '../support/ws-wire.ts';

async function bridge(...options: string[]) {
  const peers = await TcpPeer.listen();
  onTestFinished(() => peers.close());
  const daemon = await startDaemon(['-b', 'default', '-c', `host=${peers.address}`, ...options]);
  onTestFinished(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  const client = await RawClient.open(daemon);
  return { daemon, client, peer: await peers.accept() };
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s: what the client sends until its Close is delivered, and 0',
  async (signal) => {
    const { daemon, client, peer } = await bridge();
    client.send(frames(pattern(3 * MIB)));
    const exited = daemon.stop(signal);
    expect((await client.readClose()).code).toBe(1001);
    client.send(clientFrame(TEXT, 'last'), clientClose(1001));
    expectPattern(await peer.take(3 * MIB), 3 * MIB);
    expect((await peer.take(4)).toString()).toBe('last');
    await peer.expectEnd();
    await client.stream.expectEnd();
    client.stream.end();
    peer.end();
    expect(await exited).toBe(0);
    expect(daemon.output()).toMatch(/ counters (?!.*undelivered).*\n.* stopped\n$/);
  },
);

test('who does not answer is cut after the drain: it is counted, and still 0', async () => {
  const { daemon, client } = await bridge('--drain', '1');
  const exited = daemon.stop();
  expect((await client.readClose()).code).toBe(1001);
  await client.stream.rest();
  expect(await exited).toBe(0);
  expect(daemon.output()).toMatch(/ warn {2}cut connections=1\n/);
});

test('a second signal ends it at once: what is open is cut, and 1', async () => {
  const { daemon, client, peer } = await bridge('--drain', '60');
  const exited = daemon.stop();
  expect((await client.readClose()).code).toBe(1001);
  process.kill(daemon.pid, 'SIGTERM');
  expect(await exited).toBe(1);
  await client.stream.rest();
  await peer.rest();
});

test('a signal in the time that connections get to end by themselves is a second one, too', async () => {
  const { daemon, client, peer } = await bridge('--drain-wait', '60');
  const exited = daemon.stop();
  await until('the stop', () => daemon.output().includes(' stopping '));
  client.send(clientFrame(TEXT, 'still here'));
  expect((await peer.take(10)).toString()).toBe('still here');
  process.kill(daemon.pid, 'SIGINT');
  expect(await exited).toBe(1);
  await client.stream.rest();
});

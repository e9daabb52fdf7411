/**
 * A TCP peer that is gone without a FIN is found out by the system's probes, 60 s after the last byte. Nobody waits for
 * that here: that they are asked for is seen in the kernel's own list of timers (Linux).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ByteStream } from '../support/byte-stream.ts';
import { startDaemon } from '../support/daemon.ts';
import { RawClient } from '../support/raw-client.ts';
import { Listener, until } from '../support/sockets.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

function hasSs(): boolean {
  try {
    execFileSync('ss', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
}

/** What the system says of the connections from or to a port. */
function timers(filter: string): string[] {
  const output = execFileSync('ss', ['-Htno', 'state', 'established', filter], { encoding: 'utf8' });
  return output.split('\n').filter((line) => line !== '');
}

test.runIf(hasSs())('a TCP peer is probed after 60 s of silence; a client is not', async () => {
  const peers = await TcpPeer.listen();
  onTestFinished(() => peers.close());
  await using daemon = await startDaemon(['-b', 'default', '-c', `host=${peers.address}`]);
  const client = await RawClient.open(daemon);
  const peer = await peers.accept();
  // Both sides have said something, so that only the probes are left to wait for.
  client.send('81 81 00000000 61');
  expect((await peer.take(1)).toString()).toBe('a');
  let ours: string[] = [];
  await until('a quiet connection', () => {
    ours = timers(`sport = :${peer.socket.remotePort}`);
    return ours.length === 1 && !ours[0]!.includes('timer:(on,');
  });
  const [, amount, unit] =
    /timer:\(keepalive,(\d+)(?:\.\d+)?(min|sec|ms)/.exec(ours[0]!.replace(',1min', ',60sec')) ?? [];
  expect(ours[0]).toContain('timer:(keepalive,');
  expect(unit, ours[0]).toBe('sec');
  expect(Number(amount), ours[0]).toBeGreaterThan(30);
  expect(Number(amount), ours[0]).toBeLessThanOrEqual(60);
  const toClient = timers(`sport = :${daemon.port} and dport = :${client.stream.socket.localPort}`);
  expect(toClient).toHaveLength(1);
  // That side has Pings, which see more.
  expect(toClient[0]).not.toContain('keepalive');
});

test('a Unix peer cannot be probed, and needs not: its end is told by the system, whatever ends it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ws-probe-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  await using listener = await Listener.at(join(folder, 'peer'));
  await using daemon = await startDaemon(['-b', 'default', '-c', `host=unix://${join(folder, 'peer')}`]);
  const client = await RawClient.open(daemon);
  const peer = new ByteStream(await listener.accept());
  client.send('81 81 00000000 61');
  expect((await peer.take(1)).toString()).toBe('a');
  peer.destroy();
  await client.expectClosedByServer(1000);
});

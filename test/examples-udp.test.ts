/** examples/udp.conf, and datagram peers of both kinds, in the built daemon: two clients at once, each with its answers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Daemon, runCommand, startDaemon } from './support/daemon.ts';
import { built, UdpPeer, UnixPeer } from './support/dgram-peer.ts';
import { BINARY, clientFrame, RawClient } from './support/raw-client.ts';

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ws-udp-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function expectOwnAnswers(daemon: Daemon, peer: UdpPeer | UnixPeer): Promise<void> {
  const clients = await Promise.all(['a', 'b'].map(() => RawClient.open(daemon)));
  const senders: string[] = [];
  for (const [i, client] of clients.entries()) {
    client.send(clientFrame(BINARY, `I am ${i}`));
    const { from, bytes } = await peer.take();
    expect(bytes.toString()).toBe(`I am ${i}`);
    senders.push(from);
  }
  for (const i of [1, 0, 0, 1]) peer.send(senders[i]!, `to ${i}`);
  for (const [i, client] of clients.entries()) {
    await client.expectMessage(BINARY, `to ${i}`);
    await client.expectMessage(BINARY, `to ${i}`);
    client.stream.destroy();
  }
}

test('examples/udp.conf is a good configuration', async () => {
  const { code, stderr } = await runCommand(['--check', 'examples/udp.conf']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('examples/udp.conf gives two clients their own answers', async () => {
  const peer = await UdpPeer.listen();
  onTestFinished(() => peer.close());
  const file = join(temporary(), 'udp.conf');
  const text = readFileSync(new URL('../examples/udp.conf', import.meta.url), 'utf8');
  writeFileSync(file, text.replace(':7000', `:${peer.port}`));
  await using daemon = await startDaemon(['--config', file]);
  await expectOwnAnswers(daemon, peer);
});

test.skipIf(!built)('a unix-dgram peer gives two clients their own answers', async () => {
  const peer = await UnixPeer.listen(join(temporary(), 'peer'));
  onTestFinished(() => peer.close());
  await using daemon = await startDaemon(['-c', `host=${peer.address}`, '-c', 'framing=binary']);
  await expectOwnAnswers(daemon, peer);
});

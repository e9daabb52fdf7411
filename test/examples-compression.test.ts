/** Runs examples/compression.conf with a client that can compress and one that cannot. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startDaemon } from './support/daemon.ts';
import { TcpPeer } from './support/tcp-peer.ts';

const LINE =
  ':alice!~alice@example.com PRIVMSG #websocksy :good morning, is anybody awake in here already?\r\n';

let peer: TcpPeer;

beforeAll(async () => {
  peer = await TcpPeer.listen();
});

afterAll(async () => {
  await peer.close();
});

test('examples/compression.conf shrinks lines both ways, for a client that can', async () => {
  const port = peer.address.split(':').at(-1)!;
  await using daemon = await startDaemon([
    '-c',
    `port=${port}`,
    '--config',
    'examples/compression.conf',
    '-p',
    '0',
  ]);
  for (const compressed of [true, false]) {
    const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/`, {
      perMessageDeflate: compressed ? { threshold: 0 } : false,
    });
    await once(client, 'open');
    expect(client.extensions).toBe(compressed ? 'permessage-deflate' : '');
    const server = await peer.accept();
    for (let i = 0; i < 3; i += 1) {
      client.send(LINE);
      expect(String(await server.take(LINE.length))).toBe(LINE);
      server.write(Buffer.from(LINE));
      const [message, isBinary] = await once(client, 'message');
      expect([String(message), isBinary]).toEqual([LINE, false]);
    }
    client.close(1000);
    await once(client, 'close');
  }
  await daemon.stop();
  const lineOf = (id: number) => daemon.output().match(new RegExp(` closed id=${id} .*`))![0];
  const carried = 3 * LINE.length;
  expect(lineOf(1)).toContain(` up=${carried} down=${carried} saved-up=`);
  for (const [, saved] of lineOf(1).matchAll(/saved-(?:up|down)=(\d+)/g))
    expect(Number(saved)).toBeGreaterThan(carried / 2);
  expect(lineOf(2)).not.toContain('saved-');
});

/** Runs examples/lines.conf with a server that cuts its lines where a network might. */
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { runCommand, startDaemon } from './support/daemon.ts';
import { TcpPeer } from './support/tcp-peer.ts';

let peer: TcpPeer;

beforeAll(async () => {
  peer = await TcpPeer.listen();
});

afterAll(async () => {
  await peer.close();
});

test('examples/lines.conf is a good configuration for port 8003', async () => {
  const { code, stdout, stderr } = await runCommand(['--check', 'examples/lines.conf']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('\nport = 8003\n');
});

test('examples/lines.conf makes a message of each line, text or binary, and one of the rest', async () => {
  const port = peer.address.split(':').at(-1)!;
  await using daemon = await startDaemon(['--config', 'examples/lines.conf', '-c', `port=${port}`]);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/`);
  const messages: [string, boolean][] = [];
  client.on('message', (message, isBinary) => {
    messages.push([(message as Buffer).toString('latin1'), isBinary]);
  });
  await once(client, 'open');
  client.send('NICK me\r\n');
  const server = await peer.accept();
  expect(String(await server.take(9))).toBe('NICK me\r\n');
  await server.writePieces([
    Buffer.from(':a PRIVMSG #b :one\r\n:a PRIVMSG #b :gr\xfcn\r', 'latin1'),
    Buffer.from('\n:a PRIVMSG'),
    Buffer.from(' #b :three\r\nERROR'),
  ]);
  server.end();
  const [code] = await once(client, 'close');
  expect(messages).toEqual([
    [':a PRIVMSG #b :one\r\n', false],
    [':a PRIVMSG #b :gr\xfcn\r\n', true],
    [':a PRIVMSG #b :three\r\n', false],
    ['ERROR', false],
  ]);
  expect(code).toBe(1000);
});

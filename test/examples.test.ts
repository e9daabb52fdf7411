/** Runs each example of examples/ in the built daemon, by the command that its page names. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { runCommand, startDaemon } from './support/daemon.ts';

let greeter: Server;
let greeterPort: number;

beforeAll(async () => {
  greeter = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('one\ntw');
    socket.on('data', () => socket.end('o\nrest'));
  }).listen(0, '127.0.0.1');
  await once(greeter, 'listening');
  greeterPort = (greeter.address() as { port: number }).port;
});

afterAll(() => {
  greeter.close();
});

test('examples/vnc.conf is a good configuration', async () => {
  const { code, stderr } = await runCommand(['--check', 'examples/vnc.conf']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('examples/vnc.conf sends a VNC server’s greeting as a binary message, though it is ASCII', async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('RFB 003.008\n');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await using daemon = await startDaemon(['--config', 'examples/vnc.conf', '-c', `port=${port}`]);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/`);
  const [message, isBinary] = await once(client, 'message');
  expect([String(message), isBinary]).toEqual(['RFB 003.008\n', true]);
  client.terminate();
  server.close();
});

test('examples/plugins/by-path.mjs gives each path its peer, with the subprotocol that the client offers first', async () => {
  await using daemon = await startDaemon(['-b', './examples/plugins/by-path.mjs']);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/echo?x=1`, ['v2', 'v1']);
  await once(client, 'open');
  expect(client.protocol).toBe('v2');
  client.send('hello');
  const [message] = await once(client, 'message');
  expect(String(message)).toBe('hello');
  client.terminate();
});

test('examples/plugins/by-path.mjs serves nothing under other paths', async () => {
  await using daemon = await startDaemon(['-b', './examples/plugins/by-path.mjs']);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/other`);
  client.on('error', () => {});
  const [, response] = await once(client, 'unexpected-response');
  expect(response.statusCode).toBe(404);
});

test('examples/plugins/lines.mjs makes a message of each line, and one of the rest', async () => {
  await using daemon = await startDaemon([
    '-c',
    `host=tcp://127.0.0.1:${greeterPort}`,
    '-c',
    'framing=./examples/plugins/lines.mjs',
  ]);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/`);
  const messages: string[] = [];
  client.on('message', (message) => {
    messages.push(String(message));
    if (messages.length === 1) client.send('go on');
  });
  const [code] = await once(client, 'close');
  expect(messages).toEqual(['one\n', 'two\n', 'rest']);
  expect(code).toBe(1000);
});

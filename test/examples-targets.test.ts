/** Runs examples/targets.conf in the built daemon, and asks for each of its target files. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { loadConfig } from '../src/config/config.ts';
import { parseFile } from '../src/config/file.ts';
import { ClientRequest } from '../src/upgrade-request.ts';
import { runCommand, startDaemon } from './support/daemon.ts';

const FILE = 'examples/targets.conf';

test('examples/targets.conf is a good configuration', async () => {
  const { code, stderr } = await runCommand(['--check', FILE]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('examples/targets.conf leads to each of its files', async () => {
  const { backend } = await loadConfig(parseFile(readFileSync(FILE, 'utf8'), FILE));
  const ask = (target: string, cookie: string, subprotocols: string[]) =>
    backend.query(
      new ClientRequest({ target, headers: new Map([['cookie', cookie]]), subprotocols }, '127.0.0.1', 1),
      new AbortController().signal,
    );
  const routes = [
    await ask('/vnc', 'user=alice', ['binary']),
    await ask('/vnc', 'user=bob', []),
    await ask('/echo', 'user=alice', ['v1']),
  ];
  expect(routes).toMatchObject([
    { peer: 'tcp://localhost:5901', framing: 'binary', subprotocol: 'binary' },
    { peer: 'tcp://localhost:5900', framing: 'binary', subprotocol: undefined },
    { peer: 'echo://', subprotocol: 'v1' },
  ]);
  const used = routes.map((route) => /([^/]+):\d+$/.exec((route as { origin: string }).origin)?.[1]);
  expect(used.sort()).toEqual(readdirSync('examples/targets').sort());
  expect(await ask('/vnc', 'user=alice', ['text'])).toBeNull();
});

test('examples/targets.conf serves /echo, and nothing under other paths', async () => {
  await using daemon = await startDaemon(['--config', FILE]);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/echo`, ['v2', 'v1']);
  await once(client, 'open');
  expect(client.protocol).toBe('v2');
  client.send('hello');
  const [message] = await once(client, 'message');
  expect(String(message)).toBe('hello');
  client.terminate();

  const other = new WebSocket(`ws://127.0.0.1:${daemon.port}/..%2ftargets.conf`);
  other.on('error', () => {});
  const [, response] = await once(other, 'unexpected-response');
  expect(response.statusCode).toBe(404);
});

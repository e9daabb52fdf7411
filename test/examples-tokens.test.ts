/** The example for those who come from websockify: a token file, edited while the daemon runs. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { runCommand, startDaemon } from './support/daemon.ts';
import { TcpPeer } from './support/tcp-peer.ts';

const PLUGIN = './examples/plugins/tokens.mjs';

let folder: string;
let peer: TcpPeer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'websocksy-tokens-'));
  peer = await TcpPeer.listen();
});

afterAll(async () => {
  await peer.close();
  rmSync(folder, { recursive: true });
});

/** The status of the answer: 101 if the connection opens. */
async function ask(port: number, target: string): Promise<number> {
  const client = new WebSocket(`ws://127.0.0.1:${port}${target}`, ['binary']);
  client.on('error', () => {});
  const answered = new Promise<number>((resolve) => {
    client.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    client.on('open', () => resolve(101));
  });
  const status = await answered;
  client.terminate();
  return status;
}

test('a token of the file leads to its target, another one nowhere, and edits count at once', async () => {
  const file = join(folder, 'tokens.cfg');
  const target = peer.address.replace('tcp://', '');
  writeFileSync(file, `# people\nalice: ${target}\n`);
  await using daemon = await startDaemon(['-b', PLUGIN, '-c', `file=${file}`]);
  expect(await ask(daemon.port, '/websockify?token=alice')).toBe(101);
  expect(await ask(daemon.port, '/websockify?token=bob')).toBe(403);
  expect(await ask(daemon.port, '/websockify')).toBe(403);
  expect(await ask(daemon.port, '/?token=%23%20people')).toBe(403);
  writeFileSync(file, `bob: ${target}`);
  expect(await ask(daemon.port, '/websockify?token=bob')).toBe(101);
  expect(await ask(daemon.port, '/websockify?token=alice')).toBe(403);
});

test('what its peer sends comes as binary messages, and the first offer is selected', async () => {
  const file = join(folder, 'greeting.cfg');
  writeFileSync(file, `vnc: ${peer.address.replace('tcp://', '')}`);
  peer.forget();
  await using daemon = await startDaemon(['-b', PLUGIN, '-c', `file=${file}`]);
  const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/?token=vnc`, ['binary']);
  await once(client, 'open');
  expect(client.protocol).toBe('binary');
  (await peer.accept()).write('RFB 003.008\n');
  const [message, isBinary] = await once(client, 'message');
  expect([String(message), isBinary]).toEqual(['RFB 003.008\n', true]);
  client.terminate();
});

test('the file of the examples is one, and a missing one is noticed at the start', async () => {
  expect(await runCommand(['--check', '-b', PLUGIN, '-c', 'file=examples/tokens.cfg'])).toMatchObject({
    code: 0,
  });
  const { code, stderr } = await runCommand(['-b', PLUGIN, '-c', 'file=examples/no-such.cfg']);
  expect(code).toBe(2);
  expect(stderr).toContain('no-such.cfg');
});

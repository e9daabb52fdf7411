/** The library's public surface: what a program that embeds the daemon imports. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  ConfigError,
  createLogger,
  type Daemon,
  DEFAULT_LIMITS,
  FAULTS,
  type StartOptions,
  start,
} from '../src/index.ts';
import { ByteStream } from './support/byte-stream.ts';
import { until } from './support/in-process.ts';
import { BINARY, clientClose, clientFrame, RawClient, request, TEXT } from './support/raw-client.ts';
import { TcpPeer } from './support/tcp-peer.ts';

async function started(options: StartOptions): Promise<Daemon> {
  const daemon = await start({ port: 0, listen: '127.0.0.1', ...options });
  onTestFinished(async () => {
    await daemon.stop();
  });
  return daemon;
}

test('start resolves with a daemon that listens on the port that the system chose', async () => {
  const daemon = await started({ backendOptions: { host: 'echo://' } });
  expect(daemon.port).toBeGreaterThan(0);
  expect(daemon.endpoint).toBe(`127.0.0.1:${daemon.port}`);
  const client = await RawClient.open(daemon);
  client.send(clientFrame(TEXT, 'hello'));
  await client.expectMessage(TEXT, 'hello');
  expect(daemon.connections).toBe(1);
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  client.stream.end();
});

test('start passes options of the backend on', async () => {
  const peers = await TcpPeer.listen();
  onTestFinished(() => peers.close());
  const daemon = await started({ backendOptions: { host: peers.address, framing: ['auto', 'binary'] } });
  const client = await RawClient.open(daemon);
  const peer = await peers.accept();
  peer.write('hello');
  await client.expectMessage(BINARY, 'hello');
  client.stream.destroy();
  peer.end();
});

test('start listens on all addresses by default', async () => {
  const daemon = await start({ port: 0, backendOptions: { host: 'echo://' } });
  onTestFinished(async () => {
    await daemon.stop();
  });
  expect(['::', '0.0.0.0']).toContain(daemon.host);
  const client = await RawClient.open({ host: '127.0.0.1', port: daemon.port });
  client.stream.destroy();
});

test('start takes bounds and a logger', async () => {
  const lines: string[] = [];
  const daemon = await started({
    backendOptions: { host: 'echo://' },
    limits: { messageBytes: 3 },
    log: createLogger('info', (line) => lines.push(line)),
  });
  expect(lines).toEqual([
    expect.stringContaining(`listening on ws://${daemon.endpoint}\n`),
    expect.stringMatching(/ info {2}kernel (on|off why=.*)\n$/),
    expect.stringMatching(/ info {2}bounds max-connections=\d+ open-files=\d+ max-buffered=\d+\n$/),
  ]);
  const client = await RawClient.open(daemon);
  client.send(clientFrame(TEXT, 'four'));
  await client.expectFailed(1009);
  client.stream.end();
  await until('its end', () => daemon.connections === 0);
  await daemon.stop();
  expect(lines.join('')).toMatch(
    / info {2}closed id=1 .*why=message-too-large .*\n.* info {2}stopping connections=0\n.* stopped\n$/s,
  );
});

test('start listens on a Unix socket, with the mode that it is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ws-index-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a.sock');
  for (const [socketMode, mode] of [
    [undefined, 0o660],
    ['0600', 0o600],
  ] as const) {
    const daemon = await start({
      listen: `unix://${path}`,
      ...(socketMode && { socketMode }),
      backendOptions: { host: 'echo://' },
    });
    expect(statSync(path).mode & 0o777).toBe(mode);
    expect(daemon.endpoint).toBe(`unix://${path}`);
    const socket = connect({ path, allowHalfOpen: true });
    await once(socket, 'connect');
    const client = new RawClient(new ByteStream(socket));
    client.send(request());
    await client.expectAccepted();
    client.stream.destroy();
    await daemon.stop();
    expect(readdirSync(folder)).toEqual([]);
  }
});

test('start takes plugins, whose names its other options may use', async () => {
  const daemon = await started({
    plugins: ['./test/fixtures/plugins/path-backend.mjs', './test/fixtures/plugins/lines-framing.mjs'],
    backend: 'by-path',
    backendOptions: { peer: 'echo://', framing: 'lines', forbidden: ['/a', '/chat'] },
  });
  const client = await RawClient.connect(daemon);
  client.send(request());
  await client.expectRefused(403);
  client.stream.end();
});

test('start takes a folder for datagram sockets, and judges it', async () => {
  await expect(start({ dgramDir: '/nowhere' })).rejects.toThrow(
    /^dgram-dir: expected a folder to write to, not "\/nowhere": there is none; make it first$/,
  );
  await started({ dgramDir: tmpdir(), backendOptions: { host: 'echo://' } });
});

test('start closes the backend again if it cannot listen', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ws-index-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const closed = `websocksy-test-closed-${process.pid}`;
  const backend = join(folder, 'closes.mjs');
  writeFileSync(
    backend,
    `export default { apiVersion: 1, kind: 'backend', name: 'closes', options: {}, create: () => ({
      query: async () => null, close() { globalThis[${JSON.stringify(closed)}] = true; } }) };`,
  );
  await expect(start({ listen: `unix://${folder}/none/a`, backend })).rejects.toMatchObject({
    code: 'ENOENT',
  });
  expect(globalThis).toHaveProperty(closed, true);
});

test.each<[string, StartOptions, RegExp]>([
  ['a mode', { socketMode: '9' }, /^socket-mode: expected an octal mode/],
  ['a plugin', { plugins: ['./nowhere.mjs'] }, /^plugin: plugin ".\/nowhere.mjs" could not be loaded/],
  ['a port', { port: 70_000 }, /^port: expected a number from 0 to 65535/],
  ['a fraction of a port', { port: 1.5 }, /^port: /],
  ['a keepalive', { ping: -1 }, /^ping: /],
  ['an address', { listen: 'no such/host' }, /^listen: /],
  ['a backend', { backend: 'defualt' }, /^backend: unknown backend "defualt"; did you mean default\?/],
  [
    'a backend’s option',
    { backendOptions: { hots: 'echo://' } },
    /^hots: unknown option .*did you mean host\?/,
  ],
  ['a peer', { backendOptions: { host: 'gopher://x' } }, /^host: /],
  ['a framing', { backendOptions: { framing: 'bianry' } }, /^framing: unknown framing "bianry"/],
  ['a plugin’s path', { backend: './no-such-backend.mjs' }, /^backend: .*could not be loaded/],
])('start rejects with a ConfigError for %s that is wrong', async (_, options, message) => {
  const failure = await start({ listen: '127.0.0.1', port: 0, ...options }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(ConfigError);
  expect((failure as ConfigError).message).toMatch(message);
});

test("start rejects with the system's error when the port is taken", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  await expect(start({ port, listen: '127.0.0.1' })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('the tables of bounds and codes cannot be changed', () => {
  expect(Object.isFrozen(DEFAULT_LIMITS)).toBe(true);
  expect(FAULTS['peer-closed']).toMatchObject({ status: 502, close: 1000 });
});

/**
 * Who decides where a connection goes: the configuration and its backend, never what a client writes somewhere. And
 * what there is besides connections: no files, no secrets.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CORE_OPTIONS } from '../../src/config/options.ts';
import type { BackendPlugin } from '../../src/plugins/api.ts';
import { builtIn, findBuiltIn } from '../../src/plugins/modules.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { clientFrame, RawClient, type RequestOptions, request, TEXT } from '../support/raw-client.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

const ROOT = new URL('../../', import.meta.url);

const folder = mkdtempSync(join(tmpdir(), 'websocksy-routes-'));
const targets = join(folder, 'targets');
let peers: TcpPeer;
let elsewhere: TcpPeer;
let bridge: Daemon;
let files: Daemon;
beforeAll(async () => {
  [peers, elsewhere] = await Promise.all([TcpPeer.listen(), TcpPeer.listen()]);
  mkdirSync(join(targets, 'sub'), { recursive: true });
  for (const name of ['outside', 'targets/inside', 'targets/sub/inside'])
    writeFileSync(join(folder, name), 'echo:// *\n');
  const file = ['-b', 'file', '-c', `path=${targets}`];
  const expressions = ['%endpoint%', 'sub/%header:X-Name%', '%cookie:name%/inside'];
  [bridge, files] = await Promise.all([
    startDaemon(['-c', `host=${peers.address}`, '-c', 'framing=binary']),
    startDaemon([...file, ...expressions.flatMap((each) => ['-c', `expression=${each}`])]),
  ]);
});
afterAll(async () => {
  await Promise.all([bridge, files].map((daemon) => daemon?.stop('SIGKILL')));
  await Promise.all([peers.close(), elsewhere.close()]);
  rmSync(folder, { recursive: true });
});

describe('a client does not choose its peer', () => {
  /** What a client writes to be taken to a server of its choice. */
  const cases: [string, (authority: string) => RequestOptions][] = [
    ['an absolute target', (to) => ({ requestLine: `GET http://${to}/ HTTP/1.1` })],
    ['an absolute target of WebSocket', (to) => ({ requestLine: `GET ws://${to}/ HTTP/1.1` })],
    ['a path that is an address', (to) => ({ requestLine: `GET /tcp://${to} HTTP/1.1` })],
    ['a path with two slashes', (to) => ({ requestLine: `GET //${to}/ HTTP/1.1` })],
    [
      'a query',
      (to) => ({ requestLine: `GET /?host=tcp://${to}&peer=${to}&token=${to}&url=${to} HTTP/1.1` }),
    ],
    ['the Host', (to) => ({ replace: { Host: to } })],
    [
      'fields of proxies',
      (to) => ({ add: [`X-Forwarded-Host: ${to}`, `Forwarded: host=${to}`, `X-Peer: ${to}`] }),
    ],
    ['a subprotocol', (to) => ({ add: [`Sec-WebSocket-Protocol: ${to.replace(':', '.')}`] })],
    ['a cookie', (to) => ({ add: [`Cookie: host=${to}; peer=${to}`] })],
  ];

  test.each(cases)('by %s', async (_, head) => {
    const authority = elsewhere.address.slice('tcp://'.length);
    const client = await RawClient.connect(bridge);
    client.send(request(head(authority)));
    await client.expectAccepted();
    const peer = await peers.accept();
    client.send(clientFrame(TEXT, 'hello'));
    expect((await peer.take(5)).toString()).toBe('hello');
    client.stream.end();
    peer.end();
    await expect(nobodyCame(elsewhere)).resolves.toBe(true);
  });

  test.each(['CONNECT', 'POST', 'PUT', 'TRACE'])('by the method %s', async (method) => {
    const client = await RawClient.connect(bridge);
    const target = method === 'CONNECT' ? elsewhere.address.slice('tcp://'.length) : '/';
    client.send(request({ requestLine: `${method} ${target} HTTP/1.1` }));
    await client.expectRefused(405);
    client.stream.end();
    await expect(nobodyCame(elsewhere)).resolves.toBe(true);
  });
});

/** A connection of our own is the first that the peer sees: none came before it. */
async function nobodyCame(peer: TcpPeer): Promise<boolean> {
  const { port } = new URL(peer.address);
  const own = await RawClient.connect({ host: '127.0.0.1', port: Number(port) });
  own.stream.write('own');
  const first = await peer.accept();
  const words = await first.take(3);
  own.stream.destroy();
  first.destroy();
  return words.toString() === 'own';
}

describe('no target file outside of the folder is opened', () => {
  const outside = [
    '..',
    '../outside',
    '../../outside',
    '..\\outside',
    '%2e%2e/outside',
    '..%2foutside',
    './../outside',
  ];
  const elsewhereToo = [
    '....//outside',
    '..;/outside',
    '%252e%252e/outside',
    '\xc0\xae\xc0\xae/outside',
    '.',
    '/',
  ];

  test.each([...outside, ...elsewhereToo])('for the value %s', async (value) => {
    const client = await RawClient.connect(files);
    const visible = value.replaceAll(/[^\x21-\x7e]/g, 'x');
    const add = [`X-Name: ${value}`, `Cookie: name=${value}`];
    client.send(request({ requestLine: `GET /${visible} HTTP/1.1`, add }));
    await client.expectRefused(404);
    client.stream.end();
  });

  test.each([
    ['a folder above in an absolute target', 'http://x/../outside'],
    ['the folder itself', `/../${basename(targets)}/inside`],
    ['a file of the system', `//etc/passwd`],
  ])('for %s', async (_, target) => {
    const client = await RawClient.connect(files);
    client.send(request({ requestLine: `GET ${target} HTTP/1.1` }));
    await client.expectRefused(404);
    client.stream.end();
  });

  test('for a link to the outside, which is a mistake', async () => {
    symlinkSync(join(folder, 'outside'), join(targets, 'link'));
    const client = await RawClient.connect(files);
    client.send(request({ requestLine: 'GET /link HTTP/1.1' }));
    await client.expectRefused(500);
    client.stream.end();
  });

  test('while those inside are', async () => {
    for (const options of [{ requestLine: 'GET /inside HTTP/1.1' }, { add: ['X-Name: inside'] }]) {
      const client = await RawClient.open(files, request(options));
      await client.expectOpen();
      client.stream.end();
    }
  });
});

test.each(['/', '/index.html', '/inside', '/../outside', '/%2e%2e/outside', '/etc/passwd'])(
  'nothing is served to a browser that asks for %s: no file, no listing',
  async (target) => {
    const client = await RawClient.connect(files);
    client.stream.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const { body } = await client.expectRefused(426);
    expect(body).toBe('this is a WebSocket endpoint\n');
    client.stream.end();
  },
);

test('two Origins are a malformed request, which no backend is asked about', async () => {
  const client = await RawClient.connect(bridge);
  client.send(request({ add: ['Origin: https://app.example', 'Origin: https://evil.example'] }));
  await client.expectRefused(400);
  client.stream.end();
});

test('the daemon is given no secret, so that it has none to compare', async () => {
  const names = Object.keys(CORE_OPTIONS);
  for (const name of builtIn('backend')) {
    const { default: plugin } = (await findBuiltIn('backend', name)!()) as { default: BackendPlugin };
    names.push(...Object.keys(plugin.options));
  }
  expect(names.filter((name) => /pass|secret|token|auth|cert|private/.test(name))).toEqual([]);
});

test('no program is started, and no HTTP server of Node’s', () => {
  const imports = ['src/', 'bin/'].flatMap((part) =>
    readdirSync(new URL(part, ROOT), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [
        ...readFileSync(new URL(part + name, ROOT), 'utf8').matchAll(/'(node:[a-z_/]+)'/g),
      ]),
  );
  const modules = new Set(imports.map(([, name]) => name));
  expect(modules).toContain('node:net');
  const others = [
    'child_process',
    'cluster',
    'http',
    'http2',
    'https',
    'inspector',
    'repl',
    'worker_threads',
  ];
  expect(others.filter((name) => modules.has(`node:${name}`))).toEqual([]);
});

/** The backend `file` in a daemon: three targets, real peers, and what client and log are told. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Backend } from '../../src/plugins/api.ts';
import plugin from '../../src/plugins/backends/file.ts';
import { type Served, type ServeOptions, serve } from '../support/in-process.ts';
import { BINARY, clientFrame, type RawClient, request, TEXT } from '../support/raw-client.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

let targets: string;
let warnings: string[];
let peers: Record<'vnc' | 'chat' | 'rest', TcpPeer>;

beforeEach(async () => {
  targets = mkdtempSync(join(tmpdir(), 'targets-'));
  warnings = [];
  peers = { vnc: await TcpPeer.listen(), chat: await TcpPeer.listen(), rest: await TcpPeer.listen() };
  onTestFinished(() => rmSync(targets, { recursive: true }));
  write('alice-vnc', `# Alice's screen\n${peers.vnc.address} binary binary\n`);
  write('chat', `${peers.chat.address} v2.chat\n\n${peers.chat.address} *\n`);
  write('fallback', `${peers.rest.address}\t*\tauto\r\n`);
});

function write(name: string, text: string): void {
  writeFileSync(join(targets, name), text);
}

/** A daemon with the backend. Its peers leave before it stops, or it would wait for them. */
async function start(options: Pick<ServeOptions, 'errors' | 'framing'> = {}): Promise<Served> {
  const served = await serve({ ...options, backend: await backend() });
  onTestFinished(async () => {
    await Promise.all(Object.values(peers).map((peer) => peer.close()));
  });
  return served;
}

async function backend(): Promise<Backend> {
  const expressions = ['%cookie:user%-%endpoint%', '%endpoint%', '%header:X-Fallback%'];
  return plugin.create(
    { get: (option) => (option === 'path' ? targets : undefined), all: () => expressions },
    {
      checkFraming: () => Promise.reject(new Error('unused')),
      checkPeer: (address) => address,
      warn: (message) => warnings.push(message),
    },
  );
}

/** A client that has sent its request for a target, with these header lines. */
async function ask(served: Served, target: string, ...add: string[]): Promise<RawClient> {
  const client = await served.connect();
  client.send(request({ requestLine: `GET ${target} HTTP/1.1`, add }));
  return client;
}

/** The status and text that a client is refused with. It leaves, so that the log has its line at once. */
async function refusal(client: RawClient, status: number): Promise<string> {
  const { body } = await client.expectRefused(status);
  client.stream.end();
  return body;
}

const subprotocolOf = async (client: RawClient) =>
  (await client.expectAccepted()).fields.get('sec-websocket-protocol');

describe('each client reaches its peer', () => {
  test('by cookie and target, with the subprotocol and the framing of the line', async () => {
    const served = await start();
    const client = await ask(
      served,
      '/vnc',
      'Cookie: a=1; user=alice',
      'Sec-WebSocket-Protocol: text, binary',
    );
    expect(await subprotocolOf(client)).toEqual(['binary']);
    const peer = await peers.vnc.accept();
    client.send(clientFrame(TEXT, 'to the peer'));
    expect(String(await peer.take(11, 'what the client sent'))).toBe('to the peer');
    peer.write(Buffer.from('ascii'));
    await client.expectMessage(BINARY, 'ascii');
  });

  test('by target, with the first offer where the line has a *', async () => {
    const served = await start();
    const client = await ask(served, '/chat/', 'Sec-WebSocket-Protocol: v3.chat, v1.chat');
    expect(await subprotocolOf(client)).toEqual(['v3.chat']);
    (await peers.chat.accept()).write(Buffer.from('ascii'));
    await client.expectMessage(TEXT, 'ascii');
  });

  test('by header, and a client without offers is told of no subprotocol', async () => {
    const served = await start();
    const client = await ask(served, '/none', 'x-fallback: fallback');
    expect(await subprotocolOf(client)).toBeUndefined();
    await peers.rest.accept();
  });

  test('by what the file says when it comes', async () => {
    const served = await start();
    await refusal(await ask(served, '/new'), 404);
    write('new', `${peers.rest.address} *\n`);
    await (await ask(served, '/new')).expectAccepted();
    await peers.rest.accept();
  });
});

describe('a client is refused', () => {
  test.each([
    ['a file that is not there', '/none', []],
    ['another’s file, without the cookie', '/vnc', []],
    ['an offer that no line has', '/vnc', ['Cookie: user=alice', 'Sec-WebSocket-Protocol: text']],
    ['a cookie that leads up', '/x', ['Cookie: user=../../../etc/passwd']],
    ['a target that leads up', '/..', []],
    ['a target that leads up, encoded', '/%2e%2e%2fpasswd', []],
    ['a target that is a path', '/../../../../../../etc/passwd', []],
    ['a header that leads up', '/x', ['X-Fallback: ..']],
    ['a name that is too long', `/${'x'.repeat(8000)}`, []],
  ])('with 404 for %s', async (_what, target, add) => {
    const served = await start();
    const body = await refusal(await ask(served, target, ...add), 404);
    expect(body).toContain('nothing is served here');
    expect(await served.ended()).toMatchObject({ why: 'route-none' });
  });

  test.each([
    ['a peer with an unknown scheme', 'gopher://a:1 *', 'gopher'],
    ['a peer without a port', 'tcp://localhost *', 'no port'],
    ['a framing that there is not', 'tcp://localhost:1 * binry', 'binry'],
    ['a framing that was not loaded', 'tcp://localhost:1 * ./examples/plugins/lines.mjs', 'lines.mjs'],
    ['a framing of another language', 'tcp://localhost:1 * node:fs', 'node:fs'],
    ['a configuration that the framing refuses', 'tcp://localhost:1 * binary 7', 'takes no configuration'],
  ])(
    'with 500 for %s, without falling through, and the log names file and line',
    async (_what, line, message) => {
      write('alice-chat', `# of Alice\n${line}\n${peers.chat.address} *\n`);
      const served = await start({ errors: /alice-chat:2/ });
      const body = await refusal(await ask(served, '/chat', 'Cookie: user=alice'), 500);
      expect(body).not.toContain('alice');
      const logged = await served.logged(/why=route-invalid/);
      expect(logged).toContain(`at=${targets}/alice-chat:2`);
      expect(logged).toContain(message);
    },
  );

  test.each([
    ['is a link to the outside', () => symlinkSync('/etc/passwd', join(targets, 'bad')), 'outside of'],
    ['is too long', () => write('bad', '#'.repeat(1024 * 1024 + 1)), 'is larger than'],
    ['is no text', () => writeFileSync(join(targets, 'bad'), Buffer.from([0xff])), 'is not UTF-8'],
  ])('with 500 for a file that %s, and the log names it', async (_what, make, message) => {
    make();
    const served = await start({ errors: /bad/ });
    const body = await refusal(await ask(served, '/bad', 'X-Fallback: fallback'), 500);
    expect(body).not.toContain('bad');
    const logged = await served.logged(/why=backend-failed/);
    expect(logged).toContain(`${targets}/bad `);
    expect(logged).toContain(message);
  });
});

test('a blank line does not end the daemon: it is told of once, by file and line', async () => {
  const served = await start();
  write('blank', '\n');
  for (let i = 0; i < 3; i += 1) {
    await refusal(await ask(served, '/blank'), 404);
    await (await ask(served, '/chat')).expectAccepted();
    await peers.chat.accept();
  }
  expect(warnings.map((line) => line.split(': ', 1)[0])).toEqual([`${targets}/blank:1`, `${targets}/chat:2`]);
});

test('a framing that the configuration has loaded can be named', async () => {
  const lines = resolve('examples/plugins/lines.mjs');
  write('lines', `${peers.rest.address} * ${lines}\n`);
  const served = await start({ framing: lines });
  const client = await ask(served, '/lines');
  await client.expectAccepted();
  (await peers.rest.accept()).write(Buffer.from('one\ntwo\n'));
  await client.expectMessage(TEXT, 'one\n');
  await client.expectMessage(TEXT, 'two\n');
});

test('a hundred clients at once, of three targets, while a file is replaced', async () => {
  const served = await start();
  const ways = [['/vnc', 'Cookie: user=alice'], ['/chat'], ['/none', 'X-Fallback: fallback']] as const;
  const clients = Array.from({ length: 99 }, async (_, i) => {
    const [target, ...add] = ways[i % 3]!;
    const client = await ask(served, target, ...add);
    await client.expectAccepted();
  });
  for (let i = 0; i < 20; i += 1) {
    write('new', `${peers.chat.address} *\n`);
    await rename(join(targets, 'new'), join(targets, 'chat'));
  }
  await Promise.all(clients);
  for (const peer of Object.values(peers)) for (let i = 0; i < 33; i += 1) await peer.accept();
});

/** Runs the larger examples of examples/plugins/ in the built daemon, against real servers. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Framing, FramingPlugin } from '../src/plugins/api.ts';
import { hex } from './support/byte-stream.ts';
import { type Daemon, runCommand, startDaemon } from './support/daemon.ts';
import { BINARY, clientFrame, RawClient, request } from './support/raw-client.ts';
import { until } from './support/sockets.ts';
import { refusingPort, TcpPeer } from './support/tcp-peer.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

interface Answer {
  readonly status?: number | undefined;
  readonly reason: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

describe('examples/plugins/http-service.mjs', () => {
  /** What the service was asked, and what it does about it. */
  const asked: IncomingMessage[] = [];
  let answer: (response: ServerResponse, url: URL) => void;
  let service: Server;
  let daemon: Daemon;

  beforeAll(async () => {
    service = createServer((incoming, response) => {
      asked.push(incoming);
      answer(response, new URL(incoming.url ?? '', 'http://service'));
    }).listen(0, '127.0.0.1');
    await once(service, 'listening');
    const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/route?site=a`;
    daemon = await startDaemon(['-b', './examples/plugins/http-service.mjs', '-c', `url=${url}`]);
  });
  afterEach(() => {
    asked.length = 0;
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    service.closeAllConnections();
    service.close();
  });

  const json = (value: unknown) => (response: ServerResponse) => response.end(JSON.stringify(value));
  const status = (code: number, text: string, headers: Record<string, string> = {}) => {
    return (response: ServerResponse) => response.writeHead(code, headers).end(text);
  };

  /** The answer to a client that is not let in. */
  async function refused(target: string, from = daemon): Promise<Answer> {
    const client = new WebSocket(`ws://127.0.0.1:${from.port}${target}`);
    client.on('error', () => {});
    const [, response] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage];
    let reason = '';
    for await (const text of response.setEncoding('utf8')) reason += text;
    return { status: response.statusCode, reason: reason.trim(), headers: response.headers };
  }

  test('sends the client where the service says, and tells the service who asks', async () => {
    answer = json({ peer: 'echo://', framing: 'binary', subprotocol: 'v1' });
    const headers = { Authorization: 'Bearer abc', Cookie: 'sid=1; theme=dark', 'X-Other': 'secret' };
    const client = new WebSocket(`ws://127.0.0.1:${daemon.port}/room%207?token=no`, ['v2', 'v1'], {
      headers,
    });
    await once(client, 'open');
    expect(client.protocol).toBe('v1');
    client.send('hello');
    const [message] = await once(client, 'message');
    expect(String(message)).toBe('hello');
    client.terminate();
    const [{ url, method, headers: sent }] = asked as [IncomingMessage];
    const query = new URL(url ?? '', 'http://service').searchParams;
    expect([method, query.get('site'), query.get('path')]).toEqual(['GET', 'a', '/room%207']);
    expect(query.getAll('subprotocol')).toEqual(['v2', 'v1']);
    expect(sent).toMatchObject({ authorization: 'Bearer abc', cookie: 'sid=1; theme=dark' });
    expect(sent).not.toHaveProperty('x-other');
  });

  test.each([
    ['/?token=a.b-c==', 'Bearer a.b-c=='],
    ['/?token=not%0D%0Aone', undefined],
    ['/?token=%E2%82%AC', undefined],
    ['/', undefined],
  ])('for %s shows the service the token %s', async (target, authorization) => {
    answer = status(404, '');
    expect((await refused(target)).status).toBe(404);
    expect(asked[0]?.headers.authorization).toBe(authorization);
    expect(asked[0]?.headers).not.toHaveProperty('cookie');
  });

  test('says no as the service does', async () => {
    answer = status(404, 'never heard of it');
    expect(await refused('/')).toMatchObject({ status: 404, reason: 'nothing is served here' });
    answer = status(403, 'not in this room\n');
    expect(await refused('/')).toMatchObject({ status: 403, reason: 'not in this room' });
    answer = status(403, '');
    expect(await refused('/')).toMatchObject({ status: 403, reason: 'refused' });
    answer = status(401, 'who are you?\nand more', { 'WWW-Authenticate': 'Bearer realm="x"' });
    expect(await refused('/')).toMatchObject({
      status: 401,
      reason: 'who are you?',
      headers: { 'www-authenticate': 'Bearer realm="x"' },
    });
  });

  test.each([
    ['an error', status(503, 'overloaded'), /why=backend-failed .*answered 503/],
    ['a redirection', status(302, '', { Location: '/login' }), /why=backend-failed .*answered 302/],
    ['no JSON', status(200, '<html>'), /why=backend-failed .*JSON/],
    ['null', json(null), /why=backend-failed/],
    ['a route without a peer', json({ framing: 'auto' }), /why=route-invalid .*without a peer/],
    ['an address that is none', json({ peer: 'gopher://x' }), /why=route-invalid .*gopher/],
    [
      'a framing that is none',
      json({ peer: 'echo://', framing: 'x' }),
      /why=route-invalid .*unknown framing/,
    ],
    ['a broken answer', (response: ServerResponse) => response.destroy(), /why=backend-failed/],
  ])('makes a 500 of %s, and the log says whose', async (_what, given, logged) => {
    answer = given;
    const before = daemon.output().length;
    expect(await refused('/')).toMatchObject({ status: 500, reason: 'internal error' });
    await until('the log', () => logged.test(daemon.output().slice(before)));
    const line = daemon
      .output()
      .slice(before)
      .split('\n')
      .find((each) => logged.test(each));
    expect(line).toContain('backend=./examples/plugins/http-service.mjs');
  });

  test('makes a 500 of a service that is down, and the log says which', async () => {
    const port = await refusingPort();
    const url = `http://127.0.0.1:${port.port}/`;
    await using lonely = await startDaemon(['-b', './examples/plugins/http-service.mjs', '-c', `url=${url}`]);
    expect(await refused('/', lonely)).toMatchObject({ status: 500, reason: 'internal error' });
    await until('the log', () => /why=backend-failed/.test(lonely.output()));
    expect(lonely.output()).toMatch(
      /refused .*why=backend-failed .*backend=\.\/examples\/plugins\/http-service\.mjs .*ECONNREFUSED/,
    );
    port.release();
  });

  test('gives up asking when the client leaves', async () => {
    let given: ServerResponse | undefined;
    answer = (response) => {
      given = response;
    };
    const client = await RawClient.connect(daemon);
    client.send(request());
    await until('the question', () => given !== undefined);
    expect(given?.destroyed).toBe(false);
    client.stream.reset();
    await once(given!, 'close');
    expect(given?.writableEnded).toBe(false);
    // And goes on asking for others.
    answer = status(404, '');
    expect((await refused('/')).status).toBe(404);
  });

  test.each([
    [
      'without its url',
      [],
      /^websocksy: -b: backend ".*http-service.mjs": its option "url" is not set: expected the http/,
    ],
    ['with no URL', ['-c', 'url=localhost'], /--?\S+ url: expected the http:\/\/ or https:\/\/ URL/],
    ['with another URL', ['-c', 'url=ftp://x/'], /expected the http/],
    ['with a password in it', ['-c', 'url=http://me:pw@x/'], /expected the http/],
  ])('is refused %s when it is loaded', async (_what, args, said) => {
    const command = ['--check', '-b', './examples/plugins/http-service.mjs', ...args];
    const { code, stderr } = await runCommand(command);
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
  });
});

describe('examples/plugins/mqtt-packets.mjs', () => {
  const CONNACK = hex('20 02 00 00');
  const PUBLISH = hex('30 07 0003 612f62 6869'); // "hi" to a/b
  const PINGRESP = hex('d0 00');
  // 321 bytes behind the length, as in MQTT 3.1.1 §2.2.3.
  const LARGE = Buffer.concat([hex('30 c1 02 0001 74'), Buffer.alloc(318, 'x')]);
  const stream = Buffer.concat([CONNACK, PUBLISH, PINGRESP, LARGE, PUBLISH]);
  const packets = [CONNACK, PUBLISH, PINGRESP, LARGE, PUBLISH];

  async function makeFraming(): Promise<Framing> {
    const path = '../examples/plugins/mqtt-packets.mjs';
    const { default: plugin } = (await import(path)) as { default: FramingPlugin };
    return plugin.configure(undefined)({ maximum: 1_000_000 });
  }

  test.each([
    ['whole', [stream.length]],
    ['in the middle of a length', [1, 5, 14, 15, 16, 100, stream.length]],
    ['byte by byte', Array.from(stream.subarray(0, 40), (_, at) => at + 1).concat(stream.length)],
  ])('makes a binary message of each packet, when they come %s', async (_what, places) => {
    const broker = await TcpPeer.listen();
    await using daemon = await startDaemon([
      ...['-c', `host=${broker.address}`, '-c', 'framing=./examples/plugins/mqtt-packets.mjs'],
      ...['-c', 'protocol=mqtt'],
    ]);
    const client = await RawClient.open(daemon, request({ add: ['Sec-WebSocket-Protocol: mqtt'] }));
    const peer = await broker.accept();
    client.send(clientFrame(BINARY, hex('10 0c 0004 4d515454 04 02 003c 0000'))); // CONNECT
    expect((await peer.take(14)).toString('latin1')).toContain('MQTT');
    await peer.writePieces(places.map((end, i) => stream.subarray(places[i - 1] ?? 0, end)));
    for (const packet of packets) await client.expectMessage(BINARY, packet);
    client.stream.destroy();
    await broker.close();
  });

  test('closes with 1011 at a Remaining Length of five bytes, and logs it', async () => {
    const broker = await TcpPeer.listen();
    await using daemon = await startDaemon([
      ...['-c', `host=${broker.address}`, '-c', 'framing=./examples/plugins/mqtt-packets.mjs'],
    ]);
    const client = await RawClient.open(daemon);
    const peer = await broker.accept();
    peer.write(Buffer.concat([PINGRESP, hex('30 80 80 80 80 01')]));
    await client.expectMessage(BINARY, PINGRESP);
    await client.expectClosedByServer(1011);
    client.stream.end();
    peer.end();
    await until('the log', () => /why=framing-failed/.test(daemon.output()));
    expect(daemon.output()).toContain('Remaining Length is longer than four bytes');
    client.stream.destroy();
    await broker.close();
  });

  test.each([
    ['', 0],
    ['30', 0],
    ['30 00', 2],
    ['30 7f', 0],
    ['30 80', 0],
    ['30 80 80 80', 0],
    ['30 ff ff ff 7f', 0],
    ['30 01', 0],
    ['30 01 aa', 3],
    ['30 01 aa bb', 3],
    ['30 81 00 aa bb', 4],
  ])('of %j finds %i bytes', async (digits, length) => {
    const { next } = await makeFraming();
    const bytes = Buffer.concat([hex('ffff'), hex(digits), hex('0000')]);
    expect(next(bytes, 2, bytes.length - 2, 0, false)).toBe(length);
  });

  test('looks at five bytes, however many have come', async () => {
    const { next } = await makeFraming();
    let looked = 0;
    const bytes = new Proxy(Buffer.from(hex('30 80 80 80 01')), {
      get(target, name) {
        looked += 1;
        return Reflect.get(target, name);
      },
    });
    expect(next(bytes, 0, 2_000_000, 1_999_999, false)).toBe(0);
    expect(looked).toBeLessThanOrEqual(5);
  });
});

describe('examples/plugins/typed.ts', () => {
  /** As in a project that has installed websocksy and types a plugin with it. */
  const project = mkdtempSync(join(tmpdir(), 'websocksy-typed-'));
  afterAll(() => rmSync(project, { recursive: true }));
  const source = readFileSync(join(ROOT, 'examples/plugins/typed.ts'), 'utf8');

  beforeAll(() => {
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(ROOT, join(project, 'node_modules/websocksy'));
    symlinkSync(join(ROOT, 'node_modules/@types'), join(project, 'node_modules/@types'));
    writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  });

  async function compile(name: string, text: string): Promise<{ code: number; said: string }> {
    writeFileSync(join(project, name), text);
    const flags = ['--strict', '--noUncheckedIndexedAccess', '--module', 'nodenext', '--target', 'es2023'];
    const command = [join(ROOT, 'node_modules/typescript/bin/tsc'), ...flags, '--types', 'node', name];
    try {
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: project });
      return { code: 0, said: stdout };
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string };
      return { code, said: stdout };
    }
  }

  test('is compiled against the types of the package, without complaint', async () => {
    expect(await compile('typed.ts', source)).toEqual({ code: 0, said: '' });
  });

  test.each([
    ['another kind', "kind: 'framing'", "kind: 'framin'", /'"framin"' is not assignable/],
    ['another type', "type: 'binary'", "type: 'bytes'", /"bytes"/],
    ['a length that is text', 'return 0;', "return '0';", /string/],
  ])('is refused by the compiler with %s', async (_what, right, wrong, said) => {
    expect(source).toContain(right);
    const outcome = await compile('wrong.ts', source.replace(right, wrong));
    expect(outcome.said).toMatch(said);
    expect(outcome.code).not.toBe(0);
  });

  test('is loaded and cuts, compiled or by a Node that strips types', async () => {
    await compile('typed.ts', source);
    const strips = Boolean((process.features as { typescript?: unknown }).typescript);
    for (const file of strips
      ? [join(project, 'typed.js'), './examples/plugins/typed.ts']
      : [join(project, 'typed.js')]) {
      const peer = await TcpPeer.listen();
      await using daemon = await startDaemon([
        ...['-c', `host=${peer.address}`, '-c', `framing=${file}`, '-c', 'framing-config=2'],
      ]);
      const client = await RawClient.open(daemon);
      (await peer.accept()).write(Buffer.from('\x00\x02hi\x00\x00\x00\x01', 'latin1'));
      await client.expectMessage(BINARY, '\x00\x02hi');
      await client.expectMessage(BINARY, '\x00\x00');
      client.stream.destroy();
      await peer.close();
    }
    const { code, stderr } = await runCommand([
      ...['--check', '-c', `framing=${join(project, 'typed.js')}`, '-c', 'framing-config=3'],
    ]);
    expect(stderr).toContain('expected 1, 2 or 4');
    expect(code).toBe(2);
  });
});

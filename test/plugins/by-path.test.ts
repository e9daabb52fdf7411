/** Strangers' plugins in the built daemon: a backend and a framing by path, with `ws` as the client. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { DEADLINE } from '../support/byte-stream.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { Listener, until } from '../support/sockets.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/plugins/', import.meta.url));
const EXECUTABLE = fileURLToPath(new URL('../../dist/bin/websocksy.js', import.meta.url));
const BACKEND = join(FIXTURES, 'path-backend.mjs');
const LINES = join(FIXTURES, 'lines-framing.mjs');

const clients: WebSocket[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.terminate();
});

interface Received {
  readonly client: WebSocket;
  readonly messages: [text: boolean, data: string][];
}

async function open(daemon: Daemon, target: string, subprotocols: string[] = []): Promise<Received> {
  const client = new WebSocket(`ws://${daemon.host}:${daemon.port}${target}`, subprotocols);
  clients.push(client);
  const messages: Received['messages'] = [];
  client.on('message', (data, binary) => messages.push([!binary, String(data)]));
  await once(client, 'open');
  return { client, messages };
}

interface Refused {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** The HTTP answer to a client that is not let in. */
function refused(daemon: Daemon, target: string): Promise<Refused> {
  const client = new WebSocket(`ws://${daemon.host}:${daemon.port}${target}`);
  return new Promise((resolve, reject) => {
    client.on('open', () => reject(new Error('it was let in')));
    client.on('error', reject);
    client.on('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: body.trim() }),
      );
    });
  });
}

describe('a framing by its path', () => {
  test('cuts the peer’s stream into messages, wherever the network cut it', async () => {
    await using peer = await Listener.on();
    await using daemon = await startDaemon([
      ...['-c', `host=tcp://127.0.0.1:${peer.port}`],
      ...['-c', `framing=${LINES}`, '-c', 'framing-config=;'],
    ]);
    const { client, messages } = await open(daemon, '/');
    const far = await peer.accept();
    far.write('one;tw');
    await until('the first message', () => messages.length === 1);
    far.write(Buffer.from('o;gr\xfcn;the rest', 'latin1'));
    far.end();
    const [code] = await once(client, 'close');
    expect(code).toBe(1000);
    expect(messages).toEqual([
      [true, 'one;'],
      [true, 'two;'],
      // Not UTF-8, although the framing calls it text: it goes out as binary.
      [false, 'gr\ufffdn;'],
      [false, 'the rest'],
    ]);
    await until('the log', () => /closed .*mistyped=1/.test(daemon.output()));
  });
});

describe('a backend by its path', () => {
  test('chooses the peer, the framing and the subprotocol', async () => {
    await using peer = await Listener.on();
    await using daemon = await startDaemon([
      ...['-b', BACKEND, '-c', `peer=tcp://127.0.0.1:${peer.port}`, '-c', `framing=${LINES}`],
    ]);
    const { client, messages } = await open(daemon, '/peer', ['second', 'first']);
    expect(client.protocol).toBe('second');
    const far = await peer.accept();
    client.send('up');
    const [up] = await once(far, 'data');
    expect(String(up)).toBe('up');
    far.write('down\n');
    await until('the message', () => messages.length === 1);
    expect(messages).toEqual([[true, 'down\n']]);
  });

  test('says no in its own words, or with nothing at all', async () => {
    await using daemon = await startDaemon(['-b', BACKEND, '-c', 'forbidden=/a', '-c', 'forbidden=/b']);
    for (const target of ['/a', '/b']) {
      const { status, headers, body } = await refused(daemon, target);
      expect([status, headers['x-forbidden'], body]).toEqual([403, target, 'not for you']);
    }
    expect(await refused(daemon, '/c')).toMatchObject({ status: 404, body: 'nothing is served here' });
  });

  test.each(['/throws', '/throws-nothing'])('that fails at %s harms that client alone', async (target) => {
    await using daemon = await startDaemon(['-b', BACKEND]);
    const { client, messages } = await open(daemon, '/peer');
    expect(await refused(daemon, target)).toMatchObject({ status: 500, body: 'internal error' });
    client.send('still here');
    await until('the echo', () => messages.length === 1);
    expect(messages).toEqual([[true, 'still here']]);
    // What went wrong is for the log.
    await until('the log', () => /refused .*why=backend-failed/.test(daemon.output()));
    if (target === '/throws') expect(daemon.output()).toContain('message="internal secret"');
  });
});

describe('a backend that keeps something open', () => {
  /** The exit status, or the signal by which it had to be ended. */
  async function exitOf(args: readonly string[]): Promise<number | string> {
    const child = spawn(process.execPath, [EXECUTABLE, ...args], {
      stdio: 'ignore',
      timeout: DEADLINE,
      killSignal: 'SIGKILL',
    });
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    return code ?? signal ?? 'nothing';
  }
  const holding = ['-b', join(FIXTURES, 'holds-loop.mjs')];

  test('does not keep --check from ending', async () => {
    expect(await exitOf([...holding, '--check'])).toBe(0);
  });

  test('does not keep a daemon that cannot listen from ending', async () => {
    await using taken = await Listener.on();
    expect(await exitOf([...holding, '-l', '127.0.0.1', '-p', String(taken.port)])).toBe(1);
  });
});

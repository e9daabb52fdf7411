/**
 * What strangers' plugins do while the daemon serves: each case harms the client it happens to and nobody else, gets
 * the answer of its fault, and leaves a line in the log.
 */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Backend, UpgradeRequest } from '../../src/plugins/api.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type Served, serve, until } from '../support/in-process.ts';
import { BINARY, clientClose, clientFrame, RawClient, request, TEXT } from '../support/raw-client.ts';
import { expectRunning } from '../support/still-serving.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

const FRAMING = fileURLToPath(new URL('../fixtures/plugins/misbehaving.mjs', import.meta.url));
const BACKEND = fileURLToPath(new URL('../fixtures/plugins/path-backend.mjs', import.meta.url));

const thrower = (member: string): object =>
  Object.defineProperty({ peer: 'echo://' }, member, {
    enumerable: true,
    get() {
      throw new Error(`no ${member} today`);
    },
  });

describe('a backend', () => {
  type Query = (request: UpgradeRequest, signal: AbortSignal) => unknown;

  /** Serves /bad with the query of the case, and an echo otherwise. */
  function serveBeside(bad: Query, queryTimeout = 5_000): Promise<Served> {
    const query: Query = (asked, signal) =>
      asked.path === '/bad' ? bad(asked, signal) : Promise.resolve({ peer: 'echo://' });
    return serve({ backend: { query } as Backend, limits: { queryTimeout } });
  }

  async function expectRefused(
    bad: Query,
    status: number,
    logged: RegExp,
    queryTimeout?: number,
  ): Promise<void> {
    const served = await serveBeside(bad, queryTimeout);
    const other = await served.open();
    const client = await served.connect();
    client.send(request({ requestLine: 'GET /bad HTTP/1.1', add: ['Sec-WebSocket-Protocol: offered'] }));
    const { body } = await client.expectRefused(status);
    // What the plugin said is for the log alone.
    expect(body.trim()).toBe(status === 504 ? 'no route in time' : 'internal error');
    client.stream.end();
    const line = await served.logged(/ refused id=2 /);
    expect(line).toContain(`status=${status}`);
    expect(line).toContain('backend=test');
    expect(line).toMatch(logged);
    // The one before it goes on, and so does the next one.
    other.send(clientFrame(TEXT, 'still here'));
    await other.expectMessage(TEXT, 'still here');
    const next = await served.open();
    next.send(clientFrame(TEXT, 'me too'));
    await next.expectMessage(TEXT, 'me too');
  }

  test.each<[string, Query, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('at once');
      },
      /message="at once"/,
    ],
    [
      'throws text',
      () => {
        throw 'at once';
      },
      /message="at once"/,
    ],
    [
      'throws nothing',
      () => {
        throw undefined;
      },
      /message=undefined/,
    ],
    [
      'throws what has no text',
      () => {
        throw Object.create(null);
      },
      /message="something that cannot/,
    ],
    [
      'rejects',
      async () => {
        throw new Error('later');
      },
      /message=later/,
    ],
    ['rejects with null', () => Promise.reject(null), /message=null/],
    ['rejects with a forged log line', () => Promise.reject('x\n2026 error'), /message="x\\n2026 error"/],
    [
      'answers with a thenable that throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: what a plugin might return
        then() {
          throw new Error('then what');
        },
      }),
      /message="then what"/,
    ],
  ])('that %s is a 500', async (_what, bad, logged) => {
    await expectRefused(bad, 500, new RegExp(`why=backend-failed .*${logged.source}`));
  });

  test.each<[string, unknown, RegExp]>([
    ['a number', 7, /answered number/],
    ['text', 'tcp://localhost:80', /answered string/],
    ['true', true, /answered boolean/],
    ['a function', () => ({ peer: 'echo://' }), /answered function/],
    ['a list', [], /without a peer/],
    ['nothing in it', {}, /without a peer/],
    ['a peer that is no text', { peer: 5900 }, /without a peer/],
    ['a peer that is none', { peer: 'gopher://x' }, /gopher/],
    ['a peer that throws', thrower('peer'), /no peer today/],
    ['a framing that is no text', { peer: 'echo://', framing: 7 }, /message=/],
    ['a framing that is none', { peer: 'echo://', framing: 'x' }, /unknown framing/],
    ['a framing that nobody has loaded', { peer: 'echo://', framing: './x.mjs' }, /unknown framing/],
    ['a framing that throws', thrower('framing'), /no framing today/],
    ['a configuration that throws', thrower('framingConfig'), /no framingConfig today/],
    ['a subprotocol that was not offered', { peer: 'echo://', subprotocol: 'x' }, /was not offered/],
    ['a subprotocol in other spelling', { peer: 'echo://', subprotocol: 'Offered' }, /was not offered/],
    ['a status that is none', { status: 200 }, /status 200/],
    ['a status that throws', thrower('status'), /no status today/],
    ['headers that forge', { status: 403, headers: [['X', 'a\r\nY: b']] }, /cannot be sent/],
    [
      'a Proxy that throws',
      new Proxy(
        {},
        {
          has() {
            throw new Error('go away');
          },
        },
      ),
      /go away/,
    ],
  ])('that answers with %s is a 500', async (_what, answer, logged) => {
    await expectRefused(async () => answer, 500, new RegExp(`why=route-invalid .*${logged.source}`));
  });

  test('that never answers is a 504, and its signal is aborted', async () => {
    let given: AbortSignal | undefined;
    const never: Query = (_request, signal) => {
      given = signal;
      return new Promise(() => {});
    };
    await expectRefused(never, 504, /why=backend-timeout/, 100);
    expect(given?.aborted).toBe(true);
  });

  test('is told when the client leaves before the answer, and what it answers then is nobody’s', async () => {
    let given: AbortSignal | undefined;
    let answer: ((route: unknown) => void) | undefined;
    const served = await serveBeside((_request, signal) => {
      given = signal;
      return new Promise((resolve) => {
        answer = resolve;
      });
    });
    const client = await served.connect();
    client.send(request({ requestLine: 'GET /bad HTTP/1.1' }));
    await until('the query', () => given !== undefined);
    client.stream.reset();
    await until('the signal', () => given?.aborted === true);
    answer?.({ peer: served.peers.address });
    expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
    expect(served.peerConnections()).toBe(0);
  });

  test('in the built daemon harms its own client alone, too', async () => {
    await using daemon = await startDaemon(['-b', BACKEND]);
    const other = await open(daemon, '/peer');
    for (const path of ['/throws', '/throws-nothing']) {
      const client = await RawClient.connect(daemon);
      client.send(request({ requestLine: `GET ${path} HTTP/1.1` }));
      await client.expectRefused(500);
      client.stream.end();
    }
    await until('the log', () => (daemon.output().match(/ refused /g) ?? []).length === 2);
    for (const line of daemon.output().match(/^.* refused .*$/gm) ?? [])
      expect(line).toContain(`backend=${BACKEND}`);
    other.send(clientFrame(TEXT, 'still here'));
    await other.expectMessage(TEXT, 'still here');
  });

  function open(daemon: Daemon, path: string): Promise<RawClient> {
    return RawClient.open(daemon, request({ requestLine: `GET ${path} HTTP/1.1` }));
  }
});

describe('a framing', () => {
  /** Each client's query says what its framing is to do. */
  async function serveFraming(): Promise<Served> {
    const served: Served = await serve({
      framing: FRAMING,
      backend: {
        async query({ query }) {
          const framingConfig = query.get('do') ?? undefined;
          return { peer: served.peers.address, framing: FRAMING, framingConfig };
        },
      },
    });
    return served;
  }

  const asking = (what: string) =>
    request({ requestLine: `GET /?${new URLSearchParams({ do: what })} HTTP/1.1` });

  test.each([
    ['configure throws', /misbehaving\.mjs.*what a configuration/],
    ['configure makes nothing', /misbehaving\.mjs.*must return a function, and not be async/],
    ['configure is async', /misbehaving\.mjs.*must return a function, and not be async/],
    ['factory is async', /misbehaving\.mjs.*without \\"next\\"/],
    ['factory throws', /misbehaving\.mjs.*no framing today/],
    ['factory makes nothing', /misbehaving\.mjs.*without \\"next\\"/],
    ['factory makes no next', /misbehaving\.mjs.*without \\"next\\"/],
    ['factory makes an odd type', /misbehaving\.mjs.*its type must be one of/],
    ['factory makes a throwing type', /no type today/],
  ])('whose %s is a 500, before the peer is dialled', async (what, logged) => {
    const served = await serveFraming();
    const other = await served.open();
    const otherPeer = await served.peers.accept();
    const client = await served.connect();
    client.send(asking(what));
    await client.expectRefused(500);
    client.stream.end();
    const line = await served.logged(/ refused id=2 /);
    expect(line).toMatch(/why=route-invalid/);
    expect(line).toMatch(logged);
    otherPeer.write('.');
    await other.expectMessage(BINARY, '.');
  });

  test('whose type throws only when it is read again is a 500, too, and leaves no connection behind', async () => {
    const served = await serveFraming();
    const client = await served.connect();
    client.send(asking('factory makes a type that throws later'));
    await client.expectRefused(500);
    client.stream.end();
    const line = await served.logged(/ refused id=1 /);
    expect(line).toMatch(/why=framing-failed message="type threw: not twice"/);
    expect(served.daemon.connections).toBe(0);
  });

  test.each([
    ['throws', /message="cannot be framed"/],
    ['throws nothing', /message=undefined/],
    ['throws what has no text', /message="something that cannot be shown was thrown"/],
    ['answers nothing', /next answered undefined for 3 bytes/],
    ['answers NaN', /next answered NaN for 3 bytes/],
    ['answers infinity', /next answered Infinity for 3 bytes/],
    ['answers -1', /next answered -1 for 3 bytes/],
    ['answers 0.5', /next answered 0\.5 for 3 bytes/],
    ['answers too much', /next answered 4 for 3 bytes/],
    ['answers text', /next answered a string \(1\) for 3 bytes/],
    ['answers 1n', /next answered a bigint \(1\) for 3 bytes/],
    ['answers true', /next answered a boolean \(true\) for 3 bytes/],
    ['answers a promise', /next answered an object \(\[object Promise\]\) for 3 bytes/],
    ['answers a rejected promise', /next answered an object \(\[object Promise\]\) for 3 bytes/],
    ['answers a list', /next answered an object \(1\) for 3 bytes/],
    ['answers what has no prototype to ask for', /next answered an object \(something that cannot be shown/],
    ['answers what has no text', /next answered an object \(something that cannot be shown/],
    ['answers a symbol', /next answered a symbol \(Symbol\(x\)\) for 3 bytes/],
    ['changes its type to 7n', /type is a bigint \(7\)/],
    ['gets a type that throws', /type threw: not today/],
    ['changes its type', /type is/],
    ['changes its type to nothing', /type is/],
  ])('that %s closes with 1011, behind what it had found', async (what, logged) => {
    const served = await serveFraming();
    const other = await served.open();
    const otherPeer = await served.peers.accept();
    const client = await RawClient.connect(served.daemon);
    client.send(asking(what));
    await client.expectAccepted();
    const peer = await served.peers.accept();
    peer.write('.xyz');
    await client.expectMessage(BINARY, '.');
    expect(await client.readClose()).toEqual({ code: 1011, reason: 'peer data could not be framed' });
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    client.stream.end();
    peer.end();
    const line = await served.logged(/ closed id=2 /);
    expect(line).toMatch(/ framing=\/.*misbehaving\.mjs .*why=framing-failed/);
    expect(line).toMatch(logged);
    otherPeer.write('.');
    await other.expectMessage(BINARY, '.');
    const next = await served.bridge();
    next.peer.write('.');
    await next.client.expectMessage(BINARY, '.');
  });

  test('in the built daemon harms its own client alone, too', async () => {
    const peers = await TcpPeer.listen();
    await using daemon = await startDaemon([
      ...['-c', `host=${peers.address}`, '-c', `framing=${FRAMING}`, '-c', 'framing-config=throws'],
    ]);
    const other = await RawClient.open(daemon);
    const otherPeer = await peers.accept();
    const client = await RawClient.open(daemon);
    const peer = await peers.accept();
    peer.write('x');
    await client.expectClosedByServer(1011);
    client.stream.end();
    peer.end();
    await until('the log', () => /closed .*why=framing-failed/.test(daemon.output()));
    otherPeer.write('.');
    await other.expectMessage(BINARY, '.');
    await expectRunning(daemon);
    other.stream.destroy();
    await peers.close();
  });
});

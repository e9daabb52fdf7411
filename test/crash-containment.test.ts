/**
 * A stranger's code inside the process: framings, backends, a logger, a resolver. Whatever one of them throws ends at most
 * the connection that it was asked for; another connection goes on exchanging bytes, and the daemon stops in order.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Logger } from '../src/observability/logger.ts';
import type { Backend, Route } from '../src/plugins/api.ts';
import type { Resolver } from '../src/transports/resolve.ts';
import { type Served, type ServeOptions, serve, until } from './support/in-process.ts';
import { clientClose, clientFrame, RawClient, request, TEXT } from './support/raw-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'websocksy-containment-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The path that leads to the plugin's fault. All others lead to an echo. */
const FAULTY = '/faulty';

/** Things that were thrown where errors are expected. */
const ODD = {
  undefined: () => undefined,
  null: () => null,
  'a symbol': () => Symbol('s'),
  'an error whose message throws': () =>
    Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('again');
      },
    }),
  'a Proxy that throws': () =>
    new Proxy(
      {},
      {
        get() {
          throw new Error('again');
        },
        getPrototypeOf() {
          throw new Error('again');
        },
      },
    ),
} as const;

async function exchange(client: RawClient, text: string): Promise<void> {
  client.send(clientFrame(TEXT, text));
  await client.expectMessage(TEXT, text);
}

interface Scene {
  readonly served: Served;
  /** On another connection, to the echo. */
  readonly bystander: RawClient;
}

/** @param query what the backend does for the path `/faulty` */
async function scene(query: Backend['query'], options: ServeOptions = {}): Promise<Scene> {
  const served = await serve({
    ...options,
    backend: {
      ...options.backend,
      query: (asked, signal) =>
        asked.path === FAULTY ? query(asked, signal) : Promise.resolve({ peer: 'echo://' }),
    },
  });
  const bystander = await served.open();
  await exchange(bystander, 'before');
  return { served, bystander };
}

async function askForFault(served: Served): Promise<RawClient> {
  const client = await served.connect();
  client.send(request({ requestLine: `GET ${FAULTY} HTTP/1.1` }));
  return client;
}

/** The bystander notices nothing; a new client is served; and all of it ends in order. */
async function expectContained({ served, bystander }: Scene): Promise<void> {
  await exchange(bystander, 'after');
  await until('nobody but the bystander', () => served.daemon.connections === 1);
  const newcomer = await served.open();
  await exchange(newcomer, 'new');
  newcomer.send(clientClose(1000));
  await newcomer.expectCloseEcho(1000);
  newcomer.stream.end();
  const stopped = served.daemon.stop();
  await bystander.expectClosedByServer(1001);
  bystander.stream.end();
  expect(await stopped).toBe(0);
}

describe('a framing', () => {
  /** @param making the body of what makes one for a connection */
  function framing(name: string, making: string): string {
    const path = join(folder, `${name.replaceAll(/\W/g, '-')}.mjs`);
    writeFileSync(
      path,
      `export default { apiVersion: 1, kind: 'framing', name: ${JSON.stringify(name)},
        configure() { return () => { ${making} }; } };\n`,
    );
    return path;
  }

  async function framed(name: string, making: string, errors?: RegExp): Promise<Scene> {
    const path = framing(name, making);
    let peer = '';
    const query = async (): Promise<Route> => ({ peer, framing: path });
    const found = await scene(query, { framing: path, ...(errors && { errors }) });
    peer = found.served.peers.address;
    return found;
  }

  test.each([
    ['next throws', "return { type: 'binary', next() { throw new Error('secret'); } };"],
    ['next throws undefined', "return { type: 'binary', next() { throw undefined; } };"],
    [
      'next throws a Proxy',
      `return { type: 'binary', next() {
        throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; } }); } };`,
    ],
    ['next is async and rejects', "return { type: 'binary', async next() { throw new Error('secret'); } };"],
    ['next answers an object', "return { type: 'binary', next: () => ({ valueOf() { throw 1; } }) };"],
    ['next answers a symbol', "return { type: 'binary', next: () => Symbol('s') };"],
    ['next recurses', "return { type: 'binary', next(...all) { return this.next(...all); } };"],
    [
      'type throws when a message is found',
      "let found = false; return { get type() { if (found) throw new Error('secret'); return 'binary'; }, next() { found = true; return 1; } };",
    ],
    [
      'type becomes an object',
      "let found = false; return { get type() { return found ? { toString() { throw 1; } } : 'binary'; }, next() { found = true; return 1; } };",
    ],
  ])('whose %s ends its connection with 1011', async (name, making) => {
    const found = await framed(name, making);
    const client = await askForFault(found.served);
    await client.expectAccepted();
    const peer = await found.served.peers.accept();
    peer.write('x');
    expect(await client.readClose()).toEqual({ code: 1011, reason: 'peer data could not be framed' });
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    await peer.expectEnd();
    client.stream.end();
    peer.end();
    expect(await found.served.ended(2)).toMatchObject({ why: 'framing-failed' });
    await expectContained(found);
  });

  test('that throws at the end of its peer ends its connection with 1011', async () => {
    const found = await framed(
      'next throws at the end',
      "return { type: 'binary', next(b, s, e, n, ended) { if (ended) throw new Error('secret'); return 0; } };",
    );
    const client = await askForFault(found.served);
    await client.expectAccepted();
    const peer = await found.served.peers.accept();
    peer.write('x');
    peer.end();
    expect((await client.readClose()).code).toBe(1011);
    client.send(clientClose(1011));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await found.served.ended(2)).toMatchObject({ why: 'framing-failed' });
    await expectContained(found);
  });

  test.each([
    ['making throws', "throw new Error('secret');"],
    ['making throws null', 'throw null;'],
    ['making answers nothing', ''],
    ['type throws at once', "return { get type() { throw new Error('secret'); }, next: () => 0 };"],
    [
      'delimiter throws',
      "return { type: 'binary', next: () => 0, get delimiter() { throw new Error('secret'); } };",
    ],
    [
      'delimiter is a Proxy that throws',
      "return { type: 'binary', next: () => 0, delimiter: new Proxy(new Uint8Array(1), { get() { throw 1; } }) };",
    ],
    [
      'next throws when it is asked for',
      "return { type: 'binary', get next() { throw new Error('secret'); } };",
    ],
  ])('whose %s ends its connection: with 500, or with 1011 at the first byte', async (name, making) => {
    // What cannot even be asked for its members may count as unforeseen.
    const found = await framed(name, making, / error internal id=2 /);
    const client = await askForFault(found.served);
    const response = await client.readResponse();
    if (response.status === 101) {
      const peer = await found.served.peers.accept();
      peer.write('x');
      expect((await client.readClose()).code).toBe(1011);
      client.send(clientClose(1011));
      peer.end();
    } else {
      expect(response.status).toBe(500);
      expect(response.body).toMatch(/^(internal error|peer data could not be framed)\n$/);
    }
    await client.stream.expectEnd();
    client.stream.end();
    const { why } = await found.served.ended(2);
    expect(why).toMatch(
      response.status === 101 ? /^framing-failed$/ : /^(framing-failed|route-invalid|internal)$/,
    );
    await expectContained(found);
  });
});

describe('a backend', () => {
  const throwing = (what: string): never => {
    throw new Error(what);
  };

  test.each<[string, () => unknown, string]>([
    ['throws', () => throwing('secret'), 'backend-failed'],
    ['rejects', () => Promise.reject(new Error('secret')), 'backend-failed'],
    [
      'answers a thenable whose then throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        then() {
          throwing('secret');
        },
      }),
      'backend-failed',
    ],
    [
      'answers an object whose then cannot be read',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        get then() {
          return throwing('secret');
        },
      }),
      'backend-failed',
    ],
    [
      'answers a thenable that answers twice and then throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        then(resolve: (value: unknown) => void, reject: (value: unknown) => void) {
          resolve(7);
          reject(new Error('late'));
          throwing('later');
        },
      }),
      'route-invalid',
    ],
    ['answers a function', async () => () => {}, 'route-invalid'],
    ['answers a symbol', async () => Symbol('s'), 'route-invalid'],
    [
      'answers a route whose peer cannot be read',
      async () => ({
        get peer() {
          return throwing('secret');
        },
      }),
      'route-invalid',
    ],
    [
      'answers a route whose every member cannot be read',
      async () =>
        new Proxy(
          { peer: 'echo://' },
          { get: (_, name) => (name === 'then' ? undefined : throwing('secret')) },
        ),
      'route-invalid',
    ],
    [
      'answers what cannot be asked for its members',
      async () => new Proxy({}, { has: () => throwing('secret') }),
      'route-invalid',
    ],
    [
      'answers what cannot be asked for the names of its members',
      async () => new Proxy({ peer: 'echo://' }, { ownKeys: () => throwing('secret') }),
      'route-invalid',
    ],
    [
      'answers a refusal whose status cannot be read',
      async () => ({
        get status() {
          return throwing('secret');
        },
      }),
      'route-invalid',
    ],
    [
      'answers a refusal whose headers cannot be walked',
      async () => ({
        status: 403,
        headers: new Proxy([['A', 'b']], { get: (_, name) => throwing(String(name)) }),
      }),
      'route-invalid',
    ],
    [
      'answers a refusal with a header that cannot be shown',
      async () => ({ status: 403, headers: [{ toJSON: () => throwing('secret') }] }),
      'route-invalid',
    ],
    [
      'answers a subprotocol that cannot be shown',
      async () => ({ peer: 'echo://', subprotocol: { toJSON: () => throwing('secret') } }),
      'route-invalid',
    ],
  ])('that %s ends its connection with 500', async (_, answer, why) => {
    const found = await scene(answer as Backend['query']);
    const client = await askForFault(found.served);
    expect((await client.expectRefused(500)).body).toBe('internal error\n');
    client.stream.end();
    expect(await found.served.ended(2)).toMatchObject({ why, status: '500' });
    await expectContained(found);
  });

  test.each(Object.entries(ODD))(
    'that throws %s, or rejects with it, ends its connection with 500',
    async (...row) => {
      const [, thrown] = row;
      let times = 0;
      const found = await scene(() => {
        times += 1;
        if (times === 1) throw thrown();
        return Promise.reject(thrown());
      });
      for (const id of [2, 3]) {
        const client = await askForFault(found.served);
        await client.expectRefused(500);
        client.stream.end();
        expect(await found.served.ended(id)).toMatchObject({ why: 'backend-failed' });
      }
      await expectContained(found);
    },
  );

  /** Listens in every way there is, and throws in each; then waits for ever. Returns how many were told. */
  function badListener(signal: AbortSignal): () => number {
    let told = 0;
    const listener = () => {
      told += 1;
      throw new Error('in the listener');
    };
    signal.addEventListener('abort', listener);
    signal.addEventListener('abort', { handleEvent: listener });
    signal.addEventListener('abort', listener, { once: true });
    signal.onabort = () => listener();
    AbortSignal.any?.([signal]).addEventListener('abort', () => {
      told += 1;
    });
    return () => told;
  }

  test('whose listener for the abort throws is told when its client leaves, and nothing else happens', async () => {
    let told: (() => number) | undefined;
    const found = await scene((_, signal) => {
      told = badListener(signal);
      return new Promise(() => {});
    });
    const client = await askForFault(found.served);
    await until('the query', () => told !== undefined);
    client.stream.reset();
    expect(await found.served.ended(2)).toMatchObject({ why: 'client-vanished' });
    expect(told!()).toBeGreaterThanOrEqual(3);
    await expectContained(found);
  });

  test('the same when its time is up: 504', async () => {
    let told: (() => number) | undefined;
    const found = await scene(
      (_, signal) => {
        told = badListener(signal);
        return new Promise(() => {});
      },
      { limits: { queryTimeout: 100 } },
    );
    const client = await askForFault(found.served);
    await client.expectRefused(504);
    client.stream.end();
    expect(await found.served.ended(2)).toMatchObject({ why: 'backend-timeout' });
    expect(told!()).toBeGreaterThanOrEqual(3);
    await expectContained(found);
  });

  test('the same when the daemon stops: 503, and the stop goes on', async () => {
    let told: (() => number) | undefined;
    const { served, bystander } = await scene((_, signal) => {
      told = badListener(signal);
      return new Promise(() => {});
    });
    const client = await askForFault(served);
    await until('the query', () => told !== undefined);
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    client.stream.end();
    await bystander.expectClosedByServer(1001);
    bystander.stream.end();
    expect(await stopped).toBe(0);
    expect(told!()).toBeGreaterThanOrEqual(3);
  });

  test.each<[string, () => Promise<void>]>([
    ['throws', () => throwing('tired')],
    ['rejects', () => Promise.reject(new Error('tired'))],
    ['rejects with nothing', () => Promise.reject(undefined)],
    ['rejects with a Proxy that throws', () => Promise.reject(ODD['a Proxy that throws']())],
    [
      'answers a thenable that throws',
      () =>
        ({
          // biome-ignore lint/suspicious/noThenProperty: that is what is tested
          then() {
            throwing('tired');
          },
        }) as unknown as Promise<void>,
    ],
    ['never ends', () => new Promise(() => {})],
  ])('whose close %s does not keep the daemon from stopping', async (_, close) => {
    const served = await serve({
      backend: { query: async () => ({ peer: 'echo://' }), close },
      limits: { drainTimeout: 3_000 },
      errors: /backend did not close/,
    });
    const client = await served.open();
    await exchange(client, 'before');
    const stopped = served.daemon.stop();
    await client.expectClosedByServer(1001);
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(served.lines.join('')).toContain('backend did not close');
    expect(served.lines.at(-1)).toMatch(/ stopped\n$/);
  });
});

describe('a logger', () => {
  const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'] as const;

  /** All levels do the same. */
  function logger(line: () => unknown): Logger {
    return Object.fromEntries(LEVELS.map((level) => [level, line])) as unknown as Logger;
  }

  test.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    [
      'throws what cannot be shown',
      () => {
        throw ODD['a Proxy that throws']();
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
    [
      'answers a thenable that throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        then() {
          throw new Error('no');
        },
      }),
    ],
    [
      'answers an object whose then cannot be read',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        get then() {
          throw new Error('no');
        },
      }),
    ],
  ])('that %s at every line ends no connection, whatever is logged', async (_, line) => {
    const log = logger(line);
    const query: Backend['query'] = async () => {
      throw new Error('the backend, too');
    };
    const found = await scene(query, { log, limits: { connections: 3, addressConnections: 0 } });
    const { served } = found;
    // A refused one, one that is turned away, one that resets, one that breaks a rule.
    const refused = await askForFault(served);
    await refused.expectRefused(500);
    refused.stream.end();
    await until('that to be over', () => served.daemon.connections === 1);
    const others = [await served.open(), await served.open()];
    const away = await RawClient.connect(served.daemon);
    await away.expectRefused(503);
    away.stream.end();
    others[0]!.stream.reset();
    others[1]!.send('81 01 61');
    await others[1]!.expectFailed(1002);
    others[1]!.stream.end();
    await expectContained(found);
    served.daemon.logCounters();
  });
});

describe('a resolver', () => {
  const throwing = (): never => {
    throw new Error('secret');
  };
  const garbage: [string, () => unknown][] = [
    ['throws', throwing],
    ...Object.entries(ODD).map(([what, thrown]): [string, () => unknown] => [
      `throws ${what}`,
      () => {
        throw thrown();
      },
    ]),
    ...Object.entries(ODD).map(([what, thrown]): [string, () => unknown] => [
      `rejects with ${what}`,
      () => Promise.reject(thrown()),
    ]),
    ['answers undefined', () => undefined],
    ['answers null', () => null],
    ['answers a number', () => 7],
    ['answers a string', () => '127.0.0.1'],
    ['answers numbers', () => [7]],
    ['answers a list that cannot be read', () => new Proxy([], { get: throwing })],
    ['promises undefined', async () => undefined],
    ['promises numbers', async () => [7]],
    ['promises an object', async () => ({})],
    [
      'answers a thenable that throws',
      () => ({
        // biome-ignore lint/suspicious/noThenProperty: that is what is tested
        then: throwing,
      }),
    ],
  ];

  describe.each(['tcp', 'udp'])('of a peer of %s', (kind) => {
    test.each(garbage)('that %s ends its connection with an HTTP error', async (_, resolver) => {
      const found = await scene(async () => ({ peer: `${kind}://peer.test:9` }), {
        resolver: resolver as Resolver,
        limits: { dialTimeout: 10_000 },
        errors: / error internal id=2 /,
      });
      const client = await askForFault(found.served);
      const { status, body } = await client.readResponse();
      expect([500, 502]).toContain(status);
      expect(body).toBe(status === 500 ? 'internal error\n' : 'peer unreachable\n');
      await client.stream.expectEnd();
      client.stream.end();
      expect((await found.served.ended(2))['why']).toMatch(/^(internal|dial-failed)$/);
      await expectContained(found);
    });
  });
});

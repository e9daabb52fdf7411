/**
 * The built daemon as its users meet it, with nothing but Node: the embedded echo peer, plain TCP peers in this
 * process, each end of a session, and the command line. Every session test runs with two WebSocket libraries, with the
 * kernel and without it.
 */
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { runCommand } from '../support/daemon.ts';
import { type Client, HandshakeError, LIBRARIES, within } from './clients.ts';
import { type Scenario, scenario, sha256 } from './scenario.ts';

const MiB = 1024 * 1024;
/** The default bound of a message towards the echo peer, in bytes. */
const LARGEST_MESSAGE = 16 * MiB;

/** A TCP peer of the daemon, in this process. */
async function startPeer({ afterwards }: Scenario, session: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {}); // what the test expects says more than a reset
    afterwards(() => socket.destroy());
    session(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(() => server.close());
  return `host=tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** All messages up to the Close, which must be binary, as one. */
async function readToEnd(client: Client): Promise<Buffer> {
  const messages: Buffer[] = [];
  for (let message = await client.next(); message !== null; message = await client.next()) {
    if (typeof message === 'string') throw new Error(`a text message: ${message.slice(0, 80)}`);
    messages.push(message);
  }
  return Buffer.concat(messages);
}

/** Each way that bytes may take through the daemon, for each library. */
const WAYS = (['auto', 'off'] as const).flatMap((kernel) =>
  LIBRARIES.map((library) => ({ kernel, ...library })),
);

describe.each(WAYS)('with --kernel $kernel a client of $name', ({ kernel, connect, tellsStatus }) => {
  test.each<[string, string | Buffer]>([
    ['a text message', 'grüß dich, 世界 🎈'],
    ['an empty text message', ''],
    ['an empty binary message', Buffer.alloc(0)],
    ['a binary message of every byte', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
  ])('gets %s back from the echo peer', async (_, message) => {
    await scenario(async ({ startBridge }) => {
      const { url } = await startBridge('--kernel', kernel, '-c', 'host=echo://');
      const client = await connect(url);
      client.send(message);
      client.send('and what follows it');
      expect(await client.next()).toEqual(message);
      expect(await client.next()).toBe('and what follows it');
    })();
  });

  test.each([1 * MiB, LARGEST_MESSAGE])(
    'gets a message of %i bytes back whole, of either type',
    async (size) => {
      await scenario(async ({ startBridge, random }) => {
        const { url } = await startBridge('--kernel', kernel, '-c', 'host=echo://');
        const client = await connect(url);
        const binary = random.bytes(size);
        const text = `${'€'.repeat(5)}${binary.toString('hex')}`.slice(0, size - 10); // 15 of its bytes are 5 characters
        for (const message of [binary, text]) {
          client.send(message);
          const echoed = await client.next();
          expect(typeof echoed).toBe(typeof message);
          expect(Buffer.byteLength(echoed ?? '')).toBe(size);
          expect(sha256(Buffer.from(echoed ?? ''))).toBe(sha256(Buffer.from(message)));
        }
      })();
    },
  );

  test(
    'is closed with 1009 for a message one byte over the limit',
    scenario(async ({ startBridge }) => {
      const { url } = await startBridge('--kernel', kernel, '-c', 'host=echo://');
      const client = await connect(url);
      client.send(Buffer.alloc(LARGEST_MESSAGE + 1));
      expect(await client.closed()).toMatchObject({ code: 1009 });
      expect(await client.next()).toBeNull();
    }),
  );

  test(
    'gets its first subprotocol under `protocol=*`, and none if it offered none',
    scenario(async ({ startBridge }) => {
      const { url } = await startBridge('--kernel', kernel, '-c', 'host=echo://', '-c', 'protocol=*');
      expect((await connect(url, ['Second.of-Two', 'binary'])).protocol).toBe('Second.of-Two');
      expect((await connect(url, ['mqtt'])).protocol).toBe('mqtt');
      expect((await connect(url)).protocol).toBe('');
    }),
  );

  test(
    'receives all of what a peer sends before it ends, then Close 1000',
    scenario(async (given) => {
      const sent = given.random.bytes(3_000_000);
      const peer = await startPeer(given, (socket) => socket.resume().end(sent));
      const { url } = await given.startBridge('--kernel', kernel, '-c', peer, '-c', 'framing=binary');
      const client = await connect(url);
      const received = await readToEnd(client);
      expect(received.length).toBe(sent.length);
      expect(sha256(received)).toBe(sha256(sent));
      expect(await client.closed()).toMatchObject({ code: 1000 });
    }),
  );

  test.each<[string, number, number, number]>([
    ['3 MB as one message', 3_000_000, 3_000_000, 3_000_000],
    ['3 MB as many messages', 3_000_000, 1, 60_000],
    ['48 MB, more than the sockets between them hold,', 48_000_000, 1, 600_000],
  ])(
    'that sends %s and closes at once loses none of it, however slowly the peer reads',
    async (_, size, low, high) => {
      await scenario(async (given) => {
        let sessionBegan: (socket: Socket) => void;
        const session = new Promise<Socket>((resolve) => {
          sessionBegan = resolve;
        });
        const peer = await startPeer(given, (socket) => sessionBegan(socket));
        const { url } = await given.startBridge('--kernel', kernel, '-c', peer, '-c', 'framing=binary');
        const client = await connect(url);
        const sent = given.random.bytes(size);
        for (const piece of given.random.pieces(sent, low, high)) client.send(piece);
        client.close(1000, 'done');
        const chunks: Buffer[] = [];
        let hurry = false;
        const ended = client.closed().finally(() => {
          hurry = true;
        });
        const socket = await within(session, () => 'the daemon has not connected to the peer');
        const readAll = async () => {
          for await (const chunk of socket) {
            chunks.push(chunk);
            if (!hurry) await delay(5); // a slow reader: when the Close comes, bytes wait in the daemon
          }
        };
        await within(readAll(), () => 'the peer has not seen the end');
        const received = Buffer.concat(chunks);
        expect(received.length).toBe(sent.length);
        expect(sha256(received)).toBe(sha256(sent));
        expect(await ended).toMatchObject({ code: 1000 });
      })();
    },
  );

  test(
    'is refused with 502 when nobody listens at the peer',
    scenario(async ({ startBridge }) => {
      // Port 1: nothing listens there, and unlike a port that was just free, nothing can take it meanwhile.
      const { url } = await startBridge('--kernel', kernel, '-c', 'host=tcp://127.0.0.1:1');
      const outcome = await connect(url).catch((error: unknown) => error);
      expect(outcome).toBeInstanceOf(HandshakeError);
      expect((outcome as HandshakeError).status).toBe(tellsStatus ? 502 : undefined);
    }),
  );
});

test(
  'this Node has what the kernel and slab sockets need',
  scenario(async ({ startBridge }) => {
    const bridge = await startBridge('-c', 'host=echo://');
    await LIBRARIES[0]!.connect(bridge.url);
    await bridge.stop();
    expect(bridge.output()).toMatch(/ kernel on\n/);
  }),
);

test(
  'SIGTERM closes every open client with 1001 and ends the daemon with status 0',
  scenario(async ({ startBridge }) => {
    const bridge = await startBridge('-c', 'host=echo://');
    const clients: Client[] = [];
    for (const { connect } of [...LIBRARIES, ...LIBRARIES, ...LIBRARIES])
      clients.push(await connect(bridge.url));
    for (const client of clients) {
      client.send('open');
      expect(await client.next()).toBe('open');
    }
    const status = bridge.stop('SIGTERM');
    for (const client of clients) expect(await client.closed()).toMatchObject({ code: 1001 });
    expect(await within(status, () => 'the daemon runs on after SIGTERM')).toBe(0);
  }),
);

test('`--version` prints the version of the package and ends with 0', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  const { code, stdout } = await runCommand(['--version']);
  expect(stdout).toContain(version);
  expect(code).toBe(0);
});

test('`--help` names the options and ends with 0', async () => {
  const { code, stdout } = await runCommand(['--help']);
  for (const option of ['-l', '-p', '-k', '-b', '-c', '--check', '--version'])
    expect(stdout).toContain(option);
  expect(code).toBe(0);
});

/**
 * The hot path: what one read brings about leaves in one write. Reads and writes are counted where they pass between
 * Node and the kernel, so that the counts hold however the kernel cuts the stream; the cost is what they stand for.
 *
 * A write is a call of Node's handle of a socket, which both kinds of socket come down to.
 */
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SlabSocket } from '../src/transports/slab-socket.ts';
import { type Served, serve } from './support/in-process.ts';
import { FramingFolder } from './support/peer.ts';
import { BINARY, clientClose, clientFrame, PING, request, TEXT } from './support/raw-client.ts';
import { frames, pattern, readBytes } from './support/ws-wire.ts';

const framings = new FramingFolder();
afterAll(() => framings.remove());

/** Node's handle of a socket: each of these is one system call, unless the kernel is full. */
interface Handle {
  writeBuffer(...args: unknown[]): unknown;
  writev(...args: unknown[]): unknown;
}

/** Whose prototype has the methods of all handles. */
async function handlePrototype(): Promise<Handle> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  let prototype = (server as unknown as { _handle: Handle })._handle;
  server.close();
  while (!Object.hasOwn(prototype, 'writeBuffer')) prototype = Object.getPrototypeOf(prototype) as Handle;
  return prototype;
}

const PROTOTYPE = await handlePrototype();

const handleOf = (socket: Socket) => (socket as unknown as { _handle: Handle | null })._handle;

const written: unknown[] = [];
const readFrom: unknown[] = [];

beforeEach(() => {
  for (const name of ['writeBuffer', 'writev'] as const) {
    const original = PROTOTYPE[name];
    vi.spyOn(PROTOTYPE, name).mockImplementation(function (this: unknown, ...args) {
      written.push(this);
      return original.apply(this, args);
    });
  }
  for (const [prototype, name] of [
    [Socket.prototype, 'push'],
    [SlabSocket.prototype, 'received'],
  ] as const) {
    const methods = prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
    const original = methods[name]!;
    vi.spyOn(methods, name).mockImplementation(function (this: unknown, ...args) {
      // Where bytes go into a slab, what is pushed is the end.
      if (name === 'received' || !(this instanceof SlabSocket)) readFrom.push(this);
      return original.apply(this, args);
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Reads from `source` and writes to `sink` while `act` runs. */
async function count(source: Socket, sink: Socket, act: () => Promise<void>) {
  written.length = 0;
  readFrom.length = 0;
  const handle = handleOf(sink);
  await act();
  return {
    reads: readFrom.filter((socket) => socket === source).length,
    writes: written.filter((each) => each === handle).length,
  };
}

/** One write for each read, and no more reads than the bytes would fill. */
function expectOneEach({ reads, writes }: { reads: number; writes: number }, most = 1): void {
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThanOrEqual(most);
  expect(writes).toBe(reads);
}

async function sockets(served: Served) {
  const { client, peer } = await served.bridge();
  return { client, peer, toClient: served.socketTo(client), toPeer: served.socketToPeer(peer) };
}

describe.each(['auto', 'off'] as const)('with kernel=%s:', (kernel) => {
  test('one frame in a read is one write to the peer', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const counts = await count(toClient, toPeer, async () => {
      client.send(clientFrame(TEXT, 'hello'));
      expect((await peer.take(5)).toString()).toBe('hello');
    });
    expectOneEach(counts);
  });

  test('100 small frames in a read are one write to a stream peer', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const payload = pattern(1_000);
    const counts = await count(toClient, toPeer, async () => {
      client.send(frames(payload, 10));
      expect((await peer.take(1_000)).equals(payload)).toBe(true);
    });
    expectOneEach(counts);
  });

  test('frames with Pings between them in a read are one write to a stream peer and one to the client', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const mixed = Array.from({ length: 10 }, (_, i) => [
      clientFrame(TEXT, `${i}`),
      clientFrame(PING, `${i}`),
    ]).flat();
    let pongs = 0;
    const handle = handleOf(toClient);
    const counts = await count(toClient, toPeer, async () => {
      client.send(...mixed);
      expect((await peer.take(10)).toString()).toBe('0123456789');
      for (let i = 0; i < 10; i += 1) await client.expectPong(`${i}`);
      pongs = written.filter((each) => each === handle).length;
    });
    expectOneEach(counts);
    expect(pongs).toBe(counts.reads);
  });

  test('what precedes a Close in its read is one write to the peer, and the echo is one to the client', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const counts = await count(toClient, toPeer, async () => {
      client.send(frames(pattern(100), 10), clientClose(1000));
      expect((await peer.take(100)).length).toBe(100);
      await peer.expectEnd();
      await client.expectCloseEcho(1000);
    });
    expectOneEach(counts);
  });

  test('early frames behind the request are one write to the peer', async () => {
    const served = await serve({ kernel });
    written.length = 0;
    const client = await served.connect();
    client.send(request(), frames(pattern(1_000), 10));
    const peer = await served.peers.accept();
    expect((await peer.take(1_000)).length).toBe(1_000);
    const toPeer = served.socketToPeer(peer);
    expect(written.filter((each) => each === handleOf(toPeer))).toHaveLength(1);
    await client.expectAccepted();
    expect(written.filter((each) => each === handleOf(served.socketTo(client)))).toHaveLength(1);
  });

  test('1 MiB in large frames is at most one write per read', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const payload = pattern(1_048_576);
    const counts = await count(toClient, toPeer, async () => {
      client.send(frames(payload, 200_000));
      expect((await peer.take(payload.length)).equals(payload)).toBe(true);
    });
    expect(counts.writes).toBeLessThanOrEqual(counts.reads);
  });

  test('a read from the peer is one write to the client, header and payload together', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const counts = await count(toPeer, toClient, async () => {
      peer.write('hello');
      await client.expectMessage(TEXT, 'hello');
    });
    expectOneEach(counts);
  });

  test('1 MiB from the peer is at most one write per read', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const payload = pattern(1_048_576);
    const counts = await count(toPeer, toClient, async () => {
      peer.write(payload);
      expect((await readBytes(client, payload.length)).bytes.equals(payload)).toBe(true);
    });
    expect(counts.writes).toBeLessThanOrEqual(counts.reads);
  });

  test('the last data of a peer and the Close that follows are at most one write each', async () => {
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel }));
    const counts = await count(toPeer, toClient, async () => {
      peer.write('bye');
      peer.end();
      await client.expectMessage(TEXT, 'bye');
      await client.expectClosedByServer(1000);
    });
    expect(counts.writes).toBeLessThanOrEqual(2);
  });

  test('a read that a framing cuts into many messages is one write to the client', async () => {
    const framing = framings.write('triples', 'return end - start < 3 ? 0 : 3;');
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel, framing }));
    const payload = pattern(3_000);
    const counts = await count(toPeer, toClient, async () => {
      peer.write(payload);
      for (let at = 0; at < payload.length; at += 3) {
        await client.expectMessage(BINARY, payload.subarray(at, at + 3));
      }
    });
    expectOneEach(counts);
  });

  test('a message that is too large to be copied leaves with its header in one write', async () => {
    const framing = framings.write('large', 'return end - start < 300000 ? 0 : 300000;');
    const { client, peer, toClient, toPeer } = await sockets(await serve({ kernel, framing }));
    const payload = pattern(300_000);
    const counts = await count(toPeer, toClient, async () => {
      peer.write(payload);
      await client.expectMessage(BINARY, payload);
    });
    expect(counts.writes).toBe(1);
  });

  test('32 echoes of a read are one write to the client', async () => {
    const served = await serve({ kernel, peer: 'echo://' });
    const client = await served.open();
    const toClient = served.socketTo(client);
    const counts = await count(toClient, toClient, async () => {
      client.send(...Array.from({ length: 32 }, (_, i) => clientFrame(TEXT, `message ${i}`)));
      for (let i = 0; i < 32; i += 1) await client.expectMessage(TEXT, `message ${i}`);
    });
    expectOneEach(counts);
  });
});

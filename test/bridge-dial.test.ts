/**
 * Between the request and the 101: the backend is asked and the peer dialled, a client may already send, or leave.
 * Whatever goes wrong here is an HTTP answer and an orderly end.
 */
import { describe, expect, test } from 'vitest';
import type { Backend, Route } from '../src/plugins/api.ts';
import { type Served, serve, stable, unsent, until } from './support/in-process.ts';
import { pendingConnects, unansweringPort } from './support/peer.ts';
import { BINARY, clientClose, clientFrame, type RawClient, request, TEXT } from './support/raw-client.ts';
import { refusingPort } from './support/tcp-peer.ts';
import { expectPattern, FLOOD_BYTES, framedFlood } from './support/ws-wire.ts';

/** A peer whose name is not found before the test says so. */
const NAMED = 'tcp://peer.test:';

/** A look-up that waits for the test. */
function heldLookup() {
  let answer: (addresses: readonly string[]) => void = () => {};
  let fail: (error: Error) => void = () => {};
  let asked = 0;
  const found = new Promise<readonly string[]>((resolve, reject) => {
    answer = resolve;
    fail = reject;
  });
  found.catch(() => {});
  const resolver = () => {
    asked += 1;
    return found;
  };
  return {
    resolver,
    answer: () => answer(['127.0.0.1']),
    fail: () => fail(new Error('no such name')),
    asked: () => asked,
  };
}

/** A daemon whose dial waits for the test, and a client that has sent its request and `early`. */
async function dialling(early: Buffer = Buffer.alloc(0), dialTimeout = 60_000) {
  const lookup = heldLookup();
  const backend: Backend = { query: async () => ({ peer: `${NAMED}${port()}` }) };
  const served: Served = await serve({ backend, resolver: lookup.resolver, limits: { dialTimeout } });
  const port = () => new URL(served.peers.address).port;
  const client = await served.connect();
  client.send(request(), early);
  await until('the look-up', () => lookup.asked() > 0);
  return { served, client, lookup };
}

const backend = (query: Backend['query']): Backend => ({ query });

async function refused(served: Served): Promise<RawClient> {
  const client = await served.connect();
  client.send(request());
  return client;
}

describe('a client that leaves', () => {
  test('by FIN while the peer is looked up gets a FIN and no 101', async () => {
    const { served, client, lookup } = await dialling();
    client.stream.end();
    await client.stream.expectEnd();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
    lookup.answer();
    await stable(() => served.daemon.connections);
    expect(served.lines.join('')).not.toMatch(/ open /);
  });

  test('by a reset while the peer is looked up ends its connection', async () => {
    const { served, client } = await dialling();
    client.stream.reset();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
    expect(served.daemon.connections).toBe(0);
  });

  test.runIf(process.platform === 'linux')(
    'while the peer does not answer takes the dial along',
    async () => {
      const sleeper = await unansweringPort();
      const served = await serve({
        peer: `tcp://127.0.0.1:${sleeper.port}`,
        limits: { dialTimeout: 60_000 },
      });
      const others = new Set(pendingConnects(sleeper.port));
      const ours = () => pendingConnects(sleeper.port).filter((port) => !others.has(port));
      const client = await refused(served);
      await until('a dial', () => ours().length === 1);
      client.stream.end();
      await client.stream.expectEnd();
      await until('the dial to be gone', () => ours().length === 0);
      expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
      await sleeper.release();
    },
  );

  test('while the backend thinks has its query aborted, and nobody is dialled', async () => {
    let aborted = false;
    let answer: ((route: Route) => void) | undefined;
    const served = await serve({
      backend: backend((_, signal) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise((resolve) => {
          answer = resolve;
        });
      }),
    });
    const client = await refused(served);
    await until('the query', () => answer !== undefined);
    client.stream.end();
    await client.stream.expectEnd();
    await until('the abort', () => aborted);
    expect(await served.ended()).toMatchObject({ why: 'client-vanished' });
    const dialled = served.peerConnections();
    answer?.({ peer: served.peers.address });
    expect(await stable(() => served.peerConnections())).toBe(dialled);
  });

  test('after more early frames than are kept still has them delivered, and then its FIN', async () => {
    const { served, client, lookup } = await dialling(framedFlood());
    client.stream.end();
    await until('the client to be held back', () => served.socketTo(client).isPaused());
    lookup.answer();
    const peer = await served.peers.accept();
    expectPattern(await peer.take(FLOOD_BYTES), FLOOD_BYTES);
    await peer.expectEnd();
    peer.end();
    expect(await served.ended()).toMatchObject({ why: 'client-vanished', up: `${FLOOD_BYTES}` });
  });

  test('after more early frames than are kept is noticed when the dial fails', async () => {
    const { served, client, lookup } = await dialling(framedFlood());
    await until('the client to be held back', () => served.socketTo(client).isPaused());
    client.stream.reset();
    lookup.fail();
    expect((await served.ended())['why']).toMatch(/^(client-vanished|dial-failed)$/);
    expect(served.daemon.connections).toBe(0);
  });
});

describe('frames behind the request', () => {
  test('wait for the 101, and come behind it', async () => {
    const { served, client, lookup } = await dialling(clientFrame(TEXT, 'early'));
    client.send(clientFrame(TEXT, ' bird'));
    await stable(() => served.socketTo(client).bytesRead);
    lookup.answer();
    const peer = await served.peers.accept();
    await client.expectAccepted();
    expect((await peer.take(10)).toString()).toBe('early bird');
    peer.write('worm');
    await client.expectMessage(TEXT, 'worm');
  });

  test('over 64 KiB hold the client back, and nothing is lost', async () => {
    const { served, client, lookup } = await dialling(framedFlood());
    const source = served.socketTo(client);
    await until('the client to be held back', () => source.isPaused());
    // 64 KiB that are kept and the read that went over it; 128 KiB that Node reads ahead, and its last read.
    expect(await stable(() => source.bytesRead)).toBeLessThanOrEqual(5 * 65_536 + request().length);
    expect(client.stream.ending).toBe('open');
    lookup.answer();
    const peer = await served.peers.accept();
    await client.expectAccepted();
    expectPattern(await peer.take(FLOOD_BYTES), FLOOD_BYTES);
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    await peer.expectEnd();
  });

  test('over 64 KiB with a peer that does not read either hold the client back on', async () => {
    const { served, client, lookup } = await dialling(framedFlood());
    const source = served.socketTo(client);
    await until('the client to be held back', () => source.isPaused());
    lookup.answer();
    const peer = await served.peers.accept();
    peer.socket.pause();
    await client.expectAccepted();
    await until('a full peer', () => unsent(served.socketToPeer(peer)) > 0 && source.isPaused());
    expect(await stable(() => source.bytesRead)).toBeLessThan(framedFlood().length);
    peer.socket.resume();
    expectPattern(await peer.take(FLOOD_BYTES), FLOOD_BYTES);
  });

  test('that break a rule are answered by a Close behind the 101', async () => {
    const { client, served, lookup } = await dialling(Buffer.from([0x81, 0x01, 0x61]));
    lookup.answer();
    await client.expectAccepted();
    await client.expectFailed(1002);
    await (await served.peers.accept()).expectEnd();
  });

  test('over 64 KiB do not hide the HTTP error of a dial that fails', async () => {
    const { served, client, lookup } = await dialling(framedFlood());
    await until('the client to be held back', () => served.socketTo(client).isPaused());
    lookup.fail();
    await client.expectRefused(502);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'dial-failed', status: '502' });
  });
});

describe('the 101', () => {
  test('is not sent before the peer is connected', async () => {
    const { served, client, lookup } = await dialling();
    await stable(() => served.socketTo(client).bytesWritten);
    expect(served.socketTo(client).bytesWritten).toBe(0);
    lookup.answer();
    await client.expectAccepted();
  });
});

describe('the answer is', () => {
  test('502 when the peer refuses', async () => {
    const nobody = await refusingPort();
    const served = await serve({ peer: `tcp://127.0.0.1:${nobody.port}` });
    const client = await refused(served);
    expect((await client.expectRefused(502)).body).toContain('peer unreachable');
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'dial-failed', status: '502' });
    nobody.release();
  });

  test.each([
    ['is not found', () => Promise.reject(new Error('ENOTFOUND'))],
    ['has no address', () => Promise.resolve([])],
  ])("502 when the peer's name %s", async (_, resolver) => {
    const served = await serve({ peer: `${NAMED}1`, resolver });
    const client = await refused(served);
    await client.expectRefused(502);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'dial-failed', status: '502' });
  });

  test('504 when the look-up takes too long', async () => {
    const { served, client } = await dialling(Buffer.alloc(0), 300);
    await client.expectRefused(504);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'dial-timeout', status: '504' });
  });

  test('504 when the peer does not answer', async () => {
    const sleeper = await unansweringPort();
    const served = await serve({ peer: `tcp://127.0.0.1:${sleeper.port}`, limits: { dialTimeout: 300 } });
    const client = await refused(served);
    await client.expectRefused(504);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'dial-timeout', status: '504' });
    await sleeper.release();
  });

  test.each<[number, string, string, Backend['query']]>([
    [404, 'knows no peer', 'route-none', async () => null],
    [403, 'refuses', 'route-refused', async () => ({ status: 403, reason: 'members only' })],
    [500, 'rejects', 'backend-failed', () => Promise.reject(new Error('secret'))],
    [500, 'rejects with nothing', 'backend-failed', () => Promise.reject(undefined)],
    [
      500,
      'throws',
      'backend-failed',
      () => {
        throw new Error('secret');
      },
    ],
    [500, 'answers nonsense', 'route-invalid', async () => 7 as unknown as Route],
    [500, 'names no address', 'route-invalid', async () => ({ peer: 'gopher://secret' })],
    [500, 'names an unknown framing', 'route-invalid', async () => ({ peer: 'echo://', framing: 'secret' })],
    [
      500,
      'selects what was not offered',
      'route-invalid',
      async () => ({ peer: 'echo://', subprotocol: 'x' }),
    ],
    [504, 'hangs', 'backend-timeout', () => new Promise<null>(() => {})],
  ])('%i when the backend %s', async (status, _, why, query) => {
    const served = await serve({ backend: backend(query), limits: { queryTimeout: 300 } });
    const client = await refused(served);
    const { body } = await client.expectRefused(status);
    expect(body).not.toContain('secret');
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why, status: `${status}` });
    // The daemon goes on.
    const next = await refused(served);
    await next.expectRefused(status);
  });

  test('the status, reason and headers that the backend gave', async () => {
    const headers = [['Location', 'ws://elsewhere.test/']] as const;
    const served = await serve({ backend: backend(async () => ({ status: 307, reason: 'moved', headers })) });
    const client = await refused(served);
    const response = await client.expectRefused(307);
    expect(response.body).toContain('moved');
    expect(response.fields.get('location')).toEqual(['ws://elsewhere.test/']);
  });

  test('408 when no request comes', async () => {
    const served = await serve({ limits: { headTimeout: 400 } });
    const client = await served.connect();
    await client.expectRefused(408);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'head-timeout', status: '408' });
  });

  test('408 when the request dribbles', async () => {
    const served = await serve({ limits: { headTimeout: 400 } });
    const client = await served.connect();
    const bytes = request();
    let at = 0;
    const dribble = setInterval(() => {
      client.stream.write(bytes.subarray(at, at + 1));
      // Never the last byte, however slow the daemon's clock.
      at = Math.min(at + 1, bytes.length - 2);
    }, 40);
    await client.expectRefused(408);
    clearInterval(dribble);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'head-timeout', status: '408' });
  });

  test('the same error for a request in good order that has early data behind it', async () => {
    const served = await serve({ backend: backend(async () => null) });
    const client = await served.connect();
    client.send(request(), clientFrame(BINARY, Buffer.alloc(500_000)), clientClose(1000));
    await client.expectRefused(404);
  });
});

/** Every wait has an end. */
import { expect, test } from 'vitest';
import { serve } from '../support/in-process.ts';
import { counted, expectAnswer, expectClose, expectEchoed, repeatedly } from '../support/limits.ts';
import { unansweringPort } from '../support/peer.ts';
import { BINARY, clientClose, clientFrame, PING, request } from '../support/raw-client.ts';
import { expectPattern, FLOOD, framedFlood, readUntilClose } from '../support/ws-wire.ts';

const ECHO = 'echo://';

test('query-time: a backend that does not answer is not waited for, and others are served meanwhile', async () => {
  const served = await serve({
    limits: { queryTimeout: 500 },
    backend: {
      query: async ({ path }) => (path === '/never' ? new Promise<never>(() => {}) : { peer: ECHO }),
    },
  });
  const client = await served.connect();
  client.send(request({ requestLine: 'GET /never HTTP/1.1' }));
  await expectEchoed(await served.open());
  await expectAnswer(client, 504, 'no route in time');
  await served.logged(/ warn {2}refused id=1 .* status=504 .*why=backend-timeout/);
  await counted(served, 'refused-backend-timeout');
});

test('dial-time: a peer that neither answers nor refuses', async () => {
  const silent = await unansweringPort();
  try {
    const served = await serve({
      limits: { dialTimeout: 500 },
      backend: {
        query: async ({ path }) => ({ peer: path === '/silent' ? `tcp://127.0.0.1:${silent.port}` : ECHO }),
      },
    });
    const client = await served.connect();
    client.send(request({ requestLine: 'GET /silent HTTP/1.1' }));
    await expectEchoed(await served.open());
    await expectAnswer(client, 504, 'peer did not answer in time');
    expect(await served.ended(1)).toMatchObject({ status: '504', why: 'dial-timeout' });
    await counted(served, 'refused-dial-timeout');
  } finally {
    await silent.release();
  }
});

test('dial-time: a look-up that hangs counts as well', async () => {
  const served = await serve({
    peer: 'tcp://peer.test:7',
    limits: { dialTimeout: 300 },
    resolver: () => new Promise<never>(() => {}),
  });
  const client = await served.connect();
  client.send(request());
  await expectAnswer(client, 504, 'peer did not answer in time');
  await counted(served, 'refused-dial-timeout');
});

test('close-time: a client that does not answer our Close is cut, and the log says why we closed', async () => {
  const served = await serve({ framing: 'binary', limits: { closeTimeout: 500 } });
  const { client, peer } = await served.bridge();
  const other = await served.bridge();
  peer.end();
  await expectClose(client, 1000, 'peer closed');
  await client.stream.rest();
  expect(await served.ended(1)).toMatchObject({ why: 'peer-closed' });
  await counted(served, 'closed-peer-closed');
  other.peer.write('still there');
  await other.client.expectMessage(BINARY, 'still there');
});

test('close-time: a peer that does not answer our FIN is cut', async () => {
  const served = await serve({ framing: 'binary', limits: { closeTimeout: 500 } });
  const { client, peer } = await served.bridge();
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  client.stream.end();
  await peer.expectEnd();
  // It never ends its own side.
  expect(await served.ended(1)).toMatchObject({ why: 'client-closed' });
  await counted(served, 'closed-client-closed');
});

test('stall-time: a peer that takes nothing ends its client by 1013, and others are served', async () => {
  const served = await serve({ framing: 'binary', limits: { stallTimeout: 1_000 } });
  const { client, peer } = await served.bridge();
  const other = await served.bridge();
  peer.socket.pause();
  client.send(framedFlood());
  await expectClose(client, 1013, 'peer takes no more data');
  client.send(clientClose(1013));
  await client.expectEndAndLeave();
  expect(await served.ended(1)).toMatchObject({
    why: 'peer-stalled',
    'undelivered-up': expect.stringMatching(/^\d+$/),
  });
  await counted(served, 'closed-peer-stalled');
  expect(served.daemon.counters['undelivered-up']).toBeGreaterThan(0);
  other.client.send(clientFrame(BINARY, 'still there'));
  expect((await other.peer.take(11)).toString()).toBe('still there');
});

test('stall-time: a client that takes nothing is cut, what it did not get is counted, and others are served', async () => {
  const served = await serve({ framing: 'binary', limits: { stallTimeout: 1_000, closeTimeout: 500 } });
  const { client, peer } = await served.bridge();
  const other = await served.bridge();
  client.stream.socket.pause();
  peer.write(FLOOD);
  const fields = await served.ended(1);
  expect(fields).toMatchObject({ why: 'client-stalled', 'undelivered-down': expect.stringMatching(/^\d+$/) });
  await counted(served, 'closed-client-stalled');
  expect(served.daemon.counters['undelivered-down']).toBe(Number(fields['undelivered-down']));
  other.peer.write('still there');
  await other.client.expectMessage(BINARY, 'still there');
});

test('idle-time: no data either way is ended by 1008, though Pings come; who has data stays', async () => {
  const served = await serve({ peer: ECHO, limits: { idleTimeout: 1_500 } });
  const [client, other] = [await served.open(), await served.open()];
  const pinging = repeatedly(() => client.send(clientFrame(PING, '')), 200);
  const sending = repeatedly(() => other.send(clientFrame(BINARY, 'data')));
  for (;;) {
    const { opcode, payload } = await client.readFrame();
    if (opcode !== 8) continue;
    expect([payload.readUInt16BE(), payload.toString('utf8', 2)]).toEqual([1008, 'no data for too long']);
    break;
  }
  pinging();
  client.send(clientClose(1008));
  await client.expectEndAndLeave();
  expect(await served.ended(1)).toMatchObject({ why: 'idle-timeout' });
  await counted(served, 'closed-idle-timeout');
  sending();
  await other.expectMessage(BINARY, 'data');
  expect(served.daemon.connections).toBe(1);
});

test('idle-time: what the client sends before its Close still reaches the peer', async () => {
  const served = await serve({ framing: 'binary', limits: { idleTimeout: 600 } });
  const { client, peer } = await served.bridge();
  await expectClose(client, 1008, 'no data for too long');
  client.send(clientFrame(BINARY, 'late'), clientClose(1008));
  expect((await peer.take(4)).toString()).toBe('late');
  await peer.expectEnd();
  peer.end();
  await client.expectEndAndLeave();
  await counted(served, 'closed-idle-timeout');
});

test('life-time: a connection is ended by 1008 when it is so old, whatever it carries', async () => {
  const served = await serve({ peer: ECHO, limits: { lifeTimeout: 1_500 } });
  const client = await served.open();
  const sending = repeatedly(() => client.send(clientFrame(BINARY, 'data')));
  for (;;) {
    const { opcode, payload } = await client.readFrame();
    if (opcode !== 8) continue;
    expect([payload.readUInt16BE(), payload.toString('utf8', 2)]).toEqual([1008, 'open for too long']);
    break;
  }
  sending();
  client.send(clientClose(1008));
  await client.expectEndAndLeave();
  expect(await served.ended(1)).toMatchObject({ why: 'life-timeout' });
  await counted(served, 'closed-life-timeout');
  await expectEchoed(await served.open());
});

test('drain: clients get 1001 behind what is queued; who does not answer is cut, and the log counts them', async () => {
  const served = await serve({ framing: 'binary', limits: { drainTimeout: 6_000 } });
  const [good, silent] = [await served.bridge(), await served.bridge()];
  await served.fillClient(good, FLOOD);
  const stopped = served.daemon.stop();
  good.client.stream.socket.resume();
  const heard = await readUntilClose(good.client);
  expect(heard.close).toEqual({ code: 1001, reason: 'server shutting down' });
  expectPattern(heard.bytes);
  expect(heard.bytes.length).toBeGreaterThan(0);
  good.client.send(clientFrame(BINARY, 'last words'), clientClose(1001));
  await good.client.expectEndAndLeave();
  expect((await good.peer.take(10)).toString()).toBe('last words');
  good.peer.destroy();
  await expectClose(silent.client, 1001, 'server shutting down');
  expect(await stopped).toBe(1);
  await served.logged(/ warn {2}cut connections=1\n/);
  const counters = await served.logged(/ info {2}counters .*closed-stopping=2/);
  expect(counters).toContain(`bytes-down=${heard.bytes.length}`);
  expect(counters).not.toContain('undelivered');
});

test('drain-wait: connections may end by themselves before they are told to', async () => {
  const served = await serve({ peer: ECHO, limits: { drainWait: 60_000 } });
  const client = await served.open();
  const stopped = served.daemon.stop();
  await expectEchoed(client);
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  client.stream.end();
  expect(await stopped).toBe(0);
  await counted(served, 'closed-client-closed');
});

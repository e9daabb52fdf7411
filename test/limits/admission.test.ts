/** Who is turned away before anything is read: too many, too fast, from one address, or from anywhere. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DaemonAtPath, openAt } from '../support/daemon-at-path.ts';
import { serve, until } from '../support/in-process.ts';
import { connectFrom, counted, expectAnswer, expectEchoed, expectServed } from '../support/limits.ts';
import { clientClose, request } from '../support/raw-client.ts';

const ECHO = 'echo://';
const OTHER_ADDRESS = '127.0.0.2';

test('max-connections: who comes then gets 503 and Retry-After, those inside go on, and who leaves makes room', async () => {
  const served = await serve({ peer: ECHO, limits: { connections: 2 } });
  const [one, two] = [await served.open(), await served.open()];

  const third = await served.connect();
  await expectAnswer(third, 503, 'too many connections', 5);
  await served.logged(/ warn {2}turned away client=127\.0\.0\.1 why=connections-full\n/);
  await counted(served, 'refused-connections-full');
  expect(served.daemon.counters).toMatchObject({ accepted: 3, opened: 2, connections: 2 });
  await expectEchoed(one);

  two.send(clientClose(1000));
  await two.expectCloseEcho(1000);
  two.stream.end();
  await until('a place', () => served.daemon.connections === 1);
  await expectServed(await served.connect());
});

test('who is turned away gets the answer whatever it has sent already, and may take its time to read it', async () => {
  const served = await serve({ peer: ECHO, limits: { connections: 1 } });
  await served.open();
  const client = await served.connect();
  client.send(request(), Buffer.alloc(300_000));
  await expectAnswer(client, 503, 'too many connections', 5);
});

test('who is turned away and stays is cut', async () => {
  const served = await serve({ peer: ECHO, limits: { connections: 1 } });
  await served.open();
  const client = await served.connect();
  await client.readResponse();
  await client.stream.expectEnd();
  // Our side is still open; the daemon's is not there any more, and says so when we write.
  await until('a reset', () => {
    if (!client.stream.socket.destroyed) client.send(Buffer.from('x'));
    return client.stream.socket.destroyed;
  });
});

test('max-connections-per-address: one address gets 429, another one is served', async () => {
  const served = await serve({ peer: ECHO, limits: { addressConnections: 2 } });
  const [one, two] = [await served.open(), await served.open()];
  await expectAnswer(await served.connect(), 429, 'too many connections from one address', 5);
  await served.logged(/ warn {2}turned away client=127\.0\.0\.1 why=address-full\n/);
  await counted(served, 'refused-address-full');

  const other = await connectFrom(OTHER_ADDRESS, served.daemon);
  await expectServed(other);
  await expectEchoed(other);
  await expectEchoed(one);

  two.stream.destroy();
  await until('a place', () => served.daemon.connections === 2);
  await expectServed(await served.connect());
});

test('connection-rate: who is faster than its burst gets 429, another address is served, and time gives a place back', async () => {
  const served = await serve({ peer: ECHO, limits: { addressRate: 1, addressBurst: 3 } });
  for (let i = 0; i < 3; i += 1) await served.open();
  // However slow this machine is: more than one a second cannot come in for ever.
  let refused = 0;
  while (refused === 0) {
    const client = await served.connect();
    client.send(request());
    const { status, body, fields } = await client.readResponse();
    if (status === 101) continue;
    refused += 1;
    expect([status, body]).toEqual([429, 'too many new connections from one address\n']);
    expect(fields.get('retry-after')).toEqual(['1']);
  }
  await served.logged(/ warn {2}turned away client=127\.0\.0\.1 why=address-rate\n/);
  await counted(served, 'refused-address-rate');
  await expectServed(await connectFrom(OTHER_ADDRESS, served.daemon));

  for (let status = 0; status !== 101; ) {
    const client = await served.connect();
    client.send(request());
    ({ status } = await client.readResponse());
    client.stream.destroy();
  }
});

test('what counts by address does not count at a Unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-limits-'));
  const path = join(folder, 'ws');
  const limits = ['--connection-rate', '1', '--max-connections-per-address', '1'];
  try {
    await using daemon = await DaemonAtPath.start(`unix://${path}`, ['-c', `host=${ECHO}`, ...limits]);
    const clients = [];
    for (let i = 0; i < 20; i += 1) clients.push(await openAt(path));
    for (const client of clients) {
      await expectEchoed(client);
      client.stream.destroy();
    }
    expect(daemon.output).not.toContain('turned away');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a daemon that stops answers 503 to whoever has not asked yet', async () => {
  const served = await serve({ peer: ECHO });
  const client = await served.connect();
  await until('it', () => served.daemon.connections === 1);
  const stopped = served.daemon.stop();
  await expectAnswer(client, 503, 'server shutting down', 5);
  expect(await stopped).toBe(0);
  await counted(served, 'refused-stopping');
});

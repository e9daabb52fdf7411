/** The daemon as a whole: many connections at once, and its stop in every state that a connection can be in. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Daemon } from '../src/daemon.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import { createLogger } from '../src/observability/logger.ts';
import { Framings } from '../src/plugins/framings.ts';
import { leave, type Served, serve, until } from './support/in-process.ts';
import { Random, SEED } from './support/randomness.ts';
import { BINARY, clientClose, clientFrame, request, TEXT } from './support/raw-client.ts';
import { expectPattern, FLOOD, readUntilClose } from './support/ws-wire.ts';

function expectNoListener(served: Served): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(served.daemon.port, '127.0.0.1', () => reject(new Error('it still listens')));
    socket.on('error', () => resolve());
  });
}

describe('a daemon at a Unix socket', () => {
  const makeFolder = () => {
    const folder = mkdtempSync(join(tmpdir(), 'ws-daemon-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  };
  const daemonAt = async (path: string, lines: string[] = []) => {
    const framings = new Framings();
    await framings.loadBuiltIn();
    return new Daemon({
      host: '::',
      port: 0,
      path,
      backend: { query: async () => null },
      backendName: 'test',
      framings,
      keepalive: 0,
      limits: DEFAULT_LIMITS,
      log: createLogger('info', (line) => lines.push(line)),
    });
  };

  test('has the mode 0660 unless told otherwise', async () => {
    const folder = makeFolder();
    const daemon = await daemonAt(join(folder, 'a'));
    await daemon.start();
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o660);
    await daemon.stop();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('that is stopped before it listens never does, and leaves nothing', async () => {
    const folder = makeFolder();
    const lines: string[] = [];
    const daemon = await daemonAt(join(folder, 'a'), lines);
    const started = daemon.start();
    const stopped = daemon.stop();
    await Promise.all([started, stopped]);
    expect(readdirSync(folder)).toEqual([]);
    expect(lines.join('')).not.toContain('listening');
  });

  test('stops even if its socket cannot be removed, and says so', async () => {
    const folder = makeFolder();
    const lines: string[] = [];
    const daemon = await daemonAt(join(folder, 'run', 'a'), lines);
    mkdirSync(join(folder, 'run'));
    await daemon.start();
    // Its folder is another one's file by now.
    renameSync(join(folder, 'run'), join(folder, 'old'));
    writeFileSync(join(folder, 'run'), '');
    await daemon.stop();
    expect(lines.join('')).toMatch(
      / warn {2}socket not removed message=.*ENOTDIR.*\n.*stopping.*\n.*counters.*\n.*stopped\n$/,
    );
  });
});

describe('stop', () => {
  test('without connections is done at once, and nobody can connect any more', async () => {
    const served = await serve({ limits: { drainWait: 60_000, drainTimeout: 60_000 } });
    expect(await served.daemon.stop()).toBe(0);
    await expectNoListener(served);
    expect(served.lines.at(-1)).toMatch(/ stopped$/m);
  });

  test('ends a connection that has sent nothing', async () => {
    const served = await serve();
    const client = await served.connect();
    await until('the connection', () => served.daemon.connections === 1);
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', status: '503' });
  });

  test('answers 503 to half a request', async () => {
    const served = await serve();
    const client = await served.connect();
    client.send(request().subarray(0, 40));
    await until('its bytes', () => served.socketTo(client).bytesRead === 40);
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    client.stream.end();
    expect(await stopped).toBe(0);
  });

  test('answers 503 while the backend thinks, and aborts the query', async () => {
    let reason: unknown;
    let asked = false;
    const served = await serve({
      backend: {
        query: (_, signal) => {
          asked = true;
          signal.addEventListener('abort', () => {
            reason = signal.reason;
          });
          return new Promise(() => {});
        },
      },
    });
    const client = await served.connect();
    client.send(request());
    await until('the query', () => asked);
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(reason).toBeInstanceOf(Error);
    expect(await served.ended()).toMatchObject({ why: 'stopping', status: '503' });
  });

  test('answers 503 while the peer is dialled', async () => {
    let asked = false;
    const served = await serve({
      peer: 'tcp://peer.test:1',
      resolver: () => {
        asked = true;
        return new Promise(() => {});
      },
    });
    const client = await served.connect();
    client.send(request());
    await until('the look-up', () => asked);
    const stopped = served.daemon.stop();
    await client.expectRefused(503);
    client.stream.end();
    expect(await stopped).toBe(0);
  });

  test('sends an open client Close 1001, and its peer a FIN', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    client.send(clientFrame(TEXT, 'hello'));
    expect((await peer.take(5)).toString()).toBe('hello');
    const stopped = served.daemon.stop();
    expect(await client.readClose()).toEqual({ code: 1001, reason: 'server shutting down' });
    client.send(clientClose(1001));
    await peer.expectEnd();
    await client.stream.expectEnd();
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'stopping', up: '5' });
    await expectNoListener(served);
  });

  test('sends what is queued for a slow client before the Close 1001', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillClient(pair, FLOOD);
    const stopped = served.daemon.stop();
    pair.client.stream.socket.resume();
    const { bytes, close } = await readUntilClose(pair.client);
    expect(close.code).toBe(1001);
    pair.client.send(clientClose(1001));
    await pair.client.stream.expectEnd();
    await pair.peer.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    const { down, why } = await served.ended();
    expect(why).toBe('stopping');
    expectPattern(bytes, Number(down));
  });

  test('sends what is queued for a slow peer before the FIN', async () => {
    const served = await serve();
    const pair = await served.bridge();
    await served.fillPeer(pair);
    const stopped = served.daemon.stop();
    expect((await pair.client.readClose()).code).toBe(1001);
    // Behind all that it has sent.
    pair.client.send(clientClose(1001));
    pair.peer.socket.resume();
    const bytes = await pair.peer.rest();
    expect(pair.peer.ending).toBe('FIN');
    await pair.client.stream.expectEnd();
    leave(pair);
    expect(await stopped).toBe(0);
    expectPattern(bytes, Number((await served.ended())['up']));
  });

  test('waits for a connection that is closing already', async () => {
    const served = await serve();
    const { client, peer } = await served.bridge();
    peer.end();
    expect((await client.readClose()).code).toBe(1000);
    const stopped = served.daemon.stop();
    client.send(clientClose(1000));
    await client.stream.expectEnd();
    client.stream.end();
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'peer-closed' });
  });

  test('cuts after the drain time who does not answer, and counts them', async () => {
    const served = await serve({ limits: { drainTimeout: 400, closeTimeout: 60_000 } });
    const silent = await served.bridge();
    const polite = await served.bridge();
    const slow = await served.bridge();
    await served.fillClient(slow, FLOOD);
    const stopped = served.daemon.stop();
    await polite.client.expectClosedByServer(1001);
    leave(polite);
    expect((await silent.client.readClose()).code).toBe(1001);
    expect(await stopped).toBe(2);
    await silent.client.stream.rest();
    await silent.peer.rest();
    expect(served.lines.join('')).toMatch(/ warn {2}cut connections=2\n/);
    expect(served.lines.filter((line) => line.includes('why=stopping'))).toHaveLength(3);
    expect(served.daemon.connections).toBe(0);
    slow.client.stream.destroy();
  });

  test('lets connections end by themselves within the drain wait', async () => {
    const served = await serve({ limits: { drainWait: 60_000 } });
    const { client, peer } = await served.bridge();
    const stopped = served.daemon.stop();
    await served.logged(/ stopping /);
    await expectNoListener(served);
    client.send(clientFrame(TEXT, 'still'));
    expect((await peer.take(5)).toString()).toBe('still');
    peer.write('here');
    await client.expectMessage(TEXT, 'here');
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
    leave({ client, peer });
    expect(await stopped).toBe(0);
    expect(await served.ended()).toMatchObject({ why: 'client-closed' });
  });

  test('closes with 1001 whoever is left after the drain wait', async () => {
    const served = await serve({ limits: { drainWait: 300 } });
    const { client, peer } = await served.bridge();
    const stopped = served.daemon.stop();
    await client.expectClosedByServer(1001);
    leave({ client, peer });
    expect(await stopped).toBe(0);
  });

  test('closes the backend, and survives one that fails at it', async () => {
    let closed = 0;
    const served = await serve({
      errors: /backend did not close message=tired/,
      backend: {
        query: async () => null,
        close: async () => {
          closed += 1;
          throw new Error('tired');
        },
      },
    });
    expect(await served.daemon.stop()).toBe(0);
    expect(closed).toBe(1);
    expect(served.lines.join('')).toContain('backend did not close message=tired');
  });

  test('asked for twice is one stop', async () => {
    let closed = 0;
    const served = await serve({
      limits: { drainTimeout: 5_000 },
      backend: {
        query: async () => ({ peer: 'echo://' }),
        close: async () => {
          closed += 1;
        },
      },
    });
    const client = await served.open();
    const began = performance.now();
    const stops = [served.daemon.stop(), served.daemon.stop()];
    await client.expectClosedByServer(1001);
    client.stream.end();
    expect(await Promise.all(stops)).toEqual([0, 0]);
    expect(performance.now() - began, 'neither waits for a connection that is gone').toBeLessThan(5_000);
    expect(closed).toBe(1);
  });

  const library = fileURLToPath(new URL('../dist/src/index.js', import.meta.url));

  test.runIf(existsSync(library))('leaves nothing behind that keeps a program alive', async () => {
    const script = `
      import { connect } from 'node:net';
      const { start } = await import(${JSON.stringify(new URL(`file://${library}`).href)});
      const daemon = await start({ port: 0, listen: '127.0.0.1', backendOptions: { host: 'echo://' } });
      const client = connect({ port: daemon.port, host: '127.0.0.1' });
      client.write(${JSON.stringify(request().toString('latin1'))});
      let all = Buffer.alloc(0);
      client.on('data', async (bytes) => {
        const first = all.length === 0;
        all = Buffer.concat([all, bytes]);
        if (first) client.write(Buffer.from('8181000000006188820000000003e8', 'hex'));
      });
      client.on('end', async () => {
        const cut = await daemon.stop();
        process.stdout.write(all.toString('hex') + ' cut=' + cut);
      });
    `;
    const output = await new Promise<string>((resolve, reject) => {
      const args = ['--input-type=module', '--eval', script];
      execFile(process.execPath, args, { timeout: 15_000 }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
    });
    // The echo, the Close, and an exit of its own accord.
    expect(output).toMatch(/810161880203e8 cut=0$/);
  });
});

describe('many connections', () => {
  test(`200 echo clients with messages of random sizes do not mix (TEST_SEED=${SEED})`, async () => {
    const served = await serve({ peer: 'echo://' });
    await Promise.all(
      Array.from({ length: 200 }, async (_, id) => {
        const random = new Random(SEED + id);
        const client = await served.open();
        for (let round = 0; round < 4; round += 1) {
          const payload = Buffer.alloc(random.pick([0, 1, 125, 126, 3_000, 70_000]), id);
          client.send(clientFrame(BINARY, payload, { mask: random.bytes(4) }));
          await client.expectMessage(BINARY, payload);
        }
        client.send(clientClose(1000));
        await client.expectCloseEcho(1000);
        client.stream.end();
      }),
    );
    await until('their end', () => served.daemon.connections === 0);
    expect(served.lines.filter((line) => line.includes('why=client-closed'))).toHaveLength(200);
  });

  test('50 clients of a TCP peer get what is theirs, though every tenth is reset in the middle', async () => {
    const echo = createServer((socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as { port: number };
    const served = await serve({ peer: `tcp://127.0.0.1:${port}`, framing: 'binary' });
    await Promise.all(
      Array.from({ length: 50 }, async (_, id) => {
        const client = await served.open();
        const payload = Buffer.alloc(200_000, id);
        client.send(clientFrame(BINARY, payload));
        if (id % 10 === 0) return client.stream.reset();
        for (let total = 0; total < payload.length; ) {
          const { payload: piece } = await client.readFrame();
          expect(piece.equals(payload.subarray(0, piece.length))).toBe(true);
          total += piece.length;
        }
        client.send(clientClose(1000));
        await client.expectCloseEcho(1000);
        client.stream.end();
      }),
    );
    await until('their end', () => served.daemon.connections === 0);
    echo.close();
  });

  test('a client stays though the peer of another resets', async () => {
    const served = await serve();
    const first = await served.bridge();
    const second = await served.bridge();
    first.peer.reset();
    expect((await first.client.readClose()).code).toBe(1011);
    second.client.send(clientFrame(TEXT, 'fine'));
    expect((await second.peer.take(4)).toString()).toBe('fine');
  });
});

/** What a stranger's plugin can do to the whole daemon, and how it ends: in order, with a word in the log. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { start } from '../src/index.ts';
import { createLogger } from '../src/observability/logger.ts';
import { type Daemon, runCommand, startDaemon } from './support/daemon.ts';
import { clientClose, clientFrame, RawClient, request, TEXT } from './support/raw-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'websocksy-failures-'));
afterAll(() => rmSync(folder, { recursive: true }));

function backend(name: string, body: string): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `export default { apiVersion: 1, kind: 'backend', name: '${name}', options: {}, ${body} };`,
  );
  return file;
}

test('a stray rejection in a backend is logged with its stack and ends the process in order, with 1', async () => {
  const stray = backend(
    'stray',
    "create: () => ({ async query() { Promise.reject(new Error('stray')); return null; } })",
  );
  await using daemon = await startDaemon(['-b', stray]);
  const client = await RawClient.connect(daemon);
  client.send(request());
  await client.stream.rest();
  client.stream.end();
  expect(await daemon.exited).toBe(1);
  expect(daemon.output()).toMatch(/error uncaught stack="Error: stray/);
  expect(daemon.output()).toContain('stopped');
});

/** A backend with an echo for every client, that runs some code when `/fail` is asked for. */
function failing(name: string, code: string): string {
  return backend(
    name,
    `create: () => ({ async query({ path }) { if (path === '/fail') { ${code} } return { peer: 'echo://' }; } })`,
  );
}

async function fail(daemon: Daemon): Promise<void> {
  const client = await RawClient.connect(daemon);
  client.send(request({ requestLine: 'GET /fail HTTP/1.1' }));
  client.stream.end();
}

function uncaughtLines(daemon: Daemon): string[] {
  return daemon
    .output()
    .split('\n')
    .filter((line) => line.includes(' error uncaught '));
}

describe('what nobody caught', () => {
  test('ends the process in order: clients get what was on its way, and a Close 1001', async () => {
    const plugin = failing('later', "setImmediate(() => { throw new Error('later'); });");
    await using daemon = await startDaemon(['-b', plugin]);
    const client = await RawClient.open(daemon);
    client.send(clientFrame(TEXT, 'before'));
    await client.expectMessage(TEXT, 'before');
    await fail(daemon);
    await client.expectClosedByServer(1001);
    client.stream.end();
    expect(await daemon.exited).toBe(1);
    expect(daemon.output()).toMatch(/error uncaught stack="Error: later\\n {4}at [^\n]*later\.mjs/);
    expect(daemon.output()).toMatch(/ stopped\n$/);
  });

  test.each<[string, string, RegExp]>([
    ['undefined', 'undefined', /error uncaught stack=undefined\n/],
    ['null', 'null', /error uncaught stack=null\n/],
    ['a string', "'a\\nb'", /error uncaught stack="a\\nb"\n/],
    ['a symbol', 'Symbol("s")', /error uncaught stack=Symbol\(s\)\n/],
    [
      'an error whose stack throws',
      'Object.defineProperty(new Error("m"), "stack", { get() { throw 1; } })',
      /error uncaught stack=m\n/,
    ],
    [
      'an object that cannot be shown',
      '({ toString() { throw 1; } })',
      /error uncaught stack="something that cannot be shown was thrown"\n/,
    ],
    [
      'a Proxy that throws',
      'new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; } })',
      /error uncaught stack="something that cannot be shown was thrown"\n/,
    ],
    [
      'an error with control characters',
      'new Error("\\u001b[2J")',
      /error uncaught stack="Error: \\u001b\[2J\\n {4}at [^\n]*"\n/,
    ],
  ])('may be %s', async (what, thrown, line) => {
    const plugin = failing(what.replaceAll(/\W/g, '-'), `setImmediate(() => { throw ${thrown}; });`);
    await using daemon = await startDaemon(['-b', plugin]);
    await fail(daemon);
    expect(await daemon.exited).toBe(1);
    expect(daemon.output()).toMatch(line);
  });

  test('may be a rejection with the same', async () => {
    const plugin = failing(
      'rejected',
      'Promise.reject(new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; } }));',
    );
    await using daemon = await startDaemon(['-b', plugin]);
    await fail(daemon);
    expect(await daemon.exited).toBe(1);
    expect(uncaughtLines(daemon)).toHaveLength(1);
  });

  test('again and again neither fills the log nor keeps the process from ending', async () => {
    const plugin = failing('loop', "setInterval(() => { throw new Error('loop'); }, 1);");
    await using daemon = await startDaemon(['-b', plugin, '--drain', '2']);
    // It does not answer the Close, so the drain takes all of its time.
    const client = await RawClient.open(daemon);
    const began = performance.now();
    await fail(daemon);
    expect(await daemon.exited).toBe(1);
    const seconds = (performance.now() - began) / 1000;
    expect(await client.readClose()).toMatchObject({ code: 1001 });
    const lines = uncaughtLines(daemon);
    // One at once, one each second, and two at the end.
    expect(lines.length).toBeLessThanOrEqual(Math.floor(seconds) + 3);
    expect(lines[1]).toMatch(/ more=\d+$/);
  });

  test('ends the process even if the event loop does not turn any more', async () => {
    // Each rejection that is told of makes the next one, before anything else has its turn.
    const plugin = failing(
      'starving',
      "process.on('unhandledRejection', () => { Promise.reject(new Error('again')); }); Promise.reject(new Error('first'));",
    );
    await using daemon = await startDaemon(['-b', plugin, '--drain', '0']);
    await fail(daemon);
    expect(await daemon.exited).toBe(1);
  });

  test('is 1 also if SIGTERM comes while the connections drain', async () => {
    const plugin = failing('then-signal', "setImmediate(() => { throw new Error('first'); });");
    await using daemon = await startDaemon(['-b', plugin]);
    const client = await RawClient.open(daemon);
    await fail(daemon);
    expect(await client.readClose()).toMatchObject({ code: 1001 });
    const exited = daemon.stop('SIGTERM');
    client.send(clientClose(1001));
    await client.stream.rest();
    client.stream.end();
    expect(await exited).toBe(1);
  });

  test('is 1 also if it comes after SIGTERM', async () => {
    const plugin = failing('after-signal', "process.on('SIGTERM', () => { throw new Error('second'); });");
    await using daemon = await startDaemon(['-b', plugin]);
    const client = await RawClient.open(daemon);
    const other = await RawClient.open(daemon, request({ requestLine: 'GET /fail HTTP/1.1' }));
    const exited = daemon.stop('SIGTERM');
    for (const each of [client, other]) await each.expectClosedByServer(1001);
    for (const each of [client, other]) each.stream.end();
    expect(await exited).toBe(1);
    expect(daemon.output()).toContain('Error: second');
  });

  test('at the exit itself is 1, and the exit goes on', async () => {
    const plugin = failing(
      'at-exit',
      "setInterval(() => {}, 1000); process.on('exit', () => { throw new Error('exit'); });",
    );
    await using daemon = await startDaemon(['-b', plugin]);
    const client = await RawClient.open(daemon, request({ requestLine: 'GET /fail HTTP/1.1' }));
    const exited = daemon.stop('SIGTERM');
    await client.expectClosedByServer(1001);
    client.stream.end();
    expect(await exited).toBe(1);
    expect(daemon.output()).toContain('Error: exit');
  });

  test.each([
    [
      'while a plugin is loaded',
      'create: () => { setImmediate(() => { throw new Error("early\\u001b[2J"); }); return new Promise(() => { setInterval(() => {}, 1000); }); }',
    ],
    [
      'as a rejection, while a plugin is loaded',
      'create: () => { Promise.reject(new Error("early\\u001b[2J")); return new Promise(() => { setInterval(() => {}, 1000); }); }',
    ],
  ])('%s, is one line, and exit status 1', async (what, body) => {
    const { code, stderr } = await runCommand(['-b', backend(what.replaceAll(/\W/g, '-'), body)]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^websocksy: uncaught: Error: early\\u001b\[2J\\u000a {4}at [^\n]*\n$/);
  });
});

test('a log that throws ends no connection, and no daemon', async () => {
  const log = {
    error(): never {
      throw new Error('no');
    },
    warn(): never {
      throw new Error('no');
    },
    info(): never {
      throw new Error('no');
    },
    async debug(): Promise<never> {
      throw new Error('no');
    },
    trace(): never {
      throw new Error('no');
    },
  };
  const daemon = await start({ port: 0, listen: '127.0.0.1', backendOptions: { host: 'echo://' }, log });
  const client = await RawClient.open(daemon);
  client.send(clientFrame(TEXT, 'served'));
  await client.expectMessage(TEXT, 'served');
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  client.stream.end();
  expect(await daemon.stop()).toBe(0);
});

test('a backend whose close never ends does not hold up the stop', async () => {
  const lines: string[] = [];
  const daemon = await start({
    port: 0,
    listen: '127.0.0.1',
    backend: backend(
      'hanging',
      'create: () => ({ query: async () => null, close: () => new Promise(() => {}) })',
    ),
    limits: { drainTimeout: 100 },
    log: createLogger('info', (line) => lines.push(line)),
  });
  expect(await daemon.stop()).toBe(0);
  expect(lines.join('')).toContain('backend did not close');
});

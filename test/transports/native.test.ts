/** The native part: what is said where it is not there, and that it leaves nothing behind where it is. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { load, type NativeDatagrams, native } from '../../src/transports/native.ts';
import { built, NATIVE, UnixPeer } from '../support/dgram-peer.ts';
import { until } from '../support/sockets.ts';

const BUILD = fileURLToPath(new URL('../../tools/build-native.mjs', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ws-native-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function build(file: string, env: NodeJS.ProcessEnv = {}) {
  const { status, stderr } = spawnSync(process.execPath, [BUILD, file], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, said: stderr };
}

test('it is built, or cannot be built here', () => {
  if (built) return;
  const trial = join(folder, 'trial.node');
  expect(build(trial).said).toMatch(/^note: (no C compiler|Node\.js headers)/);
  expect(existsSync(trial), 'it can be built here: run `npm run build`').toBe(false);
});

describe('without it', () => {
  const problem = (places: string[], platform: NodeJS.Platform = 'linux') =>
    (load(places, platform) as { problem?: string }).problem;

  test('the refusal says what to install', () => {
    expect(problem([join(folder, 'none')])).toMatch(
      /install a C compiler and the Node\.js headers.*npm run build/,
    );
    expect(problem([])).toMatch(/was not built/);
  });

  test('the refusal says that another system needs another one', () => {
    const garbage = join(folder, 'garbage.node');
    writeFileSync(garbage, 'not for this system');
    expect(problem([join(folder, 'none'), garbage])).toMatch(/built for another system.*npm run build/);
  });

  test('the refusal says that it is for Linux', () => {
    expect(problem([NATIVE], 'darwin')).toBe('unix-dgram:// peers need Linux');
  });
});

describe('the build never fails', () => {
  test.each([
    ['a compiler that fails', { CC: 'false' }, /false failed/],
    ['a compiler that is not there', { CC: '/nonexistent/cc -O2' }, /ENOENT/],
    ['no headers where they were said to be', { npm_config_nodedir: '/nonexistent' }, /headers .* not found/],
  ])('for %s: it says so, and leaves no older one', (_what, env, message) => {
    const file = join(folder, 'older.node');
    writeFileSync(file, '');
    const { status, said } = build(file, env);
    expect(status).toBe(0);
    expect(said).toMatch(/^note: .*docs\/peers\.md/s);
    if (!said.includes('headers')) expect(said).toMatch(message);
    expect(existsSync(file)).toBe(false);
  });

  test('for a place that cannot be written to', () => {
    const file = join(folder, 'a-file');
    writeFileSync(file, '');
    const { status, said } = build(join(file, 'sub', 'x.node'));
    expect(status).toBe(0);
    expect(said).toMatch(/^note: /);
  });
});

describe.skipIf(!built)('with it', () => {
  let peer: UnixPeer;
  let functions: NativeDatagrams;
  const open = (onReady: (events: number) => void = () => {}) => {
    const opened = functions.open(Buffer.from(peer.path), undefined, onReady);
    if ('error' in opened) throw new Error(`${opened.call} ${opened.error}`);
    return opened;
  };
  const descriptors = () => readdirSync('/proc/self/fd').length;

  beforeAll(async () => {
    functions = native();
    peer = await UnixPeer.listen(join(folder, 'peer'));
  });
  afterAll(() => peer?.close());

  test('10,000 sockets opened and closed leave no descriptor', async () => {
    const before = descriptors();
    for (let i = 0; i < 10_000; i += 1) {
      const { socket } = open();
      functions.watch(socket, 1);
      functions.close(socket);
      functions.close(socket);
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(descriptors()).toBe(before);
  });

  test('1,000 failures to open leave no descriptor', () => {
    const before = descriptors();
    for (let i = 0; i < 1_000; i += 1) {
      expect(functions.open(Buffer.from('/nonexistent/x'), undefined, () => {})).toMatchObject({
        call: 'connect',
      });
      expect(functions.open(Buffer.from(peer.path), Buffer.from('/nonexistent/x'), () => {})).toMatchObject({
        call: 'bind',
      });
    }
    expect(descriptors()).toBe(before);
  });

  test.each([0, 108, 200])('a path of %i bytes is refused, not cut', (length) => {
    const path = Buffer.alloc(length, 'x');
    expect(functions.open(path, undefined, () => {})).toMatchObject({ call: 'connect' });
    expect(functions.open(Buffer.from(peer.path), path, () => {})).toMatchObject({ call: 'bind' });
  });

  test('a closed socket answers EBADF, and is never another one', () => {
    const { socket } = open();
    functions.close(socket);
    for (const result of [
      functions.watch(socket, 1),
      functions.send(socket, Buffer.from('x')),
      functions.receive(socket),
    ]) {
      expect(result).toBe(-9);
    }
  });

  test('a callback may close its own socket', async () => {
    let calls = 0;
    const { socket } = open(() => {
      calls += 1;
      functions.close(socket);
    });
    functions.watch(socket, 2);
    await until('the callback', () => calls > 0);
    expect(calls).toBe(1);
  });

  test('what a callback throws is an uncaught exception like any other', () => {
    const script = `
      const m = { exports: {} };
      process.dlopen(m, ${JSON.stringify(NATIVE)});
      process.on('uncaughtException', (error) => { console.log('caught', error.message); m.exports.close(s.socket); });
      const s = m.exports.open(Buffer.from(${JSON.stringify(peer.path)}), undefined, () => { throw new Error('mine'); });
      m.exports.watch(s.socket, 2);`;
    const { status, stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'caught mine\n' });
  });

  test('a worker that ends closes its sockets, whatever they were doing', async () => {
    const before = descriptors();
    for (let i = 0; i < 5; i += 1) {
      const worker = new Worker(
        `const m = { exports: {} };
         process.dlopen(m, ${JSON.stringify(NATIVE)});
         global.kept = [];
         for (let i = 0; i < 50; i += 1) {
           const s = m.exports.open(Buffer.from(${JSON.stringify(peer.path)}), undefined, () => {});
           if (i % 2) m.exports.watch(s.socket, 1);
           if (i % 5 === 0) m.exports.close(s.socket);
           global.kept.push(s);
         }
         require('node:worker_threads').parentPort.postMessage('');`,
        { eval: true },
      );
      await new Promise((resolve) => worker.once('message', resolve));
      await worker.terminate();
    }
    await until('the descriptors to be closed', () => descriptors() <= before);
  });

  test('a socket that nobody refers to any more is closed with its object', () => {
    const script = `
      const m = { exports: {} };
      process.dlopen(m, ${JSON.stringify(NATIVE)});
      const count = () => require('fs').readdirSync('/proc/self/fd').length;
      const before = count();
      for (let i = 0; i < 100; i += 1) m.exports.open(Buffer.from(${JSON.stringify(peer.path)}), undefined, () => {});
      const collect = (left) => { gc(); if (count() <= before || left === 0) console.log(count() - before);
        else setImmediate(collect, left - 1); };
      setImmediate(collect, 1000);`;
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', '-e', script], { encoding: 'utf8' });
    expect(Number(stdout)).toBeLessThanOrEqual(1);
  });
});

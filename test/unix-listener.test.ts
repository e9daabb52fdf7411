/** A Unix socket as the listening side: whose path it takes, whose it leaves alone, and what stays behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { listenAtPath, type Release } from '../src/unix-listener.ts';
import { runCommand } from './support/daemon.ts';
import { DaemonAtPath, openAt } from './support/daemon-at-path.ts';
import { clientClose, clientFrame, TEXT } from './support/raw-client.ts';

const isRoot = process.getuid?.() === 0;
const isLinux = process.platform === 'linux';
const BACKLOG = 16;

/** A folder of each test's own; short, since the paths of sockets are. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wsl-'));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});
const at = (name: string) => join(folder, name);
const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);
const there = () => readdirSync(folder).sort();

interface Listening {
  readonly server: Server;
  readonly release: Release;
}

/** A server that greets, so that a client knows whom it has reached. */
async function listening(path: string, greeting = 'ours', mode = 0o660): Promise<Listening> {
  const server = createServer((socket) => socket.on('error', () => {}).end(greeting));
  onTestFinished(() => void server.close());
  return { server, release: await listenAtPath(server, path, mode, BACKLOG) };
}

/** Another program's, bound to the path directly, as most do. */
async function stranger(path: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end('theirs'));
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return server;
}

async function greetingAt(path: string): Promise<string> {
  const socket = connect(path);
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await once(socket, 'close');
  return text;
}

/** A socket that nobody answers at, as a killed program leaves it behind. */
async function stale(path: string): Promise<void> {
  const server = createServer();
  server.listen(`${path}.bound`);
  await once(server, 'listening');
  renameSync(`${path}.bound`, path);
  server.close();
  await once(server, 'close');
  // Long ago.
  utimesSync(path, 1_000_000, 1_000_000);
}

const refusal = (path: string) =>
  listening(path).then(
    () => Promise.reject(new Error('it listens')),
    (error: NodeJS.ErrnoException) => `${error.code}: ${error.message}`,
  );

describe('listenAtPath', () => {
  test.each([0o660, 0o600, 0o666, 0o777, 0o200])('gives the socket exactly the mode %o', async (mode) => {
    for (const mask of [0, 0o022, 0o077, 0o777]) {
      const before = process.umask(mask);
      try {
        const { server, release } = await listening(at('a'), 'ours', mode);
        expect(modeOf(at('a'))).toBe(mode.toString(8));
        release();
        server.close();
      } finally {
        process.umask(before);
      }
    }
    expect(there()).toEqual([]);
  });

  test('leaves nothing but the socket in the folder, and at the end not even that', async () => {
    const { server, release } = await listening(at('a'));
    expect(there()).toEqual(['a']);
    expect(await greetingAt(at('a'))).toBe('ours');
    release();
    expect(there()).toEqual([]);
    server.close();
    await once(server, 'close');
    expect(there()).toEqual([]);
    // And again, in its own footsteps.
    await listening(at('a'));
    expect(await greetingAt(at('a'))).toBe('ours');
  });

  test('leaves a path alone that is answered at', async () => {
    await stranger(at('a'));
    expect(await refusal(at('a'))).toBe(
      'EADDRINUSE: another program answers there; stop it, or choose another path with -l',
    );
    expect(there()).toEqual(['a']);
    expect(await greetingAt(at('a'))).toBe('theirs');
  });

  test.skipIf(!isLinux)('leaves a path alone whose program has too much to do to answer', async () => {
    const script = `require('node:net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'stopped');
      process.kill(process.pid, 'SIGSTOP');
    });`;
    const child = spawn(process.execPath, ['-e', script, at('a')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const waiting: Socket[] = [];
    onTestFinished(() => {
      for (const socket of waiting) socket.destroy();
      child.kill('SIGKILL');
    });
    await once(child.stdout!, 'data');
    // Whoever comes to a full queue is told to try again.
    for (let failure: unknown; failure !== 'EAGAIN'; ) {
      const socket = connect(at('a'));
      waiting.push(socket);
      failure = await Promise.race([
        once(socket, 'connect').then(() => undefined),
        once(socket, 'error').then(([error]) => error.code),
      ]).catch((error: NodeJS.ErrnoException) => error.code);
    }
    const before = lstatSync(at('a')).ino;
    expect(await refusal(at('a'))).toBe(
      'EADDRINUSE: there is a socket, which cannot be connected to (EAGAIN)',
    );
    expect(lstatSync(at('a')).ino).toBe(before);
  });

  test('takes a path over that a killed program has left', async () => {
    await stale(at('a'));
    await listening(at('a'));
    expect(await greetingAt(at('a'))).toBe('ours');
    expect(there()).toEqual(['a']);
  });

  test.each<[string, (path: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'precious')],
    ['a folder', (path) => mkdirSync(path)],
    ['a link to nothing', (path) => symlinkSync('nowhere', path)],
    ['a link to a file', (path) => symlinkSync('/etc/passwd', path)],
  ])('leaves %s alone', async (_what, make) => {
    make(at('a'));
    const before = lstatSync(at('a'));
    expect(await refusal(at('a'))).toBe(
      'EADDRINUSE: what is there is no socket, so it stays; choose another path with -l',
    );
    expect(lstatSync(at('a'))).toMatchObject({ ino: before.ino, mode: before.mode, size: before.size });
    expect(there()).toEqual(['a']);
  });

  test('leaves a link to a socket alone, even if nobody answers there', async () => {
    await stale(at('b'));
    symlinkSync('b', at('a'));
    expect(await refusal(at('a'))).toMatch(/is no socket/);
    expect(there()).toEqual(['a', 'b']);
  });

  test('says that there is no folder, or that it is none', async () => {
    writeFileSync(at('file'), '');
    expect(await refusal(at('none/a'))).toMatch(/^ENOENT: /);
    expect(await refusal(at('file/a'))).toMatch(/^ENOTDIR: /);
    expect(await refusal(at('file/b/a'))).toMatch(/^ENOTDIR: /);
    expect(there()).toEqual(['file']);
  });

  test.skipIf(isRoot)('says that it may not write to the folder', async () => {
    chmodSync(folder, 0o500);
    expect(await refusal(at('a'))).toMatch(/^EACCES: /);
  });

  test('removes at the end only what it has made', async () => {
    const { server, release } = await listening(at('a'));
    unlinkSync(at('a'));
    await stranger(at('a'));
    release();
    server.close();
    await once(server, 'close');
    expect(there()).toEqual(['a']);
    expect(await greetingAt(at('a'))).toBe('theirs');
  });

  test.each(['moved away', 'removed'])('does not mind at the end that its socket was %s', async (what) => {
    const { server, release } = await listening(at('a'));
    if (what === 'removed') unlinkSync(at('a'));
    else renameSync(at('a'), at('b'));
    release();
    server.close();
    await once(server, 'close');
    expect(there()).toEqual(what === 'removed' ? [] : ['b']);
  });

  test('says it if another program was quicker', async () => {
    // The path is free when it is looked at, and taken when the socket is ready to be moved there.
    const server = createServer();
    const listen = server.listen.bind(server);
    server.listen = ((...args: Parameters<typeof listen>) => {
      writeFileSync(at('a'), 'quicker');
      return listen(...args);
    }) as typeof server.listen;
    await expect(listenAtPath(server, at('a'), 0o660, BACKLOG)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringMatching(/another program was quicker/),
    });
    expect(server.listening).toBe(false);
    expect(there()).toEqual(['a']);
    expect(readFileSync(at('a'), 'utf8')).toBe('quicker');
  });

  test('of several at once exactly one has the path, a stale one too', async () => {
    for (let round = 0; round < 30; round += 1) {
      const path = at(`r${round}`);
      if (round % 2 === 1) await stale(path);
      const attempts = await Promise.allSettled([1, 2, 3, 4].map((i) => listening(path, `number ${i}`)));
      const won = attempts.findIndex(({ status }) => status === 'fulfilled');
      expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      expect(await greetingAt(path)).toBe(`number ${won + 1}`);
      expect(there()).toEqual([`r${round}`]);
      (attempts[won] as PromiseFulfilledResult<Listening>).value.release();
    }
  });

  test('takes paths with blanks, umlauts and dots', async () => {
    await listening(at('a b.sö ck'));
    expect(await greetingAt(at('a b.sö ck'))).toBe('ours');
    expect(there()).toEqual(['a b.sö ck']);
  });

  test.skipIf(!isLinux)('listens in the abstract namespace, where there is no file and no mode', async () => {
    const name = `@websocksy-test-${process.pid}`;
    const { server, release } = await listening(name);
    expect(await greetingAt(`\0${name.slice(1)}`)).toBe('ours');
    expect(await refusal(name)).toMatch(/^EADDRINUSE: /);
    release();
    server.close();
    await once(server, 'close');
    await listening(name);
  });
});

const ECHO = ['-c', 'host=echo://'];

function start(path: string, args: readonly string[] = []): Promise<DaemonAtPath> {
  return DaemonAtPath.start(`unix://${path}`, [...ECHO, ...args], folder);
}

async function expectEchoAt(path: string): Promise<void> {
  const client = await openAt(path);
  client.send(clientFrame(TEXT, 'hello'));
  await client.expectMessage(TEXT, 'hello');
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  client.stream.end();
}

describe('the daemon at a path', () => {
  test('takes clients, whose address is "unix", and leaves nothing behind', async () => {
    await using daemon = await start(at('a.sock'));
    expect(modeOf(at('a.sock'))).toBe('660');
    expect(there()).toEqual(['a.sock']);
    await expectEchoAt(at('a.sock'));
    expect(await daemon.signal()).toBe(0);
    expect(daemon.output).toContain(` listening on unix://${at('a.sock')}\n`);
    expect(daemon.output).toMatch(/ closed id=1 client=unix /);
    expect(there()).toEqual([]);
    await using second = await start(at('a.sock'));
    await expectEchoAt(at('a.sock'));
    expect(await second.signal()).toBe(0);
    expect(there()).toEqual([]);
  });

  test('is reached by a client that knows such addresses', async () => {
    await using _daemon = await start(at('a.sock'));
    const client = new WebSocket(`ws+unix://${at('a.sock')}:/some/path?x=1`);
    await once(client, 'open');
    client.send('hello');
    const [message] = await once(client, 'message');
    expect(String(message)).toBe('hello');
    client.close();
    await once(client, 'close');
  });

  test.each(['0600', '0666', '777'])('gives the socket the mode %s', async (mode) => {
    await using _daemon = await start(at('a'), ['--socket-mode', mode]);
    expect(modeOf(at('a'))).toBe(mode.slice(-3));
  });

  test('takes over from one that was killed', async () => {
    const killed = await start(at('a'));
    await killed.signal('SIGKILL');
    expect(there()).toEqual(['a']);
    await using daemon = await start(at('a'));
    await expectEchoAt(at('a'));
    expect(await daemon.signal()).toBe(0);
    expect(there()).toEqual([]);
  });

  test.each<[string, string, (path: string) => unknown]>([
    [
      'answered at',
      'in use: another program answers there; stop it, or choose another path with -l',
      stranger,
    ],
    [
      'a file',
      'in use: what is there is no socket, so it stays; choose another path with -l',
      (path) => writeFileSync(path, ''),
    ],
  ])('ends with exit status 1 and one line if the path is %s', async (_what, reason, make) => {
    await make(at('a'));
    const { code, stderr } = await runCommand(['-l', `unix://${at('a')}`]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `websocksy: cannot listen on unix://${at('a')}: ${reason}\n`,
    });
    expect(there()).toEqual(['a']);
  });

  test('ends with exit status 1 and one line if there is no folder for it', async () => {
    writeFileSync(at('file'), '');
    for (const [name, reason] of [
      ['none/a', 'there is no such folder; make it, or choose another path with -l'],
      ['file/a', 'what should be its folder is none; choose another path with -l'],
    ] as const) {
      const { code, stderr } = await runCommand(['-l', `unix://${at(name)}`]);
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: `websocksy: cannot listen on unix://${at(name)}: ${reason}\n`,
      });
    }
  });

  test('counts a relative path from the working directory', async () => {
    mkdirSync(at('run'));
    await using daemon = await start('run/a.sock');
    await expectEchoAt(at('run/a.sock'));
    await using beside = await start('b.sock');
    await expectEchoAt(at('b.sock'));
    await beside.signal();
    await daemon.signal();
    expect(readdirSync(at('run'))).toEqual([]);
    expect(there()).toEqual(['run']);
  });

  test.skipIf(!isLinux)('listens at an abstract name, and says so if it is taken', async () => {
    const name = `@websocksy-test-${process.pid}`;
    await using _daemon = await start(name);
    await expectEchoAt(`\0${name.slice(1)}`);
    const { code, stderr } = await runCommand(['-l', `unix://${name}`]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `websocksy: cannot listen on unix://${name}: in use: another program has that name\n`,
    });
  });

  test('takes the longest path that there can be, and refuses a longer one before it listens', async () => {
    // The name that it is bound under first has 15 bytes.
    const maximum = isLinux ? 107 : 103;
    const inFolder = 'd'.repeat(maximum - 16 - folder.length - 1);
    mkdirSync(at(inFolder));
    const path = at(`${inFolder}/${'n'.repeat(15)}`);
    expect(Buffer.byteLength(path)).toBe(maximum);
    await using daemon = await start(path);
    await expectEchoAt(path);
    await daemon.signal();
    const longer = await runCommand(['--check', '-l', `unix://${path}n`]);
    expect(longer.code).toBe(2);
    expect(longer.stderr).toContain(`has at most ${maximum} bytes, not ${maximum + 1}\n`);
    const deeper = await runCommand(['--check', '-l', `unix://${at(`${inFolder}d/n`)}`]);
    expect(deeper.code).toBe(2);
    expect(deeper.stderr).toMatch(/folder for Unix sockets has at most \d+ bytes, not \d+\n$/);
  });

  test('of two that start at the same moment exactly one runs', async () => {
    for (let round = 0; round < 4; round += 1) {
      if (round % 2 === 1) await stale(at('a'));
      await using one = new DaemonAtPath(`unix://${at('a')}`, ECHO);
      await using other = new DaemonAtPath(`unix://${at('a')}`, ECHO);
      const listen = await Promise.all([one.listens(), other.listens()]);
      expect(listen.filter(Boolean), one.output + other.output).toHaveLength(1);
      const [winner, loser] = listen[0] ? [one, other] : [other, one];
      expect(await loser.exited).toBe(1);
      expect(loser.output).toMatch(/cannot listen on .*: in use: /);
      await expectEchoAt(at('a'));
      expect(await winner.signal()).toBe(0);
      expect(there()).toEqual([]);
    }
  });

  test('leaves the path to whoever has taken it in the meantime', async () => {
    await using daemon = await start(at('a'));
    unlinkSync(at('a'));
    await stranger(at('b'));
    linkSync(at('b'), at('a'));
    expect(await daemon.signal()).toBe(0);
    expect(there()).toEqual(['a', 'b']);
    expect(await greetingAt(at('a'))).toBe('theirs');
  });

  test('ends its clients before it goes, though nobody new can come', async () => {
    await using daemon = await start(at('a'));
    const client = await openAt(at('a'));
    const stopped = daemon.signal();
    expect((await client.readClose()).code).toBe(1001);
    expect(there()).toEqual([]);
    client.send(clientClose(1001));
    client.stream.end();
    expect(await stopped).toBe(0);
  });

  test('stops in order if the folder is gone by then', async () => {
    mkdirSync(at('run'));
    await using daemon = await start(at('run/a'));
    rmSync(at('run'), { recursive: true });
    expect(await daemon.signal()).toBe(0);
  });
});

/**
 * The log of the built daemon where its output is slow, full or gone: what clients have does not change, the daemon
 * stops as it should, and what is lost is told of when the output is back.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ByteStream } from './support/byte-stream.ts';
import { EXECUTABLE } from './support/daemon.ts';
import { clientFrame, RawClient, request, TEXT } from './support/raw-client.ts';

const PATIENCE = 15_000;
const MIB = 1024 * 1024;
const LOST = /warn {2}log lines lost, for they could not be written lines=(\d+)/g;

const folder = mkdtempSync(join(tmpdir(), 'websocksy-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

/** Where the next daemon listens: it is found there, whatever becomes of its log. */
function nextPath(): string {
  count += 1;
  return join(folder, `${count}.sock`);
}

const ECHO: readonly string[] = ['-c', 'host=echo://'];

function command(path: string, backend = ECHO): string[] {
  return [EXECUTABLE, '-l', `unix://${path}`, ...backend, '--log-level', 'trace'];
}

/** @param standardError a descriptor, or `pipe`, which is not read unless the test does */
function launch(
  path: string,
  standardError: number | 'pipe',
  launcher: readonly string[] = [],
  backend = ECHO,
): ChildProcess {
  const [program, ...args] = [...launcher, process.execPath, ...command(path, backend)];
  const child = spawn(program!, args, { stdio: ['ignore', 'ignore', standardError] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** Ends it in order; resolves with its exit status. */
async function stop(child: ChildProcess): Promise<number | null> {
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  child.kill();
  return exited;
}

async function open(path: string): Promise<RawClient> {
  const client = await connectAt(path);
  client.send(request());
  await client.expectAccepted();
  return client;
}

/** As soon as the daemon listens. */
async function connectAt(path: string): Promise<RawClient> {
  for (let tries = 0; ; tries += 1) {
    const socket = connect({ path, allowHalfOpen: true });
    try {
      await once(socket, 'connect');
      return new RawClient(new ByteStream(socket));
    } catch (error) {
      if (tries === 1000) throw error;
      await sleep(10);
    }
  }
}

/** Has each message echoed; it makes two lines of the log, 119 bytes. */
async function echo(client: RawClient, messages: number): Promise<void> {
  client.send(...Array.from({ length: messages }, () => clientFrame(TEXT, 'ab')));
  const echoed = await client.stream.take(messages * 4, `${messages} echoes`, PATIENCE);
  expect(echoed.equals(Buffer.alloc(messages * 4, Buffer.from('81026162', 'hex')))).toBe(true);
}

/** 2.4 MB of lines. */
const FLOOD = 20_000;

function lostIn(text: string): number {
  return [...text.matchAll(LOST)].reduce((sum, [, lines]) => sum + Number(lines), 0);
}

/** Whether each of the lines about messages is there, or counted. */
function expectAllToldOf(text: string, messages: number): void {
  const told = text.split('\n').filter((line) => / to-(peer|client) /.test(line)).length;
  expect(lostIn(text)).toBeGreaterThan(0);
  expect(told + lostIn(text)).toBe(2 * messages);
}

/** Each has its time first; what a write has torn would have none. */
function expectWholeLines(text: string): void {
  const torn = text
    .split('\n')
    .slice(0, -1)
    .filter((line) => !/^\d{4}-\d\d-\d\dT\S+Z (error|warn|info|debug|trace)/.test(line));
  expect(torn).toEqual([]);
}

test('a pipe that nobody reads: clients are served, and who reads later is told what is missing', async () => {
  const path = nextPath();
  const child = launch(path, 'pipe');
  const client = await open(path);
  await echo(client, FLOOD);
  let text = '';
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await vi.waitFor(() => expectAllToldOf(text, FLOOD), { timeout: PATIENCE });
  client.stream.destroy();
  const closed = new Promise((resolve) => child.on('close', resolve));
  expect(await stop(child)).toBe(0);
  await closed;
  expectWholeLines(text);
  expect(text).toMatch(/ stopped\n$/);
});

test('a pipe that nobody reads does not hold up the stop', async () => {
  const path = nextPath();
  const child = launch(path, 'pipe');
  const client = await open(path);
  await echo(client, FLOOD);
  client.stream.destroy();
  expect(await stop(child)).toBe(0);
});

test('the last word of a process that fails gets in where the others had no room', async () => {
  const path = nextPath();
  const plugin = join(folder, 'fails.mjs');
  writeFileSync(
    plugin,
    `export default { apiVersion: 1, kind: 'backend', name: 'fails', options: {}, create: () => ({
      async query({ path }) {
        if (path === '/fail') setImmediate(() => { throw new Error('last word'); });
        return { peer: 'echo://' };
      },
    }) };`,
  );
  const child = launch(path, 'pipe', [], ['-b', plugin]);
  const client = await open(path);
  await echo(client, FLOOD);
  const other = await connectAt(path);
  other.send(request({ requestLine: 'GET /fail HTTP/1.1' }));
  expect(await client.readClose()).toMatchObject({ code: 1001 });
  let text = '';
  child.stderr!.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  await vi.waitFor(() => expect(text).toContain('error uncaught stack="Error: last word'), {
    timeout: PATIENCE,
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  for (const each of [client, other]) each.stream.destroy();
  expect(await exited).toBe(1);
});

test('a pipe whose reader is gone', async () => {
  const path = nextPath();
  const child = launch(path, 'pipe');
  const client = await open(path);
  child.stderr!.destroy();
  await echo(client, FLOOD);
  client.stream.destroy();
  expect(await stop(child)).toBe(0);
});

test('a device that is full', async () => {
  const path = nextPath();
  const full = openSync('/dev/full', 'w');
  const child = launch(path, full);
  closeSync(full);
  const client = await open(path);
  await echo(client, FLOOD);
  client.stream.destroy();
  expect(await stop(child)).toBe(0);
});

test('a descriptor that is closed', async () => {
  const path = nextPath();
  const child = launch(path, 'pipe', ['sh', '-c', 'exec 2>&-; exec "$0" "$@"']);
  const client = await open(path);
  await echo(client, 10);
  client.stream.destroy();
  expect(await stop(child)).toBe(0);
});

test('a file that cannot grow: the log goes on as soon as it can, and says how much is missing', async () => {
  const path = nextPath();
  const file = join(folder, 'log');
  const descriptor = openSync(file, 'a');
  // 1.5 or 3 MiB: shells count in blocks of 512 or 1024 bytes.
  const child = launch(path, descriptor, ['sh', '-c', 'ulimit -f 3072; exec "$0" "$@"']);
  closeSync(descriptor);
  const client = await open(path);
  // Piece by piece, so that it is the file that takes no more.
  for (let i = 0; i < 40; i += 1) await echo(client, 1000);
  await vi.waitFor(() => expect(statSync(file).size % (MIB / 2)).toBe(0), { timeout: PATIENCE });
  const before = readFileSync(file, 'utf8');
  truncateSync(file);
  await vi.waitFor(() => expectAllToldOf(before + readFileSync(file, 'utf8'), 40_000), { timeout: PATIENCE });
  client.stream.destroy();
  expect(await stop(child)).toBe(0);
  const text = before + readFileSync(file, 'utf8');
  expectWholeLines(text);
  expect(text).toMatch(/ stopped\n$/);
  expect(text).toContain('error=EFBIG');
});

test('a file has the last line', async () => {
  const path = nextPath();
  const file = join(folder, 'whole');
  const descriptor = openSync(file, 'w');
  const child = launch(path, descriptor);
  closeSync(descriptor);
  const client = await open(path);
  await echo(client, 1000);
  client.stream.destroy();
  expect(await stop(child)).toBe(0);
  const text = readFileSync(file, 'utf8');
  expectWholeLines(text);
  expect(text).toMatch(/ stopped\n$/);
  expect(text.split('\n').filter((line) => / to-(peer|client) /.test(line))).toHaveLength(2000);
});

/** Starts a command with a terminal as standard error, says its pid, and reads that terminal from when it is told to. */
const TERMINAL = `
import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
os.close(slave)
print(child.pid, flush=True)
sys.stdin.readline()
try:
    while True:
        data = os.read(master, 65536)
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
except OSError:
    pass
sys.exit(child.wait())
`;

const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;

describe.skipIf(!hasPython)('a terminal that takes nothing, as behind Ctrl-S', () => {
  async function launchInTerminal(path: string) {
    const child = spawn('python3', ['-c', TERMINAL, process.execPath, ...command(path)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    await vi.waitFor(() => expect(text).toContain('\n'), { timeout: PATIENCE });
    const pid = Number.parseInt(text, 10);
    text = '';
    let running = true;
    const exited = new Promise<number | null>((resolve) => child.on('close', resolve));
    void exited.then(() => {
      running = false;
    });
    onTestFinished(() => {
      if (running) process.kill(pid, 'SIGKILL');
      child.kill('SIGKILL');
    });
    return { pid, exited, text: () => text, read: () => child.stdin.write('\n') };
  }

  test('stops nobody, and is told what is missing when it goes on', async () => {
    const path = nextPath();
    const terminal = await launchInTerminal(path);
    const client = await open(path);
    await echo(client, FLOOD);
    terminal.read();
    await vi.waitFor(() => expectAllToldOf(terminal.text(), FLOOD), { timeout: PATIENCE });
    client.stream.destroy();
    process.kill(terminal.pid);
    expect(await terminal.exited).toBe(0);
    const text = terminal.text().replaceAll('\r\n', '\n');
    expectWholeLines(text);
    expect(text).toMatch(/ stopped\n$/);
  });

  test('does not hold up the stop', async () => {
    const path = nextPath();
    const terminal = await launchInTerminal(path);
    const client = await open(path);
    await echo(client, FLOOD);
    client.stream.destroy();
    process.kill(terminal.pid);
    await vi.waitFor(() => expect(readFileSync(`/proc/${terminal.pid}/stat`, 'utf8')).toMatch(/\) Z /), {
      timeout: PATIENCE,
    });
    terminal.read();
    expect(await terminal.exited).toBe(0);
  });
});

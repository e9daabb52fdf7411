/**
 * The built command as a person or a service manager meets it: what it prints where, and its exit status.
 *
 * Every refusal is one line on standard error that names the culprit.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { ALL_FLAGS } from '../src/config/argv.ts';
import { type Finished, runCommand, startDaemon } from './support/daemon.ts';
import { BINARY, CLOSE, clientClose, clientFrame, RawClient, TEXT } from './support/raw-client.ts';

const EXECUTABLE = fileURLToPath(new URL('../dist/bin/websocksy.js', import.meta.url));
const FIXTURES = fileURLToPath(new URL('fixtures/plugins/', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const folder = mkdtempSync(join(tmpdir(), 'websocksy-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Standard output and error apart, and no argument but those given; `startDaemon` adds some. */
class Command {
  stdout = '';
  stderr = '';
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  #onOutput: () => void = () => {};

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [EXECUTABLE, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#onOutput();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#onOutput();
    });
    this.exited = new Promise((resolve) => this.#child.on('close', resolve));
  }

  /** The first group of the expression, once the output has it. */
  async says(what: RegExp): Promise<string> {
    const found = new Promise<string>((resolve) => {
      this.#onOutput = () => {
        const match = what.exec(this.stdout) ?? what.exec(this.stderr);
        if (match !== null) resolve(match[1] ?? '');
      };
      this.#onOutput();
    });
    const gone = this.exited.then((code): string => {
      throw new Error(`it ended with ${code} and never said ${what}:\n${this.stdout}${this.stderr}`);
    });
    return Promise.race([found, gone]);
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }
}

function expectOneLine({ stderr }: Finished): void {
  expect(stderr).toMatch(/^websocksy: [^\n]+\n$/);
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+|node:internal|Error:/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(stderr.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
}

async function expectEcho(client: RawClient): Promise<void> {
  client.send(clientFrame(TEXT, Buffer.from('hello')));
  expect(await client.readFrame()).toMatchObject({ opcode: TEXT, payload: Buffer.from('hello') });
}

describe('what is asked about the command itself', () => {
  test.each(['--help', '-h'])('%s prints every flag to standard output and exits 0', async (flag) => {
    const { code, stdout, stderr } = await runCommand([flag]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const known of ALL_FLAGS) expect(stdout).toContain(known);
  });

  test.each(['--version', '-V'])('%s prints the version of package.json and exits 0', async (flag) => {
    expect(await runCommand([flag])).toEqual({ code: 0, stdout: `websocksy ${version}\n`, stderr: '' });
  });

  test('--check of a bad one says what is wrong and exits 2', async () => {
    const result = await runCommand(['--check', '-k', 'often']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toBe('websocksy: -k: expected a number from 0 to 86400, not "often"\n');
  });
});

describe('a wrong configuration is one line on standard error and exit status 2', () => {
  test.each<[string, string[], RegExp]>([
    ['an unknown option', ['--lisen', '::1'], /unknown option "--lisen"; did you mean --listen\?/],
    ['an option like no other', ['--frobnicate'], /unknown option "--frobnicate"; see --help/],
    ['a short option with its value in it', ['-p9000'], /unknown option "-p9000"/],
    ['a missing value', ['-p'], /-p: expected a value: -p PORT/],
    ['a missing value of a long option', ['--backend-option'], /--backend-option: expected a value/],
    ['a port that is none', ['-p', '65536'], /-p: expected a number from 0 to 65535, not "65536"/],
    [
      'an address that is none',
      ['-l', 'not an address'],
      /-l: expected an IP address, .*not "not an address"/,
    ],
    ['a level that is none', ['--log-level', 'loud'], /--log-level: expected one of error, .*not "loud"/],
    ['a peer that is none', ['-c', 'host=tcp://a b'], /-c host: "tcp:\/\/a b": .*not a host name/],
    ['a UDP peer that is none', ['-c', 'host=udp://a b:1'], /-c host: .*not a host name/],
    ['a scheme that is unknown', ['-c', 'host=http://localhost'], /-c host: .*unknown scheme "http"/],
    ['an unknown backend', ['-b', 'defualt'], /-b: unknown backend "defualt"; did you mean default\?/],
    [
      'an unknown framing',
      ['-c', 'framing=binry'],
      /-c framing: unknown framing "binry"; did you mean binary\?/,
    ],
    [
      'an unknown option of the backend',
      ['-c', 'hots=x'],
      /-c hots: unknown option .*"hots"; did you mean host\?/,
    ],
    ['an option without a key', ['-c', 'echo'], /-c: expected KEY=VALUE, not "echo"/],
    [
      'a plugin that throws',
      ['-b', join(FIXTURES, 'throws.mjs')],
      /-b: backend ".*throws\.mjs" could not be loaded/,
    ],
    [
      'a plugin that is not there',
      ['-b', './nowhere.mjs'],
      /-b: backend "\.\/nowhere\.mjs" could not be loaded/,
    ],
    [
      'two files',
      ['a.conf', 'b.conf'],
      /only one configuration file can be given, not "a\.conf" and "b\.conf"/,
    ],
    [
      'a file that is not there',
      ['/nowhere/w.conf'],
      /cannot read the configuration file "\/nowhere\/w\.conf": there is no such file/,
    ],
    ['a folder as the file', [FIXTURES], /cannot read the configuration file ".*plugins\/": it is a folder/],
    ['an empty file name', [''], /cannot read the configuration file ""/],
  ])('%s', async (_what, args, message) => {
    const result = await runCommand(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(message);
    expectOneLine(result);
  });

  test.each([
    [
      'a line without =',
      '[core]\n\nport 9000\n',
      '3',
      /expected "key = value" or "\[section\]", not "port 9000"/,
    ],
    [
      'an unknown section',
      '# hello\n[backnd]\n',
      '2',
      /unknown section "backnd"; did you mean \[backend\]\?/,
    ],
    ['an unknown key', '[core]\nprot = 1\n', '2', /prot: unknown option: "prot"; did you mean port\?/],
    ['a bad value', 'ping = 1\nport = x\n', '2', /port: expected a number/],
    ['a bad value of the backend', '[backend]\n; c\nhost = fifotx://x\n', '3', /host: .*fifotx:/],
    ['an unknown backend', 'backend = file2\n', '1', /backend: unknown backend "file2"/],
  ])('%s in a file is named by file and line', async (_what, text, line, message) => {
    const file = fileWith('bad.conf', text);
    const result = await runCommand([file]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr.startsWith(`websocksy: ${file}:${line}: `)).toBe(true);
    expect(result.stderr).toMatch(message);
    expectOneLine(result);
  });

  test.each([
    ['the name of an option', ['-c', 'a\nb\u001b[2J=1']],
    ['the name of a file', ['/nowhere/a\nb\u001b[2J']],
  ])('also with control characters in %s', async (_what, args) => {
    const result = await runCommand(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expectOneLine(result);
  });
});

describe('an address that cannot be listened on is one line and exit status 1', () => {
  async function taken(): Promise<Server> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  test('a taken port', async () => {
    const server = await taken();
    const { port } = server.address() as AddressInfo;
    const result = await runCommand(['-l', '127.0.0.1', '-p', String(port)]);
    server.close();
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toBe(
      `websocksy: cannot listen on 127.0.0.1:${port}: the port is in use; stop the other program, or choose another port with -p\n`,
    );
  });

  test('a name that nobody has', async () => {
    const result = await runCommand(['-l', 'nobody.invalid', '-p', '0']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    // Without any name server the look-up itself fails.
    expect(result.stderr).toMatch(
      /^websocksy: cannot listen on nobody\.invalid:0: (there is no host of that name; see -l|getaddrinfo .*)\n$/,
    );
  });

  test('an address of another machine', async () => {
    // 192.0.2.0/24 is for documentation (RFC 5737) and nobody's.
    const result = await runCommand(['-l', '192.0.2.1', '-p', '0']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toBe(
      'websocksy: cannot listen on 192.0.2.1:0: this machine has no such address; see -l\n',
    );
  });
});

describe('a signal', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s stops the daemon with exit status 0', async (signal) => {
    await using daemon = await startDaemon();
    expect(await daemon.stop(signal)).toBe(0);
    expect(daemon.output()).toMatch(/ info {2}stopping .*\n.* info {2}counters .*\n.* info {2}stopped\n$/);
  });

  test('closes the connections that there are with 1001 before the exit', async () => {
    await using daemon = await startDaemon(['-c', 'host=echo://']);
    const client = await RawClient.open(daemon);
    await expectEcho(client);
    const stopped = daemon.stop();
    const { opcode, payload } = await client.readFrame();
    expect([opcode, payload.readUInt16BE()]).toEqual([CLOSE, 1001]);
    client.send(clientClose(1001));
    client.stream.end();
    expect(await stopped).toBe(0);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'a second one, %s, ends a drain that a client holds up, with exit status 1',
    async (second) => {
      await using daemon = await startDaemon(['-c', 'host=echo://', '--drain', '3600']);
      const client = await RawClient.open(daemon);
      await expectEcho(client);
      const stopped = daemon.stop();
      // The Close is left without an answer.
      expect((await client.readFrame()).opcode).toBe(CLOSE);
      process.kill(daemon.pid, second);
      expect(await stopped).toBe(1);
    },
  );

  test('a second one leaves no socket behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'websocksy-second-'));
    const path = join(folder, 'w.sock');
    await using command = new Command(['-l', `unix://${path}`, '-c', 'host=echo://', '--drain', '3600']);
    await command.says(/listening on/);
    const client = connect(path);
    client.on('error', () => {});
    await once(client, 'connect');
    client.write('GET / HTTP/1.1\r\n');
    const first = command.stop();
    await command.says(/stopping/);
    void command.stop('SIGINT');
    expect(await first).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  test('stops a daemon whose plugin is still being loaded', async () => {
    await using command = new Command(['-b', join(FIXTURES, 'never-ready.mjs')]);
    await command.says(/creating/);
    expect(await command.stop()).toBe(0);
  });

  test('cuts a client that does not answer when the drain is over, with exit status 0', async () => {
    await using daemon = await startDaemon(['-c', 'host=echo://', '--drain', '0']);
    const client = await RawClient.open(daemon);
    await expectEcho(client);
    expect(await daemon.stop()).toBe(0);
    expect(daemon.output()).toMatch(/ warn {2}cut connections=1\n/);
  });

  test('also stops a daemon whose plugin keeps something open', async () => {
    await using daemon = await startDaemon(['-b', join(FIXTURES, 'holds-loop.mjs')]);
    expect(await daemon.stop()).toBe(0);
  });
});

describe('a running daemon', () => {
  test('logs to standard error and leaves standard output alone', async () => {
    await using command = new Command(['-l', '127.0.0.1', '-p', '0']);
    await command.says(/listening on/);
    expect(await command.stop()).toBe(0);
    expect(command.stdout).toBe('');
    expect(command.stderr).toMatch(/^\S+Z info {2}listening on ws:\/\/127\.0\.0\.1:\d+\n/);
  });

  test('says nothing with --log-level error while nothing fails', async () => {
    await using command = new Command(['--demo', '-l', '127.0.0.1', '-p', '0', '--log-level', 'error']);
    const port = Number(await command.says(/ready at ws:\/\/127\.0\.0\.1:(\d+)\//));
    const client = await RawClient.open({ host: '127.0.0.1', port });
    await expectEcho(client);
    client.send(clientClose(1000));
    expect((await client.readFrame()).opcode).toBe(CLOSE);
    client.stream.end();
    expect(await command.stop()).toBe(0);
    expect(command.stderr).toBe('');
  });

  test('takes a file as its only argument', async () => {
    const file = fileWith('only.conf', 'listen = 127.0.0.1\nport = 0\n\n[backend]\nhost = echo://\n');
    await using command = new Command([file]);
    const port = Number(await command.says(/listening on ws:\/\/127\.0\.0\.1:(\d+)/));
    await expectEcho(await RawClient.open({ host: '127.0.0.1', port }));
  });

  test('takes from the command line what a file says otherwise, wherever the file stands', async () => {
    const file = fileWith('both.conf', 'listen = 192.0.2.1\nport = 1\n[backend]\nhost = tcp://192.0.2.1\n');
    await using daemon = await startDaemon(['--config', file, '-c', 'host=echo://']);
    await expectEcho(await RawClient.open(daemon));
  });

  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === '::1'),
  );

  test.skipIf(!hasIpv6).each(['::1', '[::1]'])('listens on %s and says so in brackets', async (host) => {
    await using command = new Command(['-l', host, '-p', '0', '-c', 'host=echo://']);
    const port = Number(await command.says(/listening on ws:\/\/\[::1\]:(\d+)\n/));
    const client = await RawClient.open({ host: '::1', port });
    await expectEcho(client);
    client.stream.destroy();
    expect(await command.stop()).toBe(0);
  });

  test('listens on what a host name means', async () => {
    await using command = new Command(['-l', 'localhost', '-p', '0', '-c', 'host=echo://']);
    const port = Number(await command.says(/listening on ws:\/\/localhost:(\d+)\n/));
    await expectEcho(await RawClient.open({ host: 'localhost', port }));
  });

  test.skipIf(!hasIpv6)('takes IPv4 and IPv6 clients unless told otherwise', async () => {
    await using command = new Command(['-p', '0', '-c', 'host=echo://']);
    const port = Number(await command.says(/listening on ws:\/\/\[::\]:(\d+)\n/));
    await expectEcho(await RawClient.open({ host: '::1', port }));
    await expectEcho(await RawClient.open({ host: '127.0.0.1', port }));
  });
});

describe('--demo', () => {
  test('echoes, and says how to try it in a browser, in a terminal and with a TCP server', async () => {
    await using command = new Command(['--demo', '-l', '127.0.0.1', '-p', '0']);
    const port = Number(await command.says(/ready at ws:\/\/127\.0\.0\.1:(\d+)\/[\s\S]*--help\n/));
    const url = `ws://127.0.0.1:${port}/`;
    expect(command.stdout).toContain(`new WebSocket('${url}')`);
    expect(command.stdout).toContain(`npx wscat -c ${url}\n`);
    expect(command.stdout).toContain(`-p ${port} -c host=tcp://localhost:5900 -c framing=binary\n`);
    await expectEcho(await RawClient.open({ host: '127.0.0.1', port }));
  });

  test('names a host that can be connected to when it listens on all', async () => {
    await using command = new Command(['--demo', '-l', '0.0.0.0', '-p', '0']);
    await command.says(/ready at ws:\/\/localhost:(\d+)\//);
  });

  test('takes another port', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    await using command = new Command(['--demo', '-l', '127.0.0.1', '-p', String(port)]);
    expect(Number(await command.says(/ready at ws:\/\/127\.0\.0\.1:(\d+)\//))).toBe(port);
  });

  test('takes another peer', async () => {
    const server = createServer((socket) => socket.end('the peer'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await using daemon = await startDaemon([
      '--demo',
      '-c',
      `host=tcp://127.0.0.1:${port}`,
      '-c',
      'framing=binary',
    ]);
    const client = await RawClient.open(daemon);
    expect(await client.readFrame()).toMatchObject({ opcode: BINARY, payload: Buffer.from('the peer') });
    await daemon.stop('SIGKILL');
    server.close();
  });
});

/**
 * `--check` and the configuration file as the built command meets them: broken ones are one line that a newcomer can
 * act on, good ones are printed with where each value comes from, and nothing listens.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type Finished, runCommand } from './support/daemon.ts';

const FIXTURES = fileURLToPath(new URL('fixtures/plugins/', import.meta.url));
const isRoot = process.getuid?.() === 0;

const folder = mkdtempSync(join(tmpdir(), 'websocksy-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

function fileWith(name: string, text: string | Uint8Array): string {
  writeFileSync(at(name), text);
  return at(name);
}

/** Without variables of ours that the one who runs the tests may have. */
const CLEAN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^WEBSOCKSY/.test(name)));
const check = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  runCommand(['--check', ...args], { ...CLEAN, ...env });

describe('a broken configuration is one line that says where, what was expected, and what to do', () => {
  const DEFAULTS = 'host, port, framing, framing-config, protocol';
  test.each<[string, string, string]>([
    ['an unknown key', 'port = 1\npign = 30', ':2: pign: unknown option: "pign"; did you mean ping?'],
    [
      'a key of the command line',
      'keepalive = 30',
      ':1: keepalive: unknown option: "keepalive"; did you mean ping?',
    ],
    [
      'a key of the other section',
      '[core]\nhost = tcp://localhost',
      ':2: host: unknown option: "host"; a backend\'s options stand below [backend]',
    ],
    [
      'a key of the other section, the other way round',
      '[backend]\nlisten = ::1',
      ':2: listen: unknown option of the backend "default": "listen"; it is one of the daemon\'s: put it below [core]',
    ],
    [
      'an unknown key of the backend',
      '[backend]\npath = /srv',
      `:2: path: unknown option of the backend "default": "path"; there are: ${DEFAULTS}`,
    ],
    ['a port that is none', 'port = 80a', ':1: port: expected a number from 0 to 65535, not "80a"'],
    [
      'an address with a port',
      'listen = 127.0.0.1:80',
      ':1: listen: expected an IP address, a host name or unix:///PATH, not "127.0.0.1:80"; the port is an option of its own',
    ],
    [
      'an address that is half a path',
      'listen = unix:/run/w.sock',
      ':1: listen: expected an IP address, a host name or unix:///PATH, not "unix:/run/w.sock"',
    ],
    [
      'a path that is too long',
      `listen = unix:///${'a'.repeat(150)}`,
      `:1: listen: "unix:///${'a'.repeat(150)}": the path of a Unix socket has at most ${process.platform === 'linux' ? 107 : 103} bytes, not 151`,
    ],
    [
      'a framing with a configuration that it does not take',
      '[backend]\nframing = auto\nframing-config = 7',
      ':3: framing-config: framing "auto": this framing takes no configuration',
    ],
    [
      'a plugin that is not there',
      'plugin = ./mine.mjs',
      `:1: plugin: plugin "./mine.mjs" could not be loaded: there is no file ${at('mine.mjs')}`,
    ],
    [
      'a plugin of another version',
      `plugin = ${FIXTURES}old-api.mjs`,
      `:1: plugin: plugin "${FIXTURES}old-api.mjs": apiVersion is 0, but this daemon speaks version 1`,
    ],
    [
      'a folder that is not there',
      'dgram-dir = /nowhere',
      ':1: dgram-dir: expected a folder to write to, not "/nowhere": there is none; make it first',
    ],
    [
      'a folder that is a file',
      'dgram-dir = /etc/passwd',
      ':1: dgram-dir: expected a folder to write to, not "/etc/passwd": it is no folder',
    ],
    [
      'a mode that is none',
      'socket-mode = rw-rw----',
      ':1: socket-mode: expected an octal mode as in 0660, not "rw-rw----"',
    ],
    ['a line without =', '# ok\nport 80', ':2: expected "key = value" or "[section]", not "port 80"'],
    ['an unknown section', '[backnd]', ':1: unknown section "backnd"; did you mean [backend]?'],
    [
      'a peer with an unknown scheme',
      '[backend]\nhost = http://localhost',
      ':2: host: "http://localhost": unknown scheme "http"; use tcp://, udp://, unix://, unix-dgram:// or echo://',
    ],
    ['a NUL byte', '[backend]\nprotocol = a\0b', ':2: there is a NUL byte in this line; is it a text file?'],
  ])('%s', async (_what, text, message) => {
    const file = fileWith('broken.conf', text);
    expect(await check([file])).toEqual({
      code: 2,
      stdout: '',
      stderr: `websocksy: ${file}${message}\n`,
    });
  });

  test.each<[string, string[], string]>([
    [
      'a file that is not there',
      ['w.conf'],
      'cannot read the configuration file "w.conf": there is no such file',
    ],
    [
      'a file below a file',
      ['/etc/passwd/w.conf'],
      'cannot read the configuration file "/etc/passwd/w.conf": there is no such file',
    ],
    ['a folder', [tmpdir()], `cannot read the configuration file "${tmpdir()}": it is a folder`],
    [
      'a device without end',
      ['/dev/zero'],
      'cannot read the configuration file "/dev/zero": it is no regular file',
    ],
    [
      'a value that is not set apart',
      ['-p9000'],
      'unknown option "-p9000"; write -p and its value apart: -p 9000',
    ],
    [
      'an option of the backend',
      ['--host', 'echo://'],
      'unknown option "--host"; it is the backend\'s: -c host=…',
    ],
    ["the file's name of an option", ['--ping', '3'], 'unknown option "--ping"; did you mean --keepalive?'],
    [
      "an option of the daemon's among the backend's",
      ['-c', 'listen=::1'],
      '-c listen: unknown option of the backend "default": "listen"; it is one of the daemon\'s: use --listen',
    ],
  ])('%s on the command line', async (_what, args, message) => {
    expect(await check(args)).toEqual({ code: 2, stdout: '', stderr: `websocksy: ${message}\n` });
  });

  test.each<[string, string, string]>([
    ['WEBSOCKSY_LISTEN_PORT', 'http', 'expected a number from 0 to 65535, not "http"'],
    ['WEBSOCKSY_BACKEND_OPTION_HOST', 'x y', '"x y": "x y" is not a host name'],
    ['WEBSOCKSY_CONFIG', '/nowhere', 'cannot read the configuration file "/nowhere": there is no such file'],
  ])('%s in the environment', async (variable, value, message) => {
    expect(await check([], { [variable]: value })).toEqual({
      code: 2,
      stdout: '',
      stderr: `websocksy: ${variable}: ${message}\n`,
    });
  });

  test('a line of a megabyte is not repeated in full', async () => {
    const { code, stderr } = await check([fileWith('long.conf', 'x'.repeat(1_000_000))]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/:1: expected "key = value" or "\[section\]", not "x+…"\n$/);
    expect(stderr.length).toBeLessThan(500);
  });

  test.skipIf(isRoot)('a file that may not be read', async () => {
    const file = fileWith('secret.conf', '');
    chmodSync(file, 0);
    expect((await check([file])).stderr).toMatch(/: not permitted to read it\n$/);
  });

  test('a file that is too long, by a byte or by far', async () => {
    const fits = fileWith('fits.conf', `#${' '.repeat(1024 * 1024 - 1)}`);
    expect((await check([fits])).code).toBe(0);
    truncateSync(fits, 1024 * 1024 + 1);
    expect((await check([fits])).code).toBe(2);
    const file = fileWith('huge.conf', '');
    truncateSync(file, 5_000_000_000);
    expect((await check([file])).stderr).toBe(
      `websocksy: cannot read the configuration file "${file}": it has 5000000000 bytes, but at most 1048576 are read\n`,
    );
  });

  test.skipIf(process.platform === 'win32')('a FIFO, without waiting for a writer', async () => {
    expect(spawnSync('mkfifo', [at('fifo')]).status).toBe(0);
    expect(await check([at('fifo')])).toEqual({
      code: 2,
      stdout: '',
      stderr: `websocksy: cannot read the configuration file "${at('fifo')}": it is no regular file\n`,
    });
  });

  test('a socket', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at('s'), resolve));
    expect((await check([at('s')])).stderr).toMatch(
      /^websocksy: cannot read the configuration file "[^\n]+\n$/,
    );
    server.close();
  });

  test('bytes that are no UTF-8, by the line; not in a comment', async () => {
    const latin = (text: string) => Buffer.from(text, 'latin1');
    expect(await check([fileWith('l.conf', latin('# \u00fcmlaut\n  ; \u00e4\nport = 1\n'))])).toMatchObject({
      code: 0,
    });
    const broken = fileWith('l.conf', latin('# \u00fcmlaut\nport = 1\n\n[backend]\nprotocol = gr\u00fcn\n'));
    expect((await check([broken])).stderr).toBe(
      `websocksy: ${broken}:5: this line is not UTF-8; save the file in that encoding\n`,
    );
    const wide = fileWith('w.conf', Buffer.from('\ufeffport = 1\n', 'utf16le'));
    expect((await check([wide])).stderr).toBe(
      `websocksy: ${wide}:1: this line is not UTF-8; save the file in that encoding\n`,
    );
    expect((await check([fileWith('l.conf', latin('port = 1\nx\u00ff'))])).stderr).toMatch(
      /l\.conf:2: this line/,
    );
  });
});

describe('a good configuration', () => {
  test('is printed with where each value comes from, and is a file that is printed alike', async () => {
    mkdirSync(at('sub'));
    const file = fileWith(
      'sub/w.conf',
      '\ufeffport = 1\r\n; c\r\n[backend]\r\nhost = echo://\r\nprotocol = ;',
    );
    const env = { WEBSOCKSY_CONFIG: file, WEBSOCKSY_LISTEN: '::1', WEBSOCKSY_PORT: 'tcp://10.0.0.1:80' };
    const { code, stdout, stderr } = await check(['-k', '3'], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(`# The configuration is good. This is what counts:
[core]
# from ${file}:1
port = 1
# from WEBSOCKSY_LISTEN
listen = ::1
# from -k
ping = 3
# default
#backend = default
# default
#half-close = close
# default
#socket-mode = 0660
# default
#log-level = info
# default
#kernel = auto
# default
#compression = off
# default
#compression-level = 6
# default
#compression-window-bits = 15
# default
#compression-takeover = both
# default
#compression-threshold = 64
# default
#compression-connections = 1000
# default
#drain-wait = 0
# default
#drain = 10

[limits]
# default
#head-bytes = 16K
# default
#head-fields = 100
# default
#head-time = 10
# default
#early-bytes = 64K
# default
#max-message = 16M
# default
#max-segment = 16M
# default
#max-queued = 128K
# default
#max-buffered = 0
# default
#max-connections = 0
# default
#max-connections-per-address = 0
# default
#connection-rate = 0
# default
#connection-burst = 0
# default
#control-rate = 0
# default
#query-time = 5
# default
#dial-time = 10
# default
#close-time = 30
# default
#stall-time = 300
# default
#idle-time = 0
# default
#life-time = 0
# default
#max-lag = 1

[backend]
# from ${file}:4
host = echo://
# default
#port = 5900
# default
#framing = auto
# from ${file}:5
protocol = ;
`);
    const again = await check([fileWith('again.conf', stdout)]);
    const values = (text: string) => text.split('\n').filter((line) => !line.startsWith('# from '));
    expect(values(again.stdout)).toEqual(values(stdout));
  });

  test('may have warnings, on standard error, each one line', async () => {
    const result = await check(['-c', 'host=localhost:1']);
    expect(result).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('host = localhost:1\n'),
      stderr:
        'websocksy: warning: backend default: the peer "localhost:1" names no scheme and is taken as tcp://\n',
    });
    const chatty = await check([
      '-b',
      fileURLToPath(new URL('fixtures/configured/warns.mjs', import.meta.url)),
    ]);
    expect(chatty.stderr).toBe('websocksy: warning: backend warns: two\\u000alines\\u001b[2J\n');
  });

  test('is not listened for, nor is its socket made', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect((await check(['-l', '127.0.0.1', '-p', String(port)])).code).toBe(0);
    server.close();
    expect((await check(['-l', `unix://${at('nowhere/w.sock')}`])).code).toBe(0);
  });

  test('is told from nothing at all, and from what --demo adds', async () => {
    expect((await check([])).stdout).not.toContain('from');
    expect((await check(['--demo'])).stdout).toContain('# from --demo\nhost = echo://\n');
    // A variable of somebody else's is no peer.
    const env = {
      WEBSOCKSY_BACKEND_OPTION_PORT: 'tcp://1.2.3.4:5',
      WEBSOCKSY_BACKEND_OPTION_SERVICE_HOST: 'x',
    };
    expect((await check(['--demo'], env)).stdout).toContain('host = echo://\n');
    expect((await check(['--demo', '-c', 'port=7'])).stdout).toContain('#host = tcp://localhost\n');
  });

  test('may be a link to a file, or empty', async () => {
    symlinkSync(fileWith('empty.conf', ''), at('link.conf'));
    expect((await check([at('link.conf')])).code).toBe(0);
  });
});

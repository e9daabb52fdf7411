import { describe, expect, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { parseFile } from '../../src/config/file.ts';
import { ConfigError } from '../../src/config/settings.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { Refusal, Route, UpgradeRequest } from '../../src/plugins/api.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;

/** A file's text and arguments, joined as the command joins them. */
function load(file: string, argv: readonly string[] = [], defaults = {}): Promise<Config> {
  const settings = [...parseFile(file, `${FIXTURES}test.conf`), ...parseArgv(argv, FIXTURES).settings];
  return loadConfig(settings, defaults);
}

async function refusal(file: string, argv: readonly string[] = []): Promise<string> {
  const error = await load(file, argv).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message.replaceAll(FIXTURES, '');
}

function query(config: Config, target = '/'): Promise<Route | Refusal | null> {
  const request: UpgradeRequest = {
    target,
    headers: new Map(),
    subprotocols: [],
    remoteAddress: '127.0.0.1',
    remotePort: 1,
  };
  return config.backend.query(request, new AbortController().signal);
}

describe('without a setting', () => {
  test('the defaults are those of the C daemon', async () => {
    const config = await load('');
    expect(config).toMatchObject({
      host: '::',
      port: 8001,
      keepalive: 30_000,
      logLevel: 'info',
      backendName: 'default',
      limits: DEFAULT_LIMITS,
    });
    expect(await query(config)).toMatchObject({ peer: 'tcp://localhost:5900', framing: 'auto' });
  });

  test('a configuration is frozen, its limits too', async () => {
    const config = await load('');
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.limits)).toBe(true);
    expect(Object.isFrozen(DEFAULT_LIMITS)).toBe(true);
  });
});

describe('values', () => {
  test('in seconds become milliseconds', async () => {
    const file = 'ping = 7\ndrain-wait = 2\ndrain = 3\nlog-level = trace\nport = 0\nlisten = 127.0.0.1';
    expect(await load(file)).toMatchObject({
      host: '127.0.0.1',
      port: 0,
      keepalive: 7_000,
      logLevel: 'trace',
      limits: { ...DEFAULT_LIMITS, drainWait: 2_000, drainTimeout: 3_000 },
    });
    expect(await load('ping = 0')).toMatchObject({ keepalive: 0 });
  });

  test.each([
    ['listen = [::1]', { host: '::1' }],
    ['listen = fe80::1%eth0', { host: 'fe80::1%eth0' }],
    ['listen = localhost', { host: 'localhost' }],
    ['port = 65535', { port: 65535 }],
    ['port = 080', { port: 80 }],
    ['ping = 86400', { keepalive: 86_400_000 }],
  ])('%s', async (file, expected) => {
    expect(await load(file)).toMatchObject(expected);
  });

  test.each([
    ['port = 65536', 'test.conf:1: port: expected a number from 0 to 65535, not "65536"'],
    ['port =', 'test.conf:1: port: expected a number from 0 to 65535, not ""'],
    ['port = -1', 'test.conf:1: port: expected a number from 0 to 65535, not "-1"'],
    ['port = 1e3', 'test.conf:1: port: expected a number from 0 to 65535, not "1e3"'],
    [
      'port = 99999999999999999999',
      'test.conf:1: port: expected a number from 0 to 65535, not "99999999999999999999"',
    ],
    ['ping = 86401', 'test.conf:1: ping: expected a number from 0 to 86400, not "86401"'],
    ['ping = 1.5', 'test.conf:1: ping: expected a number from 0 to 86400, not "1.5"'],
    ['\ndrain = never', 'test.conf:2: drain: expected a number from 0 to 86400, not "never"'],
    ['drain-wait = x', 'test.conf:1: drain-wait: expected a number from 0 to 86400, not "x"'],
    ['listen =', 'test.conf:1: listen: expected an IP address or a host name, not ""'],
    ['listen = a b', 'test.conf:1: listen: expected an IP address or a host name, not "a b"'],
    ['listen = tcp://x', 'test.conf:1: listen: expected an IP address or a host name, not "tcp://x"'],
    [
      'log-level = INFO',
      'test.conf:1: log-level: expected one of error, warn, info, debug, trace, not "INFO"',
    ],
    ['backend =', 'test.conf:1: backend: expected a name, not an empty value'],
    ['prot = 1', 'test.conf:1: prot: unknown option: "prot"; did you mean port?'],
    [
      'keepalive = 1',
      'test.conf:1: keepalive: unknown option: "keepalive"; there are: port, listen, ping, backend, log-level, drain-wait, drain',
    ],
    [
      '__proto__ = 1',
      'test.conf:1: __proto__: unknown option: "__proto__"; there are: port, listen, ping, backend, log-level, drain-wait, drain',
    ],
    ['host = a', 'test.conf:1: host: unknown option: "host"; did you mean port?'],
    [
      '[backend]\nhots = a',
      'test.conf:2: hots: unknown option of the backend "default": "hots"; did you mean host?',
    ],
    [
      '[backend]\nexpression = a',
      'test.conf:2: expression: unknown option of the backend "default": "expression"; there are: host, port, framing, framing-config, protocol',
    ],
    ['[backend]\n\nport = x', 'test.conf:3: port: expected a number from 1 to 65535, not "x"'],
    [
      'backend = fiel',
      'test.conf:1: backend: unknown backend "fiel"; there are: default (a backend of your own is named by its path, as in ./my.mjs)',
    ],
  ])('%j in a file is refused by file and line', async (file, message) => {
    expect(await refusal(file)).toBe(message);
  });

  test.each([
    [['-p', 'x'], '-p: expected a number from 0 to 65535, not "x"'],
    [['--port=x'], '--port: expected a number from 0 to 65535, not "x"'],
    [['-k', 'x'], '-k: expected a number from 0 to 86400, not "x"'],
    [['-l', ''], '-l: expected an IP address or a host name, not ""'],
    [['-c', 'port=0'], '-c port: expected a number from 1 to 65535, not "0"'],
    [['-c', 'hots=0'], '-c hots: unknown option of the backend "default": "hots"; did you mean host?'],
    [
      ['-c', '__proto__=0'],
      '-c __proto__: unknown option of the backend "default": "__proto__"; there are: host, port, framing, framing-config, protocol',
    ],
    [
      ['--backend-option=framing=x'],
      '--backend-option framing: unknown framing "x"; there are: auto, binary (a framing of your own is named by its path, as in ./my.mjs)',
    ],
  ])('%j on the command line is refused by the flag', async (argv, message) => {
    expect(await refusal('', argv)).toBe(message);
  });
});

describe('order', () => {
  test('the command line wins over the file, and the last over those before it', async () => {
    expect(await load('port = 1\nport = 2\nping = 5', [])).toMatchObject({ port: 2, keepalive: 5_000 });
    expect(await load('port = 1\nping = 5', ['-p', '3', '-p', '4'])).toMatchObject({
      port: 4,
      keepalive: 5_000,
    });
    const config = await load('[backend]\nhost = tcp://a\nport = 1', [
      '-c',
      'host=tcp://b',
      '-c',
      'host=tcp://c',
    ]);
    expect(await query(config)).toMatchObject({ peer: 'tcp://c:1' });
  });

  test('the first thing that is wrong is told, and a wrong value is not forgiven for a later good one', async () => {
    expect(await refusal('port = x', ['-p', '1'])).toMatch(/^test\.conf:1: port/);
    expect(await refusal('port = x\nping = y')).toMatch(/^test\.conf:1: port/);
  });

  test('choosing a backend discards what was set for the one before it, as in the C daemon', async () => {
    const config = await load('[backend]\nhost = tcp://a\nport = 1', ['-b', 'default', '-c', 'host=tcp://b']);
    expect(await query(config)).toMatchObject({ peer: 'tcp://b:5900' });
    const discarded = await load('', ['-c', 'nonsense=1', '-b', 'default']);
    expect(await query(discarded)).toMatchObject({ peer: 'tcp://localhost:5900' });
  });

  test('the default peer of a demonstration yields to any that is named', async () => {
    const demo = { host: 'echo://' };
    expect(await query(await load('', [], demo))).toMatchObject({ peer: 'echo://' });
    expect(await query(await load('[backend]\nhost = tcp://a', [], demo))).toMatchObject({
      peer: 'tcp://a:5900',
    });
    expect(await query(await load('', ['-c', 'framing=binary'], demo))).toMatchObject({
      peer: 'echo://',
      framing: 'binary',
    });
    expect(await query(await load('', ['-b', './path-backend.mjs'], demo))).toBeNull();
  });
});

describe('a backend of a stranger', () => {
  test('is loaded from where its path was written, and gets its settings', async () => {
    const config = await load('backend = ./path-backend.mjs\n[backend]\npeer = tcp://a:1\nforbidden = /x', [
      '-c',
      'forbidden=/y',
    ]);
    expect(config.backendName).toBe('./path-backend.mjs');
    expect(await query(config, '/peer')).toMatchObject({ peer: 'tcp://a:1', framing: 'auto' });
    expect(await query(config, '/x')).toMatchObject({ status: 403 });
    expect(await query(config, '/y')).toMatchObject({ status: 403 });
    expect(await query(config, '/z')).toBeNull();
  });

  test.each([
    [
      '[backend]\npaer = x',
      'test.conf:3: paer: unknown option of the backend "by-path": "paer"; did you mean peer?',
    ],
    [
      '[backend]\nframing = binari',
      'backend "by-path": unknown framing "binari"; did you mean binary? (a framing of your own is named by its path, as in ./my.mjs)',
    ],
    ['[backend]\npeer = tcp://a', 'backend "by-path": "tcp://a": no port; write tcp://host:port'],
  ])('has its options checked as the built-in ones: %j', async (file, message) => {
    expect(await refusal(`backend = ./path-backend.mjs\n${file}`)).toBe(message);
  });

  test('names the option at fault, and so the place where it was set', async () => {
    const file = 'backend = ./options-throw.mjs\n[backend]\nsize = 1\ncolor = ';
    expect(await refusal(`${file}red`)).toBe('test.conf:4: color: red is taken');
    expect(await refusal('backend = ./options-throw.mjs')).toBe('color: a color is needed');
    expect(await refusal(`${file}blue`)).toBe('backend "picky": it never works');
  });

  test('must make something that can be asked', async () => {
    expect(await refusal('backend = ./no-query.mjs')).toBe(
      'backend "mute": it made something without a function "query"',
    );
  });

  test('is refused in one line, even if its own message has more', async () => {
    // ConfigError promises: "The message is one line and names the place".
    expect(await refusal('backend = ./two-lines.mjs')).not.toContain('\n');
  });
});

describe('a framing of a stranger', () => {
  test('is loaded from where its path was written, and can be used by routes', async () => {
    const config = await load('[backend]\nframing = ./lines-framing.mjs\nframing-config = ;');
    expect(await query(config)).toMatchObject({ framing: './lines-framing.mjs', framingConfig: ';' });
    expect(config.framings.create('./lines-framing.mjs', ';').type).toBe('text');
    expect(() => config.framings.create('./no-next.mjs', undefined)).toThrow(/unknown framing/);
  });

  test('is refused with its own message, named by file and line', async () => {
    expect(await refusal('[backend]\nframing = ./lines-framing.mjs\nframing-config = two')).toBe(
      'test.conf:2: framing: framing "./lines-framing.mjs": expected one character that ends a line',
    );
    expect(await refusal('[backend]\nframing = ./old-api.mjs')).toBe(
      'test.conf:2: framing: framing "./old-api.mjs": apiVersion is 0, but this daemon speaks version 1',
    );
  });
});

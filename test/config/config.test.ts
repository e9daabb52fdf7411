/** Settings to a configuration: which one wins, what is refused, and how the place of a mistake is named. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import { type Config, type ConfigDefaults, loadConfig } from '../../src/config/config.ts';
import { parseFile, readConfigFile } from '../../src/config/file.ts';
import { ConfigError, type Layer, type Setting } from '../../src/config/settings.ts';
import { OPTION_NAMES } from '../../src/config/tables.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { Refusal, Route } from '../../src/plugins/api.ts';
import { ClientRequest } from '../../src/upgrade-request.ts';
import { SEED, SEEDED } from '../support/cuts.ts';
import { refusal as refusalOf } from '../support/refusal.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;
/** A framing's file, as the configuration knows it. */
const LINES = `${FIXTURES}lines-framing.mjs`;

const core = (name: string, value: string, origin = name): Setting => ({
  section: 'core',
  name,
  value,
  layer: 'arguments',
  origin,
  base: FIXTURES,
});
const option = (name: string, value: string, origin = `-c ${name}`): Setting => ({
  section: 'backend',
  name,
  value,
  layer: 'arguments',
  origin,
  base: FIXTURES,
});

const refusal = (settings: readonly Setting[]) => refusalOf(loadConfig(settings), ConfigError);

async function peerOf(settings: readonly Setting[], defaults?: ConfigDefaults): Promise<string> {
  const { backend } = await loadConfig(settings, defaults);
  const request = new ClientRequest({ target: '/', headers: new Map(), subprotocols: [] }, '127.0.0.1', 1);
  return ((await backend.query(request, new AbortController().signal)) as Route).peer;
}

describe('without any setting', () => {
  test('the configuration is that of the C daemon', async () => {
    expect(await loadConfig([])).toMatchObject({
      host: '::',
      port: 8001,
      keepalive: 30_000,
      logLevel: 'info',
      backendName: 'default',
      limits: { ...DEFAULT_LIMITS, drainWait: 0, drainTimeout: 10_000 },
    });
    expect(await peerOf([])).toBe('tcp://localhost:5900');
  });

  test('the limits that options set have the same defaults', async () => {
    expect((await loadConfig([])).limits).toEqual(DEFAULT_LIMITS);
  });

  test('it is frozen', async () => {
    const config = await loadConfig([]);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.limits)).toBe(true);
  });
});

describe('the later of two settings wins', () => {
  test('among those of the daemon', async () => {
    expect((await loadConfig([core('port', '1'), core('port', '2')])).port).toBe(2);
  });

  test('among those of the backend', async () => {
    expect(await peerOf([option('host', 'tcp://a:1'), option('host', 'tcp://b:2')])).toBe('tcp://b:2');
  });

  test('so that the command line wins over the file', async () => {
    const file = parseFile('port = 1\nping = 7\n[backend]\nhost = tcp://a:1\nport = 9\n', 'w.conf');
    const { settings } = parseArgv(['-p', '2', '-c', 'host=tcp://b'], '.');
    expect(await loadConfig([...file, ...settings])).toMatchObject({ port: 2, keepalive: 7000 });
    expect(await peerOf([...file, ...settings])).toBe('tcp://b:9');
  });

  test('but a wrong one before it is refused all the same', async () => {
    expect(await refusal([core('port', 'x'), core('port', '2')])).toMatch(/^port: /);
  });
});

describe('naming a backend', () => {
  test('discards what was set for the one before, good or bad', async () => {
    const before = [option('host', 'tcp://a:1'), option('nonsense', '1')];
    expect(await peerOf([...before, core('backend', 'default'), option('port', '7')])).toBe(
      'tcp://localhost:7',
    );
  });

  test('on the command line discards what the file set for its backend', async () => {
    const file = parseFile('[backend]\nhost = tcp://a:1\n', 'w.conf');
    const { settings } = parseArgv(['-b', 'default'], '.');
    expect(await peerOf([...file, ...settings])).toBe('tcp://localhost:5900');
  });

  test('counts a relative path from where it was written', async () => {
    const { backendName } = await loadConfig([core('backend', './path-backend.mjs')]);
    expect(backendName).toBe('./path-backend.mjs');
    const elsewhere = { ...core('backend', './path-backend.mjs', '-b'), base: '/nowhere' };
    expect(await refusal([elsewhere])).toMatch(/^-b: .*\/nowhere\/path-backend\.mjs/);
  });

  test('a relative path of a framing counts from where that was written', async () => {
    const { framings } = await loadConfig([option('framing', './lines-framing.mjs')]);
    expect(framings.create(LINES, '\n', { maximum: 1000 }).type).toBe('text');
  });
});

describe("the daemon's own options", () => {
  const pick: Record<string, (config: Config) => unknown> = {
    port: ({ port }) => port,
    listen: ({ host }) => host,
    ping: ({ keepalive }) => keepalive,
    'log-level': ({ logLevel }) => logLevel,
    kernel: ({ kernel }) => kernel,
    drain: ({ limits }) => limits.drainTimeout,
    'drain-wait': ({ limits }) => limits.drainWait,
    backend: ({ backendName }) => backendName,
    plugin: ({ effective }) => effective.filter(({ name }) => name === 'plugin').map(({ value }) => value),
    'half-close': ({ halfClose }) => halfClose,
    'head-bytes': ({ limits }) => limits.headBytes,
    'head-fields': ({ limits }) => limits.headFields,
    'head-time': ({ limits }) => limits.headTimeout,
    'early-bytes': ({ limits }) => limits.earlyBytes,
    'max-message': ({ limits }) => limits.messageBytes,
    'max-segment': ({ limits }) => limits.segmentBytes,
    'max-queued': ({ limits }) => limits.queuedBytes,
    'max-buffered': ({ limits }) => limits.bufferedBytes,
    'max-connections': ({ limits }) => limits.connections,
    'max-connections-per-address': ({ limits }) => limits.addressConnections,
    'connection-rate': ({ limits }) => limits.addressRate,
    'connection-burst': ({ limits }) => limits.addressBurst,
    'control-rate': ({ limits }) => limits.controlRate,
    'query-time': ({ limits }) => limits.queryTimeout,
    'dial-time': ({ limits }) => limits.dialTimeout,
    'close-time': ({ limits }) => limits.closeTimeout,
    'stall-time': ({ limits }) => limits.stallTimeout,
    'idle-time': ({ limits }) => limits.idleTimeout,
    'life-time': ({ limits }) => limits.lifeTimeout,
    'max-lag': ({ limits }) => limits.lag,
    'dgram-dir': ({ dgramDir }) => dgramDir,
    'socket-mode': ({ socketMode }) => socketMode,
    compression: ({ compression }) => compression !== undefined,
    'compression-level': ({ compression }) => compression?.level,
    'compression-window-bits': ({ compression }) => compression?.windowBits,
    'compression-takeover': ({ compression }) => [compression?.serverTakeover, compression?.clientTakeover],
    'compression-threshold': ({ compression }) => compression?.threshold,
    'compression-connections': ({ compression }) => compression?.connections,
  };

  test('are all covered here', () => {
    expect(Object.keys(pick).sort()).toEqual([...OPTION_NAMES].sort());
  });

  test.each<[string, string, unknown]>([
    ['port', '0', 0],
    ['port', '65535', 65535],
    ['listen', '127.0.0.1', '127.0.0.1'],
    ['listen', '::1', '::1'],
    ['listen', '[::1]', '::1'],
    ['listen', 'fe80::1%eth0', 'fe80::1%eth0'],
    ['listen', 'some-host.example', 'some-host.example'],
    ['listen', 'unix:///run/w.sock', 'unix:///run/w.sock'],
    ['listen', `unix:///${'d'.repeat(90)}/${'n'.repeat(15)}`, `unix:///${'d'.repeat(90)}/${'n'.repeat(15)}`],
    ['listen', 'unix://@name', 'unix://@name'],
    ['ping', '0', 0],
    ['ping', '86400', 86_400_000],
    ['log-level', 'trace', 'trace'],
    ['log-level', 'error', 'error'],
    ['kernel', 'auto', 'auto'],
    ['kernel', 'off', 'off'],
    ['half-close', 'keep', 'keep'],
    ['head-bytes', '8K', 8192],
    ['head-bytes', '256', 256],
    ['head-fields', '1000', 1000],
    ['head-time', '0', 0],
    ['head-time', '0.25', 250],
    ['early-bytes', '1M', 1 << 20],
    ['max-message', '125', 125],
    ['max-segment', '1G', 1 << 30],
    ['max-queued', '16384', 16_384],
    ['max-buffered', '0', 0],
    ['max-buffered', '64M', 64 << 20],
    ['max-connections', '0', 0],
    ['max-connections', '10000', 10_000],
    ['max-connections-per-address', '10', 10],
    ['connection-rate', '5', 5],
    ['connection-burst', '50', 50],
    ['control-rate', '100', 100],
    ['query-time', '0', 0],
    ['dial-time', '0.001', 1],
    ['close-time', '86400', 86_400_000],
    ['stall-time', '0', 0],
    ['idle-time', '600', 600_000],
    ['life-time', '3600', 3_600_000],
    ['max-lag', '0.5', 500],
    ['compression', 'on', true],
    ['compression', 'off', false],
    ['compression-level', '1', 1],
    ['compression-level', '9', 9],
    ['compression-window-bits', '9', 9],
    ['compression-window-bits', '15', 15],
    ['compression-takeover', 'both', [true, true]],
    ['compression-takeover', 'server', [true, false]],
    ['compression-takeover', 'client', [false, true]],
    ['compression-takeover', 'none', [false, false]],
    ['compression-threshold', '1', 1],
    ['compression-connections', '1', 1],
    ['drain', '0', 0],
    ['drain', '5', 5000],
    ['drain', '86400', 86_400_000],
    ['drain-wait', '0', 0],
    ['drain-wait', '20', 20_000],
    ['backend', 'default', 'default'],
    ['plugin', './lines-framing.mjs', [LINES]],
    ['dgram-dir', tmpdir(), tmpdir()],
    ['socket-mode', '0600', 0o600],
    ['socket-mode', '666', 0o666],
  ])('%s = %s is taken', async (name, value, expected) => {
    const before = name.startsWith('compression-') ? [core('compression', 'on')] : [];
    expect(pick[name]!(await loadConfig([...before, core(name, value)]))).toEqual(expected);
  });

  test.each(['level', 'window-bits', 'takeover', 'threshold', 'connections'])(
    'compression-%s without compression is warned of',
    async (name) => {
      const setting = core(`compression-${name}`, name === 'takeover' ? 'none' : '9', 'w.conf:2');
      const { notices } = await loadConfig([setting]);
      expect(notices.kept).toEqual(['w.conf:2: it does nothing while compression is off']);
      expect((await loadConfig([setting, core('compression', 'on')])).notices.kept).toEqual([]);
    },
  );

  test.each([
    ['port', '65536', /a number from 0 to 65535/],
    ['port', '-1', /a number from 0 to 65535/],
    ['port', '', /a number/],
    ['port', '0x50', /a number/],
    ['port', '8e3', /a number/],
    ['port', '80 ', /a number/],
    ['port', '٨٠', /a number/],
    ['ping', '86401', /a number from 0 to 86400/],
    ['ping', '1.5', /a number from 0 to 86400/],
    ['drain', '86401', /a number from 0 to 86400/],
    ['drain-wait', 'never', /a number from 0 to 86400/],
    ['listen', '', /an IP address, a host name or unix:\/\/\/PATH/],
    ['listen', '*', /an IP address, a host name or unix:\/\/\/PATH/],
    ['listen', '-p', /an IP address/],
    ['listen', '[localhost]', /an IP address/],
    ['listen', '127.0.0.1:80', /an IP address.*; the port is an option of its own$/],
    ['listen', '[::1]:80', /an IP address.*; the port is an option of its own$/],
    ['listen', 'unix:/run/x', /unix:\/\/\/PATH, not "unix:\/run\/x"$/],
    ['listen', 'unix:///a\u0001b', /control characters in the path/],
    ['listen', 'unix:///a\u0000b', /a path has no NUL in it/],
    ['listen', `unix:///${'d'.repeat(91)}/x`, /a folder for Unix sockets has at most 91 bytes, not 92/],
    ['listen', 'a b', /an IP address, a host name or unix:\/\/\/PATH/],
    ['listen', 'tcp://localhost', /an IP address, a host name or unix:\/\/\/PATH/],
    ['log-level', 'INFO', /one of error, warn, info, debug, trace/],
    ['log-level', '', /one of error, warn, info, debug, trace/],
    ['kernel', 'on', /one of auto, off, not "on"/],
    ['kernel', '', /one of auto, off/],
    ['compression', 'yes', /one of on, off, not "yes"/],
    ['compression', '', /one of on, off/],
    ['compression-level', '0', /a number from 1 to 9/],
    ['compression-level', '10', /a number from 1 to 9/],
    ['compression-window-bits', '8', /a number from 9 to 15/],
    ['compression-window-bits', '16', /a number from 9 to 15/],
    ['compression-takeover', 'on', /one of both, server, client, none/],
    ['compression-threshold', '0', /a number from 1 to/],
    ['compression-connections', '0', /a number from 1 to/],
    ['backend', '', /a name, not an empty value/],
    ['plugin', '', /a name, not an empty value/],
    ['plugin', './missing.mjs', /plugin ".\/missing.mjs" could not be loaded: there is no file/],
    ['dgram-dir', '/nowhere', /a folder to write to, not "\/nowhere"/],
    ['dgram-dir', '/etc/passwd', /it is no folder/],
    ['socket-mode', '0888', /an octal mode as in 0660/],
    ['socket-mode', '1777', /an octal mode/],
    ['listen', 'unix://', /no path/],
    ['listen', `unix:///${'a'.repeat(110)}`, /at most 107 bytes/],
    ['backend', 'constructor', /unknown backend "constructor"/],
  ])('%s = %j is refused with what was expected, and where', async (name, value, message) => {
    const said = await refusal([core(name, value, 'w.conf:7: x')]);
    expect(said).toMatch(message);
    expect(said).toMatch(/^w\.conf:7: x: /);
  });

  test.each([
    ['prot', 'did you mean port?'],
    ['loglevel', 'did you mean log-level?'],
    ['keepalive', 'did you mean ping?'],
    [
      'unheard-of',
      'there are: port, listen, ping, backend, plugin, half-close, dgram-dir, socket-mode, log-level, kernel, compression, compression-level, compression-window-bits, compression-takeover, compression-threshold, compression-connections, drain-wait, drain',
    ],
    ['host', "a backend's options stand below [backend]"],
    ['framing-config', "a backend's options stand below [backend]"],
    ['constructor', 'there are: port, '],
    ['', 'there are: port, '],
  ])('are the only ones: %j is refused, and the nearest is suggested', async (name, hint) => {
    const said = await refusal([core(name, '1', 'here')]);
    expect(said).toContain(`here: unknown option: ${JSON.stringify(name)}; ${hint}`);
  });
});

describe("the backend's options", () => {
  test.each([
    ['hots', 'did you mean host?'],
    ['Port', 'did you mean port?'],
    ['destination', 'there are: host, port, framing, framing-config, protocol'],
    ['toString', 'there are: host, '],
  ])('%j is refused, and the nearest is suggested', async (name, hint) => {
    expect(await refusal([option(name, '1', 'here')])).toBe(
      `here: unknown option of the backend "default": ${JSON.stringify(name)}; ${hint}${hint.endsWith('host, ') ? 'port, framing, framing-config, protocol' : ''}`,
    );
  });

  test('an error names the place where the option was last set', async () => {
    const settings = [
      option('host', 'tcp://a', 'w.conf:3: host'),
      option('host', 'fifotx://a', 'w.conf:9: host'),
    ];
    expect(await refusal(settings)).toMatch(/^w\.conf:9: host: "fifotx:\/\/a": /);
    expect(await refusal([option('port', '0', 'w.conf:4: port')])).toMatch(
      /^w\.conf:4: port: a port is a number/,
    );
    expect(await refusal([option('framing', 'x', 'w.conf:5: framing')])).toMatch(
      /^w\.conf:5: framing: unknown/,
    );
  });

  test("also when a framing refuses its configuration, and the framing's name was left out", async () => {
    expect(await refusal([option('framing-config', '7', 'w.conf:6: framing-config')])).toMatch(
      /^w\.conf:6: /,
    );
  });

  test("of a stranger's backend are judged in the same way", async () => {
    const picky = core('backend', './options-throw.mjs', '-b');
    expect(await refusal([picky, option('color', 'red', 'w.conf:2: color')])).toBe(
      'w.conf:2: color: red is taken',
    );
    const named = '-b: backend "./options-throw.mjs"';
    expect(await refusal([picky])).toBe(`${named}: its option "color" is not set: a color is needed`);
    const early = option('color', 'red', 'w.conf:2: color');
    expect(await refusal([early, picky])).toBe(
      `${named}: its option "color" stands before it and does not count (w.conf:2: color): a color is needed`,
    );
    expect(await refusal([picky, option('color', 'blue')])).toBe(`${named}: it never works`);
    expect(await refusal([picky, option('colour', 'blue')])).toMatch(
      /^-c colour: unknown option of the backend "picky": "colour"; did you mean color\?/,
    );
  });

  test('that the environment sets before the backend are told of by their own names', async () => {
    const variable: Setting = {
      ...option('COLOR', 'red', 'WEBSOCKSY_BACKEND_OPTION_COLOR'),
      layer: 'environment',
    };
    expect(await refusal([variable, core('backend', './options-throw.mjs', '-b')])).toMatch(
      /its option "color" stands before it and does not count \(WEBSOCKSY_BACKEND_OPTION_COLOR\)/,
    );
  });

  test('that stand before the first backend of their layer are warned of, and before a second one are not', async () => {
    const early = [option('host', 'tcp://a:1', '-c host'), core('backend', './path-backend.mjs', '-b')];
    expect((await loadConfig(early)).notices.kept).toEqual([
      '-c host: put it behind -b; before that it does not count',
    ]);
    const first = core('backend', 'default', '-b');
    expect((await loadConfig([first, ...early])).notices.kept).toEqual([]);
  });

  test('a backend that cannot be asked is refused', async () => {
    expect(await refusal([core('backend', './no-query.mjs')])).toMatch(
      /^backend: backend ".*": .*without a function "query"/,
    );
  });
});

describe('a default peer, as --demo has it', () => {
  const demo = { host: 'echo://' };

  test('stands in where none is named', async () => {
    expect(await peerOf([], demo)).toBe('echo://');
    expect(await peerOf([core('backend', 'default')], demo)).toBe('echo://');
  });

  test('gives way to one that is', async () => {
    expect(await peerOf([option('host', 'tcp://a:1')], demo)).toBe('tcp://a:1');
  });

  test("is nothing to a stranger's backend", async () => {
    expect((await loadConfig([core('backend', './path-backend.mjs')], demo)).backendName).toBe(
      './path-backend.mjs',
    );
  });
});

describe('whatever is set', () => {
  const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

  const ONE_LINE = /^[^\p{Cc}\p{Zl}\p{Zp}]*$/u;
  const expectJudged = async (settings: readonly Setting[]) => {
    const error = await loadConfig(settings).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error === undefined) return;
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toMatch(ONE_LINE);
  };

  test(`is taken or refused with a ConfigError (TEST_SEED=${SEED})`, async () => {
    const name = fc.oneof(
      fc.constantFrom(...OPTION_NAMES.filter((known) => known !== 'backend'), 'host', 'framing'),
      fc.string({ unit: 'binary' }),
    );
    const setting = fc.record({
      section: fc.constantFrom('core' as const, 'backend' as const),
      name,
      value: fc.oneof(fc.nat().map(String), fc.string({ unit: 'binary' })),
      layer: fc.constantFrom<Layer>('file', 'environment', 'arguments'),
      origin: fc.constant('here'),
      base: fc.constant(FIXTURES),
    });
    await fc.assert(fc.asyncProperty(fc.array(setting, { maxLength: 4 }), expectJudged), SEEDED);
  });

  test(`also from a file of any bytes (TEST_SEED=${SEED})`, async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'websocksy-config-')), 'w.conf');
    onTestFinished(() => rmSync(dirname(path), { recursive: true }));
    const latin = (text: string) => Buffer.from(text, 'latin1');
    const token = fc.constantFrom(
      ...['[core]', '[backend]', '[', ']', '\n', '\n', '\r\n', '=', ' = ', '#', ';', ' ', '\t', '\0', '\xff'],
      ...[...OPTION_NAMES, 'host', 'framing', 'framing-config', 'protocol', 'expression'],
      ...[
        'default',
        'auto',
        'tcp://a',
        'unix://',
        'unix:///tmp/x',
        '[::1]',
        '0',
        '1',
        '-1',
        '65536',
        './',
        '../',
      ],
      ...[
        '0660',
        'lines-framing.mjs',
        'two-lines.mjs',
        'throws.mjs',
        '/',
        '/dev/null',
        'file:',
        'node:fs',
        '@',
      ],
    );
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(token, { maxLength: 12 }).map((tokens) => latin(tokens.join(''))),
      fc
        .array(
          fc.tuple(token, token).map(([name, value]) => `${name} = ${value}`),
          { maxLength: 4 },
        )
        .map((lines) => latin(lines.join('\n'))),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (given) => {
        writeFileSync(path, given);
        let settings: Setting[];
        try {
          settings = parseFile(readConfigFile(path), path);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as ConfigError).message).toMatch(ONE_LINE);
          return;
        }
        await expectJudged(settings);
      }),
      { ...SEEDED, numRuns: 500 },
    );
  });

  test.each([
    ['an origin', 'a\u001b[2J = 1'],
    ['a name with C1 controls', 'a\u009b2J = 1'],
    ['a value with a line separator', 'port = 1\u20282'],
    ['a value with DEL', 'port = 1\u007f2'],
  ])('a refusal is one line without control characters: %s', async (_what, text) => {
    expect(await refusal(parseFile(text, 'w.conf'))).not.toMatch(CONTROL);
  });
});

/** The other road in: a file's text and arguments, joined as the command joins them. */
function load(file: string, argv: readonly string[] = [], defaults: ConfigDefaults = {}): Promise<Config> {
  const settings = [...parseFile(file, `${FIXTURES}test.conf`), ...parseArgv(argv, FIXTURES).settings];
  return loadConfig(settings, defaults);
}

async function refusedFile(file: string, argv: readonly string[] = []): Promise<string> {
  const settings = [...parseFile(file, `${FIXTURES}test.conf`), ...parseArgv(argv, FIXTURES).settings];
  return (await refusal(settings)).replaceAll(FIXTURES, '');
}

function query(config: Config, target = '/'): Promise<Route | Refusal | null> {
  const request = new ClientRequest({ target, headers: new Map(), subprotocols: [] }, '127.0.0.1', 1);
  return config.backend.query(request, new AbortController().signal);
}

describe('a mistake is named by where it was written', () => {
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
    ['listen =', 'test.conf:1: listen: expected an IP address, a host name or unix:///PATH, not ""'],
    ['listen = a b', 'test.conf:1: listen: expected an IP address, a host name or unix:///PATH, not "a b"'],
    [
      'listen = tcp://x',
      'test.conf:1: listen: expected an IP address, a host name or unix:///PATH, not "tcp://x"',
    ],
    [
      'log-level = INFO',
      'test.conf:1: log-level: expected one of error, warn, info, debug, trace, not "INFO"',
    ],
    ['backend =', 'test.conf:1: backend: expected a name, not an empty value'],
    ['prot = 1', 'test.conf:1: prot: unknown option: "prot"; did you mean port?'],
    ['keepalive = 1', 'test.conf:1: keepalive: unknown option: "keepalive"; did you mean ping?'],
    [
      '__proto__ = 1',
      'test.conf:1: __proto__: unknown option: "__proto__"; there are: port, listen, ping, backend, plugin, half-close, dgram-dir, socket-mode, log-level, kernel, compression, compression-level, compression-window-bits, compression-takeover, compression-threshold, compression-connections, drain-wait, drain',
    ],
    ['host = a', 'test.conf:1: host: unknown option: "host"; a backend\'s options stand below [backend]'],
    [
      '[backend]\nlisten = ::1',
      'test.conf:2: listen: unknown option of the backend "default": "listen"; it is one of the daemon\'s: put it below [core]',
    ],
    [
      '[backend]\nhots = a',
      'test.conf:2: hots: unknown option of the backend "default": "hots"; did you mean host?',
    ],
    [
      '[backend]\nexpression = a',
      'test.conf:2: expression: unknown option of the backend "default": "expression"; there are: host, port, framing, framing-config, protocol',
    ],
    [
      '[backend]\n\nport = x',
      'test.conf:3: port: no TCP service is called "x"; a port is a number from 1 to 65535, or a name of /etc/services',
    ],
    [
      'backend = fiel',
      'test.conf:1: backend: unknown backend "fiel"; did you mean file? (a backend of your own is named by its path, as in ./my.mjs)',
    ],
  ])('%j in a file is refused by file and line', async (file, message) => {
    expect(await refusedFile(file)).toBe(message);
  });

  test.each([
    [['-p', 'x'], '-p: expected a number from 0 to 65535, not "x"'],
    [['--port=x'], '--port: expected a number from 0 to 65535, not "x"'],
    [['-k', 'x'], '-k: expected a number from 0 to 86400, not "x"'],
    [['-l', ''], '-l: expected an IP address, a host name or unix:///PATH, not ""'],
    [['-c', 'port=0'], '-c port: a port is a number from 1 to 65535, not "0"'],
    [['-c', 'hots=0'], '-c hots: unknown option of the backend "default": "hots"; did you mean host?'],
    [
      ['-c', '__proto__=0'],
      '-c __proto__: unknown option of the backend "default": "__proto__"; there are: host, port, framing, framing-config, protocol',
    ],
    [
      ['--backend-option=framing=x'],
      '--backend-option framing: unknown framing "x"; there are: auto, binary, separator, newline, fixedlength, dynamic32, json (a framing of your own is named by its path, as in ./my.mjs)',
    ],
  ])('%j on the command line is refused by the flag', async (argv, message) => {
    expect(await refusedFile('', argv)).toBe(message);
  });

  test('the first thing that is wrong is told, and a wrong value is not forgiven for a later good one', async () => {
    expect(await refusedFile('port = x', ['-p', '1'])).toMatch(/^test\.conf:1: port/);
    expect(await refusedFile('port = x\nping = y')).toMatch(/^test\.conf:1: port/);
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
    // Of a repeatable option the command line's take the place of the file's.
    expect(await query(config, '/x')).toBeNull();
    expect(await query(config, '/y')).toMatchObject({ status: 403 });
  });

  test.each([
    [
      '[backend]\npaer = x',
      'test.conf:3: paer: unknown option of the backend "by-path": "paer"; did you mean peer?',
    ],
    [
      '[backend]\nframing = binari',
      'test.conf:1: backend: backend "./path-backend.mjs": unknown framing "binari"; did you mean binary? (a framing of your own is named by its path, as in ./my.mjs)',
    ],
    [
      '[backend]\npeer = tcp://a',
      'test.conf:1: backend: backend "./path-backend.mjs": "tcp://a": no port; write tcp://host:port',
    ],
  ])('has its options checked as the built-in ones: %j', async (file, message) => {
    expect(await refusedFile(`backend = ./path-backend.mjs\n${file}`)).toBe(message);
  });

  test('names the option at fault, and so the place where it was set', async () => {
    const file = 'backend = ./options-throw.mjs\n[backend]\nsize = 1\ncolor = ';
    expect(await refusedFile(`${file}red`)).toBe('test.conf:4: color: red is taken');
    expect(await refusedFile('backend = ./options-throw.mjs')).toBe(
      'test.conf:1: backend: backend "./options-throw.mjs": its option "color" is not set: a color is needed',
    );
    expect(await refusedFile(`${file}blue`)).toBe(
      'test.conf:1: backend: backend "./options-throw.mjs": it never works',
    );
  });

  test('must make something that can be asked', async () => {
    expect(await refusedFile('backend = ./no-query.mjs')).toBe(
      'test.conf:1: backend: backend "./no-query.mjs": it made something without a function "query"',
    );
  });

  test('is refused in one line, even if its own message has more', async () => {
    // ConfigError promises: "The message is one line and names the place".
    expect(await refusedFile('backend = ./two-lines.mjs')).not.toContain('\n');
  });
});

describe('a framing of a stranger', () => {
  test('is loaded from where its path was written, and can be used by routes', async () => {
    const config = await load('[backend]\nframing = ./lines-framing.mjs\nframing-config = ;');
    expect(await query(config)).toMatchObject({ framing: LINES, framingConfig: ';' });
    expect(config.framings.create(LINES, ';', { maximum: 1000 }).type).toBe('text');
    expect(() => config.framings.create('./no-next.mjs', undefined, { maximum: 1000 })).toThrow(
      /unknown framing/,
    );
  });

  test('is refused with its own message, named by file and line', async () => {
    expect(await refusedFile('[backend]\nframing = ./lines-framing.mjs\nframing-config = two')).toBe(
      `test.conf:3: framing-config: framing "lines-framing.mjs": expected one character that ends a line`,
    );
    expect(await refusedFile('[backend]\nframing = ./old-api.mjs')).toBe(
      'test.conf:2: framing: framing "./old-api.mjs": apiVersion is 0, but this daemon speaks version 1',
    );
  });
});

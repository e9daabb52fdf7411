/** Settings to a configuration: which one wins, what is refused, and how the place of a mistake is named. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import { type Config, type ConfigDefaults, loadConfig } from '../../src/config/config.ts';
import { parseFile } from '../../src/config/file.ts';
import { CORE_OPTIONS } from '../../src/config/options.ts';
import { ConfigError, type Setting } from '../../src/config/settings.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import type { Route } from '../../src/plugins/api.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;

const core = (name: string, value: string, origin = name): Setting => ({
  section: 'core',
  name,
  value,
  origin,
  base: FIXTURES,
});
const option = (name: string, value: string, origin = `-c ${name}`): Setting => ({
  section: 'backend',
  name,
  value,
  origin,
  base: FIXTURES,
});

async function refusal(settings: readonly Setting[]): Promise<string> {
  const error = await loadConfig(settings).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
}

async function peerOf(settings: readonly Setting[], defaults?: ConfigDefaults): Promise<string> {
  const { backend } = await loadConfig(settings, defaults);
  const request = {
    target: '/',
    headers: new Map(),
    subprotocols: [],
    remoteAddress: '127.0.0.1',
    remotePort: 1,
  };
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
    expect(framings.create('./lines-framing.mjs', '\n').type).toBe('text');
  });
});

describe("the daemon's own options", () => {
  const pick: Record<string, (config: Config) => unknown> = {
    port: ({ port }) => port,
    listen: ({ host }) => host,
    ping: ({ keepalive }) => keepalive,
    'log-level': ({ logLevel }) => logLevel,
    drain: ({ limits }) => limits.drainTimeout,
    'drain-wait': ({ limits }) => limits.drainWait,
    backend: ({ backendName }) => backendName,
  };

  test('are all covered here', () => {
    expect(Object.keys(pick).sort()).toEqual(Object.keys(CORE_OPTIONS).sort());
  });

  test.each<[string, string, unknown]>([
    ['port', '0', 0],
    ['port', '65535', 65535],
    ['listen', '127.0.0.1', '127.0.0.1'],
    ['listen', '::1', '::1'],
    ['listen', '[::1]', '::1'],
    ['listen', 'fe80::1%eth0', 'fe80::1%eth0'],
    ['listen', 'some-host.example', 'some-host.example'],
    ['ping', '0', 0],
    ['ping', '86400', 86_400_000],
    ['log-level', 'trace', 'trace'],
    ['log-level', 'error', 'error'],
    ['drain', '0', 0],
    ['drain', '5', 5000],
    ['drain', '86400', 86_400_000],
    ['drain-wait', '0', 0],
    ['drain-wait', '20', 20_000],
    ['backend', 'default', 'default'],
  ])('%s = %s is taken', async (name, value, expected) => {
    expect(pick[name]!(await loadConfig([core(name, value)]))).toEqual(expected);
  });

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
    ['listen', '', /an IP address or a host name/],
    ['listen', '*', /an IP address or a host name/],
    ['listen', 'a b', /an IP address or a host name/],
    ['listen', 'tcp://localhost', /an IP address or a host name/],
    ['log-level', 'INFO', /one of error, warn, info, debug, trace/],
    ['log-level', '', /one of error, warn, info, debug, trace/],
    ['backend', '', /a name, not an empty value/],
    ['backend', 'constructor', /unknown backend "constructor"/],
  ])('%s = %j is refused with what was expected, and where', async (name, value, message) => {
    const said = await refusal([core(name, value, 'w.conf:7: x')]);
    expect(said).toMatch(message);
    expect(said).toMatch(/^w\.conf:7: x: /);
  });

  test.each([
    ['prot', 'did you mean port?'],
    ['loglevel', 'did you mean log-level?'],
    ['keepalive', 'there are: port, listen, ping, backend, log-level, drain-wait, drain'],
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
      option('host', 'udp://a', 'w.conf:9: host'),
    ];
    expect(await refusal(settings)).toMatch(/^w\.conf:9: host: "udp:\/\/a": /);
    expect(await refusal([option('port', '0', 'w.conf:4: port')])).toMatch(/^w\.conf:4: port: expected/);
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
    expect(await refusal([picky])).toBe('color: a color is needed');
    expect(await refusal([picky, option('color', 'blue')])).toMatch(/^backend "picky": it never works$/);
    expect(await refusal([picky, option('colour', 'blue')])).toMatch(
      /^-c colour: unknown option of the backend "picky": "colour"; did you mean color\?/,
    );
  });

  test('a backend that cannot be asked is refused', async () => {
    expect(await refusal([core('backend', './no-query.mjs')])).toMatch(
      /^backend ".*": .*without a function "query"/,
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

  test('is taken or refused with a ConfigError', async () => {
    const name = fc.oneof(
      fc.constantFrom(...Object.keys(CORE_OPTIONS).filter((known) => known !== 'backend'), 'host', 'framing'),
      fc.string({ unit: 'binary' }),
    );
    const setting = fc.record({
      section: fc.constantFrom('core' as const, 'backend' as const),
      name,
      value: fc.oneof(fc.nat().map(String), fc.string({ unit: 'binary' })),
      origin: fc.constant('here'),
      base: fc.constant(FIXTURES),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(setting, { maxLength: 4 }), async (settings) => {
        const error = await loadConfig(settings).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(ConfigError);
      }),
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

/** Which layer an option has its value from, and what `--check` prints of that: a configuration file that means the same. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { parseArgv } from '../../src/config/argv.ts';
import { type Config, loadConfig } from '../../src/config/config.ts';
import { type Effective, formatEffective } from '../../src/config/effective.ts';
import { parseEnvironment, variableOf } from '../../src/config/environment.ts';
import { parseFile } from '../../src/config/file.ts';
import { DAEMON_OPTIONS, isOptionName, type OptionName } from '../../src/config/tables.ts';
import type { Route } from '../../src/plugins/api.ts';
import { ClientRequest } from '../../src/upgrade-request.ts';
import { SEED, SEEDED } from '../support/cuts.ts';

const FIXTURES = new URL('../fixtures/plugins/', import.meta.url).pathname;
const FILE = `${FIXTURES}w.conf`;
/** One that anybody who runs the tests may write to. */
const FOLDER = mkdtempSync(join(tmpdir(), 'websocksy-effective-'));

afterAll(() => {
  rmSync(FOLDER, { recursive: true });
});

interface Layers {
  readonly file?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly argv?: readonly string[];
}

/** Joined as the command joins them. */
function load({ file = '', env = {}, argv = [] }: Layers): Promise<Config> {
  const fromEnvironment = parseEnvironment(env, FIXTURES).settings;
  return loadConfig([...parseFile(file, FILE), ...fromEnvironment, ...parseArgv(argv, FIXTURES).settings]);
}

/** The values of an option, each with its origin. */
function found({ effective }: Config, name: string): string[] {
  const section = isOptionName(name) ? DAEMON_OPTIONS[name].section : 'backend';
  return effective
    .filter((each) => each.section === section && each.name === name)
    .map(({ value, origin = 'default' }) => `${value} from ${origin.replaceAll(FIXTURES, '')}`);
}

const VALUES: { readonly [K in OptionName]: readonly [string, string, string] } = {
  port: ['1', '2', '3'],
  listen: ['127.0.0.1', '127.0.0.2', 'unix://w.sock'],
  ping: ['1', '2', '3'],
  backend: [`${FIXTURES}path-backend.mjs`, 'default', `${FIXTURES}path-backend.mjs`],
  plugin: [`${FIXTURES}lines-framing.mjs`, `${FIXTURES}path-backend.mjs`, `${FIXTURES}options-throw.mjs`],
  'dgram-dir': [tmpdir(), FIXTURES, FOLDER],
  'socket-mode': ['600', '0666', '0660'],
  'log-level': ['warn', 'debug', 'error'],
  kernel: ['off', 'auto', 'off'],
  compression: ['on', 'off', 'on'],
  'compression-level': ['1', '2', '3'],
  'compression-window-bits': ['9', '10', '11'],
  'compression-takeover': ['server', 'client', 'none'],
  'compression-threshold': ['1', '2', '3'],
  'compression-connections': ['1', '2', '3'],
  'drain-wait': ['1', '2', '3'],
  drain: ['1', '2', '3'],
  'half-close': ['keep', 'close', 'keep'],
  'head-bytes': ['1K', '2K', '3K'],
  'head-fields': ['1', '2', '3'],
  'head-time': ['1', '2', '0.5'],
  'early-bytes': ['1K', '2K', '3K'],
  'max-message': ['1K', '2K', '3K'],
  'max-segment': ['1K', '2K', '3K'],
  'max-queued': ['16K', '32K', '1M'],
  'max-buffered': ['1M', '2G', '0'],
  'max-connections': ['1', '2', '3'],
  'max-connections-per-address': ['1', '2', '3'],
  'connection-rate': ['1', '2', '3'],
  'connection-burst': ['1', '2', '3'],
  'control-rate': ['1', '2', '3'],
  'query-time': ['1', '2', '3'],
  'dial-time': ['1', '2', '3'],
  'close-time': ['1', '2', '3'],
  'stall-time': ['1', '2', '3'],
  'idle-time': ['1', '2', '3'],
  'life-time': ['1', '2', '3'],
  'max-lag': ['1', '2', '3'],
};

describe('the command line wins over the environment, that over the file, that over the default', () => {
  const single = Object.keys(VALUES).filter((name) => name !== 'plugin') as OptionName[];

  test.each(single)('for %s', async (name) => {
    const [inFile, inEnvironment, inArguments] = VALUES[name];
    const spec = DAEMON_OPTIONS[name];
    const standard = spec.defaultText ?? String(spec.default);
    const flag = spec.flags.at(-1)!;
    const file = `[${DAEMON_OPTIONS[name].section}]\n${name} = ${inFile}`;
    const env = { [variableOf(name)]: inEnvironment };
    const argv = [flag, inArguments];
    expect(found(await load({}), name)).toEqual(standard === '' ? [] : [`${standard} from default`]);
    const bare = (value: string) => value.replaceAll(FIXTURES, '');
    const printed = async (layers: Layers) => found(await load(layers), name).map(bare);
    expect(await printed({ file })).toEqual([bare(`${inFile} from w.conf:2`)]);
    expect(await printed({ file, env })).toEqual([bare(`${inEnvironment} from ${variableOf(name)}`)]);
    expect(await printed({ env })).toEqual([bare(`${inEnvironment} from ${variableOf(name)}`)]);
    expect(await printed({ file, env, argv })).toEqual([bare(`${inArguments} from ${flag}`)]);
    expect(await printed({ file, argv })).toEqual([bare(`${inArguments} from ${flag}`)]);
    expect(await printed({ env, argv })).toEqual([bare(`${inArguments} from ${flag}`)]);
  });

  test('for an option of the backend', async () => {
    const file = '[backend]\nprotocol = a';
    const env = { WEBSOCKSY_BACKEND_OPTION_PROTOCOL: 'b' };
    const argv = ['-c', 'protocol=c'];
    expect(found(await load({}), 'protocol')).toEqual([]);
    expect(found(await load({ file }), 'protocol')).toEqual(['a from w.conf:2']);
    expect(found(await load({ file, env }), 'protocol')).toEqual([
      'b from WEBSOCKSY_BACKEND_OPTION_PROTOCOL',
    ]);
    expect(found(await load({ file, env, argv }), 'protocol')).toEqual(['c from -c protocol']);
  });

  test('an empty variable leaves the file its say', async () => {
    const env = { WEBSOCKSY_LISTEN_PORT: '', WEBSOCKSY_BACKEND_OPTION_PROTOCOL: '' };
    const config = await load({ file: 'port = 7\n[backend]\nprotocol = a', env });
    expect([found(config, 'port'), found(config, 'protocol')]).toEqual([
      ['7 from w.conf:1'],
      ['a from w.conf:3'],
    ]);
  });
});

describe('an option that may be repeated', () => {
  const file = 'backend = ./path-backend.mjs\n[backend]\nforbidden = /a\nforbidden = /b';
  const env = { WEBSOCKSY_BACKEND_OPTION_FORBIDDEN: '/c\n\n /d \n' };

  test('has all its values from the highest layer that has any', async () => {
    expect(found(await load({ file }), 'forbidden')).toEqual(['/a from w.conf:3', '/b from w.conf:4']);
    expect(found(await load({ file, env }), 'forbidden')).toEqual([
      '/c from WEBSOCKSY_BACKEND_OPTION_FORBIDDEN',
      '/d from WEBSOCKSY_BACKEND_OPTION_FORBIDDEN',
    ]);
    const argv = ['-c', 'forbidden=/e', '-c', 'forbidden=/f'];
    expect(found(await load({ file, env, argv }), 'forbidden')).toEqual([
      '/e from -c forbidden',
      '/f from -c forbidden',
    ]);
  });

  test('stays as the file has it where the variable is empty', async () => {
    const empty = { WEBSOCKSY_BACKEND_OPTION_FORBIDDEN: '\n' };
    expect(found(await load({ file, env: empty }), 'forbidden')).toHaveLength(2);
  });
});

describe('plugins', () => {
  const [lines, backend, picky] = ['lines-framing.mjs', 'path-backend.mjs', 'options-throw.mjs'];

  test('add up over the layers', async () => {
    const config = await load({
      file: `plugin = ./${lines}`,
      env: { WEBSOCKSY_PLUGIN: `./${backend}\n./${lines}` },
      argv: ['--plugin', `./${picky}`],
    });
    expect(found(config, 'plugin').map((text) => text.replaceAll(FIXTURES, ''))).toEqual([
      `${lines} from w.conf:1`,
      `${backend} from WEBSOCKSY_PLUGIN`,
      `${lines} from WEBSOCKSY_PLUGIN`,
      `${picky} from --plugin`,
    ]);
  });

  test('go by their own names, wherever they stand', async () => {
    const file = 'backend = by-path\nplugin = ./path-backend.mjs\n[backend]\nframing = ';
    const argv = ['--plugin', './lines-framing.mjs'];
    expect(await load({ file: `${file}line`, argv }).catch(String)).toMatch(
      /unknown framing "line"; did you mean lines\?/,
    );
    const good = await load({ file: `${file}lines`, argv });
    expect(good.backendName).toBe('by-path');
    expect(found(good, 'framing')).toEqual(['lines from w.conf:4']);
  });

  test.each([
    ['a built-in framing', 'data:auto', 'framing', 'auto'],
    ['a built-in backend', 'data:default', 'backend', 'default'],
  ])('with the name of %s are refused', async (_what, _data, kind, name) => {
    const error = await load({ argv: ['--plugin', `../configured/${kind}-${name}.mjs`] }).catch(String);
    expect(error).toMatch(
      new RegExp(`--plugin: plugin ".*${name}.mjs": there is a ${kind} "${name}" already`),
    );
  });

  test('of the same name are refused, the same one twice is not', async () => {
    const argv = ['--plugin', './path-backend.mjs'];
    expect(await load({ file: 'plugin = ./path-backend.mjs', argv })).toBeDefined();
    const other = ['--plugin', '../configured/backend-by-path.mjs'];
    expect(await load({ file: 'plugin = ./path-backend.mjs', argv: other }).catch(String)).toMatch(
      /--plugin: plugin ".*by-path.mjs": there is a backend "by-path" already/,
    );
  });

  test('are suggested for a name that is nearly theirs', async () => {
    const argv = ['--plugin', './path-backend.mjs', '-b', 'bypath'];
    expect(await load({ argv }).catch(String)).toMatch(
      /-b: unknown backend "bypath"; did you mean by-path\?/,
    );
  });

  test('of the wrong kind are refused by name', async () => {
    const added = ['--plugin', './lines-framing.mjs', '-b', 'lines'];
    expect(await load({ argv: added }).catch(String)).toMatch(
      /-b: unknown backend "lines"; there are: default/,
    );
    const framing = ['--plugin', './path-backend.mjs', '-c', 'framing=by-path'];
    expect(await load({ argv: framing }).catch(String)).toMatch(/-c framing: unknown framing "by-path"/);
    expect(await load({ argv: ['-b', './lines-framing.mjs'] }).catch(String)).toMatch(
      /-b: backend ".\/lines-framing.mjs" is a plugin of kind "framing", not a backend/,
    );
  });
});

describe('naming a backend discards', () => {
  const protocols = async (layers: Layers) => found(await load(layers), 'protocol');
  const file = '[backend]\nprotocol = a';

  test('what the file says for the one before, if the environment or the command line does', async () => {
    expect(await protocols({ file, env: { WEBSOCKSY_BACKEND: 'default' } })).toEqual([]);
    expect(await protocols({ file, argv: ['-b', 'default'] })).toEqual([]);
  });

  test('what the environment says, if the command line does', async () => {
    const env = { WEBSOCKSY_BACKEND_OPTION_PROTOCOL: 'b' };
    expect(await protocols({ env, argv: ['-b', 'default'] })).toEqual([]);
    expect(await protocols({ env, argv: ['-b', 'default', '-c', 'protocol=c'] })).toEqual([
      'c from -c protocol',
    ]);
  });

  test('what stands above it in the file, and nothing below it', async () => {
    expect(await protocols({ file: `${file}\n[core]\nbackend = default` })).toEqual([]);
    expect(await protocols({ file: `[core]\nbackend = default\n${file}` })).toEqual(['a from w.conf:4']);
  });
});

/** The output of a check, read again from a file in another folder. */
async function again(config: Config): Promise<Config> {
  return loadConfig(parseFile(formatEffective(config.effective), '/elsewhere/new.conf'));
}

async function routeOf({ backend }: Config): Promise<Route> {
  const head = { target: '/peer', headers: new Map(), subprotocols: ['MQTT', 'a'] };
  const request = new ClientRequest(head, '127.0.0.1', 1);
  return (await backend.query(request, new AbortController().signal)) as Route;
}

const withoutOrigin = (effective: readonly Effective[]) =>
  effective.map(({ section, name, value }) => `${section}.${name}=${value}`);

async function expectTheSame(one: Config): Promise<void> {
  const other = await again(one);
  expect(withoutOrigin(other.effective)).toEqual(withoutOrigin(one.effective));
  const { host, port, path, socketMode, keepalive, logLevel, limits, dgramDir } = one;
  expect(other).toMatchObject({ host, port, socketMode, keepalive, logLevel, limits });
  expect([other.path, other.dgramDir]).toEqual([path, dgramDir]);
  expect(await routeOf(other)).toEqual(await routeOf(one));
}

describe('the output of --check', () => {
  test('has each line with its origin, and the defaults as comments', async () => {
    const config = await load({
      file: '\nping = 5\n[backend]\nframing = ./lines-framing.mjs',
      env: { WEBSOCKSY_LISTEN: '::1' },
      argv: ['-p', '9', '-c', 'host=echo://', '--plugin', './path-backend.mjs'],
    });
    expect(formatEffective(config.effective)).toBe(`[core]
# from -p
port = 9
# from WEBSOCKSY_LISTEN
listen = ::1
# from ${FILE}:2
ping = 5
# default
#backend = default
# from --plugin
plugin = ${FIXTURES}path-backend.mjs
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
# from -c host
host = echo://
# default
#port = 5900
# from ${FILE}:4
framing = ${FIXTURES}lines-framing.mjs
`);
    await expectTheSame(config);
  });

  test('does not say a default that would count for more than it does unsaid', async () => {
    const config = await load({ argv: ['-c', 'host=tcp://a:1'] });
    expect((await routeOf(config)).peer).toBe('tcp://a:1');
    await expectTheSame(config);
  });

  test('names the files of plugins so that they are found from everywhere', async () => {
    await expectTheSame(await load({ file: 'backend = ./path-backend.mjs' }));
    await expectTheSame(await load({ file: 'plugin = ./path-backend.mjs\nbackend = by-path' }));
    await expectTheSame(await load({ argv: ['-c', 'framing=./lines-framing.mjs'] }));
  });

  test.each([
    ['a blank at its end', ' x '],
    ['a line feed in it', 'x\ny'],
    ['a sequence for a terminal in it', 'x\u001b[2Jy'],
  ])('says of a value with %s that no line of a file can hold it', async (_what, value) => {
    const text = formatEffective((await load({ argv: ['-c', `protocol=${value}`] })).effective);
    expect(text).toContain(`# from -c protocol\n# no line of a file can say: "protocol" = `);
    expect(parseFile(text, FILE)).toEqual([]);
    expect(text).not.toContain('\u001b');
  });

  test('keeps an origin in its line', async () => {
    const config = await loadConfig(parseFile('port = 1', '/a\nport = 2\n/b.conf'));
    expect(parseFile(formatEffective(config.effective), FILE).map(({ value }) => value)).toEqual(['1']);
  });

  test(`is a file that gives the same configuration again, whatever is set (TEST_SEED=${SEED})`, async () => {
    const number = fc.integer({ min: 0, max: 65535 }).map(String);
    const core = fc.oneof(
      fc.tuple(fc.constantFrom('port', 'ping', 'drain', 'drain-wait'), number),
      ...(['listen', 'plugin', 'dgram-dir', 'socket-mode', 'log-level', 'kernel'] as const).map((name) =>
        fc.tuple(fc.constant(name), fc.constantFrom(...VALUES[name])),
      ),
      fc.tuple(fc.constant('listen'), fc.constantFrom('[::1]', 'unix:///a b/c', 'unix://@x')),
    );
    // What neither begins nor ends with a blank, nor holds a control: the rest has tests of its own.
    const word = fc.stringMatching(/^[!-~]([ -~\u00e0-\u00ff;#=[\]]{0,12}[!-~])?$/);
    const backend = fc.oneof(
      fc.tuple(fc.constant('host'), fc.constantFrom('tcp://a', 'tcp://a:1', 'echo://', 'unix:///x y', 'b:7')),
      fc.tuple(fc.constant('port'), fc.constantFrom('1', '5900', '65535')),
      fc.tuple(fc.constant('framing'), fc.constantFrom('auto', 'binary', './lines-framing.mjs')),
      fc.tuple(fc.constant('protocol'), fc.oneof(word, fc.constantFrom('', '*', 'mqtt', ';', '#', '['))),
    );
    const layers = fc.record({
      file: fc.array(
        fc.oneof(
          core.map((pair) => `[core]\n${pair.join(' = ')}`),
          backend.map((pair) => `[backend]\n${pair.join('=')}`),
          fc.constant('[core]\nbackend = default'),
        ),
      ),
      env: fc.array(
        fc.oneof(
          core.map(([name, value]) => [variableOf(name as OptionName), value] as const),
          backend.map(([name, value]) => [`WEBSOCKSY_BACKEND_OPTION_${name.toUpperCase()}`, value] as const),
        ),
      ),
      argv: fc.array(
        fc.oneof(
          core.map(([name, value]) => [DAEMON_OPTIONS[name as OptionName].flags.at(-1)!, value]),
          backend.map((pair) => ['-c', pair.join('=')]),
        ),
      ),
    });
    await fc.assert(
      fc.asyncProperty(layers, async ({ file, env, argv }) => {
        await expectTheSame(
          await load({ file: file.join('\n'), env: Object.fromEntries(env), argv: argv.flat() }),
        );
      }),
      { ...SEEDED, numRuns: 200 },
    );
  });
});

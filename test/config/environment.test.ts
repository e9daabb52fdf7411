/** The environment of a container: which variables mean what, and which are somebody else's. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { parseEnvironment, variableOf } from '../../src/config/environment.ts';
import { ConfigError } from '../../src/config/settings.ts';
import { DAEMON_OPTIONS, OPTION_NAMES } from '../../src/config/tables.ts';
import { SEED, SEEDED } from '../support/cuts.ts';

/** What an environment sets, as `section.name=value`. */
function read(env: NodeJS.ProcessEnv): string[] {
  return parseEnvironment(env, '/base').settings.map(
    ({ section, name, value }) => `${section}.${name}=${value}`,
  );
}

/** What Kubernetes sets in every container for a service of this name with one port. */
function service(name: string, port = 80): NodeJS.ProcessEnv {
  const prefix = name.toUpperCase().replaceAll('-', '_');
  const address = `tcp://10.0.0.11:${port}`;
  return {
    [`${prefix}_SERVICE_HOST`]: '10.0.0.11',
    [`${prefix}_SERVICE_PORT`]: String(port),
    [`${prefix}_SERVICE_PORT_HTTP`]: String(port),
    [`${prefix}_PORT`]: address,
    [`${prefix}_PORT_${port}_TCP`]: address,
    [`${prefix}_PORT_${port}_TCP_PROTO`]: 'tcp',
    [`${prefix}_PORT_${port}_TCP_PORT`]: String(port),
    [`${prefix}_PORT_${port}_TCP_ADDR`]: '10.0.0.11',
  };
}

describe('a variable', () => {
  test('has the name of the option, but for that of the port, which would be a service’s', () => {
    const names = OPTION_NAMES;
    expect(names.map(variableOf)).toEqual([
      'WEBSOCKSY_LISTEN_PORT',
      'WEBSOCKSY_LISTEN',
      'WEBSOCKSY_PING',
      'WEBSOCKSY_BACKEND',
      'WEBSOCKSY_PLUGIN',
      'WEBSOCKSY_HALF_CLOSE',
      'WEBSOCKSY_DGRAM_DIR',
      'WEBSOCKSY_SOCKET_MODE',
      'WEBSOCKSY_LOG_LEVEL',
      'WEBSOCKSY_KERNEL',
      'WEBSOCKSY_COMPRESSION',
      'WEBSOCKSY_COMPRESSION_LEVEL',
      'WEBSOCKSY_COMPRESSION_WINDOW_BITS',
      'WEBSOCKSY_COMPRESSION_TAKEOVER',
      'WEBSOCKSY_COMPRESSION_THRESHOLD',
      'WEBSOCKSY_COMPRESSION_CONNECTIONS',
      'WEBSOCKSY_DRAIN_WAIT',
      'WEBSOCKSY_DRAIN',
      'WEBSOCKSY_HEAD_BYTES',
      'WEBSOCKSY_HEAD_FIELDS',
      'WEBSOCKSY_HEAD_TIME',
      'WEBSOCKSY_EARLY_BYTES',
      'WEBSOCKSY_MAX_MESSAGE',
      'WEBSOCKSY_MAX_SEGMENT',
      'WEBSOCKSY_MAX_QUEUED',
      'WEBSOCKSY_MAX_BUFFERED',
      'WEBSOCKSY_MAX_CONNECTIONS',
      'WEBSOCKSY_MAX_CONNECTIONS_PER_ADDRESS',
      'WEBSOCKSY_CONNECTION_RATE',
      'WEBSOCKSY_CONNECTION_BURST',
      'WEBSOCKSY_CONTROL_RATE',
      'WEBSOCKSY_QUERY_TIME',
      'WEBSOCKSY_DIAL_TIME',
      'WEBSOCKSY_CLOSE_TIME',
      'WEBSOCKSY_STALL_TIME',
      'WEBSOCKSY_IDLE_TIME',
      'WEBSOCKSY_LIFE_TIME',
      'WEBSOCKSY_MAX_LAG',
    ]);
  });

  test('of each option of the daemon’s is a setting that names the variable', () => {
    for (const name of OPTION_NAMES) {
      const variable = variableOf(name);
      expect(parseEnvironment({ [variable]: 'x=y' }, '/base')).toEqual({
        file: undefined,
        settings: [
          {
            section: DAEMON_OPTIONS[name].section,
            name,
            value: 'x=y',
            layer: 'environment',
            origin: variable,
            base: '/base',
          },
        ],
      });
    }
  });

  test('of an option of the backend’s keeps its spelling until the backend is known', () => {
    expect(parseEnvironment({ WEBSOCKSY_BACKEND_OPTION_FRAMING_CONFIG: ';' }, '/base').settings).toEqual([
      {
        section: 'backend',
        name: 'FRAMING_CONFIG',
        value: ';',
        layer: 'environment',
        origin: 'WEBSOCKSY_BACKEND_OPTION_FRAMING_CONFIG',
        base: '/base',
      },
    ]);
  });

  test('comes after the name of the backend, which would discard it', () => {
    expect(read({ WEBSOCKSY_BACKEND_OPTION_HOST: 'a', WEBSOCKSY_BACKEND: 'b' })).toEqual([
      'core.backend=b',
      'backend.HOST=a',
    ]);
  });

  test('of the file names the file', () => {
    expect(parseEnvironment({ WEBSOCKSY_CONFIG: '/etc/w.conf' }, '/')).toEqual({
      file: '/etc/w.conf',
      settings: [],
    });
  });

  test.each(['', ' ', '\n', '\t \r\n'])('that is %j is none', (nothing) => {
    const names = OPTION_NAMES;
    const variables = [...names.map(variableOf), 'WEBSOCKSY_CONFIG', 'WEBSOCKSY_BACKEND_OPTION_HOST'];
    const env = Object.fromEntries(variables.map((variable) => [variable, nothing]));
    expect(parseEnvironment(env, '/')).toEqual({ file: undefined, settings: [] });
  });

  test('is trimmed at both ends, as a value in a file is', () => {
    expect(read({ WEBSOCKSY_LISTEN_PORT: ' 80\n', WEBSOCKSY_BACKEND_OPTION_HOST: '\techo://\r\n' })).toEqual([
      'core.port=80',
      'backend.HOST=echo://',
    ]);
    expect(parseEnvironment({ WEBSOCKSY_CONFIG: ' w.conf\n' }, '/').file).toBe('w.conf');
  });

  test('of an option that may be repeated holds one value in each line', () => {
    expect(read({ WEBSOCKSY_PLUGIN: './a.mjs\n\n ./b.mjs \r\n' })).toEqual([
      'core.plugin=./a.mjs',
      'core.plugin=./b.mjs',
    ]);
  });
});

describe('what is not ours is passed over', () => {
  test.each([
    { WEBSOCKSY_PORT: '1' },
    { WEBSOCKSY_LISTEN_PROT: '1' },
    { WEBSOCKSY: '1' },
    { WEBSOCKSY_: '1' },
    { websocksy_listen: '1' },
    { WEBSOCKSY_LISTEN_ADDRESS: '1' },
    { LISTEN: '1', PORT: '1' },
    { XWEBSOCKSY_LISTEN: '1' },
  ])('%j', (env) => {
    expect(parseEnvironment(env, '/')).toEqual({ file: undefined, settings: [] });
  });

  test('an option that the backend does not have', async () => {
    const { settings } = parseEnvironment({ WEBSOCKSY_BACKEND_OPTION_HOTS: 'x' }, '/');
    expect((await loadConfig(settings)).effective.map(({ value }) => value)).not.toContain('x');
  });

  test.each([
    'websocksy',
    'websocksy-listen',
    'websocksy-backend',
    'websocksy-backend-option',
    'websocksy-config',
    'websocksy-plugin',
    'websocksy-drain',
    'websocksy-ping',
    'websocksy-log-level',
    'websocksy-backend-option-host',
  ])('all that Kubernetes sets for a service called %s', async (name) => {
    const env = service(name);
    const { file, settings } = parseEnvironment(env, '/');
    expect(file).toBeUndefined();
    expect(settings.filter(({ section }) => section === 'core')).toEqual([]);
    expect((await loadConfig(settings)).effective.every(({ origin }) => origin === undefined)).toBe(true);
  });

  test.each(['tcp', 'udp', 'sctp'])('a port that is %s://…, beside the host of such a service', (scheme) => {
    const port = { WEBSOCKSY_LISTEN_PORT: `${scheme}://10.0.0.11:80` };
    expect(read({ ...port, WEBSOCKSY_LISTEN_SERVICE_HOST: '10.0.0.11' })).toEqual([]);
    // Without one it is somebody's mistake, and they are told.
    expect(read(port)).toEqual([`core.port=${scheme}://10.0.0.11:80`]);
  });

  test('but not a port that a person has set beside such a service, nor another variable', () => {
    const host = { WEBSOCKSY_LISTEN_SERVICE_HOST: '10.0.0.11', WEBSOCKSY_BACKEND_OPTION_SERVICE_HOST: 'x' };
    expect(read({ ...host, WEBSOCKSY_LISTEN_PORT: '9000' })).toContain('core.port=9000');
    expect(read({ ...host, WEBSOCKSY_BACKEND_OPTION_HOST: 'tcp://10.0.0.11:80' })).toContain(
      'backend.HOST=tcp://10.0.0.11:80',
    );
  });
});

describe('a bad value names its variable', () => {
  test.each([
    ['WEBSOCKSY_LISTEN_PORT', '70000', /: expected a number from 0 to 65535, not "70000"$/],
    ['WEBSOCKSY_LISTEN_PORT', 'tcp://10.0.0.1:80', /: expected a number/],
    ['WEBSOCKSY_LISTEN', 'a b', /: expected an IP address/],
    ['WEBSOCKSY_PING', 'x', /: expected a number/],
    ['WEBSOCKSY_LOG_LEVEL', 'loud', /: expected one of/],
    ['WEBSOCKSY_SOCKET_MODE', '9', /: expected an octal mode/],
    ['WEBSOCKSY_DGRAM_DIR', '/nowhere', /: expected a folder to write to, not "\/nowhere": there is none/],
    ['WEBSOCKSY_BACKEND', './nowhere.mjs', /: backend ".\/nowhere.mjs" could not be loaded/],
    ['WEBSOCKSY_PLUGIN', './nowhere.mjs', /: plugin ".\/nowhere.mjs" could not be loaded/],
    ['WEBSOCKSY_BACKEND_OPTION_HOST', 'gopher://x', /: "gopher:\/\/x": unknown scheme/],
    ['WEBSOCKSY_BACKEND_OPTION_PORT', '0', /: a port is a number/],
    ['WEBSOCKSY_BACKEND_OPTION_FRAMING_CONFIG', '0', /: framing "auto": /],
  ])('%s=%s', async (variable, value, message) => {
    const { settings } = parseEnvironment({ [variable]: value }, '/');
    const error = await loadConfig(settings).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message.startsWith(`${variable}: `)).toBe(true);
    expect((error as ConfigError).message).toMatch(message);
  });
});

test(`any environment is read, whatever is in it (TEST_SEED=${SEED})`, () => {
  const name = fc.oneof(
    fc.constantFrom('LISTEN', 'LISTEN_PORT', 'PLUGIN', 'CONFIG', 'BACKEND_OPTION_', 'BACKEND_OPTION_PORT'),
    fc.string({ unit: 'binary' }),
  );
  const variable = fc.oneof(
    name.map((rest) => `WEBSOCKSY_${rest}`),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.dictionary(variable, fc.string({ unit: 'binary' })), (env) => {
      for (const { value, origin } of parseEnvironment(env, '/').settings) {
        expect(value).toBe(value.trim());
        expect(value).not.toBe('');
        expect(env).toHaveProperty([origin]);
      }
    }),
    SEEDED,
  );
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ALL_FLAGS, parseArgv } from '../../src/config/argv.ts';
import { ConfigError } from '../../src/config/settings.ts';
import { SEED, SEEDED } from '../support/cuts.ts';

function refusal(...argv: string[]): string {
  try {
    parseArgv(argv, '/base');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error(`expected ${JSON.stringify(argv)} to be refused`);
}

test('no argument means: run, with nothing set', () => {
  expect(parseArgv([], '/base')).toEqual({ action: 'run', file: undefined, demo: false, settings: [] });
});

describe('options with a value', () => {
  test.each([
    ['-p', 'port'],
    ['--port', 'port'],
    ['-l', 'listen'],
    ['--listen', 'listen'],
    ['-k', 'ping'],
    ['--keepalive', 'ping'],
    ['-b', 'backend'],
    ['--backend', 'backend'],
    ['--log-level', 'log-level'],
    ['--kernel', 'kernel'],
    ['--drain-wait', 'drain-wait'],
    ['--drain', 'drain'],
    ['--plugin', 'plugin'],
    ['--dgram-dir', 'dgram-dir'],
    ['--socket-mode', 'socket-mode'],
    ['--compression', 'compression'],
    ['--compression-level', 'compression-level'],
    ['--compression-window-bits', 'compression-window-bits'],
    ['--compression-takeover', 'compression-takeover'],
    ['--compression-threshold', 'compression-threshold'],
    ['--compression-connections', 'compression-connections'],
  ])('%s sets the core option %s', (flag, name) => {
    const setting = { section: 'core', name, value: 'x=y', layer: 'arguments', origin: flag, base: '/base' };
    expect(parseArgv([flag, 'x=y'], '/base').settings).toEqual([setting]);
    if (flag.startsWith('--')) expect(parseArgv([`${flag}=x=y`], '/base').settings).toEqual([setting]);
    // What an option takes for its value is not looked at: a value may begin with a dash, and may be empty.
    expect(parseArgv([flag, '-x'], '/base').settings[0]!.value).toBe('-x');
    expect(parseArgv([flag, ''], '/base').settings[0]!.value).toBe('');
    expect(refusal(flag)).toMatch(new RegExp(`^${flag}: expected a value: ${flag} [A-Z]+$`));
  });

  test('--port= has an empty value, which is judged later, and does not eat the next argument', () => {
    const { settings, action } = parseArgv(['--port=', '--check'], '/base');
    expect(settings[0]).toMatchObject({ name: 'port', value: '' });
    expect(action).toBe('check');
  });

  test.each(['-c', '--backend-option'])('%s sets an option of the backend; the first = splits', (flag) => {
    expect(parseArgv([flag, 'host=tcp://x?a=b'], '/base').settings).toEqual([
      {
        section: 'backend',
        name: 'host',
        value: 'tcp://x?a=b',
        layer: 'arguments',
        origin: `${flag} host`,
        base: '/base',
      },
    ]);
    expect(parseArgv([flag, 'host='], '/base').settings[0]).toMatchObject({ name: 'host', value: '' });
    expect(refusal(flag)).toBe(`${flag}: expected a value: ${flag} KEY=VALUE`);
    expect(refusal(flag, 'host')).toBe(`${flag}: expected KEY=VALUE, not "host"`);
    expect(refusal(flag, '=x')).toBe(`${flag}: expected KEY=VALUE, not "=x"`);
    expect(refusal(flag, '')).toBe(`${flag}: expected KEY=VALUE, not ""`);
  });

  test('--backend-option=KEY=VALUE is one argument', () => {
    expect(parseArgv(['--backend-option=host=a=b'], '/base').settings[0]).toMatchObject({
      name: 'host',
      value: 'a=b',
    });
  });

  test('stay in their order, repeated ones too', () => {
    const { settings } = parseArgv(
      ['-p', '1', '-c', 'host=a', '-b', 'x', '-p', '2', '-c', 'host=b'],
      '/base',
    );
    expect(settings.map(({ name, value }) => `${name}=${value}`)).toEqual([
      'port=1',
      'host=a',
      'backend=x',
      'port=2',
      'host=b',
    ]);
  });
});

describe('options without a value', () => {
  test.each([
    ['--check', 'check'],
    ['--help', 'help'],
    ['-h', 'help'],
    ['--version', 'version'],
    ['-V', 'version'],
  ])('%s asks for %s', (flag, action) => {
    expect(parseArgv([flag], '/base').action).toBe(action);
    expect(parseArgv(['-p', '1', flag, '-k', '2'], '/base')).toMatchObject({
      action,
      settings: [{ name: 'port' }, { name: 'ping' }],
    });
  });

  test('--demo is noted beside whatever is done', () => {
    expect(parseArgv(['--demo'], '/base')).toMatchObject({ action: 'run', demo: true });
    expect(parseArgv(['--demo', '--check'], '/base')).toMatchObject({ action: 'check', demo: true });
  });

  test.each(['--check', '--help', '--version', '--demo'])('%s=x is refused', (flag) => {
    expect(refusal(`${flag}=x`)).toContain(flag);
  });

  test.each(['--check', '--help', '--version', '--demo'])(
    '%s=x is not answered with "did you mean %s"',
    (flag) => {
      // It names the very thing that was written; what is wrong is the value.
      expect(refusal(`${flag}=x`)).not.toContain('did you mean');
      expect(refusal(`${flag}=x`)).toMatch(/value/);
    },
  );
});

describe('a configuration file', () => {
  test.each([
    ['as the only argument', ['a.conf']],
    ['by name', ['--config', 'a.conf']],
    ['by name, in one argument', ['--config=a.conf']],
    ['behind options', ['-p', '1', 'a.conf']],
    ['before options', ['a.conf', '-p', '1']],
  ])('%s', (_what, argv) => {
    expect(parseArgv(argv, '/base').file).toBe('a.conf');
  });

  test.each([
    [['a.conf', 'b.conf']],
    [['--config', 'a.conf', '--config', 'b.conf']],
    [['a.conf', '--config=b.conf']],
  ])('of two, %j, is refused with both names', (argv) => {
    expect(refusal(...argv)).toBe('only one configuration file can be given, not "a.conf" and "b.conf"');
  });

  test('needs a name behind --config', () => {
    expect(refusal('--config')).toBe('--config: expected a value: --config FILE');
  });
});

describe('an unknown option', () => {
  test.each([
    ['--prot', /^unknown option "--prot"; did you mean --port\?$/],
    ['--chekc', /did you mean --check\?/],
    ['--conf', /did you mean --config\?/],
    ['-x', /^unknown option "-x"; /],
    ['-', /^unknown option "-"; see --help$/],
    ['--nothing-like-it', /; see --help$/],
    ['--__proto__', /^unknown option "--__proto__"/],
    ['--constructor', /^unknown option "--constructor"/],
    ['-p8001', /^unknown option "-p8001"; write -p and its value apart: -p 8001$/],
    ['-chost=x', /^unknown option "-chost=x"; write -c and its value apart: -c host=x$/],
    ['-kk', /; write -k and its value apart: -k k$/],
    ['-hp', /^unknown option "-hp"; (did you mean|see)/],
    ['-xhost', /^unknown option "-xhost"; see --help$/],
    ['--host', /^unknown option "--host"; it is the backend's: -c host=…$/],
    ['--framing-config', /; it is the backend's: -c framing-config=…$/],
    ['--ping', /; did you mean --keepalive\?$/],
    ['-p=8001', /^unknown option "-p=8001"; write -p and its value apart: -p 8001$/],
    ['--bad\nline', /^unknown option "--bad\\nline"/],
  ])('%j is refused and the nearest suggested', (flag, message) => {
    expect(refusal(flag)).toMatch(message);
    expect(refusal(`${flag}`, 'value')).toMatch(message);
  });

  test('with a value is named without it', () => {
    expect(refusal('--prot=8001')).toBe('unknown option "--prot"; did you mean --port?');
  });
});

test('every flag in the list of all flags is understood, and no other is', () => {
  for (const flag of ALL_FLAGS) {
    const argument = flag === '-c' || flag === '--backend-option' ? 'a=b' : 'x';
    const takesValue = !['--demo', '--check', '--help', '-h', '--version', '-V'].includes(flag);
    expect(() => parseArgv(takesValue ? [flag, argument] : [flag], '/base')).not.toThrow();
  }
  expect(new Set(ALL_FLAGS).size).toBe(ALL_FLAGS.length);
  expect([...ALL_FLAGS].sort()).toEqual(
    [
      ...['-p', '--port', '-l', '--listen', '-k', '--keepalive', '-b', '--backend', '-c', '--backend-option'],
      ...[
        '--plugin',
        '--half-close',
        '--dgram-dir',
        '--socket-mode',
        '--log-level',
        '--kernel',
        '--compression',
        '--compression-level',
        '--compression-window-bits',
        '--compression-takeover',
        '--compression-threshold',
        '--compression-connections',
        '--drain-wait',
        '--drain',
        '--head-bytes',
        '--head-fields',
        '--head-time',
        '--early-bytes',
        '--max-message',
        '--max-segment',
        '--max-queued',
        '--max-buffered',
        '--max-connections',
        '--max-connections-per-address',
        '--connection-rate',
        '--connection-burst',
        '--control-rate',
        '--query-time',
        '--dial-time',
        '--close-time',
        '--stall-time',
        '--idle-time',
        '--life-time',
        '--max-lag',
        '--config',
        '--demo',
        '--check',
      ],
      ...['--help', '-h', '--version', '-V'],
    ].sort(),
  );
});

test(`any arguments are sorted or refused by a ConfigError in one line (TEST_SEED=${SEED})`, () => {
  const argument = fc.oneof(
    fc.constantFrom(...ALL_FLAGS, '-', '--', '=', '', 'host=echo://', 'w.conf', '-c=', '--port=1', '-p1'),
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `-${text}`),
    fc.string().map((text) => `--${text}=${text}`),
  );
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 8 }), (argv) => {
      try {
        const { settings, file } = parseArgv(argv, '/base');
        for (const { value } of settings) expect(argv.some((each) => each.endsWith(value))).toBe(true);
        if (file !== undefined) expect(argv.some((each) => each.endsWith(file))).toBe(true);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(error.message).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]/u);
      }
    }),
    { ...SEEDED, numRuns: 1_000 },
  );
});

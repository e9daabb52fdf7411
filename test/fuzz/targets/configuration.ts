/**
 * The configuration, from a file, from arguments and from the environment: whatever they say, all that is thrown is a ConfigError
 * of one line; what is taken is within its range; and what `--check` prints of it means the same when it is read.
 *
 * The input's first byte chooses where the rest stands.
 */
import fc from 'fast-check';
import { parseArgv } from '../../../src/config/argv.ts';
import { type Config, loadConfig } from '../../../src/config/config.ts';
import { parseEnvironment } from '../../../src/config/environment.ts';
import { formatSetting, parseFile } from '../../../src/config/file.ts';
import { ConfigError, type Setting } from '../../../src/config/settings.ts';
import { builtIn } from '../../../src/plugins/modules.ts';
import { concat, utf8 } from '../../support/bytes.ts';
import { insist, insistSame, isOneLine, type Target } from '../target.ts';

/** Relative paths lead nowhere from here. */
const BASE = '/nonexistent';

const WAYS: readonly ((text: string) => readonly Setting[])[] = [
  (text) => parseFile(text, `${BASE}/a.conf`),
  (text) => parseArgv(text.split('\n'), BASE).settings,
  (text) => parseEnvironment(variables(text), BASE).settings,
];

function variables(text: string): Record<string, string> {
  const lines = text.split('\n').map((line) => line.split('=') as [string, ...string[]]);
  return Object.fromEntries(lines.map(([name, ...rest]) => [`WEBSOCKSY_${name}`, rest.join('=')]));
}

/** What names code to be loaded: no random name may happen to be a module that is there. */
const LOADS = ['backend', 'plugin', 'framing', 'FRAMING'];
const HARMLESS = ['', 'file', 'no-such-package', './none.mjs', ...builtIn('backend'), ...builtIn('framing')];

function isSafe({ name, value }: Setting): boolean {
  return !LOADS.includes(name) || HARMLESS.includes(value);
}

/** What comes of it, unless it is refused as it should be. */
async function unlessRefused<T>(act: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { message } = error;
    insist(message !== '' && message.length <= 2_100, `a message of ${message.length} characters`);
    insist(isOneLine(message), `not one line: ${JSON.stringify(message)}`);
    return undefined;
  }
}

function judge(config: Config): void {
  insist(Object.isFrozen(config) && Object.isFrozen(config.limits), 'it can be changed');
  const within = (value: number, least: number, most: number, what: string) =>
    insist(Number.isInteger(value) && value >= least && value <= most, `${what} is ${value}`);
  within(config.port, 0, 65_535, 'port');
  within(config.keepalive, 0, 86_400_000, 'keepalive');
  within(config.socketMode, 0, 0o777, 'socket-mode');
  for (const [name, value] of Object.entries(config.limits))
    within(value as number, 0, Number.MAX_SAFE_INTEGER, name);
  if (config.compression === undefined) return;
  within(config.compression.level, 1, 9, 'compression-level');
  within(config.compression.windowBits, 9, 15, 'compression-window-bits');
  within(config.compression.threshold, 1, 999_999_999, 'compression-threshold');
}

/** What `--check` prints, without the comments; undefined: it has a value that no file can have. */
function printed({ effective }: Config): string | undefined {
  const lines = (wanted: Setting['section']) =>
    effective
      .filter(({ section }) => section === wanted)
      .map(({ name, value }) => formatSetting(name, value));
  const all = ['[core]', ...lines('core'), '[backend]', ...lines('backend')];
  return all.includes(undefined) ? undefined : all.join('\n');
}

/** What a configuration comes to, and what it prints. */
function meaningOf({
  effective,
  backend: _backend,
  framings: _framings,
  notices: _notices,
  ...rest
}: Config): unknown {
  return { ...rest, effective: effective.map(({ section, name, value }) => [section, name, value]) };
}

const NAMES = [
  'port',
  'listen',
  'ping',
  'socket-mode',
  'log-level',
  'kernel',
  'compression',
  'compression-level',
  'compression-window-bits',
  'compression-takeover',
  'compression-threshold',
  'compression-connections',
  'drain',
  'drain-wait',
  'dgram-dir',
  'backend',
  'plugin',
  'host',
  'framing',
  'framing-config',
  'protocol',
  'path',
  'expression',
  '__proto__',
  'prot',
];
const VALUES = [
  '8001',
  '0',
  '65536',
  '-1',
  '1e3',
  '00',
  ' 7 ',
  'on',
  'off',
  'auto',
  'both',
  'info',
  '0660',
  '999',
  '::',
  '[::1]',
  'a:1',
  'unix:///tmp/a',
  'unix://@a',
  '/tmp',
  '/nonexistent',
  'default',
  'file',
  'tcp://a:1',
  'udp://[::1]:2',
  'echo://',
  'json',
  'newline',
  'lf',
  'separator',
  '\\r\\n',
  '\\xZZ',
  '*',
  '%endpoint%',
  '%',
  '9',
  '15',
  '# x',
  'é',
  '\u0000',
  '\u2028',
  '=',
  '',
];

const FILE = fc
  .array(
    fc.oneof(
      fc.constantFrom('[core]', '[backend]', '[backend]', '# c', '; c', '', '[cor]', 'x', '\ufeff'),
      fc
        .tuple(fc.constantFrom(...NAMES), fc.constantFrom(' = ', '=', ' ='), fc.constantFrom(...VALUES))
        .map((p) => p.join('')),
    ),
    { maxLength: 8 },
  )
  .map((lines) => lines.join('\n'));
const FLAGS = [
  '-p',
  '-l',
  '-k',
  '-b',
  '-c',
  '--port',
  '--compression',
  '--config',
  '--demo',
  '--check',
  '-h',
  '--log-level=',
  '--port=1',
  '-p=1',
  '--prot',
  '-',
  '--',
  'a.conf',
];
const ARGUMENTS = fc
  .array(
    fc.oneof(
      fc.constantFrom(...FLAGS),
      fc.constantFrom(...VALUES),
      fc
        .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES))
        .map(([name, value]) => `-c\n${name}=${value}`),
      fc
        .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES))
        .map(([name, value]) => `--${name}\n${value}`),
    ),
    { maxLength: 6 },
  )
  .map((all) => all.join('\n'));
const ENVIRONMENT = fc
  .array(
    fc
      .tuple(
        fc.constantFrom('', 'BACKEND_OPTION_'),
        fc.constantFrom(...NAMES, 'listen_port', 'config'),
        fc.constantFrom(...VALUES),
      )
      .map(([prefix, name, value]) => `${prefix}${name.toUpperCase().replaceAll('-', '_')}=${value}`),
    { maxLength: 6 },
  )
  .map((lines) => lines.join('\n'));

export const configuration: Target = {
  name: 'configuration',
  about: 'file, arguments and environment: only ConfigErrors, values in range, --check read again',
  inputs: fc
    .oneof(
      FILE.map((text) => [0, text] as const),
      ARGUMENTS.map((text) => [1, text] as const),
      ENVIRONMENT.map((text) => [2, text] as const),
    )
    .map(([way, text]) => concat(Uint8Array.of(way), utf8(text))),
  words: [...NAMES, ...VALUES, ...FLAGS, '\n', ' = ', '[core]\n', '[backend]\n'].map((word) =>
    Buffer.from(word, 'utf8').toString('latin1'),
  ),
  async run(input) {
    const way = WAYS[(input[0] ?? 0) % WAYS.length]!;
    const text = Buffer.from(input.subarray(1)).toString('utf8');
    const settings = await unlessRefused(() => way(text));
    if (settings === undefined || !settings.every(isSafe)) return;
    const config = await unlessRefused(() => loadConfig(settings));
    if (config === undefined) return;
    judge(config);
    const file = printed(config);
    if (file === undefined) return;
    const again = await loadConfig(parseFile(file, `${BASE}/again.conf`));
    insistSame(meaningOf(again), meaningOf(config), 'what --check prints is read as');
  },
};

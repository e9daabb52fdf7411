/**
 * The command line, as the C daemon takes it (`-p -l -k -b -c`, or one argument: a configuration file), with long forms.
 *
 * It only sorts the arguments; what the values mean is judged together with those of the file.
 */
import { nearest } from '../nearest.ts';
import defaultBackend from '../plugins/backends/default.ts';
import { ConfigError, quote, type Setting } from './settings.ts';
import { DAEMON_OPTIONS, isOptionName, OPTION_NAMES, type OptionName } from './tables.ts';

export type Action = 'run' | 'check' | 'help' | 'version';

export interface CommandLine {
  readonly action: Action;
  readonly file: string | undefined;
  /** `npm start`: bridge to `echo://` unless told otherwise, and print how to try it. */
  readonly demo: boolean;
  /** In their order, which matters: `-b` discards what was configured for the backend before it. */
  readonly settings: readonly Setting[];
}

const ACTIONS: Readonly<Record<string, Action>> = {
  '--check': 'check',
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-V': 'version',
};

/** Which option of the table a flag stands for. */
const DAEMON_FLAGS = new Map<string, OptionName>();
for (const name of OPTION_NAMES) for (const flag of DAEMON_OPTIONS[name].flags) DAEMON_FLAGS.set(flag, name);

const BACKEND_OPTION_FLAGS = ['-c', '--backend-option'];

/** Every flag there is, for suggestions and for the test that compares them with the documentation. */
export const ALL_FLAGS: readonly string[] = [
  ...DAEMON_FLAGS.keys(),
  ...BACKEND_OPTION_FLAGS,
  '--config',
  '--demo',
  ...Object.keys(ACTIONS),
];

/** @throws ConfigError that names the argument */
export function parseArgv(argv: readonly string[], base: string): CommandLine {
  let action: Action = 'run';
  let file: string | undefined;
  let demo = false;
  const settings: Setting[] = [];

  const rest = [...argv];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const { flag, inline } = splitFlag(argument);
    const value = (placeholder: string): string => {
      const given = inline ?? rest.shift();
      if (given === undefined) throw new ConfigError(flag, `expected a value: ${flag} ${placeholder}`);
      return given;
    };
    const name = DAEMON_FLAGS.get(flag);
    if (name !== undefined) {
      const { placeholder, section } = DAEMON_OPTIONS[name];
      settings.push({
        section,
        name,
        value: value(placeholder),
        layer: 'arguments',
        origin: flag,
        base,
      });
    } else if (BACKEND_OPTION_FLAGS.includes(flag)) {
      settings.push(backendSetting(flag, value('KEY=VALUE'), base));
    } else if (flag === '--config') {
      file = onlyFile(file, value('FILE'));
    } else if (!argument.startsWith('-')) {
      file = onlyFile(file, argument);
    } else if (flag === '--demo') {
      refuseValue(flag, inline);
      demo = true;
    } else if (Object.hasOwn(ACTIONS, flag)) {
      refuseValue(flag, inline);
      action = ACTIONS[flag]!;
    } else {
      throw unknownOption(flag);
    }
  }
  return { action, file, demo, settings };
}

/** `--port=8001` is `--port 8001`; a short option takes its value only as the next argument, as in the C daemon. */
function splitFlag(argument: string): { flag: string; inline: string | undefined } {
  const equals = argument.indexOf('=');
  if (!argument.startsWith('--') || equals < 0) return { flag: argument, inline: undefined };
  return { flag: argument.slice(0, equals), inline: argument.slice(equals + 1) };
}

function refuseValue(flag: string, inline: string | undefined): void {
  if (inline !== undefined) throw new ConfigError(flag, `takes no value, so not ${quote(inline)}`);
}

function backendSetting(flag: string, argument: string, base: string): Setting {
  const equals = argument.indexOf('=');
  if (equals < 1) throw new ConfigError(flag, `expected KEY=VALUE, not ${quote(argument)}`);
  const name = argument.slice(0, equals);
  const value = argument.slice(equals + 1);
  return { section: 'backend', name, value, layer: 'arguments', origin: `${flag} ${name}`, base };
}

function onlyFile(earlier: string | undefined, file: string): string {
  if (earlier !== undefined) {
    throw new ConfigError(
      '',
      `only one configuration file can be given, not ${quote(earlier)} and ${quote(file)}`,
    );
  }
  return file;
}

function unknownOption(flag: string): ConfigError {
  return new ConfigError('', `unknown option ${quote(flag)}; ${hintFor(flag)}`);
}

function hintFor(flag: string): string {
  const short = flag.slice(0, 2);
  if (short === '-c' || DAEMON_FLAGS.has(short))
    return `write ${short} and its value apart: ${short} ${flag.slice(2).replace(/^=/, '')}`;
  // What a file calls it, if the command line has another name for it.
  const name = flag.slice(2);
  if (Object.hasOwn(defaultBackend.options, name) && flag.startsWith('--'))
    return `it is the backend's: -c ${name}=…`;
  const byName = isOptionName(name) ? DAEMON_OPTIONS[name] : undefined;
  const guess = byName?.flags.at(-1) ?? nearest(flag, ALL_FLAGS);
  return guess === undefined ? 'see --help' : `did you mean ${guess}?`;
}

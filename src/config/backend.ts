/** The chosen backend: its options told apart from what is none of them, and the backend made of them. */
import { messageOf } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { suggest } from '../nearest.ts';
import type { Notices } from '../observability/notices.ts';
import {
  type Backend,
  type BackendContext,
  type BackendPlugin,
  type BackendSettings,
  optionError,
} from '../plugins/api.ts';
import type { Framings } from '../plugins/framings.ts';
import { inTime } from '../plugins/loader.ts';
import { isPath } from '../plugins/modules.ts';
import { formatAddress, hasScheme, parseAddress } from '../transports/address.ts';
import { requireNative } from '../transports/native.ts';
import { isVariableOf, linesOf } from './environment.ts';
import { ConfigError, quote, type Setting } from './settings.ts';
import { DAEMON_OPTIONS, isOptionName } from './tables.ts';

/**
 * The settings that are options of this backend, under their own names.
 *
 * Of a repeatable option those of the highest layer count: what stands on the command line takes the place of what the
 * file says, and is not added to it.
 *
 * @throws ConfigError for one that the backend does not have, unless it comes from the environment
 */
export function knownSettings(plugin: BackendPlugin, settings: readonly Setting[]): Setting[] {
  const options = Object.keys(plugin.options);
  const known: Setting[] = [];
  for (const setting of settings) {
    if (setting.layer !== 'environment') {
      if (!options.includes(setting.name)) throw unknownOption(plugin, setting, options);
      known.push(setting);
      continue;
    }
    const name = options.find((option) => isVariableOf(setting.name, option));
    if (name === undefined) continue;
    const values = plugin.options[name]?.repeatable ? linesOf(setting.value) : [setting.value];
    for (const value of values) known.push({ ...setting, name, value });
  }
  return known.filter(
    ({ name, layer }) => layer === known.findLast((setting) => setting.name === name)?.layer,
  );
}

export interface CreatedBackend {
  readonly backend: Backend;
  /** The files of plugins that its options name, by the option. */
  readonly files: ReadonlyMap<string, string>;
}

/** Peers without a scheme that are warned of: after so many, nobody needs another one. */
const MAX_WARNINGS = 100;

/** How a backend was chosen, for messages. */
export interface Choice {
  /** As it was written: a name, a path or a package. */
  readonly name: string;
  /** Undefined: by default. */
  readonly origin: string | undefined;
  /** What stood before its name, and therefore does not count. */
  readonly discarded: readonly Setting[];
}

/** @throws ConfigError that names the option, where the backend does */
export async function createBackend(
  plugin: BackendPlugin,
  choice: Choice,
  settings: readonly Setting[],
  framings: Framings,
  notices: Notices,
): Promise<CreatedBackend> {
  let backend: Backend;
  const files = new Map<string, string>();
  try {
    const context = createContext(plugin, settings, framings, notices, files);
    backend = await inTime(plugin.create(readSettings(settings), context), 'it was not ready');
    if (typeof backend?.query !== 'function') throw new Error('it made something without a function "query"');
  } catch (error) {
    throw blame(error, choice, settings);
  }
  return { backend, files };
}

function readSettings(settings: readonly Setting[]): BackendSettings {
  return {
    get: (option) => settings.findLast(({ name }) => name === option)?.value,
    all: (option) => settings.filter(({ name }) => name === option).map(({ value }) => value),
  };
}

function createContext(
  plugin: BackendPlugin,
  settings: readonly Setting[],
  framings: Framings,
  notices: Notices,
  files: Map<string, string>,
): BackendContext {
  /** Told of already. Bounded, since a backend may ask for each client. */
  const schemeless = new Set<string>();
  const warn = (message: string) => notices.warn(`backend ${plugin.name}: ${message}`);
  return {
    async checkFraming(name: unknown, config: unknown, option) {
      if (typeof name !== 'string') throw new Error(`expected the name of a framing, not ${describe(name)}`);
      if (config !== undefined && typeof config !== 'string')
        throw new Error(`expected the configuration of a framing as text, not ${describe(config)}`);
      const base = settings.findLast((setting) => setting.name === option)?.base ?? '.';
      const known = await framings.load(name, base);
      if (option !== undefined && isPath(name)) files.set(option, known);
      try {
        framings.configure(known, config, { maximum: DEFAULT_LIMITS.segmentBytes });
      } catch (error) {
        // Where a configuration was given, that is what is wrong, not the name.
        const configured = `${option}-config`;
        if (settings.some((setting) => setting.name === configured))
          throw optionError(configured, messageOf(error));
        throw error;
      }
      return known;
    },
    checkPeer(text: unknown, ports) {
      if (typeof text !== 'string')
        throw new Error(`expected an address such as tcp://host:port, not ${describe(text)}`);
      const address = parseAddress(text, ports);
      requireNative(address);
      if (!hasScheme(text) && !schemeless.has(text) && schemeless.size < MAX_WARNINGS) {
        schemeless.add(text);
        warn(`the peer ${quote(text)} names no scheme and is taken as tcp://`);
      }
      return formatAddress(address);
    },
    warn,
  };
}

/** What a backend threw, with the place where the option was set that it is about, or else where the backend was. */
function blame(error: unknown, choice: Choice, settings: readonly Setting[]): ConfigError {
  const { name, origin, discarded } = choice;
  const option = optionOf(error);
  const message = messageOf(error);
  const place = origin === undefined ? '' : origin;
  if (option === undefined) return new ConfigError(place, `backend ${quote(name)}: ${message}`);
  const setting = settings.findLast((each) => each.name === option);
  if (setting !== undefined) return new ConfigError(setting.origin, message);
  const early = discarded.findLast(({ name: each, layer }) =>
    layer === 'environment' ? isVariableOf(each, option) : each === option,
  );
  const unset =
    early === undefined
      ? `its option ${quote(option)} is not set`
      : `its option ${quote(option)} stands before it and does not count (${early.origin})`;
  return new ConfigError(place, `backend ${quote(name)}: ${unset}: ${message}`);
}

/** The option that an error names, if it does; a plugin's error may be anything. */
function optionOf(error: unknown): string | undefined {
  try {
    const { option } = error as { option?: unknown };
    return typeof option === 'string' ? option : undefined;
  } catch {
    return undefined;
  }
}

function unknownOption(plugin: BackendPlugin, setting: Setting, options: readonly string[]): ConfigError {
  const { name, origin } = setting;
  return new ConfigError(
    origin,
    `unknown option of the backend ${quote(plugin.name)}: ${quote(name)}; ${hintFor(setting, options)}`,
  );
}

function hintFor({ name, layer }: Setting, options: readonly string[]): string {
  if (isOptionName(name)) {
    const { flags, section } = DAEMON_OPTIONS[name];
    return `it is one of the daemon's: ${layer === 'file' ? `put it below [${section}]` : `use ${flags.at(-1)}`}`;
  }
  return options.length === 0 ? 'it has none' : suggest(name, options);
}

function describe(value: unknown): string {
  return value === undefined || value === null ? String(value) : `a ${typeof value}`;
}

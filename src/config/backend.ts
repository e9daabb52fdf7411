/** The chosen backend: its options told apart from what is none of them, and the backend made of them. */
import { messageOf } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { nearest } from '../nearest.ts';
import type { Notices } from '../observability/notices.ts';
import type { Backend, BackendContext, BackendPlugin, BackendSettings } from '../plugins/api.ts';
import type { Framings } from '../plugins/framings.ts';
import { inTime } from '../plugins/loader.ts';
import { formatAddress, hasScheme, parseAddress } from '../transports/address.ts';
import { requireNative } from '../transports/native.ts';
import { isVariableOf } from './environment.ts';
import { ConfigError, quote, type Setting } from './settings.ts';

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
    // A variable holds one text: a list is written in lines.
    const values = plugin.options[name]?.repeatable ? setting.value.split('\n') : [setting.value];
    for (const value of values) if (value.trim() !== '') known.push({ ...setting, name, value });
  }
  return known.filter(
    ({ name, layer }) => layer === known.findLast((setting) => setting.name === name)?.layer,
  );
}

/** @throws ConfigError that names the option, where the backend does */
export async function createBackend(
  plugin: BackendPlugin,
  settings: readonly Setting[],
  framings: Framings,
  notices: Notices,
): Promise<Backend> {
  let backend: Backend;
  try {
    const context = createContext(plugin, settings, framings, notices);
    backend = await inTime(plugin.create(readSettings(settings), context), 'it was not ready');
  } catch (error) {
    throw new ConfigError(originOf(error, plugin, settings), messageOf(error));
  }
  if (typeof backend?.query !== 'function') {
    throw new ConfigError(`backend ${quote(plugin.name)}`, 'it made something without a function "query"');
  }
  return backend;
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
): BackendContext {
  const schemeless = new Set<string>();
  const warn = (message: string) => notices.warn(`backend ${plugin.name}: ${message}`);
  return {
    async checkFraming(name, config, option) {
      const base = settings.findLast((setting) => setting.name === option)?.base ?? '.';
      const known = await framings.load(name, base);
      framings.configure(known, config, { maximum: DEFAULT_LIMITS.segmentBytes });
      return known;
    },
    checkPeer(text, ports) {
      const address = parseAddress(text, ports);
      requireNative(address);
      if (!hasScheme(text) && !schemeless.has(text)) {
        schemeless.add(text);
        warn(`the peer ${quote(text)} names no scheme and is taken as tcp://`);
      }
      return formatAddress(address);
    },
    warn,
  };
}

/** Where the option was set that an error is about. */
function originOf(error: unknown, plugin: BackendPlugin, settings: readonly Setting[]): string {
  const option = error instanceof Error && 'option' in error ? String(error.option) : undefined;
  if (option === undefined) return `backend ${quote(plugin.name)}`;
  return settings.findLast(({ name }) => name === option)?.origin ?? option;
}

function unknownOption(
  plugin: BackendPlugin,
  { name, origin }: Setting,
  options: readonly string[],
): ConfigError {
  const guess = nearest(name, options);
  const hint = guess === undefined ? `there are: ${options.join(', ')}` : `did you mean ${guess}?`;
  return new ConfigError(
    origin,
    `unknown option of the backend ${quote(plugin.name)}: ${quote(name)}; ${hint}`,
  );
}

/**
 * Settings to a configuration: each value judged, the backend and its framings loaded and configured, all of it frozen.
 *
 * After this nothing about the configuration can fail any more: what is wrong is found before the daemon listens.
 */
import { messageOf } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { nearest } from '../nearest.ts';
import type { LogLevel } from '../observability/logger.ts';
import type { Backend, BackendContext, BackendPlugin, BackendSettings } from '../plugins/api.ts';
import { Framings } from '../plugins/framings.ts';
import { loadBackend } from '../plugins/loader.ts';
import { formatAddress, parseAddress } from '../transports/address.ts';
import { CORE_OPTIONS, type CoreOptions, type OptionSpec } from './options.ts';
import { ConfigError, quote, type Setting } from './settings.ts';

export interface Config {
  readonly host: string;
  readonly port: number;
  /** In ms. 0: off. */
  readonly keepalive: number;
  readonly logLevel: LogLevel;
  readonly limits: Limits;
  readonly backendName: string;
  readonly backend: Backend;
  readonly framings: Framings;
}

export interface ConfigDefaults {
  /** The default backend's peer where no setting names one. */
  readonly host?: string;
}

/**
 * Judges the settings, in their order: a later one wins, and `backend` discards what was set for the one before.
 *
 * @throws ConfigError for the first thing that is wrong
 */
export async function loadConfig(
  settings: readonly Setting[],
  defaults: ConfigDefaults = {},
): Promise<Config> {
  const core: CoreOptions = {
    port: CORE_OPTIONS.port.default,
    listen: CORE_OPTIONS.listen.default,
    ping: CORE_OPTIONS.ping.default,
    backend: CORE_OPTIONS.backend.default,
    'log-level': CORE_OPTIONS['log-level'].default,
    'drain-wait': CORE_OPTIONS['drain-wait'].default,
    drain: CORE_OPTIONS.drain.default,
  };
  let backendOrigin: Setting | undefined;
  let backendSettings: Setting[] = [];
  for (const setting of settings) {
    if (setting.section === 'backend') {
      backendSettings.push(setting);
      continue;
    }
    const name = coreName(setting);
    assign(core, name, setting);
    if (name === 'backend') {
      backendOrigin = setting;
      backendSettings = [];
    }
  }

  const framings = new Framings();
  await framings.loadBuiltIn();
  const plugin = await loadBackendPlugin(core.backend, backendOrigin);
  const { host } = defaults;
  if (core.backend === 'default' && host !== undefined && !namesPeer(backendSettings)) {
    backendSettings.unshift({ section: 'backend', name: 'host', value: host, origin: 'default', base: '.' });
  }
  return Object.freeze({
    host: core.listen,
    port: core.port,
    keepalive: core.ping * 1000,
    logLevel: core['log-level'],
    limits: Object.freeze({
      ...DEFAULT_LIMITS,
      drainWait: core['drain-wait'] * 1000,
      drainTimeout: core.drain * 1000,
    }),
    backendName: core.backend,
    backend: await createBackend(plugin, backendSettings, framings),
    framings,
  });
}

function namesPeer(settings: readonly Setting[]): boolean {
  return settings.some(({ name }) => name === 'host' || name === 'port');
}

function coreName({ name, origin }: Setting): keyof CoreOptions {
  if (Object.hasOwn(CORE_OPTIONS, name)) return name as keyof CoreOptions;
  throw new ConfigError(origin, unknownOption('option', name, Object.keys(CORE_OPTIONS)));
}

function assign<K extends keyof CoreOptions>(core: CoreOptions, name: K, { value, origin }: Setting): void {
  const spec: OptionSpec<CoreOptions[K]> = CORE_OPTIONS[name];
  try {
    core[name] = spec.parse(value);
  } catch (error) {
    throw new ConfigError(origin, messageOf(error));
  }
}

async function loadBackendPlugin(name: string, setting: Setting | undefined): Promise<BackendPlugin> {
  try {
    return await loadBackend(name, setting?.base ?? '.');
  } catch (error) {
    throw new ConfigError(setting?.origin ?? 'backend', messageOf(error));
  }
}

async function createBackend(
  plugin: BackendPlugin,
  settings: readonly Setting[],
  framings: Framings,
): Promise<Backend> {
  const known = Object.keys(plugin.options);
  for (const { name, origin } of settings) {
    if (!known.includes(name)) {
      throw new ConfigError(
        origin,
        unknownOption(`option of the backend ${quote(plugin.name)}`, name, known),
      );
    }
  }
  let backend: Backend;
  try {
    backend = await plugin.create(readSettings(settings), createContext(settings, framings));
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

function createContext(settings: readonly Setting[], framings: Framings): BackendContext {
  return {
    async checkFraming(name, config, option) {
      const known = await framings.load(
        name,
        settings.findLast((setting) => setting.name === option)?.base ?? '.',
      );
      framings.configure(known, config, { maximum: DEFAULT_LIMITS.segmentBytes });
      return known;
    },
    checkPeer: (address, ports) => formatAddress(parseAddress(address, ports)),
    warn: () => {},
  };
}

/** Where the option was set that an error is about. */
function originOf(error: unknown, plugin: BackendPlugin, settings: readonly Setting[]): string {
  const option = error instanceof Error && 'option' in error ? String(error.option) : undefined;
  if (option === undefined) return `backend ${quote(plugin.name)}`;
  return settings.findLast(({ name }) => name === option)?.origin ?? option;
}

function unknownOption(what: string, name: string, known: readonly string[]): string {
  const guess = nearest(name, known);
  const hint = guess === undefined ? `there are: ${known.join(', ')}` : `did you mean ${guess}?`;
  return `unknown ${what}: ${quote(name)}; ${hint}`;
}

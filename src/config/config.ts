/**
 * Settings to a configuration: each value judged, plugins loaded and configured, all of it frozen.
 *
 * After this nothing about the configuration can fail any more: what is wrong is found before the daemon listens.
 */
import { messageOf } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { suggest } from '../nearest.ts';
import type { LogLevel } from '../observability/logger.ts';
import { Notices } from '../observability/notices.ts';
import type { Backend, BackendPlugin, Plugin } from '../plugins/api.ts';
import defaultBackend from '../plugins/backends/default.ts';
import { Framings } from '../plugins/framings.ts';
import { loadBackend, loadPlugin } from '../plugins/loader.ts';
import { builtIn } from '../plugins/modules.ts';
import type { CompressionOptions } from '../rfc6455/permessage-deflate.ts';
import { createBackend, knownSettings } from './backend.ts';
import { type Effective, effectiveSettings, type Sources } from './effective.ts';
import { limitsOf } from './limit-options.ts';
import { type CoreOptions, checkWritable, UNIX } from './options.ts';
import { ConfigError, quote, type Setting } from './settings.ts';
import { DAEMON_OPTIONS, isOptionName, OPTION_NAMES, type OptionName, type OptionValues } from './tables.ts';

export interface Config {
  readonly host: string;
  readonly port: number;
  /** A Unix socket to listen on instead. */
  readonly path: string | undefined;
  readonly socketMode: number;
  /** In ms. 0: off. */
  readonly keepalive: number;
  readonly logLevel: LogLevel;
  readonly kernel: CoreOptions['kernel'];
  readonly halfClose: CoreOptions['half-close'];
  readonly limits: Limits;
  /** Undefined: off. */
  readonly compression: CompressionOptions | undefined;
  readonly dgramDir: string | undefined;
  readonly backendName: string;
  readonly backend: Backend;
  readonly framings: Framings;
  /** What is worth a warning, though not wrong. */
  readonly notices: Notices;
  /** Every option with its value and where that comes from. */
  readonly effective: readonly Effective[];
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
  const notices = new Notices();
  const { core, sources, backendSettings, discarded } = sort(settings);
  verify(core, sources);
  warnOfDiscarded(discarded, sources.backend, notices);
  if (!core.compression) warnOfCompression(sources, notices);
  const burst = sources['connection-burst'].at(-1);
  if (burst !== undefined && core['connection-rate'] === 0)
    notices.warn(`${burst.origin}: it does nothing without connection-rate`);
  const framings = new Framings();
  await framings.loadBuiltIn();
  const backends = await loadPlugins(sources.plugin, framings);
  const plugin = await findBackend(core.backend, sources.backend.at(-1), backends);
  const known = knownSettings(plugin, backendSettings);
  if (core.backend === 'default' && defaults.host !== undefined && !namesPeer(known))
    known.push(demoPeer(defaults.host));
  const choice = { name: core.backend, origin: sources.backend.at(-1)?.origin, discarded };
  const { backend, files } = await createBackend(plugin, choice, known, framings, notices);
  const path = core.listen.startsWith(UNIX) ? core.listen.slice(UNIX.length) : undefined;
  return Object.freeze({
    host: core.listen,
    port: core.port,
    path,
    socketMode: core['socket-mode'],
    keepalive: core.ping * 1000,
    logLevel: core['log-level'],
    kernel: core.kernel,
    halfClose: core['half-close'],
    limits: Object.freeze({
      ...limitsOf(core),
      drainWait: core['drain-wait'] * 1000,
      drainTimeout: core.drain * 1000,
    }),
    compression: core.compression ? Object.freeze(compressionOptions(core)) : undefined,
    dgramDir: core['dgram-dir'],
    backendName: core.backend,
    backend,
    framings,
    notices,
    effective: effectiveSettings(sources, plugin, known, files),
  });
}

function compressionOptions(core: CoreOptions): CompressionOptions {
  const takeover = core['compression-takeover'];
  return {
    level: core['compression-level'],
    windowBits: core['compression-window-bits'],
    serverTakeover: takeover === 'both' || takeover === 'server',
    clientTakeover: takeover === 'both' || takeover === 'client',
    threshold: core['compression-threshold'],
    connections: core['compression-connections'],
  };
}

interface Sorted {
  readonly core: OptionValues;
  readonly sources: Sources;
  readonly backendSettings: Setting[];
  /** Options of a backend that another one was named behind. */
  readonly discarded: Setting[];
}

function sort(settings: readonly Setting[]): Sorted {
  const core = Object.fromEntries(OPTION_NAMES.map((name) => [name, DAEMON_OPTIONS[name].default]));
  const sources = Object.fromEntries(OPTION_NAMES.map((name) => [name, [] as Setting[]])) as Sources;
  const backendSettings: Setting[] = [];
  const discarded: Setting[] = [];
  for (const setting of settings) {
    if (setting.section === 'backend') {
      backendSettings.push(setting);
      continue;
    }
    const name = optionName(setting);
    core[name] = parse(name, setting);
    sources[name].push(setting);
    if (name === 'backend') discarded.push(...backendSettings.splice(0));
  }
  return { core: core as unknown as OptionValues, sources, backendSettings, discarded };
}

/** What stands before the first backend that a command line or a file names was hardly meant for another one. */
function warnOfDiscarded(
  discarded: readonly Setting[],
  backends: readonly Setting[],
  notices: Notices,
): void {
  for (const layer of new Set(backends.map((backend) => backend.layer))) {
    const named = backends.filter((backend) => backend.layer === layer);
    const early = discarded.filter((setting) => setting.layer === layer).map(({ origin }) => origin);
    if (named.length === 1 && early.length > 0)
      notices.warn(`${early.join(', ')}: put it behind ${named[0]!.origin}; before that it does not count`);
  }
}

function warnOfCompression(sources: Sources, notices: Notices): void {
  for (const [name, settings] of Object.entries(sources)) {
    if (name.startsWith('compression-') && settings.length > 0)
      notices.warn(`${settings.at(-1)!.origin}: it does nothing while compression is off`);
  }
}

function namesPeer(settings: readonly Setting[]): boolean {
  return settings.some(({ name }) => name === 'host' || name === 'port');
}

function demoPeer(value: string): Setting {
  return { section: 'backend', name: 'host', value, layer: 'arguments', origin: '--demo', base: '.' };
}

function optionName({ section, name, origin, layer }: Setting): OptionName {
  if (isOptionName(name)) {
    const own = DAEMON_OPTIONS[name].section;
    if (layer !== 'file' || section === own) return name;
    throw new ConfigError(origin, `this option stands below [${own}], not below [${section}]`);
  }
  throw new ConfigError(origin, `unknown option: ${quote(name)}; ${hintFor(name, section)}`);
}

function hintFor(name: string, section: Setting['section']): string {
  if (Object.hasOwn(defaultBackend.options, name)) return "a backend's options stand below [backend]";
  const known = OPTION_NAMES.filter((each) => DAEMON_OPTIONS[each].section === section);
  const byFlag = known.find((each) => DAEMON_OPTIONS[each].flags.includes(`--${name}`));
  return suggest(byFlag ?? name, known);
}

function parse(name: OptionName, { value, layer, origin }: Setting): unknown {
  try {
    return DAEMON_OPTIONS[name].parse(value);
  } catch (error) {
    const comment = layer === 'file' && /\s[#;]/.test(value) ? '; a comment has a line of its own' : '';
    throw new ConfigError(origin, messageOf(error) + comment);
  }
}

/** Holds the values that count against this machine, which one that is overridden need not fit. */
function verify(core: CoreOptions, sources: Sources): void {
  const folder = core['dgram-dir'];
  if (folder === undefined) return;
  try {
    checkWritable(folder);
  } catch (error) {
    throw new ConfigError(sources['dgram-dir'].at(-1)?.origin ?? '', messageOf(error));
  }
}

/** Loads what `plugin = …` names, each known by its own name from then on: framings here, backends in the answer. */
async function loadPlugins(
  settings: readonly Setting[],
  framings: Framings,
): Promise<ReadonlyMap<string, BackendPlugin>> {
  const backends = new Map<string, BackendPlugin>();
  const added = new Set<Plugin>();
  for (const { value, base, origin } of settings) {
    try {
      const plugin = await loadPlugin(value, base);
      // The same one twice, from the file and from the environment, say, does no harm.
      if (added.has(plugin)) continue;
      added.add(plugin);
      if (plugin.kind === 'framing') {
        framings.add(plugin);
      } else if (backends.has(plugin.name) || builtIn('backend').includes(plugin.name)) {
        throw new Error(`there is a backend ${quote(plugin.name)} already`);
      } else {
        backends.set(plugin.name, plugin);
      }
    } catch (error) {
      const message = messageOf(error);
      const named = message.includes(quote(value)) ? message : `plugin ${quote(value)}: ${message}`;
      throw new ConfigError(origin, named);
    }
  }
  return backends;
}

async function findBackend(
  name: string,
  setting: Setting | undefined,
  added: ReadonlyMap<string, BackendPlugin>,
): Promise<BackendPlugin> {
  const plugin = added.get(name);
  if (plugin !== undefined) return plugin;
  try {
    return await loadBackend(name, setting?.base ?? '.', [...added.keys()]);
  } catch (error) {
    throw new ConfigError(setting?.origin ?? 'backend', messageOf(error));
  }
}

/**
 * Loads plugins, the built-in ones and strangers' on the same road: a module through `import()`, its default export
 * checked against the contract before anything of it is called.
 *
 * A plugin is named by what is built in (`auto`) or by the path of its file (`./my-framing.mjs`), which counts from
 * wherever the name was written. Every error says which plugin, and what to do.
 */
import { isAbsolute, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../errors.ts';
import { nearest } from '../nearest.ts';
import {
  API_VERSION,
  type BackendPlugin,
  type Framing,
  type FramingPlugin,
  type MessageType,
  type Plugin,
} from './api.ts';

type Kind = Plugin['kind'];
type BuiltIn = Readonly<Record<string, () => Promise<{ default: unknown }>>>;

const BUILT_IN: Readonly<Record<Kind, BuiltIn>> = {
  backend: {
    default: () => import('./backends/default.ts'),
  },
  framing: {
    auto: () => import('./framings/auto.ts'),
    binary: () => import('./framings/binary.ts'),
  },
};

const MESSAGE_TYPES: readonly MessageType[] = ['text', 'binary', 'auto', 'discard'];

/** The names of the plugins that are built in. */
export function builtIn(kind: Kind): string[] {
  return Object.keys(BUILT_IN[kind]);
}

/**
 * Loads a backend.
 *
 * @param base the folder from which a relative path counts
 * @throws Error that names the plugin and what is wrong with it
 */
export async function loadBackend(name: string, base: string): Promise<BackendPlugin> {
  const plugin = await load('backend', name, base);
  requireFunction(plugin, 'create', name);
  if (typeof plugin['options'] !== 'object' || plugin['options'] === null) {
    throw new Error(`backend ${quote(name)}: it must have an object "options", which may be empty`);
  }
  return plugin as unknown as BackendPlugin;
}

/** Loads a framing; like `loadBackend`. */
export async function loadFraming(name: string, base: string): Promise<FramingPlugin> {
  const plugin = await load('framing', name, base);
  requireFunction(plugin, 'configure', name);
  return plugin as unknown as FramingPlugin;
}

/** The framings that connections may use: those that are built in, and those that the configuration has loaded. */
export class Framings {
  readonly #plugins = new Map<string, FramingPlugin>();
  /** What the daemon's own configuration uses, read once; a route's own configuration is read for its connection. */
  readonly #configured = new Map<string, () => Framing>();

  /** Loads one, if that has not been done. Rejects like `loadFraming`. */
  async load(name: string, base: string): Promise<void> {
    if (!this.#plugins.has(name)) this.#plugins.set(name, await loadFraming(name, base));
  }

  /** Loads all that are built in. */
  async loadBuiltIn(): Promise<void> {
    for (const name of builtIn('framing')) await this.load(name, '.');
  }

  /** Reads a configuration once for all connections that will use it. Throws like `create`. */
  configure(name: string, config: string | undefined): void {
    const key = configurationKey(name, config);
    this.#configured.set(key, this.#factory(name, config));
    try {
      this.create(name, config);
    } catch (error) {
      this.#configured.delete(key);
      throw error;
    }
  }

  /** A framing for one connection. Throws an Error if it is not loaded or refuses the configuration. */
  create(name: string, config: string | undefined): Framing {
    let framing: Framing;
    const make = this.#configured.get(configurationKey(name, config)) ?? this.#factory(name, config);
    try {
      framing = make();
    } catch (error) {
      throw refusal(name, error);
    }
    if (typeof framing?.next !== 'function')
      throw new Error(`framing ${quote(name)}: it made something without "next"`);
    if (!MESSAGE_TYPES.includes(framing.type)) {
      throw new Error(`framing ${quote(name)}: its type must be one of ${MESSAGE_TYPES.join(', ')}`);
    }
    return framing;
  }

  #factory(name: string, config: string | undefined): () => Framing {
    const plugin = this.#plugins.get(name);
    if (plugin === undefined) throw unknownPlugin('framing', name, [...this.#plugins.keys()]);
    try {
      return plugin.configure(config);
    } catch (error) {
      throw refusal(name, error);
    }
  }
}

function configurationKey(name: string, config: string | undefined): string {
  return JSON.stringify([name, config]);
}

function refusal(name: string, error: unknown): Error {
  return new Error(`framing ${quote(name)}: ${messageOf(error)}`, { cause: error });
}

async function load(kind: Kind, name: string, base: string): Promise<Record<string, unknown>> {
  const builtIns = BUILT_IN[kind];
  const own = Object.hasOwn(builtIns, name) ? builtIns[name] : undefined;
  if (own === undefined && !isPath(name)) throw unknownPlugin(kind, name, builtIn(kind));
  let module: { default?: unknown };
  try {
    module = await (own === undefined ? import(pathToFileURL(resolve(base, name)).href) : own());
  } catch (error) {
    throw new Error(`${kind} ${quote(name)} could not be loaded: ${messageOf(error)}`, { cause: error });
  }
  const plugin = module.default as Record<string, unknown> | undefined | null;
  if (typeof plugin !== 'object' || plugin === null) {
    throw new Error(
      `${kind} ${quote(name)}: its default export must be an object with apiVersion, kind and name`,
    );
  }
  if (plugin['apiVersion'] !== API_VERSION) {
    const found = JSON.stringify(plugin['apiVersion']) ?? 'nothing';
    throw new Error(
      `${kind} ${quote(name)}: apiVersion is ${found}, but this daemon speaks version ${API_VERSION}`,
    );
  }
  if (plugin['kind'] !== kind) {
    throw new Error(`${quote(name)} is a plugin of kind ${JSON.stringify(plugin['kind'])}, not a ${kind}`);
  }
  if (typeof plugin['name'] !== 'string' || plugin['name'] === '')
    throw new Error(`${kind} ${quote(name)}: it has no name`);
  return plugin;
}

function requireFunction(plugin: Record<string, unknown>, member: string, name: string): void {
  if (typeof plugin[member] !== 'function') {
    throw new Error(`${String(plugin['kind'])} ${quote(name)}: it must have a function "${member}"`);
  }
}

function isPath(name: string): boolean {
  return name.startsWith('./') || name.startsWith('../') || isAbsolute(name);
}

function unknownPlugin(kind: Kind, name: string, known: readonly string[]): Error {
  const guess = nearest(name, known);
  const hint = guess === undefined ? `there are: ${known.join(', ')}` : `did you mean ${guess}?`;
  return new Error(
    `unknown ${kind} ${quote(name)}; ${hint} (a ${kind} of your own is named by its path, as in ./my.mjs)`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/**
 * The framings that connections may use: those that are built in, and those that the configuration has loaded.
 *
 * A built-in framing, a package, and what `plugin = …` has loaded go by their names, a file by its absolute path.
 */
import { isInstance, messageOf } from '../errors.ts';
import { suggest } from '../nearest.ts';
import type { Framing, FramingBounds, FramingPlugin, MessageType } from './api.ts';
import { loadFraming } from './loader.ts';
import { builtIn, isPath, toFile } from './modules.ts';

const MESSAGE_TYPES: readonly MessageType[] = ['text', 'binary', 'auto', 'discard'];

/** Configurations that are read once. More than a person writes into a configuration. */
const MAX_CONFIGURED = 1000;

type FramingFactory = (bounds: FramingBounds) => Framing;

export class Framings {
  readonly #plugins = new Map<string, FramingPlugin>();
  /** Those that go by their own names. */
  readonly #named = new Set<string>();
  /** What the daemon's own configuration uses, read once; a route's own configuration is read for its connection. */
  readonly #configured = new Map<string, FramingFactory>();

  /** Loads all that are built in. */
  async loadBuiltIn(): Promise<void> {
    for (const name of builtIn('framing')) this.add(await loadFraming(name, '.'));
  }

  /** Makes a plugin known under its own name. Throws an Error if the name is taken. */
  add(plugin: FramingPlugin): void {
    const { name } = plugin;
    if (this.#plugins.has(name)) throw new Error(`there is a framing ${quote(name)} already`);
    this.#plugins.set(name, plugin);
    this.#named.add(name);
  }

  /** Loads one, if that has not been done, and returns the name under which it is known. Rejects like `loadFraming`. */
  async load(name: string, base: string): Promise<string> {
    if (this.#named.has(name)) return name;
    const known = isPath(name) ? toFile(name, base) : name;
    const plugin = await loadFraming(name, base, [...this.#plugins.keys()]);
    const other = this.#plugins.get(known);
    if (other !== undefined && other !== plugin) {
      throw new Error(`framing ${quote(name)} means two packages, installed in different places: use paths`);
    }
    this.#plugins.set(known, plugin);
    return known;
  }

  /** Reads a configuration once for all connections that will use it. Throws like `create`. */
  configure(name: string, config: string | undefined, bounds: FramingBounds): void {
    const make = this.#factory(name, config);
    this.#make(name, make, bounds);
    // A backend may ask for each client: then only the first so many are kept.
    if (this.#configured.size < MAX_CONFIGURED) this.#configured.set(configurationKey(name, config), make);
  }

  /** A framing for one connection. Throws an Error if it is not loaded or refuses the configuration. */
  create(name: string, config: string | undefined, bounds: FramingBounds): Framing {
    const make = this.#configured.get(configurationKey(name, config)) ?? this.#factory(name, config);
    return this.#make(name, make, bounds);
  }

  #make(name: string, make: FramingFactory, bounds: FramingBounds): Framing {
    let framing: Framing;
    try {
      framing = make(bounds);
      if (isInstance(framing, Promise)) framing.catch(() => {});
      if (typeof framing?.next !== 'function') throw new Error('it made something without "next"');
      if (!MESSAGE_TYPES.includes(framing.type))
        throw new Error(`its type must be one of ${MESSAGE_TYPES.join(', ')}`);
    } catch (error) {
      throw refusal(name, error);
    }
    return framing;
  }

  #factory(name: string, config: string | undefined): FramingFactory {
    const plugin = this.#plugins.get(name);
    if (plugin === undefined) throw unknownFraming(name, [...this.#plugins.keys()]);
    try {
      const make: unknown = plugin.configure(config);
      if (typeof make === 'function') return make as FramingFactory;
      if (isInstance(make, Promise)) make.catch(() => {});
      throw new Error('its "configure" must return a function, and not be async');
    } catch (error) {
      throw refusal(name, error);
    }
  }
}

/** A route names what is loaded already: a path does not help there. */
function unknownFraming(name: string, known: readonly string[]): Error {
  return new Error(
    `unknown framing ${quote(name)}; ${suggest(name, known)} (a route names one that is built in, or that the configuration has loaded, as with plugin = …)`,
  );
}

/** A null character is in no name. */
function configurationKey(name: string, config: string | undefined): string {
  return config === undefined ? name : `${name}\0${config}`;
}

function refusal(name: string, error: unknown): Error {
  return new Error(`framing ${quote(name)}: ${messageOf(error)}`, { cause: error });
}

function quote(text: string): string {
  return JSON.stringify(text);
}

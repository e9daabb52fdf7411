/**
 * Loads plugins, the built-in ones and strangers' on the same road: a module through `import()`, its default export
 * checked against the contract before anything of it is called.
 *
 * Every error says which plugin, and what to do. A module that never finishes loading is given up.
 */
import { messageOf } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { API_VERSION, type BackendPlugin, type FramingPlugin, type Plugin } from './api.ts';
import { builtIn, findBuiltIn, importModule, type Kind, NoSuchModule } from './modules.ts';

/** 10 s: far longer than any import takes, and short enough that whoever starts the daemon still looks on. */
const LOAD_TIMEOUT = 10_000;

/** A plugin's default export, of which nothing is known yet. */
type Export = Readonly<Record<string, unknown>>;

/**
 * Loads a backend.
 *
 * @param base the folder from which a relative path counts, and from which packages are looked for
 * @param also names that the configuration has added to the built-in ones, for suggestions
 * @throws Error that names the plugin and what is wrong with it
 */
export async function loadBackend(
  name: string,
  base: string,
  also: readonly string[] = [],
): Promise<BackendPlugin> {
  return (await load('backend', name, base, also)) as BackendPlugin;
}

/** Loads a framing; like `loadBackend`. */
export async function loadFraming(name: string, base: string): Promise<FramingPlugin> {
  return (await load('framing', name, base)) as FramingPlugin;
}

/** Loads a stranger's plugin of either kind; like `loadBackend`. */
export async function loadPlugin(name: string, base: string): Promise<Plugin> {
  return load('plugin', name, base);
}

async function load(
  kind: Kind | 'plugin',
  name: string,
  base: string,
  also: readonly string[] = [],
): Promise<Plugin> {
  const own = kind === 'plugin' ? undefined : findBuiltIn(kind, name);
  const what = `${kind} ${quote(name)}`;
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await inTime(own === undefined ? importModule(name, base) : own(), 'it did not finish loading');
  } catch (error) {
    if (error instanceof NoSuchModule && kind !== 'plugin') throw unknownPlugin(kind, name, also);
    throw new Error(`${what} could not be loaded: ${messageOf(error)}`, { cause: error });
  }
  return check(module['default'], kind, what);
}

/** Holds a default export to the contract. */
function check(plugin: unknown, wanted: Kind | 'plugin', what: string): Plugin {
  if (typeof plugin !== 'object' || plugin === null) {
    throw new Error(`${what}: its default export must be an object with apiVersion, kind and name`);
  }
  const { apiVersion, kind, name, options } = plugin as Export;
  if (apiVersion !== API_VERSION) {
    const found = JSON.stringify(apiVersion) ?? 'nothing';
    throw new Error(`${what}: apiVersion is ${found}, but this daemon speaks version ${API_VERSION}`);
  }
  if (kind !== 'backend' && kind !== 'framing') {
    throw new Error(`${what}: its kind must be "backend" or "framing", not ${JSON.stringify(kind)}`);
  }
  if (wanted !== 'plugin' && wanted !== kind)
    throw new Error(`${what} is a plugin of kind "${kind}", not a ${wanted}`);
  if (typeof name !== 'string' || name === '') throw new Error(`${what}: it has no name`);
  requireFunction(plugin as Export, kind === 'backend' ? 'create' : 'configure', what);
  if (kind === 'backend' && (typeof options !== 'object' || options === null)) {
    throw new Error(`${what}: it must have an object "options", which may be empty`);
  }
  return plugin as Plugin;
}

function requireFunction(plugin: Export, member: string, what: string): void {
  if (typeof plugin[member] !== 'function')
    throw new Error(`${what}: it must have a function ${quote(member)}`);
}

/** What a stranger's promise becomes, or a rejection if it takes too long. */
export async function inTime<T>(promise: T | Promise<T>, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${complaint} within ${LOAD_TIMEOUT / 1000} s`)), LOAD_TIMEOUT);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param also names that the configuration has added to the built-in ones */
export function unknownPlugin(kind: Kind, name: string, also: readonly string[] = []): Error {
  const known = [...new Set([...builtIn(kind), ...also])];
  const guess = nearest(name, known);
  const hint = guess === undefined ? `there are: ${known.join(', ')}` : `did you mean ${guess}?`;
  return new Error(
    `unknown ${kind} ${quote(name)}; ${hint} (a ${kind} of your own is named by its path, as in ./my.mjs)`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}

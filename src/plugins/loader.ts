/**
 * Loads plugins, the built-in ones and strangers' on the same road: a module through `import()`, its default export
 * checked against the contract before anything of it is called.
 *
 * Every error says in one line which plugin, and what to do. A module that never finishes loading is given up, and
 * nothing that a stranger's object throws while it is looked at gets past here as it is.
 */
import { isInstance, messageOf } from '../errors.ts';
import { suggest } from '../nearest.ts';
import {
  API_VERSION,
  type BackendOption,
  type BackendPlugin,
  type FramingPlugin,
  type Plugin,
} from './api.ts';
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
export async function loadFraming(
  name: string,
  base: string,
  also: readonly string[] = [],
): Promise<FramingPlugin> {
  return (await load('framing', name, base, also)) as FramingPlugin;
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
  let plugin: unknown;
  try {
    const module = await inTime(
      own === undefined ? importModule(name, base) : own(),
      'it did not finish loading',
    );
    plugin = defaultExport(module);
  } catch (error) {
    // What begins with an @ can only be meant as a package.
    if (isInstance(error, NoSuchModule) && kind !== 'plugin' && !name.startsWith('@'))
      throw unknownPlugin(kind, name, also);
    throw new Error(`${what} could not be loaded: ${explain(error)}`, { cause: error });
  }
  let read: Plugin | string;
  try {
    read = readPlugin(plugin, kind);
  } catch (error) {
    // A getter, or a Proxy, that throws.
    read = `: it cannot be read: ${explain(error)}`;
  }
  if (typeof read === 'string') throw new Error(`${what}${read}`);
  return read;
}

/** What compilers make of `export default` in a CommonJS module is one level further down. */
function defaultExport(module: Export): unknown {
  const found = module['default'];
  const compiled = typeof found === 'object' && found !== null && '__esModule' in found && 'default' in found;
  return compiled ? found.default : found;
}

/** What was made of each default export: the first reading counts, and the same plugin stays the same. */
const PLUGINS = new WeakMap<object, Plugin>();

/**
 * Holds a default export to the contract, and makes a plugin of what was read: later its members are not asked again.
 *
 * @returns what is to be said of it, where it breaks the contract
 */
function readPlugin(plugin: unknown, wanted: Kind | 'plugin'): Plugin | string {
  if (typeof plugin !== 'object' || plugin === null) {
    return ': its default export must be an object with apiVersion, kind and name';
  }
  const known = PLUGINS.get(plugin);
  if (known !== undefined) {
    return wanted === 'plugin' || wanted === known.kind ? known : wrongKind(known.kind, wanted);
  }
  const { apiVersion, kind, name, create, configure, options } = plugin as Export;
  if (apiVersion !== API_VERSION) {
    return `: apiVersion is ${show(apiVersion)}, but this daemon speaks version ${API_VERSION}`;
  }
  if (kind !== 'backend' && kind !== 'framing') {
    return `: its kind must be "backend" or "framing", not ${show(kind)}`;
  }
  if (wanted !== 'plugin' && wanted !== kind) return wrongKind(kind, wanted);
  if (typeof name !== 'string' || name === '') return ': it has no name';
  let read: Plugin;
  if (kind === 'framing') {
    if (typeof configure !== 'function') return ': it must have a function "configure"';
    read = { apiVersion, kind, name, configure: (...given) => Reflect.apply(configure, plugin, given) };
  } else {
    if (typeof create !== 'function') return ': it must have a function "create"';
    if (!isRecord(options)) return ': it must have an object "options", which may be empty';
    const copies = readOptions(options);
    if (typeof copies === 'string') return copies;
    read = {
      apiVersion,
      kind,
      name,
      options: copies,
      create: (...given) => Reflect.apply(create, plugin, given),
    };
  }
  PLUGINS.set(plugin, read);
  return read;
}

function wrongKind(kind: Kind, wanted: Kind): string {
  return ` is a plugin of kind "${kind}", not a ${wanted}`;
}

function readOptions(options: Export): Readonly<Record<string, BackendOption>> | string {
  const copies: [string, BackendOption][] = [];
  for (const name of Object.keys(options)) {
    const option = options[name];
    const what = `: its option ${quote(name)}`;
    if (!isRecord(option)) return `${what} must be an object with a description`;
    const { description, default: standard, repeatable } = option;
    if (typeof description !== 'string') return `${what} must have a description, which is a string`;
    if (standard !== undefined && typeof standard !== 'string')
      return `${what} has the default ${show(standard)}, which must be a string`;
    if (repeatable !== undefined && typeof repeatable !== 'boolean')
      return `${what} has ${show(repeatable)} for "repeatable", which must be true or false`;
    copies.push([name, { description, default: standard, repeatable }]);
  }
  return Object.fromEntries(copies);
}

function isRecord(value: unknown): value is Export {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a stranger threw, in one line. Whatever it is, looking at it does not throw. */
function explain(thrown: unknown): string {
  try {
    if (!(thrown instanceof Error)) return `it threw ${show(thrown)}`;
    return oneLine(messageOf(thrown)) || `it threw an ${thrown.name} without a message`;
  } catch {
    return 'it threw something that cannot be shown';
  }
}

/** A value that was found where another one should be. */
function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return quote(oneLine(value));
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return `a ${typeof value}`;
  }
}

/** Node explains some errors over several lines. */
function oneLine(text: string): string {
  const lines = String(text).split(/[\r\n]+/);
  return lines
    .map((line) => line.trim())
    .join(' ')
    .trim();
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
function unknownPlugin(kind: Kind, name: string, also: readonly string[] = []): Error {
  const known = [...new Set([...builtIn(kind), ...also])];
  return new Error(
    `unknown ${kind} ${quote(name)}; ${suggest(name, known)} (a ${kind} of your own is named by its path, as in ./my.mjs)`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text);
}

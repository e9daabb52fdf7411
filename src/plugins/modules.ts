/**
 * From the name of a plugin to its module: a built-in one, the file at a path, or an installed package.
 *
 * Paths and packages count from the folder of whatever named them, as Node itself would resolve an `import` written
 * there: packages that can only be imported are found, too.
 */
import { realpathSync, statSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { extname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';
import type { Plugin } from './api.ts';

export type Kind = Plugin['kind'];
type Module = Readonly<Record<string, unknown>>;
type BuiltIn = Readonly<Record<string, () => Promise<Module>>>;

const BUILT_IN: Readonly<Record<Kind, BuiltIn>> = {
  backend: {
    default: () => import('./backends/default.ts'),
    file: () => import('./backends/file.ts'),
  },
  framing: {
    auto: () => import('./framings/auto.ts'),
    binary: () => import('./framings/binary.ts'),
    separator: () => import('./framings/separator.ts'),
    newline: () => import('./framings/newline.ts'),
    fixedlength: () => import('./framings/fixedlength.ts'),
    dynamic32: () => import('./framings/dynamic32.ts'),
    json: () => import('./framings/json.ts'),
  },
};

/** A package, or a module within one: no URL, nothing that leads out of `node_modules`. */
const PACKAGE =
  /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[A-Za-z0-9~-][A-Za-z0-9._~-]*(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/;

/** A package that is not there, as opposed to one that is there and fails. */
export class NoSuchModule extends Error {}

/** The names of the plugins that are built in. */
export function builtIn(kind: Kind): string[] {
  return Object.keys(BUILT_IN[kind]);
}

/** The built-in plugin of this name, ready to be imported. */
export function findBuiltIn(kind: Kind, name: string): (() => Promise<Module>) | undefined {
  return Object.hasOwn(BUILT_IN[kind], name) ? BUILT_IN[kind][name] : undefined;
}

/** Whether a name means a file: `./a.mjs`, `../a.mjs`, `/a.mjs`, `file:///a.mjs`. */
export function isPath(name: string): boolean {
  return name.startsWith('./') || name.startsWith('../') || name.startsWith('file:') || isAbsolute(name);
}

/** The file that a path means. Throws an Error if it is a URL of another machine's file, or of none. */
export function toFile(name: string, base: string): string {
  if (!name.startsWith('file:')) return resolve(base, name);
  if (!name.startsWith('file:/')) throw new Error(`${JSON.stringify(name)} has no absolute path in it`);
  try {
    return fileURLToPath(name);
  } catch (error) {
    throw new Error(`${JSON.stringify(name)} is no URL of a file here`, { cause: error });
  }
}

/**
 * Imports a stranger's module.
 *
 * @param base the folder from which a relative path, or the search for a package, starts
 * @throws NoSuchModule if no package has that name; an Error if there is no such file; whatever the module throws
 */
export async function importModule(name: string, base: string): Promise<Module> {
  if (!isPath(name)) return importPackage(name, resolve(base));
  const file = toFile(name, base);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new Error(`there is no file ${file}`);
  if (found.isDirectory()) throw new Error(`${file} is a folder; name the file in it`);
  if (!found.isFile()) throw new Error(`${file} is no regular file`);
  refuseUnstripped(realpathSync(file));
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    throw located(error, `node ${file}`);
  }
}

/**
 * Imports a package as if by a module in the folder `base`. `import()` from here would look beside us, `require.resolve`
 * knows only packages that can be required, and `import.meta.resolve` takes no other parent: a script that claims to
 * lie in that folder has Node's own loader do it.
 */
async function importPackage(name: string, base: string): Promise<Module> {
  if (!PACKAGE.test(name) || isBuiltin(name)) throw new NoSuchModule('that is no name of a package');
  if (constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER === undefined) {
    throw new Error('this version of Node.js cannot load packages from here; use 20.12 or later, or a path');
  }
  const filename = join(base, 'websocksy.mjs');
  const importFrom = new Script('(name) => import(name)', {
    filename,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }).runInThisContext() as (name: string) => Promise<Module>;
  try {
    return await withoutExperimentalWarnings(() => importFrom(name));
  } catch (error) {
    if (isMissing(error, name, filename)) {
      throw new NoSuchModule(`no package of that name is installed for ${base}`, { cause: error });
    }
    throw located(error, `node -e 'import(${JSON.stringify(name)})' in ${base}`);
  }
}

/**
 * Node warns of `USE_MAIN_CONTEXT_DEFAULT_LOADER` while `import()` is called, before it returns its promise. Whoever
 * starts the daemon can do nothing about that; nobody else's code runs meanwhile, so no other warning is lost.
 */
function withoutExperimentalWarnings<T>(call: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = (...args: unknown[]) => {
    if (args[1] !== 'ExperimentalWarning') Reflect.apply(emitWarning, process, args);
  };
  try {
    return call();
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Whether it is the package itself that was not found from here, and not something that it imports. */
function isMissing(error: unknown, name: string, from: string): boolean {
  const own = name.split('/', name.startsWith('@') ? 2 : 1).join('/');
  return (
    error instanceof Error &&
    (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND' &&
    error.message === `Cannot find package '${own}' imported from ${from}`
  );
}

/** Node keeps to itself where in a module the syntax is wrong, unless it is what runs the module. */
function located(error: unknown, run: string): unknown {
  if (!(error instanceof SyntaxError)) return error;
  return new Error(`${error.message.trim()} (${run} shows where)`, { cause: error });
}

/** Node says of such a file only that it does not know the extension, or that the syntax is wrong. */
function refuseUnstripped(file: string): void {
  if (!['.ts', '.mts', '.cts'].includes(extname(file))) return;
  // 'strip' or 'transform' where types are stripped; missing before Node 22.10.
  const { typescript } = process.features as { typescript?: unknown };
  if (typescript) return;
  throw new Error(
    `Node.js ${process.versions.node} does not strip types: use 22.18 or later, or compile the file to JavaScript`,
  );
}

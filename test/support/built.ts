/**
 * Modules of the built daemon inside the test's process, imported by Node itself. What Vitest imports, and all that
 * such a module imports in turn, comes through Vitest's own loader, which finds other files and has other errors.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';

/** @param path of the source, from the project's root: `src/plugins/loader.ts` */
export async function importBuilt<T>(path: string): Promise<T> {
  const url = new URL(`../../dist/${path.replace(/\.ts$/, '.js')}`, import.meta.url);
  if (!existsSync(url)) throw new Error('the daemon is not built: run `npm run build` first');
  const native = new Script('(url) => import(url)', {
    filename: fileURLToPath(import.meta.url),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }).runInThisContext() as (url: string) => Promise<T>;
  return native(url.href);
}

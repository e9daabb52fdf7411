/** Where the project's files are, seen from the sources as from what is compiled, and what its manifest says. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder: the nearest one upwards that has a manifest. */
export const ROOT = rootFrom(dirname(fileURLToPath(import.meta.url)));

function rootFrom(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json above the conformance runner');
  return rootFrom(parent);
}

/** A file of the project, by its path from the project's folder. */
export function inProject(path: string): string {
  return join(ROOT, path);
}

export function readProjectFile(path: string): string {
  return readFileSync(inProject(path), 'utf8');
}

/** The version in the project's manifest. */
export function projectVersion(): string {
  return (JSON.parse(readProjectFile('package.json')) as { version: string }).version;
}

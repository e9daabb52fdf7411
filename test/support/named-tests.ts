/**
 * Tests that a page names: `test/x.test.ts › the title`, or with the group around it, `test/x.test.ts › group › title`.
 * A title is named as it stands in the source, as that of a test, as the template of a table, or as the first cell of a
 * table row that such a template shows by `%s`.
 */
import { existsSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);
const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const known = sources.get(file);
  if (known !== undefined) return known;
  const source = readFileSync(new URL(file, ROOT), 'utf8');
  sources.set(file, source);
  return source;
}

/** What is wrong with a name in backticks; undefined: there is such a test. */
export function problemOf(name: string): string | undefined {
  const [, file, rest] = /^`(test\/\S+\.test\.ts) › (.+)`$/.exec(name) ?? [];
  if (file === undefined || rest === undefined) return `not a test: ${name}`;
  if (!existsSync(new URL(file, ROOT))) return `no such file: ${file}`;
  const [title, group, ...more] = rest.split(' › ').reverse();
  if (more.length > 0) return `more than one group: ${name}`;
  return hasTitle(sourceOf(file), title!, group) ? undefined : `no such test: ${name}`;
}

/** @param group the title of the outermost `describe` around it; undefined: in whichever */
export function hasTitle(source: string, title: string, group?: string): boolean {
  for (const literal of literals(title)) {
    for (let at = source.indexOf(literal); at >= 0; at = source.indexOf(literal, at + 1)) {
      const before = source.slice(0, at).trimEnd();
      const followed = /^\s*,/.test(source.slice(at + literal.length, at + literal.length + 40));
      if (!followed || !isTitlePlace(before, source)) continue;
      if (group === undefined || isInGroup(before, group)) return true;
    }
  }
  return false;
}

function literals(title: string): string[] {
  const spellings = new Set([title, title.replaceAll("'", "\\'"), title.replaceAll('"', '\\"')]);
  return ["'", '"', '`'].flatMap((quote) => [...spellings].map((text) => quote + text + quote));
}

/** Whether a string that stands behind `before` is the title of a test, or the cell that a title shows by `%s`. */
function isTitlePlace(before: string, source: string): boolean {
  if (/(?<![.\w])(?:test|it)\($/.test(before)) return true;
  // A row of a table: `['the title', …`.
  if (before.endsWith('[')) return /\)\(\s*['"`][^\n]*%s/.test(source);
  if (!before.endsWith(')(')) return false;
  // The second call of `test.each(…)(…)`: what began last, of tests and groups, is that table.
  const begun = before.match(/(?<![.\w])(?:test|it|describe)(?:\.\w+)*(?:<[^()]*>)?\(/g)?.at(-1);
  return /^(?:test|it)\.(?:each|for|runIf|skipIf)\b/.test(begun ?? '');
}

function isInGroup(before: string, group: string): boolean {
  const last = before.match(/^describe\b[^\n]*\($|^describe\b[^\n]*,[^\n,]*$|^\}\);/gm)?.at(-1) ?? '';
  return literals(group).some((literal) => last.includes(`(${literal},`));
}

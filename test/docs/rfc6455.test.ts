/** docs/rfc6455.md against the tests that it names: each must exist under its very title. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

interface Row {
  /** The section of the heading above, for example `4.2.1`. */
  readonly section: string;
  readonly where: string;
  readonly requirement: string;
  readonly does: string;
  readonly test: string;
}

const ROOT = new URL('../../', import.meta.url);
const page = readFileSync(new URL('docs/rfc6455.md', ROOT), 'utf8');

const sections: string[] = [];
const rows: Row[] = [];
/** Lines of tables that have not exactly four cells. */
const malformed: string[] = [];
for (const line of page.split('\n')) {
  if (line.startsWith('## ')) sections.push(/^## §(\S+) \S/.exec(line)?.[1] ?? `no section number: ${line}`);
  if (!line.startsWith('|') || line.startsWith('|---') || line.startsWith('| § |')) continue;
  const [where, requirement, does, test, ...more] = line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
  if (!where || !requirement || !does || !test || more.length > 0) malformed.push(line);
  else rows.push({ section: sections.at(-1) ?? '', where, requirement, does, test });
}

const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const known = sources.get(file);
  if (known !== undefined) return known;
  const source = readFileSync(new URL(file, ROOT), 'utf8');
  sources.set(file, source);
  return source;
}

/** Whether a string that stands behind `before` is the title of a test, or the cell that a title shows by `%s`. */
function isTitlePlace(before: string, source: string): boolean {
  if (/\b(?:test|it)\($/.test(before)) return true;
  // A row of a table: `['the title', …`.
  if (before.endsWith('[')) return /\)\(\s*['"`][^\n]*%s/.test(source);
  if (!before.endsWith(')(')) return false;
  // The second call of `test.each(…)(…)`: what began last, of tests and groups, is that table.
  const begun = before.match(/\b(?:test|it|describe)(?:\.\w+)*\(/g)?.at(-1);
  return /^(?:test|it)\.(?:each|for)\($/.test(begun ?? '');
}

function hasTitle(source: string, title: string): boolean {
  const spellings = [title, title.replaceAll("'", "\\'"), title.replaceAll('"', '\\"')];
  for (const quote of ["'", '"', '`']) {
    for (const spelling of spellings) {
      const literal = `${quote}${spelling}${quote}`;
      for (let at = source.indexOf(literal); at >= 0; at = source.indexOf(literal, at + 1)) {
        const followed = /^\s*,/.test(source.slice(at + literal.length, at + literal.length + 40));
        if (followed && isTitlePlace(source.slice(0, at).trimEnd(), source)) return true;
      }
    }
  }
  return false;
}

describe('docs/rfc6455.md', () => {
  test('has rows of four cells, and many of them', () => {
    expect(malformed).toEqual([]);
    expect(rows.length).toBeGreaterThanOrEqual(60);
  });

  test('has rows under every section, each with the number of its section', () => {
    const used = new Set(rows.map(({ section }) => section));
    expect(sections.filter((section) => !used.has(section))).toEqual([]);
    expect(new Set(sections).size).toBe(sections.length);
    expect(rows.filter(({ section, where }) => !/^[ .]|^$/.test(where.replace(section, '')))).toEqual([]);
    expect(rows.filter(({ section, where }) => !where.startsWith(section))).toEqual([]);
  });

  test('says nothing twice', () => {
    const said = rows.map(({ where, requirement }) => `${where} ${requirement}`);
    expect(said.filter((each, at) => said.indexOf(each) !== at)).toEqual([]);
  });

  test.each(rows)('§$where: $requirement', ({ test: cell }) => {
    if (cell.startsWith('–')) {
      expect(cell).toMatch(/^– \S/);
      return;
    }
    for (const part of cell.split('<br>')) {
      const [, file, title] = /^`(test\/\S+\.test\.ts) › (.+)`$/.exec(part) ?? [];
      if (file === undefined || title === undefined) throw new Error(`not a test: ${part}`);
      expect(existsSync(new URL(file, ROOT)), file).toBe(true);
      expect(hasTitle(sourceOf(file), title), part).toBe(true);
    }
  });

  test('the search finds titles alone', () => {
    const source = [
      "test('one', () => f('two'));",
      "test.for(['three'])('four %s', () => {});",
      "// 'five', and test('six')",
      "describe('seven', () => {",
      "describe.concurrent('x', () => f(x)('eight', 8));",
    ].join('\n');
    const titles = ['one', 'two', 'three', 'four %s', 'five', 'six', 'seven', 'eight', 'on'];
    expect(titles.filter((title) => hasTitle(source, title))).toEqual(['one', 'four %s']);
  });
});

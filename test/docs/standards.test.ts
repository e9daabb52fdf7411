/** The pages on the RFCs against the tests that they name: each must exist under its very title. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasTitle, problemOf } from '../support/named-tests.ts';

interface Row {
  /** The section of the heading above, for example `4.2.1`. */
  readonly section: string;
  readonly where: string;
  readonly requirement: string;
  readonly does: string;
  readonly test: string;
}

const ROOT = new URL('../../', import.meta.url);

interface Page {
  readonly rows: readonly Row[];
  /** The numbers of its headings. */
  readonly sections: readonly string[];
  /** Lines of tables that have not exactly four cells. */
  readonly malformed: readonly string[];
}

function read(page: string): Page {
  const rows: Row[] = [];
  const sections: string[] = [];
  const malformed: string[] = [];
  for (const line of readFileSync(new URL(page, ROOT), 'utf8').split('\n')) {
    if (line.startsWith('## '))
      sections.push(/^## §(\S+) \S/.exec(line)?.[1] ?? `no section number: ${line}`);
    if (!line.startsWith('|') || line.startsWith('|---') || line.startsWith('| § |')) continue;
    const [where, requirement, does, test, ...more] = line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
    if (!where || !requirement || !does || !test || more.length > 0) malformed.push(line);
    else rows.push({ section: sections.at(-1) ?? '', where, requirement, does, test });
  }
  return { rows, sections, malformed };
}

describe.each(['docs/rfc6455.md', 'docs/rfc7692.md'])('%s', (page) => {
  const { rows, sections, malformed } = read(page);

  test('has rows of four cells, and many of them', () => {
    expect(malformed).toEqual([]);
    expect(rows.length).toBeGreaterThanOrEqual(50);
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
      expect(problemOf(part)).toBeUndefined();
    }
  });
});

describe('the search', () => {
  test('finds titles alone', () => {
    const source = [
      "test('one', () => f('two'));",
      "test.for(['three'])('four %s', () => {});",
      "// 'five', and test('six')",
      "describe('seven', () => {",
      "describe.concurrent('x', () => f(x)('eight', 8));",
      "test.skipIf(x)('nine', () => expect(/a/.test('ten', 1)));",
      "test.each<[string]>([['eleven', 1]])('twelve', () => {});",
    ].join('\n');
    const titles = [
      'one',
      'two',
      'three',
      'four %s',
      'five',
      'six',
      'seven',
      'eight',
      'nine',
      'ten',
      'twelve',
    ];
    const found = titles.filter((title) => hasTitle(source, title));
    expect(found).toEqual(['one', 'four %s', 'nine', 'twelve']);
    expect(hasTitle(source, 'on')).toBe(false);
  });

  test('tells groups apart', () => {
    const source = [
      "describe('a', () => {",
      "  test('one', () => {});",
      '});',
      "describe.concurrent('b', () => {",
      "  test('two', () => {});",
      '});',
      "test('three', () => {});",
    ].join('\n');
    const asked = (title: string) => ['a', 'b'].map((group) => hasTitle(source, title, group));
    expect(['one', 'two', 'three'].map(asked)).toEqual([
      [true, false],
      [false, true],
      [false, false],
    ]);
  });
});

/** docs/parity.md against the tests that it names: each row has one, and each must exist under its very title. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { problemOf } from '../support/named-tests.ts';

interface Row {
  readonly section: string;
  /** What the C daemon does. */
  readonly was: string;
  readonly here: string;
  readonly tests: string;
}

/** Those of the observations that this project keeps to, in their order. */
const SECTIONS = [
  'Command line',
  'Configuration file',
  'Peer addresses',
  'Default backend',
  'Backend `file`',
  'Framings',
  'Handshake and session',
  'Inputs that crash or hang it',
];

const page = readFileSync(new URL('../../docs/parity.md', import.meta.url), 'utf8');

const sections: string[] = [];
const rows: Row[] = [];
/** Lines of tables that have not exactly three cells. */
const malformed: string[] = [];
for (const line of page.split('\n')) {
  if (line.startsWith('## ')) sections.push(line.slice(3));
  if (!line.startsWith('|') || line.startsWith('|---') || line.startsWith('| C daemon |')) continue;
  const [was, here, tests, ...more] = line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
  if (!was || !here || !tests || more.length > 0) malformed.push(line);
  else rows.push({ section: sections.at(-1) ?? '', was, here, tests });
}

describe('docs/parity.md', () => {
  test('has rows of three cells, and many of them', () => {
    expect(malformed).toEqual([]);
    expect(rows.length).toBeGreaterThanOrEqual(140);
  });

  test('has every section, each with rows', () => {
    expect(sections).toEqual(SECTIONS);
    const used = new Set(rows.map(({ section }) => section));
    expect(sections.filter((section) => !used.has(section))).toEqual([]);
  });

  test('says nothing twice', () => {
    const said = rows.map(({ section, was, here }) => `${section}: ${was} ${here}`);
    expect(said.filter((each, at) => said.indexOf(each) !== at)).toEqual([]);
  });

  test('says of each row whether it was kept, is better, or is different and why', () => {
    const verdict = /^(?:kept(?:[:;,] \S|$)|better: \S|different, because \S)/;
    expect(rows.filter(({ here }) => !verdict.test(here))).toEqual([]);
  });

  test.each(rows)('$section: $was', ({ tests }) => {
    for (const name of tests.split('<br>')) expect(problemOf(name)).toBeUndefined();
  });
});

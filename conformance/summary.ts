/** The verdict for people: a table by section, each deviation with what was expected and what wstest said, two sums. */
import { SECTIONS } from './cases.ts';
import { describe, type Row, rowsOf, type Verdict } from './verdict.ts';

/** The behaviors that wstest knows. */
export const BEHAVIORS = ['OK', 'NON-STRICT', 'FAILED', 'INFORMATIONAL', 'UNIMPLEMENTED'];

export const HEADINGS = ['section', 'cases', ...BEHAVIORS, 'wrong close', 'not run', 'as expected'];

/** A row's cells, under HEADINGS. */
export function cellsOf(row: Row): string[] {
  const title = SECTIONS[row.section];
  return [
    title === undefined ? row.section : `${row.section} ${title}`,
    ...[
      row.cases,
      ...BEHAVIORS.map((name) => row.behaviors[name] ?? 0),
      row.wrongClose,
      row.notRun,
      row.passed,
    ].map(String),
  ];
}

/** @param detailOf what wstest said of a case, in its own words; undefined: nothing */
export function summary(verdict: Verdict, detailOf: (id: string) => string | undefined): string {
  const { sections, sum } = rowsOf(verdict);
  const lines = [...align([HEADINGS, ...[...sections, sum].map(cellsOf)]), ''];
  for (const { id, expected, outcome, passed } of verdict.cases) {
    if (passed || outcome === undefined) continue;
    lines.push(`${id}: expected ${expected === undefined ? 'not to run' : describe(expected)}`);
    lines.push(`${' '.repeat(id.length)}  got ${describe(outcome)}`);
    const detail = detailOf(id);
    if (detail !== undefined) lines.push(`${' '.repeat(id.length)}  wstest: ${detail}`);
  }
  // Of a server that died these are many, and there is no more to say of each.
  const notRun = verdict.cases.filter(({ outcome }) => outcome === undefined).map(({ id }) => id);
  if (notRun.length > 0) lines.push(`selected and not run: ${notRun.join(', ')}`);
  lines.push(...verdict.problems.map((problem) => `problem: ${problem}`));
  if (verdict.failed > 0) lines.push('');
  lines.push(totals(verdict));
  return `${lines.join('\n')}\n`;
}

export function totals({ passed, failed }: Verdict): string {
  return `${passed} passed, ${failed} failed`;
}

/** The first column to the left, numbers to the right. */
function align(rows: readonly (readonly string[])[]): string[] {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
}

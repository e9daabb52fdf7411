/**
 * Which cases there are, and which of them are meant.
 *
 * The list of all is a file of its own, cases.json, made from wstest's own list by `--update-cases`: what was selected
 * is known without the report, so that a case that did not run is missed.
 */
import { Problem } from './problem.ts';
import { readProjectFile } from './project.ts';

export const CASES_FILE = 'conformance/cases.json';

/** What each section of the suite is about. There is no 8 and no 11. */
export const SECTIONS: Readonly<Record<string, string>> = {
  1: 'framing',
  2: 'pings and pongs',
  3: 'reserved bits',
  4: 'opcodes',
  5: 'fragmentation',
  6: 'UTF-8',
  7: 'closing',
  9: 'limits and performance',
  10: 'automatic fragmentation',
  12: 'compression, of five kinds of data',
  13: 'compression, by the parameters offered',
};

/** Of the 18 of each kind of data and each offer: 1000 messages of 16 B to 32 KiB, and of 8 KiB in small fragments. */
const SHORT = [1, 2, 3, 4, 5, 6, 7, 8, 11];

/**
 * What runs if nothing else is asked for, in three to four minutes: everything that is not about compression, and of that
 * every kind of data (12.1 to 12.5) and every offer (13.1 to 13.7). What is left out takes fifteen minutes more.
 */
export const DEFAULT_CASES: readonly string[] = [
  ...['1', '2', '3', '4', '5', '6', '7', '9', '10'],
  ...[1, 2, 3, 4, 5].flatMap((data) => SHORT.map((n) => `12.${data}.${n}`)),
  ...[1, 2, 3, 4, 5, 6, 7].flatMap((offer) => SHORT.map((n) => `13.${offer}.${n}`)),
];

/** All cases that wstest has, in its own order. */
export function allCases(): string[] {
  return JSON.parse(readProjectFile(CASES_FILE)) as string[];
}

/** The section that a case belongs to: `12` of `12.1.3`. */
export function sectionOf(id: string): string {
  return id.slice(0, id.indexOf('.'));
}

/**
 * The cases that a pattern means, of all that there are: `7.1.6` this one, `7.1` or `7.1.*` all whose number begins so,
 * `*` every one.
 *
 * @throws Problem for what is no pattern, or means no case
 */
export function matching(pattern: string, all: readonly string[]): string[] {
  if (!/^(?:\*|\d+(?:\.\d+)*(?:\.\*)?)$/.test(pattern))
    throw new Problem(`${JSON.stringify(pattern)} is no pattern: 7.1.6, 7.1.* and * are`);
  if (pattern === '*') return [...all];
  const prefix = pattern.replace(/\.\*$/, '');
  const exact = prefix === pattern;
  const found = all.filter((id) => (exact && id === prefix) || id.startsWith(`${prefix}.`));
  if (found.length === 0) throw new Problem(`no case of the suite matches ${pattern}`);
  return found;
}

/**
 * What the patterns of `cases` mean less what those of `exclude` mean, in the order of `all`.
 *
 * @throws Problem if a pattern means nothing, or nothing is left
 */
export function select(
  cases: readonly string[],
  exclude: readonly string[],
  all: readonly string[],
): string[] {
  const wanted = new Set(cases.flatMap((pattern) => matching(pattern, all)));
  for (const id of exclude.flatMap((pattern) => matching(pattern, all))) wanted.delete(id);
  if (wanted.size === 0) throw new Problem('no case is left to run');
  return all.filter((id) => wanted.has(id));
}

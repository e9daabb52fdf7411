/**
 * The verdict, which is ours and not wstest's exit status: each selected case has run and has exactly the result that
 * expected.json states, nothing else has run, and nothing went wrong around them.
 */
import { sectionOf } from './cases.ts';
import { type Expectation, type Expected, expectationOf } from './expected.ts';

/** What wstest's index.json says of one case. */
export interface Outcome extends Expectation {
  readonly remoteCloseCode: number | null;
  /** Milliseconds. */
  readonly duration: number;
  /** The file with the details, beside index.json. */
  readonly reportfile: string;
}

/** By case number. */
export type Outcomes = Readonly<Record<string, Outcome>>;

export interface Judged {
  readonly id: string;
  /** Undefined: it has run although nobody had asked for it. */
  readonly expected: Expectation | undefined;
  /** Undefined: it has not run. */
  readonly outcome: Outcome | undefined;
  readonly passed: boolean;
}

export interface Verdict {
  /** In the order of the selection, what was not asked for last. */
  readonly cases: readonly Judged[];
  /** What went wrong beside the cases, a sentence each: a crash, a time limit, a daemon that died. */
  readonly problems: readonly string[];
  readonly passed: number;
  /** Cases that deviate, and problems. */
  readonly failed: number;
}

/**
 * What index.json says of the only server that was tested.
 *
 * @throws Error if it is not of the form that wstest writes
 */
export function readIndex(text: string, agent: string): Outcomes {
  const index = JSON.parse(text) as Record<string, unknown>;
  const outcomes = index[agent];
  // wstest leaves out a server that it never reached.
  if (outcomes === undefined) return {};
  if (typeof outcomes !== 'object' || outcomes === null) throw new Error(`no object: ${agent}`);
  for (const [id, outcome] of Object.entries(outcomes) as [string, Partial<Outcome> | null][]) {
    if (typeof outcome?.behavior !== 'string' || typeof outcome.behaviorClose !== 'string')
      throw new Error(`no result: ${id}`);
  }
  return outcomes as Outcomes;
}

export function judge(
  selected: readonly string[],
  outcomes: Outcomes,
  expected: Expected,
  problems: readonly string[],
): Verdict {
  const asked = selected.map((id): Judged => {
    const expectation = expectationOf(id, expected);
    const outcome = outcomes[id];
    const passed =
      outcome?.behavior === expectation.behavior && outcome.behaviorClose === expectation.behaviorClose;
    return { id, expected: expectation, outcome, passed };
  });
  const known = new Set(selected);
  const unasked = Object.entries(outcomes)
    .filter(([id]) => !known.has(id))
    .map(([id, outcome]): Judged => ({ id, expected: undefined, outcome, passed: false }));
  const cases = [...asked, ...unasked];
  const passed = cases.filter((judged) => judged.passed).length;
  return { cases, problems, passed, failed: cases.length - passed + problems.length };
}

/** `OK, closed OK`; the second part says how the connection ended. */
export function describe(result: Expectation | undefined): string {
  return result === undefined ? 'not run' : `${result.behavior}, closed ${result.behaviorClose}`;
}

/** What of a section came out how; a case may be in two of the columns behind `cases`. */
export interface Row {
  readonly section: string;
  readonly cases: number;
  /** By the name of the behavior. */
  readonly behaviors: Readonly<Record<string, number>>;
  readonly notRun: number;
  /** The connection ended in another way than expected. */
  readonly wrongClose: number;
  readonly passed: number;
}

/** One row for each section that has a case, in the order of the cases, and one for their sum. */
export function rowsOf({ cases }: Verdict): { sections: Row[]; sum: Row } {
  const sections = [...new Set(cases.map(({ id }) => sectionOf(id)))];
  return {
    sections: sections.map((section) =>
      countUp(
        section,
        cases.filter(({ id }) => sectionOf(id) === section),
      ),
    ),
    sum: countUp('all', cases),
  };
}

function countUp(section: string, cases: readonly Judged[]): Row {
  const behaviors: Record<string, number> = {};
  for (const { outcome } of cases) {
    if (outcome !== undefined) behaviors[outcome.behavior] = (behaviors[outcome.behavior] ?? 0) + 1;
  }
  const hasWrongClose = ({ expected, outcome }: Judged) =>
    outcome !== undefined && expected !== undefined && outcome.behaviorClose !== expected.behaviorClose;
  return {
    section,
    cases: cases.length,
    behaviors,
    notRun: cases.filter(({ outcome }) => outcome === undefined).length,
    wrongClose: cases.filter(hasWrongClose).length,
    passed: cases.filter(({ passed }) => passed).length,
  };
}

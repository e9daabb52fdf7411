/** The verdict for programs and pages: JSON, JUnit's XML, and the table that docs/conformance.md shows. */
import { SECTIONS, sectionOf } from './cases.ts';
import { Problem } from './problem.ts';
import { cellsOf, HEADINGS, totals } from './summary.ts';
import { describe, type Judged, rowsOf, type Verdict } from './verdict.ts';

/** What a result is worth only together with. */
export interface Circumstances {
  readonly date: Date;
  readonly seconds: number;
  /** What was tested: `websocksy 0.1.0 -l …`, or an address. */
  readonly server: string;
  readonly wstest: string;
  readonly node: string;
  readonly system: string;
}

export function toJson(verdict: Verdict, circumstances: Circumstances): string {
  const { passed, failed, problems } = verdict;
  const cases = Object.fromEntries(
    verdict.cases.map((judged) => [
      judged.id,
      {
        passed: judged.passed,
        expected: judged.expected ?? null,
        behavior: judged.outcome?.behavior ?? null,
        behaviorClose: judged.outcome?.behaviorClose ?? null,
        remoteCloseCode: judged.outcome?.remoteCloseCode ?? null,
        milliseconds: judged.outcome?.duration ?? null,
      },
    ]),
  );
  return `${JSON.stringify({ ...circumstances, passed, failed, problems, cases }, undefined, 2)}\n`;
}

export function toJunit(verdict: Verdict, { date, seconds }: Circumstances): string {
  const sections = [...new Set(verdict.cases.map(({ id }) => sectionOf(id)))];
  const suites = sections.map((section) => {
    const cases = verdict.cases.filter(({ id }) => sectionOf(id) === section);
    const failures = cases.filter(({ passed }) => !passed).length;
    return [
      `  <testsuite name="${escapeXml(`${section} ${SECTIONS[section] ?? ''}`.trim())}" tests="${cases.length}" failures="${failures}" errors="0">`,
      ...cases.flatMap(junitCase),
      '  </testsuite>',
    ];
  });
  const { passed, failed, problems } = verdict;
  const run = problems.flatMap((problem) => [
    '    <testcase classname="conformance" name="the run">',
    `      <error message="${escapeXml(problem)}"/>`,
    '    </testcase>',
  ]);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="Autobahn" tests="${passed + failed}" failures="${failed - problems.length}" errors="${problems.length}" time="${seconds}" timestamp="${date.toISOString()}">`,
    ...suites.flat(),
    ...(run.length === 0
      ? []
      : [
          `  <testsuite name="the run" tests="${problems.length}" failures="0" errors="${problems.length}">`,
          ...run,
          '  </testsuite>',
        ]),
    '</testsuites>',
    '',
  ].join('\n');
}

function junitCase({ id, expected, outcome, passed }: Judged): string[] {
  const open = `    <testcase classname="conformance.${sectionOf(id)}" name="${id}" time="${(outcome?.duration ?? 0) / 1000}"`;
  if (passed) return [`${open}/>`];
  const wanted = expected === undefined ? 'not to run' : describe(expected);
  return [
    `${open}>`,
    `      <failure message="${escapeXml(`expected ${wanted}; got ${describe(outcome)}`)}"/>`,
    '    </testcase>',
  ];
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    '\n': '&#10;',
  };
  return text.replace(/[&<>"\n]/g, (character) => entities[character]!);
}

/** The lines that the table goes between, each alone on its line. */
export const BEGIN = '<!-- conformance -->';
export const END = '<!-- /conformance -->';

/**
 * A page with what is between the two lines replaced.
 *
 * @throws Problem if the page does not have each of them once, in this order
 */
export function replaceBetween(page: string, text: string): string {
  const lines = page.split('\n');
  const [begin, end] = [BEGIN, END].map((mark) => lines.indexOf(mark)) as [number, number];
  const isUnique = lines.lastIndexOf(BEGIN) === begin && lines.lastIndexOf(END) === end;
  if (begin < 0 || end < begin || !isUnique)
    throw new Problem(`the page does not have one line ${BEGIN} and after it one line ${END}`);
  return [...lines.slice(0, begin + 1), '', text, '', ...lines.slice(end)].join('\n');
}

export function toMarkdown(verdict: Verdict, circumstances: Circumstances): string {
  const { sections, sum } = rowsOf(verdict);
  const { date, server, wstest, node, system, seconds } = circumstances;
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const deviations = verdict.cases
    .filter(({ passed }) => !passed)
    .map(({ id, expected, outcome }) => `- ${id}: expected ${describe(expected)}; got ${describe(outcome)}`);
  return [
    `${date.toISOString().slice(0, 10)}: ${totals(verdict)}, in ${Math.round(seconds / 60)} minutes.`,
    '',
    row(HEADINGS),
    row(HEADINGS.map((_, i) => (i === 0 ? '---' : '--:'))),
    ...[...sections, sum].map((each) => row(cellsOf(each))),
    '',
    `Server: \`${server}\`; ${wstest}; Node.js ${node}; ${system}.`,
    ...(deviations.length + verdict.problems.length === 0
      ? []
      : ['', ...deviations, ...verdict.problems.map((problem) => `- ${problem}`)]),
  ].join('\n');
}

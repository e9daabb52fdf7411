/** What is shown of sessions: each failure with all that it takes to repeat it, and a table of all. */
import { expectations } from './oracle.ts';
import { describe, type Plan } from './plan.ts';
import type { Outcome } from './session.ts';

export function showFailure({ plan, problems, seen, lines, up }: Outcome, kernel: string): string {
  const only = `--seed ${plan.seed} --only ${plan.index}${kernel === 'off' ? ' --kernel off' : ''}`;
  return [
    '',
    `FAILED session ${plan.index} of seed ${plan.seed}`,
    `  plan      ${describe(plan)}`,
    ...problems.map((problem) => `  wrong     ${problem}`),
    ...expectations(plan, up.sent).map((expectation) => `  expected  ${JSON.stringify(expectation)}`),
    `  seen      ${seen}`,
    ...lines.map((line) => `  log       ${line}`),
    `  again     npm run faults -- ${only}`,
    '',
  ].join('\n');
}

export function showSummary(
  outcomes: readonly Outcome[],
  aftermath: readonly string[],
  seconds: number,
): string {
  const rows = [
    ...groups(outcomes, ({ plan }) => plan.scenario),
    ...groups(outcomes, ({ plan }) => `peer: ${kind(plan)}`),
  ];
  const failed =
    outcomes.filter(({ problems }) => problems.length > 0).length + (aftermath.length > 0 ? 1 : 0);
  // What became of the daemon counts as one more.
  const passed = outcomes.length + 1 - failed;
  return [
    '',
    tableRow(['', 'sessions', 'failed', 'to peers', 'arrived', 'to clients', 'arrived', 'lost']),
    ...[...rows, ['all', outcomes] as const].map(([name, some]) => tableRow(summary(name, some))),
    '',
    ...aftermath.map((problem) => `the daemon afterwards: ${problem}`),
    `${outcomes.length} sessions in ${seconds.toFixed(0)} s; lost: bytes that no rule lets be lost`,
    `${passed} passed, ${failed} failed`,
    '',
  ].join('\n');
}

function kind({ peer, compression }: Plan): string {
  return compression ? `${peer}, compressed` : peer;
}

function groups(outcomes: readonly Outcome[], name: (outcome: Outcome) => string): [string, Outcome[]][] {
  const found = new Map<string, Outcome[]>();
  for (const outcome of outcomes) found.set(name(outcome), [...(found.get(name(outcome)) ?? []), outcome]);
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

function summary(name: string, outcomes: readonly Outcome[]): string[] {
  const sum = (of: (outcome: Outcome) => number) =>
    outcomes.reduce((total, outcome) => total + of(outcome), 0);
  return [
    name,
    String(outcomes.length),
    String(sum(({ problems }) => (problems.length > 0 ? 1 : 0))),
    size(sum(({ up }) => up.sent)),
    size(sum(({ up }) => up.arrived)),
    size(sum(({ down }) => down.sent)),
    size(sum(({ down }) => down.arrived)),
    String(sum(({ up, down }) => up.lost + down.lost)),
  ];
}

function size(bytes: number): string {
  return bytes < 100_000 ? `${bytes} B` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const WIDTHS = [38, 9, 7, 11, 11, 11, 11, 6];

function tableRow(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]!) : cell.padStart(WIDTHS[i]!))).join(' ');
}

/**
 * A reporter for Vitest that makes tables of the interoperability tests: what came of each scenario with each client.
 *
 * They are printed at the end of a run, and written where `INTEROP_MARKDOWN` (between the page's two marker comments)
 * and `INTEROP_JSON` say.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import type { Outcome } from './interop.ts';

const BEGIN = '<!-- interop:begin -->';
const END = '<!-- interop:end -->';

interface Row extends Outcome {
  readonly result: 'pass' | 'fail' | 'not supported by the client' | 'could not be installed';
  /** Why it is not `pass`. */
  readonly reason?: string;
  readonly milliseconds: number;
}

function rowOf(test: TestCase): Row | undefined {
  const { outcome } = test.meta();
  const { state, errors, ...rest } = test.result();
  if (!outcome || state === 'pending') return undefined;
  const base = { ...outcome, milliseconds: Math.round(test.diagnostic()?.duration ?? 0) };
  if (state === 'passed') return { ...base, result: 'pass' };
  if (state === 'failed') {
    const reason = (errors[0]?.message ?? '').split('\n')[0]!;
    return { ...base, result: outcome.scenario ? 'fail' : 'could not be installed', reason };
  }
  const [result, reason] = ((rest as { note?: string }).note ?? '').split(': ') as [Row['result'], string?];
  return { ...base, result, ...(reason && { reason }) };
}

/** One table: a line for each scenario, a column for each client; and below it why a cell is not `pass`. */
function table(rows: readonly Row[], clients: readonly string[], compressed: boolean): string[] {
  const notes: string[] = [];
  const cell = (row: Row | undefined) => {
    if (!row || row.result === 'could not be installed') return 'not installed';
    if (row.result === 'pass') return 'pass';
    const note = `${row.result}: ${row.reason}`.replaceAll('|', '\\|');
    if (!notes.includes(note)) notes.push(note);
    const number = notes.indexOf(note) + 1;
    return row.result === 'fail' ? `**FAIL** (${number})` : `– (${number})`;
  };
  const played = rows.filter((row) => row.scenario !== undefined && row.compressed === compressed);
  const titles = [...new Set(played.map(({ scenario }) => scenario))];
  const lines = titles.map((title) => {
    const find = (client: string) => played.find((row) => row.client === client && row.scenario === title);
    return `| ${[title, ...clients.map((client) => cell(find(client)))].join(' | ')} |`;
  });
  return [
    `| | ${clients.join(' | ')} |`,
    `|---|${clients.map(() => '---|').join('')}`,
    ...lines,
    '',
    ...notes.map((note, i) => `${i + 1}. ${note}`),
    ...(notes.length > 0 ? [''] : []),
  ];
}

function report(rows: readonly Row[]): string {
  const installations = rows
    .filter(({ scenario }) => scenario === undefined)
    .sort((one, other) => one.client.localeCompare(other.client));
  const clients = installations.map(({ client }) => client);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const date = new Date().toISOString().slice(0, 10);
  const versions = installations.map(
    ({ client, version, reason }) => `- ${client}: ${version ?? `could not be installed: ${reason}`}`,
  );
  return [
    `${date}, websocksy ${version} on Node ${process.versions.node}, ${platform()} ${arch()}.`,
    '',
    ...versions,
    '',
    'Without compression:',
    '',
    ...table(rows, clients, false),
    'With permessage-deflate:',
    '',
    ...table(rows, clients, true),
  ].join('\n');
}

/** Puts the text between the markers of a page, which are added to it, or to a new one, if it has none. */
function writeInto(page: string, text: string): void {
  let before = existsSync(page) ? readFileSync(page, 'utf8') : '# Conformance\n';
  if (!before.includes(BEGIN)) before += `\n## Interoperability\n\n${BEGIN}\n${END}\n`;
  const [head, rest] = before.split(BEGIN) as [string, string];
  const tail = rest.split(END)[1];
  if (tail === undefined) throw new Error(`${page} has a ${BEGIN} without a ${END}`);
  writeFileSync(page, `${head}${BEGIN}\n\n${text}\n${END}${tail}`);
}

export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const rows = tests.map(rowOf).filter((row) => row !== undefined);
    const text = report(rows);
    process.stdout.write(`\n${text}\n`);
    const { INTEROP_MARKDOWN: markdown, INTEROP_JSON: json } = process.env;
    if (markdown) writeInto(markdown, text);
    if (json) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
  }
}

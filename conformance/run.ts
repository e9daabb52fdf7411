/**
 * `npm run conformance`: the Autobahn testsuite against the built daemon, or any other server, and a verdict.
 *
 * The order is: everything that can be wrong before the suite runs, the run, the verdict, the files that were asked for.
 */
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, type as systemName, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { allCases, CASES_FILE, DEFAULT_CASES, select } from './cases.ts';
import { type DaemonUnderTest, daemonArguments, startDaemon } from './daemon-under-test.ts';
import { readExpected } from './expected.ts';
import { findWstest, type Wstest } from './find-wstest.ts';
import { runFuzzingClient } from './fuzzing-client.ts';
import { listCases } from './list-cases.ts';
import { HELP, type Options, parseOptions } from './options.ts';
import { Problem } from './problem.ts';
import { Progress } from './progress.ts';
import { inProject, projectVersion } from './project.ts';
import { detailOf, keepReport, openReport, readOutcomes } from './report.ts';
import { type Circumstances, replaceBetween, toJson, toJunit, toMarkdown } from './results.ts';
import { summary } from './summary.ts';
import { judge, type Outcomes, type Verdict } from './verdict.ts';

const EXECUTABLE = 'dist/bin/websocksy.js';

/** In milliseconds: for a selection within the default one, and for any other, which may have the long cases. */
const TIMEOUT = { usual: 900_000, long: 7_200_000 };
const SILENCE = { usual: 120_000, long: 600_000 };

const print = (text: string) => process.stdout.write(text);
const note = (line: string) => print(`${line}\n`);

/** @returns the exit status */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, process.env);
  if (options.help) {
    print(HELP);
    return 0;
  }
  if (options.updateCases) {
    const cases = await listCases(await findWstest(process.env, options.installFolder, note));
    writeFileSync(inProject(CASES_FILE), `${JSON.stringify(cases, undefined, 2)}\n`);
    note(`${cases.length} cases written to ${CASES_FILE}`);
    return 0;
  }
  const all = allCases();
  const selected = select(options.cases, options.exclude, all);
  if (options.list) {
    note(selected.join('\n'));
    return 0;
  }
  // What cannot be written, or has no place for the table, is told of before the run, not an hour later.
  for (const file of [options.json, options.junit]) if (file !== undefined) checkFolderOf(file);
  if (options.markdown !== undefined) replaceBetween(readPage(options.markdown), '');
  return run(options, selected, all);
}

async function run(options: Options, selected: readonly string[], all: readonly string[]): Promise<number> {
  const expected = readExpected();
  const wstest = await findWstest(process.env, options.installFolder, note);
  note(`${wstest.version} (${wstest.origin})`);
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-conformance-'));
  let keepFolder = false;
  try {
    const { problems, ...circumstances } = await runSuite(options, selected, all, wstest, folder);
    const outcomes = outcomesIn(folder, problems);
    const verdict = judge(selected, outcomes, expected, problems);
    writeResults(options, verdict, circumstances);
    if (options.report !== undefined) keepReport(folder, options.report);
    if (options.open) openReport(options.report ?? folder);
    keepFolder = (verdict.failed > 0 || options.open) && options.report === undefined;
    const kept = options.report ?? (keepFolder ? folder : undefined);
    note(kept === undefined ? '' : `\nreport: ${join(kept, 'index.html')}\n`);
    print(summary(verdict, (id) => detailOf(folder, outcomes[id])));
    return verdict.failed === 0 ? 0 : 1;
  } finally {
    if (!keepFolder) rmSync(folder, { recursive: true, force: true });
  }
}

/** The suite, from the daemon's start to its end. @returns what went wrong beside the cases, and what it was run with */
async function runSuite(
  options: Options,
  selected: readonly string[],
  all: readonly string[],
  wstest: Wstest,
  folder: string,
): Promise<Circumstances & { problems: string[] }> {
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);

  const args = daemonArguments(options.daemonArgs);
  const daemon = options.url === undefined ? await startBuiltDaemon(args) : undefined;
  const server = daemon === undefined ? options.url! : `websocksy ${projectVersion()}: ${args.join(' ')}`;
  note(`${selected.length} of ${all.length} cases against ${server}`);

  const usual = new Set(select(DEFAULT_CASES, [], all));
  const length = selected.every((id) => usual.has(id)) ? 'usual' : 'long';
  const progress = new Progress(selected.length, print, { terminal: process.stdout.isTTY === true });
  const date = new Date();
  const began = performance.now();
  const problems = await runFuzzingClient({
    wstest,
    url: options.url ?? daemon!.url,
    // All of them by the star, so that a case that our list lacks runs and is noticed.
    cases: selected.length === all.length ? ['*'] : selected,
    folder,
    timeout: options.timeout ?? TIMEOUT[length],
    silence: options.silence ?? SILENCE[length],
    signal: interrupt.signal,
    onCase: (id) => progress.begin(id),
  });
  progress.end();
  const seconds = (performance.now() - began) / 1000;
  if (daemon !== undefined) {
    problems.push(...(await daemon.stop()));
    daemon.saveLog(join(folder, 'daemon.log'));
  }
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  const system = `${systemName()} ${arch()}`;
  return { problems, date, seconds, server, wstest: wstest.version, node: process.versions.node, system };
}

/** The files that were asked for. */
function writeResults(
  { json, junit, markdown }: Options,
  verdict: Verdict,
  circumstances: Circumstances,
): void {
  if (json !== undefined) writeFileSync(json, toJson(verdict, circumstances));
  if (junit !== undefined) writeFileSync(junit, toJunit(verdict, circumstances));
  if (markdown !== undefined)
    writeFileSync(markdown, replaceBetween(readPage(markdown), toMarkdown(verdict, circumstances)));
}

function startBuiltDaemon(args: readonly string[]): Promise<DaemonUnderTest> {
  const executable = inProject(EXECUTABLE);
  if (!existsSync(executable)) throw new Problem('the daemon is not built: run `npm run build` first');
  return startDaemon(executable, args);
}

/** What the report says, and one problem more if it cannot be read. */
function outcomesIn(folder: string, problems: string[]): Outcomes {
  try {
    const outcomes = readOutcomes(folder);
    if (outcomes !== undefined) return outcomes;
    problems.push('wstest has written no report');
  } catch (error) {
    problems.push(`wstest's report cannot be read: ${(error as Error).message}`);
  }
  return {};
}

function checkFolderOf(file: string): void {
  try {
    accessSync(dirname(file), constants.W_OK);
  } catch (error) {
    throw new Problem(`cannot write ${file}: ${(error as Error).message}`);
  }
}

function readPage(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Problem(`cannot read ${file}: ${(error as Error).message}`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  process.stderr.write(`conformance: ${error.message}\n`);
  process.exitCode = 2;
}

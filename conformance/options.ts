/** The runner's command line. What is unknown, or makes no sense, is a Problem that says so. */
import { parseArgs } from 'node:util';
import { DEFAULT_CASES } from './cases.ts';
import { Problem } from './problem.ts';

export interface Options {
  readonly help: boolean;
  /** Print the selected cases instead of running them. */
  readonly list: boolean;
  /** Write wstest's list of all cases to cases.json instead of running any. */
  readonly updateCases: boolean;
  readonly cases: readonly string[];
  readonly exclude: readonly string[];
  /** The server to test; undefined: the built daemon, started for it. */
  readonly url: string | undefined;
  readonly daemonArgs: readonly string[];
  readonly report: string | undefined;
  readonly open: boolean;
  readonly json: string | undefined;
  readonly junit: string | undefined;
  readonly markdown: string | undefined;
  /** Milliseconds for all; undefined: by what is selected. */
  readonly timeout: number | undefined;
  /** Milliseconds without a word from wstest; undefined: by what is selected. */
  readonly silence: number | undefined;
  readonly installFolder: string | undefined;
}

export const HELP = `npm run conformance -- [OPTIONS]

Runs the Autobahn testsuite's fuzzing client (wstest) against the built daemon on echo://, with compression on and
default limits, and fails unless each selected case has exactly the result that conformance/expected.json states.

  --cases LIST           which cases: 7.1.6, 7.1.* or 7.1, *; several with commas, or by giving the option again
  --exclude LIST         cases to leave out, written in the same way
  --full                 all 517 (by default all but most of the long ones about compression)
  --url URL              test the server at this ws:// address instead of the daemon; it has to echo
  --daemon-arg ARG       an argument for the daemon; may be given again: --daemon-arg=--compression --daemon-arg=off
  --report FOLDER        keep wstest's HTML report, its output and the daemon's log here; index.html is the first page
  --open                 open the report in a browser
  --json FILE            write the results as JSON
  --junit FILE           write the results as JUnit XML
  --markdown FILE        put the table between the lines <!-- conformance --> and <!-- /conformance --> of this file
  --timeout SECONDS      give up after this time (900; 7200 if cases beyond the default ones are selected)
  --silence SECONDS      give up when wstest says nothing for so long (120; 600 likewise)
  --install-folder FOLDER  where wstest is installed if there is none ($WSTEST_HOME; below the user's cache folder)
  --list                 print the selected cases, run none
  --update-cases         write conformance/cases.json anew from wstest's own list, run none
  --help                 this text

wstest is $WSTEST, or the one on the PATH, or one that was installed by an earlier run, or it is installed now (with
CPython 2.7, on the PATH or under pyenv, and a python3 that has pip), or the container image's where docker runs.

The exit status is 0 if all is as expected, 1 if not, 2 if the suite could not run at all.
`;

/** @throws Problem */
export function parseOptions(args: readonly string[], env: NodeJS.ProcessEnv = {}): Options {
  const values = parse(args);
  const full = values.full ?? false;
  if (full && values.cases !== undefined) throw new Problem('--full and --cases exclude each other');
  if (values.url !== undefined && values['daemon-arg'] !== undefined)
    throw new Problem('--url and --daemon-arg exclude each other: no daemon is started');
  return {
    help: values.help ?? false,
    list: values.list ?? false,
    updateCases: values['update-cases'] ?? false,
    cases: full ? ['*'] : values.cases === undefined ? DEFAULT_CASES : patterns('--cases', values.cases),
    exclude: patterns('--exclude', values.exclude ?? []),
    url: values.url === undefined ? undefined : webSocketUrl(values.url),
    daemonArgs: values['daemon-arg'] ?? [],
    report: values.report,
    open: values.open ?? false,
    json: values.json,
    junit: values.junit,
    markdown: values.markdown,
    timeout: milliseconds('--timeout', values.timeout),
    silence: milliseconds('--silence', values.silence),
    installFolder: values['install-folder'] ?? (env['WSTEST_HOME'] || undefined),
  };
}

/** By their long names; there are no short ones. */
export const OPTIONS = {
  cases: { type: 'string', multiple: true },
  exclude: { type: 'string', multiple: true },
  full: { type: 'boolean' },
  url: { type: 'string' },
  'daemon-arg': { type: 'string', multiple: true },
  report: { type: 'string' },
  open: { type: 'boolean' },
  json: { type: 'string' },
  junit: { type: 'string' },
  markdown: { type: 'string' },
  timeout: { type: 'string' },
  silence: { type: 'string' },
  'install-folder': { type: 'string' },
  list: { type: 'boolean' },
  'update-cases': { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: false,
      options: OPTIONS,
    }).values;
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : String(error));
  }
}

function patterns(option: string, lists: readonly string[]): string[] {
  const found = lists.flatMap((list) => list.split(',')).map((pattern) => pattern.trim());
  if (found.includes('')) throw new Problem(`${option}: a pattern is empty`);
  return found;
}

function webSocketUrl(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : undefined;
  if (protocol !== 'ws:' && protocol !== 'wss:') throw new Problem(`--url: no ws:// address: ${text}`);
  return text;
}

/** At most what a timer takes: 2^31 - 1 ms, 24 days. */
const MAX_SECONDS = 2_147_483;

function milliseconds(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : 0;
  if (seconds < 1 || seconds > MAX_SECONDS)
    throw new Problem(`${option}: a number of seconds from 1 to ${MAX_SECONDS}: ${text}`);
  return seconds * 1000;
}

/** The folder that wstest writes its report to: what it says of a case, keeping it, showing it. */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AGENT } from './fuzzing-client.ts';
import { type Outcome, type Outcomes, readIndex } from './verdict.ts';

/** @returns undefined if wstest has not come to write one */
export function readOutcomes(folder: string): Outcomes | undefined {
  const file = join(folder, 'index.json');
  return existsSync(file) ? readIndex(readFileSync(file, 'utf8'), AGENT) : undefined;
}

/** What wstest says of a case in its own words; undefined: nothing. */
export function detailOf(folder: string, outcome: Outcome | undefined): string | undefined {
  if (outcome === undefined) return undefined;
  try {
    const { result, resultClose, remoteCloseCode } = JSON.parse(
      readFileSync(join(folder, outcome.reportfile), 'utf8'),
    ) as Record<string, unknown>;
    return `${result} ${resultClose} (close code received: ${remoteCloseCode ?? 'none'})`;
  } catch {
    // The verdict does not need it.
    return undefined;
  }
}

/** Copies the report; the pages of an earlier one in that place go first. */
export function keepReport(folder: string, place: string): void {
  for (const index of ['index.html', 'index.json']) rmSync(join(place, index), { force: true });
  mkdirSync(place, { recursive: true });
  cpSync(folder, place, { recursive: true });
}

/** Opens the report's first page in whatever this system opens pages with. */
export function openReport(folder: string): void {
  const page = join(folder, 'index.html');
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', page]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '', page]
        : ['xdg-open', page];
  const child = spawn(command!, args, { detached: true, stdio: 'ignore' });
  child.on('error', () => process.stderr.write(`cannot open a browser: ${page}\n`));
  child.unref();
}

/** The list of all cases from wstest itself, which prints what it will run before it connects. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Wstest } from './find-wstest.ts';
import { runFuzzingClient, WSTEST_LOG } from './fuzzing-client.ts';
import { Problem } from './problem.ts';

/** It takes a second. */
const TIMEOUT = 60_000;

/** Port 1 of this machine is a service that nobody runs any more: wstest is refused, and ends. */
const NOBODY = 'ws://127.0.0.1:1';

/** @throws Problem */
export async function listCases(wstest: Wstest): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-conformance-'));
  try {
    await runFuzzingClient({
      wstest,
      url: NOBODY,
      cases: ['*'],
      folder,
      timeout: TIMEOUT,
      silence: TIMEOUT,
      signal: new AbortController().signal,
      onCase: () => {},
    });
    return parseCases(readFileSync(join(folder, WSTEST_LOG), 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The list in `Cases = ['1.1.1', '1.1.2']`. @throws Problem */
export function parseCases(log: string): string[] {
  const [, list = ''] = /^Cases = \[(.+)\]$/m.exec(log) ?? [];
  const cases = list.split(', ').map((quoted) => /^u?'(\d+(?:\.\d+)+)'$/.exec(quoted)?.[1]);
  if (cases.includes(undefined)) throw new Problem(`wstest does not list its cases:\n${log.trim()}`);
  return cases as string[];
}

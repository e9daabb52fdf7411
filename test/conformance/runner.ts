/** Runs the built conformance runner as a person would, and reads what it found. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const EXECUTABLE = fileURLToPath(new URL('../../dist/conformance/run.js', import.meta.url));

export interface CaseResult {
  readonly passed: boolean;
  /** null: not run */
  readonly behavior: string | null;
  readonly behaviorClose: string | null;
}

export interface Results {
  readonly status: number | null;
  /** Standard output and standard error. */
  readonly output: string;
  /** Undefined: it has not come to write them. */
  readonly json:
    | {
        readonly passed: number;
        readonly failed: number;
        readonly problems: readonly string[];
        readonly cases: Readonly<Record<string, CaseResult>>;
      }
    | undefined;
  /** The cases that did not come out as expected, in their order. */
  readonly red: readonly string[];
}

export async function runConformance(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Results> {
  if (!existsSync(EXECUTABLE)) throw new Error('not built: run `npm run build:conformance` first');
  // Its reports go here too, those that it keeps because something is red.
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-test-'));
  try {
    const file = join(folder, 'results.json');
    const child = spawn(process.execPath, [EXECUTABLE, '--json', file, ...args], {
      env: { ...process.env, TMPDIR: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const collect = (text: string) => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', collect);
    child.stderr.setEncoding('utf8').on('data', collect);
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
    const json = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Results['json']) : undefined;
    const red = Object.entries(json?.cases ?? {})
      .filter(([, { passed }]) => !passed)
      .map(([id]) => id);
    return { status, output, json, red };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

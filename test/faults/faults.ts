/**
 * Many sessions at a time against one daemon, and then the daemon itself: it must be alive and well, have given back what
 * it had borrowed, and stop when told.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unansweringPort } from '../support/peer.ts';
import { type DaemonOptions, DaemonUnderTest, ROOT } from './daemon-under-test.ts';
import { compileUnixPeer } from './datagram-peer.ts';
import { drawPlan, type Plan } from './plan.ts';
import { type Outcome, runSession, type Surroundings } from './session.ts';

export interface FaultsOptions extends DaemonOptions {
  readonly seed: number;
  /** Which sessions, by their numbers; the first of them is this one. */
  readonly first: number;
  readonly count: number;
  /** No session begins later than so many seconds after the first. */
  readonly seconds?: number | undefined;
  readonly atOnce?: number;
  /** Sees to it that there is something to be found: the proxies before the peers lose a byte each. */
  readonly lossy?: boolean;
  /** For a session, in ms. */
  readonly deadline?: number;
  /** Chooses among the sessions. */
  readonly only?: (plan: Plan) => boolean;
  readonly onOutcome?: (outcome: Outcome) => void;
}

export interface FaultsResult {
  readonly outcomes: readonly Outcome[];
  /** What was wrong with the daemon after all of them. */
  readonly aftermath: readonly string[];
}

const AT_ONCE = 32;
/** A side that does not end is cut by the daemon after 30 s. */
const PATIENCE = 45_000;

export async function runFaults(options: FaultsOptions): Promise<FaultsResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ws-faults-'));
  const silent = await unansweringPort();
  const unixDatagrams = existsSync(join(ROOT, 'dist/src/transports/unix-dgram.node'));
  if (unixDatagrams) compileUnixPeer(folder);
  try {
    await using daemon = await DaemonUnderTest.start(options);
    const surroundings = { daemon, folder, silentPort: silent.port, deadline: options.deadline };
    const ordinary = { ...drawPlan(options.seed, 0, false), ...ORDINARY };
    // The first session opens what the daemon keeps for all.
    const before = await runSession({ ...ordinary, index: -1 }, surroundings);
    const descriptors = daemon.descriptors;
    const outcomes = await runAll(options, unixDatagrams, { ...surroundings, lossy: options.lossy ?? false });
    const after = await runSession({ ...ordinary, index: -2 }, surroundings);
    const aftermath = await judgeAfter(daemon, descriptors);
    aftermath.push(...before.problems, ...after.problems);
    return { outcomes, aftermath };
  } finally {
    await silent.release();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A session in which nobody does anything wrong. */
const ORDINARY = {
  scenario: 'client closes',
  peer: 'tcp',
  framing: 'binary',
  framingConfig: undefined,
  when: 'settled',
  gated: false,
} as const;

async function runAll(
  { seed, first, count, seconds, atOnce = AT_ONCE, only, onOutcome }: FaultsOptions,
  unixDatagrams: boolean,
  surroundings: Surroundings,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const last = seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + seconds * 1_000;
  let next = first;
  const work = async () => {
    while (next < first + count && performance.now() < last && surroundings.daemon.alive) {
      const plan = drawPlan(seed, next, unixDatagrams);
      next += 1;
      if (only !== undefined && !only(plan)) continue;
      const outcome = await runSession(plan, surroundings);
      outcomes.push(outcome);
      onOutcome?.(outcome);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}

async function judgeAfter(daemon: DaemonUnderTest, descriptors: number): Promise<string[]> {
  const problems: string[] = [];
  if (!daemon.alive) return ['the daemon is dead', ...daemon.alarms];
  const last = performance.now() + PATIENCE;
  while (daemon.descriptors > descriptors && performance.now() < last) await sleep(50);
  if (daemon.descriptors > descriptors)
    problems.push(`the daemon has ${daemon.descriptors} descriptors, at the start ${descriptors}`);
  const status = await daemon.stop();
  if (status !== 0) problems.push(`told to stop, the daemon ended with ${status}`);
  return [...problems, ...daemon.alarms.map((line) => `in the log: ${line}`)];
}

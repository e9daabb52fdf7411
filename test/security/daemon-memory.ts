/** What memory the daemon under test has, as Linux tells it of a process; elsewhere nothing is judged. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { Daemon } from '../support/daemon.ts';
import { MIB } from '../support/ws-wire.ts';

/** Far above what the daemon's own work takes, and far below what each attack would take if it were kept. */
export const MOST_GROWTH = 64 * MIB;

/** Runs it, and expects that the daemon did not have `MOST_GROWTH` more than before at any moment. */
export async function withinMemory(daemon: Daemon, run: () => Promise<void>): Promise<void> {
  const before = memoryOf(daemon, 'VmRSS');
  await run();
  expect(memoryOf(daemon, 'VmHWM') - before, 'the growth of the daemon').toBeLessThan(MOST_GROWTH);
}

/** In bytes. `VmRSS`: what it has; `VmHWM`: the most that it ever had. */
function memoryOf({ pid }: Daemon, figure: 'VmRSS' | 'VmHWM'): number {
  if (process.platform !== 'linux') return 0;
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(new RegExp(`^${figure}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) * 1_024;
}

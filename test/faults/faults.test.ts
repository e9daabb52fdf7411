/** A few of the sessions of `npm run faults` at each `npm test`; and that its oracle finds what is there to be found. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { KERNEL_OFF } from '../support/kernel-way.ts';
import { runFaults } from './faults.ts';
import type { Plan } from './plan.ts';
import { showFailure } from './report.ts';

const SEED = 20_261_123;
const PATIENCE = 180_000;
/** For sessions that are to fail: some of them never end. */
const SHORT = 5_000;
const kernel = KERNEL_OFF ? 'off' : 'auto';

/** In which the client's bytes, of which there are some, have to arrive. */
function mustArrive({ scenario, peer, up, eager, when }: Plan): boolean {
  const stream = peer === 'tcp' || peer === 'unix';
  return scenario === 'client closes' && stream && up.bytes > 100 && !eager && when === 'sent';
}

test(
  'forty sessions that go wrong in all ways lose nothing that may not be lost',
  async () => {
    const { outcomes, aftermath } = await runFaults({ seed: SEED, first: 0, count: 40, kernel });
    const failures = outcomes.filter(({ problems }) => problems.length > 0);
    expect(failures.map((failure) => showFailure(failure, kernel)).join('\n')).toBe('');
    expect(aftermath).toEqual([]);
    expect(outcomes).toHaveLength(40);
  },
  PATIENCE,
);

test(
  'the oracle finds a byte that a proxy has lost',
  async () => {
    const { outcomes } = await runFaults({
      seed: SEED,
      first: 0,
      count: 200,
      kernel,
      lossy: true,
      deadline: SHORT,
      only: mustArrive,
    });
    expect(outcomes.length).toBeGreaterThan(2);
    for (const { problems, plan } of outcomes)
      expect(problems, `session ${plan.index}`).toContainEqual(
        expect.stringMatching(/byte 0 is wrong|are lost/),
      );
  },
  PATIENCE,
);

test(
  'the oracle finds a daemon that loses the tail',
  async () => {
    const hook = fileURLToPath(new URL('breaks-tail.mjs', import.meta.url));
    const { outcomes } = await runFaults({
      seed: SEED,
      first: 0,
      count: 200,
      kernel,
      deadline: SHORT,
      environment: { NODE_OPTIONS: `--import=${hook}` },
      only: (plan) => mustArrive(plan),
    });
    expect(
      outcomes.filter(({ problems }) => problems.some((text) => /are lost|orderly end/.test(text))),
    ).not.toEqual([]);
  },
  PATIENCE,
);

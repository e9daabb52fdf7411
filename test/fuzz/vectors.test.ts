/**
 * That no finding comes back, and that each fuzzer still runs: its vectors, and a few inputs from a fixed seed, without looking
 * at coverage. `npm run fuzz` is the search itself.
 */
import { describe, expect, test } from 'vitest';
import { hex, hexOf } from '../support/bytes.ts';
import { fuzz } from './fuzzer.ts';
import { TARGETS } from './targets.ts';
import { VECTORS } from './vectors.ts';

const SEED = 7;
const EXECUTIONS = 200;

describe.for(TARGETS.map((target) => [target.name, target] as const))('%s', ([name, target]) => {
  test('finds nothing in what it has found before', async () => {
    for (const { input } of VECTORS[name] ?? []) await target.run(hex(input));
  });

  test(`finds nothing in ${EXECUTIONS} inputs (seed ${SEED})`, async () => {
    const goOn = (executions: number) => executions < EXECUTIONS;
    const { executions, finding } = await fuzz(target, { seed: SEED, goOn });
    if (finding !== undefined) {
      const again = `npm run fuzz -- --target ${name} --input ${hexOf(finding.input)}`;
      throw new Error(`found: ${again}`, { cause: finding.error });
    }
    expect(executions).toBe(EXECUTIONS);
  });
});

test('vectors are of targets that there are', () => {
  expect(TARGETS.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(VECTORS)));
});

/** That each run of the suite goes the way that its name says (vitest.config.ts, vitest.without-kernel.config.ts). */
import { expect, test } from 'vitest';
import { KERNEL_OFF, NODE_OPTIONS, WAY } from './kernel-way.ts';

test(`this run goes the way "${WAY}"`, () => {
  expect(['kernel', 'off', 'jitless']).toContain(WAY);
  expect(KERNEL_OFF).toBe(WAY === 'off');
  expect('WebAssembly' in globalThis).toBe(WAY !== 'jitless');
  expect(NODE_OPTIONS).toEqual(WAY === 'jitless' ? ['--jitless'] : []);
});

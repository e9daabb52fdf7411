import { defineConfig } from 'vitest/config';

/**
 * All tests that a client's bytes go through, without the kernel: told so, and under `node --jitless`, where there is no
 * WebAssembly and JavaScript is slow. vitest.config.ts has as much of it as can be run every day.
 */
const INCLUDE = ['test/support/kernel-way.test.ts', 'test/wire/**/*.test.ts', 'test/bridge-*.test.ts'];
/** How connections end; with clocks that a slow JavaScript would not keep to. */
const ENDS = ['test/ends/*.test.ts', 'test/stop/*.test.ts', 'test/limits/*.test.ts'];

export default defineConfig({
  test: {
    maxWorkers: 4,
    projects: [
      {
        test: {
          name: 'no kernel',
          include: [...INCLUDE, ...ENDS, 'test/rfc6455/connection{,-compression}.test.ts'],
          env: { TEST_KERNEL: 'off' },
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'jitless',
          include: [...INCLUDE, 'test/rfc6455/**/*.test.ts'],
          exclude: ['test/rfc6455/kernel*.test.ts', 'test/rfc6455/connection-ways.test.ts'],
          env: { TEST_KERNEL: 'jitless' },
          execArgv: ['--jitless'],
          testTimeout: 180_000,
        },
      },
    ],
  },
});

import { defineConfig } from 'vitest/config';

/** The tests of the protocol under `node --jitless`, where there is no WebAssembly and JavaScript is slow. */
export default defineConfig({
  test: {
    include: [
      'test/support/kernel-way.test.ts',
      'test/rfc6455/**/*.test.ts',
      'test/wire/**/*.test.ts',
      'test/bridge-*.test.ts',
    ],
    env: { TEST_KERNEL: 'jitless' },
    execArgv: ['--jitless'],
    testTimeout: 120_000,
  },
});

import { defineConfig } from 'vitest/config';

/** The fast suite: everything but what needs servers or clients from packages (the e2e and interop configurations). */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/interop/**'],
    testTimeout: 20_000,
    // More than there are cores: many tests wait for a timeout of the daemon's, and cost nothing meanwhile.
    maxWorkers: 4,
  },
});

import { defineConfig } from 'vitest/config';

/**
 * The fast suite: everything but what needs a server from a package (see vitest.e2e.config.ts) or the Autobahn testsuite
 * (see vitest.conformance.config.ts).
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/conformance/**'],
    testTimeout: 20_000,
    // More than there are cores: many tests wait for a timeout of the daemon's, and cost nothing meanwhile.
    maxWorkers: 4,
  },
});

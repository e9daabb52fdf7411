import { defineConfig } from 'vitest/config';

/**
 * The fast suite: everything but what needs a server from a package (see vitest.e2e.config.ts), the Autobahn testsuite
 * (see vitest.conformance.config.ts) or other clients (see vitest.interop.config.ts).
 */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'test/conformance/**', 'test/interop/**'],
    testTimeout: 20_000,
    // More than there are cores: many tests wait for a timeout of the daemon's, and cost nothing meanwhile.
    maxWorkers: 4,
  },
});

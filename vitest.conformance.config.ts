import { defineConfig } from 'vitest/config';

/** The conformance runner against servers broken on purpose; it needs wstest, and installs it where there is none. */
export default defineConfig({
  test: {
    include: ['test/conformance/**/*.test.ts'],
    // The first one may have to install wstest.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    fileParallelism: false,
  },
});

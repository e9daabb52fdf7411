import { defineConfig } from 'vitest/config';

/** The end-to-end suite: the built daemon with real servers and clients; `.ci/run` runs it on each Node we name. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    testTimeout: 120_000,
    fileParallelism: false,
  },
});

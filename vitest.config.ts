import { defineConfig } from 'vitest/config';

const COMMON = {
  exclude: ['test/e2e/**', 'test/conformance/**', 'test/interop/**'],
  testTimeout: 20_000,
};

/** Sees to it that a project is what its name says. */
const WAY = 'test/support/kernel-way.test.ts';

/**
 * The fast suite: everything but what needs a server from a package (see vitest.e2e.config.ts), the Autobahn testsuite
 * (see vitest.conformance.config.ts) or other clients (see vitest.interop.config.ts).
 *
 * What a client's bytes go through is tested with the kernel and without, told so or under `node --jitless`, which is
 * slow (test/support/kernel-way.ts). Without it there are only the tests here that see the most of it; all of them run by
 * vitest.without-kernel.config.ts.
 */
export default defineConfig({
  test: {
    // More than there are cores: many tests wait for a timeout of the daemon's, and cost nothing meanwhile.
    maxWorkers: 4,
    projects: [
      { test: { ...COMMON, name: 'kernel', include: ['test/**/*.test.ts'], env: { TEST_KERNEL: 'kernel' } } },
      {
        test: {
          ...COMMON,
          name: 'no kernel',
          include: [
            WAY,
            'test/rfc6455/connection.test.ts',
            'test/wire/{frames,text,bridge}.test.ts',
            'test/bridge-{backpressure,closing,writes}.test.ts',
            'test/ends/{half-close,tail}.test.ts',
          ],
          env: { TEST_KERNEL: 'off' },
        },
      },
      {
        test: {
          ...COMMON,
          name: 'jitless',
          include: [WAY, 'test/rfc6455/mask.test.ts', 'test/wire/text.test.ts'],
          env: { TEST_KERNEL: 'jitless' },
          execArgv: ['--jitless'],
          testTimeout: 60_000,
        },
      },
    ],
  },
});

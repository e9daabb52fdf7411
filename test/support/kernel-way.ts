/**
 * Which way the bytes go in a run of the suite, by TEST_KERNEL: `kernel`, as the daemon has it by default; `off`, by the
 * decoder in TypeScript and the heap; `jitless`, under `node --jitless`, where the daemon itself finds no kernel.
 * vitest.config.ts and vitest.without-kernel.config.ts say which tests go which way.
 */
export const WAY = process.env['TEST_KERNEL'] ?? 'kernel';
export const KERNEL_OFF = WAY === 'off';

/** For a daemon that is started as a process: what Node is given, and what is added to its environment. */
export const NODE_OPTIONS = process.execArgv.filter((option) => option === '--jitless');
export const DAEMON_ENVIRONMENT = KERNEL_OFF ? { WEBSOCKSY_KERNEL: 'off' } : {};

import { defineConfig } from 'vitest/config';
import TableReporter from './test/interop/table.ts';

/** The built daemon with the clients that people use: `npm run interop`, see test/interop/README.md. */
export default defineConfig({
  test: {
    include: ['test/interop/*.test.ts'],
    fileParallelism: false,
    reporters: ['verbose', new TableReporter()],
  },
});

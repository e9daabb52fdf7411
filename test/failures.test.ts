/** What a stranger's plugin can do to the whole daemon, and how it ends: in order, with a word in the log. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { start } from '../src/index.ts';
import { createLogger } from '../src/observability/logger.ts';
import { startDaemon } from './support/daemon.ts';
import { RawClient, request } from './support/raw-client.ts';

const folder = mkdtempSync(join(tmpdir(), 'websocksy-failures-'));
afterAll(() => rmSync(folder, { recursive: true }));

function backend(name: string, body: string): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(
    file,
    `export default { apiVersion: 1, kind: 'backend', name: '${name}', options: {}, ${body} };`,
  );
  return file;
}

test('a stray rejection in a backend is logged with its stack and ends the process in order, with 1', async () => {
  const stray = backend(
    'stray',
    "create: () => ({ async query() { Promise.reject(new Error('stray')); return null; } })",
  );
  await using daemon = await startDaemon(['-b', stray]);
  const client = await RawClient.connect(daemon);
  client.send(request());
  await client.stream.rest();
  client.stream.end();
  expect(await daemon.exited).toBe(1);
  expect(daemon.output()).toMatch(/error uncaught stack="Error: stray/);
  expect(daemon.output()).toContain('stopped');
});

test('a backend whose close never ends does not hold up the stop', async () => {
  const lines: string[] = [];
  const daemon = await start({
    port: 0,
    listen: '127.0.0.1',
    backend: backend(
      'hanging',
      'create: () => ({ query: async () => null, close: () => new Promise(() => {}) })',
    ),
    limits: { drainTimeout: 100 },
    log: createLogger('info', (line) => lines.push(line)),
  });
  expect(await daemon.stop()).toBe(0);
  expect(lines.join('')).toContain('backend did not close');
});

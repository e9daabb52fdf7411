/** Which of the places that an option can be set in counts, in the built command. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCommand } from './support/daemon.ts';

test('the command line wins over the environment, that over the file, that over the default', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ws-layers-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'w.conf');
  writeFileSync(file, 'port = 1\nping = 1\ndrain = 1\n[backend]\nhost = tcp://file:1\nprotocol = file\n');
  const env = {
    ...process.env,
    WEBSOCKSY_LISTEN_PORT: '2',
    WEBSOCKSY_PING: '2',
    WEBSOCKSY_BACKEND_OPTION_HOST: 'tcp://environment:2',
  };
  const { code, stdout } = await runCommand(['--check', file, '-p', '3'], env);
  expect(code).toBe(0);
  expect(stdout).toContain('log-level = info');
  const settings = stdout.split('\n').filter((line) => /^\w/.test(line));
  expect(settings).toEqual(
    expect.arrayContaining([
      'port = 3',
      'ping = 2',
      'drain = 1',
      'host = tcp://environment:2',
      'protocol = file',
    ]),
  );
});

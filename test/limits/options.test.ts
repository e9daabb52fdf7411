/** The options of `[limits]` on their way from the command line, the environment and a file to what the daemon does. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { expectAnswer, expectClose, expectEchoed } from '../support/limits.ts';
import { BINARY, clientFrame, PING, RawClient } from '../support/raw-client.ts';
import { until } from '../support/sockets.ts';
import { expectRunning } from '../support/still-serving.ts';

const ECHO = ['-c', 'host=echo://'];

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'websocksy-options-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What SIGUSR2 makes the daemon say. */
async function countersOf(daemon: Daemon): Promise<Readonly<Record<string, number>>> {
  const seen = daemon.output().length;
  process.kill(daemon.pid, 'SIGUSR2');
  const line = / info {2}counters(.*)\n/;
  await until('the counters', () => line.test(daemon.output().slice(seen)));
  const [, fields = ''] = line.exec(daemon.output().slice(seen))!;
  return Object.fromEntries(
    [...fields.matchAll(/ ([a-z-]+)=(\d+)/g)].map(([, name, value]) => [name, Number(value)]),
  );
}

test('on the command line: each limit that one client can meet, and the counters on SIGUSR2', async () => {
  await using daemon = await startDaemon([
    ...ECHO,
    ...['--max-connections', '2', '--control-rate', '5', '--max-message', '1K'],
  ]);
  const large = await RawClient.open(daemon);
  large.send(clientFrame(BINARY, Buffer.alloc(1_025)));
  await expectClose(large, 1009, 'message too large');
  await large.expectEndAndLeave();
  const flood = await RawClient.open(daemon);
  flood.send(Buffer.concat(Array<Buffer>(10_000).fill(clientFrame(PING, ''))));
  await flood.stream.rest();
  flood.stream.end();
  await until('two ends', () => [...daemon.output().matchAll(/ closed id=/g)].length === 2);
  const [one, two] = [await RawClient.open(daemon), await RawClient.open(daemon)];
  await expectAnswer(await RawClient.connect(daemon), 503, 'too many connections', 5);
  expect(await countersOf(daemon)).toMatchObject({
    accepted: 5,
    opened: 4,
    connections: 2,
    buffered: 0,
    'closed-message-too-large': 1,
    'closed-control-rate': 1,
    'refused-connections-full': 1,
  });
  for (const client of [one, two]) client.stream.destroy();
  await expectRunning(daemon);
});

test('in the environment', async () => {
  const env = { ...process.env, WEBSOCKSY_MAX_CONNECTIONS_PER_ADDRESS: '1', WEBSOCKSY_HEAD_BYTES: '300' };
  await using daemon = await startDaemon(ECHO, env);
  const client = await RawClient.open(daemon);
  await expectAnswer(await RawClient.connect(daemon), 429, 'too many connections from one address', 5);
  await expectEchoed(client);
  client.stream.destroy();
});

test('in a file', async () => {
  const file = join(folder, 'limits.conf');
  writeFileSync(
    file,
    '[backend]\nhost = echo://\n[limits]\nmax-buffered = 1M\nhead-time = 0.3\nidle-time = 0.5\n',
  );
  await using daemon = await startDaemon(['--config', file]);
  const client = await RawClient.connect(daemon);
  await expectAnswer(client, 408, 'request head not received in time');
  expect(daemon.output()).toMatch(/ bounds .*max-buffered=1048576\n/);
  await until('the end', () => / refused id=1 .*status=408 .*why=head-timeout/.test(daemon.output()));
  const idle = await RawClient.open(daemon);
  await expectClose(idle, 1008, 'no data for too long');
  idle.stream.destroy();
});

/** The last check of each file: whatever the tests did to the daemon, it lives, serves, and met nothing unforeseen. */
import { expect } from 'vitest';
import type { Daemon } from './daemon.ts';
import { clientClose, RawClient, TEXT } from './raw-client.ts';

export async function expectRunning(daemon: Daemon): Promise<void> {
  const state = await Promise.race([
    daemon.exited.then((code) => `ended with ${code}`),
    Promise.resolve('running'),
  ]);
  expect(state).toBe('running');
  // A stack in the log is how the daemon reports what nobody foresaw.
  expect(daemon.output()).not.toMatch(/\n\s+at \S/);
}

/** For a daemon on echo://. */
export async function expectStillEchoing(daemon: Daemon): Promise<void> {
  await expectRunning(daemon);
  const client = await RawClient.open(daemon);
  client.send('81 85 37fa213d 7f9f4d5158'); // §5.7: "Hello", masked
  await client.expectMessage(TEXT, 'Hello');
  client.send(clientClose(1000));
  await client.expectCloseEcho(1000);
  await expectRunning(daemon);
}

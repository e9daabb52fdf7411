/** A daemon that is late with everything takes nobody in who would be served late, too. */
import { expect, test } from 'vitest';
import { TICK } from '../../src/limits.ts';
import { serve } from '../support/in-process.ts';
import { expectAnswer, expectEchoed } from '../support/limits.ts';
import { request } from '../support/raw-client.ts';

/** Keeps the only thread busy, as a plugin does that waits for a disk. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

const LAG = 200;

test('max-lag: while a plugin blocks the thread new clients get 503; those inside go on, and then all are served', async () => {
  let blocking = true;
  const blockOn = () => {
    if (!blocking) return;
    block(TICK + 2 * LAG);
    setImmediate(blockOn);
  };
  const served = await serve({
    limits: { lag: LAG },
    backend: {
      query: async ({ path }) => {
        if (path === '/block') blockOn();
        return { peer: 'echo://' };
      },
    },
  });
  const inside = await served.open();
  const culprit = await served.connect();
  culprit.send(request({ requestLine: 'GET /block HTTP/1.1' }));
  await culprit.expectAccepted();

  // One late tick may be chance; so the first to come may still be let in.
  for (;;) {
    const client = await served.connect();
    const refused = served.lines.some((line) => line.includes('why=overloaded'));
    if (refused) {
      await expectAnswer(client, 503, 'overloaded', 5);
      break;
    }
    client.stream.destroy();
  }
  await served.logged(/ warn {2}turned away client=127\.0\.0\.1 why=overloaded\n/);
  expect(served.daemon.counters['refused-overloaded']).toBeGreaterThanOrEqual(1);
  expect(served.daemon.counters['lag']).toBeGreaterThanOrEqual(LAG);
  await expectEchoed(inside);

  blocking = false;
  for (let status = 0; status !== 101; ) {
    const client = await served.connect();
    client.send(request());
    ({ status } = await client.readResponse());
    client.stream.destroy();
  }
});

test('max-lag 0: never, however late', async () => {
  const served = await serve({ peer: 'echo://', limits: { lag: 0 } });
  for (let i = 0; i < 4; i += 1) {
    block(2 * TICK);
    await expectEchoed(await served.open());
  }
  expect(served.daemon.counters['refused-overloaded']).toBeUndefined();
});

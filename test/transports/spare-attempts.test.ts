import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Cancellation } from '../../src/cancellation.ts';
import { connectFirst } from '../../src/transports/race.ts';
import { SpareAttempts } from '../../src/transports/spare-attempts.ts';
import { pendingConnects, unansweringPort } from '../support/peer.ts';
import { until } from '../support/sockets.ts';

test('as many can be taken as there are, and one more for each that is given back', () => {
  const spare = new SpareAttempts(2);
  expect([spare.take(), spare.take(), spare.take()]).toEqual([true, true, false]);
  expect(spare.left).toBe(0);
  spare.give();
  expect(spare.left).toBe(1);
  expect([spare.take(), spare.take()]).toEqual([true, false]);
});

test('a try in vain takes nothing', () => {
  const spare = new SpareAttempts(0);
  expect(spare.take()).toBe(false);
  expect(spare.left).toBe(0);
});

test('dials to names with many addresses that do not answer have one attempt each, and the spare ones together', async () => {
  const silent = await unansweringPort();
  const spare = new SpareAttempts(2);
  const options = {
    resolver: () => Array<string>(20).fill('127.0.0.1'),
    dialTimeout: 60_000,
    closeTimeout: 1_000,
    stallTimeout: 0,
    spare,
  };
  // The connects that have filled its backlog wait, too.
  const before = pendingConnects(silent.port).length;
  const attempts = () => pendingConnects(silent.port).length - before;
  try {
    const signals = Array.from({ length: 3 }, () => new Cancellation());
    const address = { kind: 'tcp', host: 'many.test', port: silent.port } as const;
    const dials = signals.map((signal) => connectFirst(address, options, signal).catch(() => 'given up'));
    await until('all attempts that there may be', () => attempts() === 5);
    expect(spare.left).toBe(0);
    // Time for several more, were they allowed.
    await sleep(1_500);
    expect(attempts()).toBe(5);
    // Who is done gives back what it had, and another one goes on with it.
    signals[0]!.abort(new Error('not wanted'));
    await until('the others to go on', () => attempts() === 4 && spare.left === 0);
    for (const signal of signals) signal.abort(new Error('not wanted'));
    expect(await Promise.all(dials)).toEqual(['given up', 'given up', 'given up']);
    expect(spare.left).toBe(2);
  } finally {
    await silent.release();
  }
});

/** A request that is too long, has too many fields, or takes too long. */
import { expect, test } from 'vitest';
import { serve } from '../support/in-process.ts';
import { counted, expectAnswer, expectEchoed, repeatedly } from '../support/limits.ts';
import { request } from '../support/raw-client.ts';

const ECHO = 'echo://';

test('head-bytes: a longer head is answered 431, however it comes, and one of that length is served', async () => {
  const head = request({ add: ['X-Long: '] });
  const ofLength = (length: number) => request({ add: [`X-Long: ${'x'.repeat(length - head.length)}`] });
  const served = await serve({ peer: ECHO, limits: { headBytes: 1_000 } });

  const whole = await served.connect();
  whole.send(ofLength(1_001));
  await expectAnswer(whole, 431, 'request head too large');
  expect(await served.ended(1)).toMatchObject({ status: '431', why: 'head-too-large' });

  const endless = await served.connect();
  endless.send(ofLength(2_000).subarray(0, 1_001));
  await expectAnswer(endless, 431, 'request head too large');
  await counted(served, 'refused-head-too-large', 2);

  const fits = await served.connect();
  fits.send(ofLength(1_000));
  await fits.expectAccepted();
  await expectEchoed(fits);
});

test('head-fields: one field too many is answered 431, and as many as allowed are served', async () => {
  const withFields = (count: number) =>
    request({ add: Array.from({ length: count - 5 }, (_, i) => `X-${i}: y`) });
  const served = await serve({ peer: ECHO, limits: { headFields: 20 } });
  const over = await served.connect();
  over.send(withFields(21));
  await expectAnswer(over, 431, 'request head too large');
  await counted(served, 'refused-head-too-large');
  const fits = await served.connect();
  fits.send(withFields(20));
  await fits.expectAccepted();
});

test('head-time: counts from the accept, so that a byte now and then does not help', async () => {
  const served = await serve({ peer: ECHO, limits: { headTimeout: 1_500 } });
  const other = await served.open();
  const [silent, slow] = [await served.connect(), await served.connect()];
  slow.send(request().subarray(0, -2), Buffer.from('X-Slow: '));
  const stop = repeatedly(() => slow.send(Buffer.from('z')));
  await expectAnswer(silent, 408, 'request head not received in time');
  expect(slow.stream.socket.destroyed).toBe(false);
  await expectAnswer(slow, 408, 'request head not received in time').finally(stop);
  expect(await served.ended(2)).toMatchObject({ status: '408', why: 'head-timeout' });
  await counted(served, 'refused-head-timeout', 2);
  // Whose head was in time is not concerned.
  await expectEchoed(other);
});

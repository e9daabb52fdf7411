/** All that is said of frames, text and closing, once more with everything compressed that can be. */
import { expect, test } from 'vitest';
import { agreeOnCompression, compressionArguments } from '../support/compression-agreed.ts';
import { startDaemon } from '../support/daemon.ts';
import { clientFrame, RawClient, TEXT } from '../support/raw-client.ts';

agreeOnCompression('compressed');
await import('./frames.test.ts');
await import('./text.test.ts');
await import('./close.test.ts');

test('messages are compressed in these tests, both ways', async () => {
  await using daemon = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
  const client = await RawClient.open(daemon);
  const frame = clientFrame(TEXT, 'a'.repeat(1_000));
  expect(frame.length).toBeLessThan(50);
  client.send(frame);
  const { rsv1, payload } = await client.readFrame();
  expect([rsv1, String(payload)]).toEqual([true, 'a'.repeat(1_000)]);
});

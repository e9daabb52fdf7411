/** All that is said of frames, text and closing, once more where permessage-deflate was agreed on and nothing compressed. */
import { expect, test } from 'vitest';
import { agreeOnCompression, compressionArguments, compressionOffer } from '../support/compression-agreed.ts';
import { startDaemon } from '../support/daemon.ts';
import { RawClient, request } from '../support/raw-client.ts';

agreeOnCompression('agreed');
await import('./frames.test.ts');
await import('./text.test.ts');
await import('./close.test.ts');

test('it is agreed on in these tests', async () => {
  await using daemon = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
  const client = await RawClient.connect(daemon);
  client.send(request({ add: compressionOffer() }));
  const { fields } = await client.readAccepted();
  expect(fields.get('sec-websocket-extensions')).toEqual(['permessage-deflate']);
});

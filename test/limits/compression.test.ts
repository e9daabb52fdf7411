/** What waits for zlib counts as whatever else waits, and is given up with its client. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { serve, until } from '../support/in-process.ts';
import { BINARY, clientFrame, request } from '../support/raw-client.ts';

const MIB = 1024 * 1024;
const COMPRESSION = {
  level: 6,
  windowBits: 15,
  serverTakeover: true,
  clientTakeover: true,
  threshold: 64,
  connections: 100,
};

test('a message that another thread deflates counts, and so does what waits behind it, until its client is gone', async () => {
  const served = await serve({ peer: 'echo://', compression: COMPRESSION });
  const clients = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const client = await served.connect();
      client.send(request({ add: ['Sec-WebSocket-Extensions: permessage-deflate'] }));
      await client.readAccepted();
      client.stream.socket.pause();
      client.send(clientFrame(BINARY, randomBytes(8 * MIB)), clientFrame(BINARY, randomBytes(MIB)));
      return client;
    }),
  );
  await until('messages in zlib', () => served.daemon.counters['buffered']! > 30 * MIB);
  for (const client of clients) client.stream.socket.resetAndDestroy();
  await until('all of it to be given back', () => {
    const { connections, buffered } = served.daemon.counters;
    return connections === 0 && buffered === 0;
  });
  // What was being deflated, and nobody got.
  expect(served.daemon.counters['undelivered-down']).toBeGreaterThan(8 * MIB);
});

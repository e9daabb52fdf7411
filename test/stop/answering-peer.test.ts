/**
 * A peer that answers whatever it is sent, and takes no more while its answers are not taken, as a server with flow
 * control does. What the client has sent must reach it also when we have sent our Close and want no more answers.
 */
import { expect, test } from 'vitest';
import { type Pair, type Served, serve } from '../support/in-process.ts';
import { clientClose } from '../support/raw-client.ts';
import { FLOOD, FLOOD_BYTES, framedFlood, readUntilClose } from '../support/ws-wire.ts';

/** Together several times what the kernel takes on the way to a peer and back. */
const FLOODS = 6;
const SENT = FLOODS * FLOOD_BYTES;

/** The peer echoes, and compares what it gets; the client sends all of it at once. Returns how much has come. */
function flood({ client, peer }: Pair): () => number {
  let seen = 0;
  peer.socket.removeAllListeners('data');
  peer.socket.on('data', (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; ) {
      const from = seen % FLOOD_BYTES;
      const length = Math.min(bytes.length - at, FLOOD_BYTES - from);
      // Not `expect`: it would print megabytes.
      const right = bytes.subarray(at, at + length).equals(FLOOD.subarray(from, from + length));
      if (!right) peer.destroy();
      at += length;
      seen += length;
    }
  });
  peer.socket.pipe(peer.socket, { end: false });
  for (let i = 0; i < FLOODS; i += 1) client.send(framedFlood());
  return () => seen;
}

/** The client answers our Close behind all that it has sent, and that arrives. */
async function expectAllDelivered(served: Served, { client, peer }: Pair, code: number): Promise<void> {
  expect((await readUntilClose(client)).close.code).toBe(code);
  client.send(clientClose(code));
  await client.stream.expectEnd();
  await peer.rest();
  expect(peer.ending).toBe('FIN');
  client.stream.end();
  peer.end();
  expect(await served.ended()).toMatchObject({ up: `${SENT}` });
}

test('gets all that the client sends until its Close, when the daemon stops', async () => {
  const served = await serve();
  const pair = await served.bridge();
  const seen = flood(pair);
  const stopped = served.daemon.stop();
  await expectAllDelivered(served, pair, 1001);
  expect(await stopped).toBe(0);
  expect(seen()).toBe(SENT);
});

test('gets all that the client sends until its Close, when the time of the connection is over', async () => {
  const served = await serve({ limits: { lifeTimeout: 500 } });
  const pair = await served.bridge();
  const seen = flood(pair);
  await expectAllDelivered(served, pair, 1008);
  expect(seen()).toBe(SENT);
});

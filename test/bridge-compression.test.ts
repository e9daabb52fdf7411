/** Compression and the two sockets of a bridge: what waits for one of them must not be forgotten when it goes. */
import { expect, test, vi } from 'vitest';
import type { CompressionOptions } from '../src/rfc6455/permessage-deflate.ts';
import { Deflater } from './support/deflate.ts';
import { compressedFrame, DeflateClient } from './support/deflate-client.ts';
import { serve, until } from './support/in-process.ts';
import { Random, SEED } from './support/randomness.ts';
import { BINARY, TEXT } from './support/raw-client.ts';

const COMPRESSION: CompressionOptions = {
  level: 6,
  windowBits: 15,
  serverTakeover: true,
  clientTakeover: true,
  threshold: 1,
  connections: 1,
};

test.each(['echo://', 'a TCP server that echoes'])(
  'a client that reads nothing of what it gets back is dropped, and leaves its place (%s)',
  async (peer) => {
    const echo = peer === 'echo://';
    const served = await serve({
      compression: COMPRESSION,
      limits: { stallTimeout: 500, closeTimeout: 500 },
      ...(echo && { peer }),
    });
    const client = await DeflateClient.agree(served.daemon);
    client.stream.socket.on('error', () => {}); // it is reset
    if (!echo) {
      const { socket } = await served.peers.accept();
      socket.pipe(socket);
    }
    // It holds the daemon back at any place: between messages, and within one.
    client.stream.socket.pause();
    const random = new Random(SEED);
    const deflater = new Deflater();
    const frames = Array.from({ length: 64 }, () =>
      compressedFrame(BINARY, deflater.message(random.bytes(random.int(1, 40_000)))),
    );
    for (let i = 0; i < 40; i += 1) client.send(...frames.slice(i === 0 ? 0 : 1));
    // Where the peer's answers wait for the client, our own data waits for the peer: either is found first.
    expect((await served.ended())['why']).toMatch(echo ? /^client-stalled$/ : /^(client|peer)-stalled$/);
    await until('no connection', () => served.daemon.connections === 0);
    const next = await DeflateClient.agree(served.daemon);
    next.stream.destroy();
  },
);

test('what a peer sends at once comes in order, compressed in turns and by other threads', async () => {
  const served = await serve({ compression: COMPRESSION, framing: 'newline' });
  const client = await DeflateClient.agree(served.daemon);
  const peer = await served.peers.accept();
  const random = new Random(SEED);
  const lines = Array.from(
    { length: 3_000 },
    (_, i) => `${i} ${'abc'.repeat(random.next() < 0.01 ? random.int(5_000, 9_000) : random.int(0, 60))}\r\n`,
  );
  peer.write(Buffer.from(lines.join('')));
  for (const line of lines) await client.expectData(TEXT, line);
  client.stream.destroy();
});

test('both directions share the turns of the event loop: never is more than one asked for', async () => {
  let pending = 0;
  let most = 0;
  let turns = 0;
  const original = setImmediate;
  const spy = vi.spyOn(globalThis, 'setImmediate').mockImplementation(((run: () => void) => {
    if (!String(run).includes('beginTurn')) return original(run);
    pending += 1;
    turns += 1;
    most = Math.max(most, pending);
    return original(() => {
      pending -= 1;
      run();
    });
  }) as typeof setImmediate);
  try {
    const served = await serve({ compression: { ...COMPRESSION, serverTakeover: false }, peer: 'echo://' });
    const client = await DeflateClient.agree(served.daemon);
    const deflater = new Deflater();
    const text = 'a line of an echo that goes on both ways '.repeat(6);
    const count = 5_000;
    const frames = Array.from({ length: count }, () =>
      compressedFrame(TEXT, deflater.message(Buffer.from(text))),
    );
    client.send(...frames);
    for (let i = 0; i < count; i += 1) await client.expectData(TEXT, text);
    expect(turns).toBeGreaterThan(10);
    expect(most).toBe(1);
    client.stream.destroy();
  } finally {
    spy.mockRestore();
  }
});

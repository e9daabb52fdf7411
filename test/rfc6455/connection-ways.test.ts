/**
 * One connection twice: the same reads once by way of the read slab and the kernel, once as chunks of its own. Its
 * handler is told the same things in the same order, whatever the client sends and whenever the peer takes no more.
 */
import { describe, expect, test } from 'vitest';
import { makeFastPath } from '../../src/fast-path.ts';
import { Connection } from '../../src/rfc6455/connection.ts';
import { concat, hex, hexOf, latin1 } from '../support/bytes.ts';
import { SEED } from '../support/cuts.ts';
import { mutated, someFrames } from '../support/random-frames.ts';
import { Random } from '../support/randomness.ts';
import { RecordingHandler } from '../support/recording-handler.ts';

const FAST = makeFastPath();
const LIMITS = { headBytes: 16_384, headFields: 100, earlyBytes: 65_536 };
const READ = 64 * 1_024;

const REQUEST = latin1(
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
);

interface Circumstances {
  readonly peer: 'stream' | 'message';
  readonly messageBytes: number;
  /** The peer takes no more with every payload of which the number is divisible by this. 0: it always takes. */
  readonly fullEvery: number;
  /** The peer is closed by our side with this payload. 0: not at all. */
  readonly closeAt: number;
}

type Way = 'heap' | 'read slab' | 'own slab';

function seenBy(way: Way, pieces: readonly Uint8Array[], circumstances: Circumstances): readonly string[] {
  const { peer, messageBytes, fullEvery, closeAt } = circumstances;
  const handler = new RecordingHandler();
  const fast = way === 'heap' ? undefined : FAST;
  const connection = new Connection(handler, LIMITS, fast);
  handler.meanwhile.onRequest = () => connection.accept({ peer, messageBytes });
  let payloads = 0;
  handler.meanwhile.onPayload = () => {
    payloads += 1;
    handler.taking = fullEvery === 0 || payloads % fullEvery !== 0;
    if (payloads === closeAt) connection.close(1000);
  };
  const reading = way === 'own slab' ? fast!.slabs.takeReading()! : undefined;
  for (const piece of [REQUEST, ...pieces]) {
    let chunk: Uint8Array = new Uint8Array(piece);
    if (fast !== undefined) {
      chunk = (reading?.reading ?? fast.slabs.readSlab).subarray(0, piece.length);
      chunk.set(piece);
    }
    let takes = connection.receive(chunk);
    // The next read of any socket.
    if (fast !== undefined) chunk.fill(0xee);
    while (!takes && connection.state === 'open') {
      handler.seen.push('resume');
      connection.resume();
      takes = connection.receivable;
    }
  }
  connection.receiveEnd();
  handler.seen.push(connection.state);
  if (reading !== undefined) fast!.slabs.releaseReading(reading);
  return handler.seen;
}

/** @param held how many slabs are lent to others all the while */
function expectSame(
  pieces: readonly Uint8Array[],
  circumstances: Circumstances,
  held = 0,
): readonly string[] {
  const heap = seenBy('heap', pieces, circumstances);
  for (const way of ['read slab', 'own slab'] as const) {
    const seen = seenBy(way, pieces, circumstances);
    if (seen.join() !== heap.join()) expect(seen, `${way}, ${JSON.stringify(circumstances)}`).toEqual(heap);
  }
  if (FAST.slabs.outstanding !== held) expect(FAST.slabs.outstanding).toBe(held);
  return heap;
}

describe('a connection', () => {
  const STREAM: Circumstances = { peer: 'stream', messageBytes: 1_000, fullEvery: 0, closeAt: 0 };
  const MESSAGE: Circumstances = { ...STREAM, peer: 'message' };

  test('hands on a frame that began behind a Ping in one read and goes on in the next', () => {
    const pieces = [
      hex('89 80 00000000  82 84 00000000 0102'),
      hex('0304  8a 80 00000000 82'),
      hex('81 00000000 05'),
    ];
    expect(expectSame(pieces, MESSAGE).slice(2)).toEqual([
      'write 8a00',
      'binary 01020304',
      'binary 05',
      'closed eof',
      'closed',
    ]);
    expect(expectSame(pieces, STREAM).slice(2)).toEqual([
      'binary 0102',
      'write 8a00',
      'binary 0304',
      'binary 05',
      'closed eof',
      'closed',
    ]);
  });

  test('keeps what stands behind payload that has to wait, while others read', () => {
    const pieces = [hex('82 81 00000000 01  81 82 01020304 6060  89 81 00000000 07  88 80 00000000')];
    expect(expectSame(pieces, { ...MESSAGE, fullEvery: 1 }).slice(2)).toEqual([
      'binary 01',
      'resume',
      'text 6162',
      'resume',
      'write 8a01078800',
      'closed client 1005',
      'closed',
    ]);
  });

  test('has no slab left over after a fault', () => {
    for (const digits of [
      'c1',
      '82 01',
      '81 81 00000000 ff',
      '82 81 00000000 01 82 ff 8000000000000000 00000000',
    ])
      expect(expectSame([hex(digits)], STREAM).at(-1)).toBe('closed');
  });

  test('hands on what came before a broken rule while it still holds the slab, so that a write may keep it', () => {
    const { slabs } = FAST;
    const handler = new RecordingHandler();
    const connection = new Connection(handler, LIMITS, FAST);
    handler.meanwhile.onRequest = () => connection.accept({ peer: 'stream', messageBytes: 1_000 });
    // As a socket does with a write that stays under way.
    handler.meanwhile.onPayload = () => slabs.pin(handler.payloads.at(-1)!);
    connection.receive(REQUEST);
    const frames = hex('82 85 00000000 68656c6c6f  82 05 0102030405');
    slabs.readSlab.set(frames);
    connection.receive(slabs.readSlab.subarray(0, frames.length));
    expect(handler.seen[2]).toBe('binary 68656c6c6f');
    expect(handler.seen.at(-1)).toBe('closed fault mask-missing');
    expect(slabs.outstanding).toBe(1);
    // Reads of others, of which all that can be written over is.
    const others = hex('82 fe 0200 00000000');
    expectSame([concat(others, new Uint8Array(512).fill(0x58))], STREAM, 1);
    const lent = slabs.take()!;
    lent.bytes.fill(0x58);
    slabs.release(lent);
    expect(hexOf(handler.payloads[0]!)).toBe('68656c6c6f');
    expect(slabs.outstanding).toBe(1);
    slabs.unpin(handler.payloads[0]!);
    expect(slabs.outstanding).toBe(0);
  });

  test('goes by the heap when all slabs are lent', () => {
    const slabs = Array.from({ length: 1_000 }, () => FAST.slabs.take()).filter((slab) => slab !== undefined);
    const pieces = [hex('82 84 01020304 0002'), hex('0404 81 81 00000000 61')];
    const seen = seenBy('read slab', pieces, STREAM);
    for (const slab of slabs) FAST.slabs.release(slab);
    expect(seen).toEqual(seenBy('heap', pieces, STREAM));
    expect(seen).toContain('binary 070061');
  });

  const kinds = [
    ['frames in order', 1, { wrong: 0, badText: 0, change: 0 }],
    ['frames that are sometimes wrong', 2, { wrong: 0.05, badText: 0.05, change: 0 }],
    ['frames with bytes changed, left out and doubled', 3, { wrong: 0, badText: 0.02, change: 1 }],
  ] as const;
  test.for(kinds)(`is the same on %s (TEST_SEED=${SEED})`, ([, number, { wrong, badText, change }]) => {
    const random = new Random(SEED + number);
    for (let round = 0; round < 150; round += 1) {
      const long = random.int(0, 4) === 0;
      let bytes = someFrames(random, { count: random.int(1, 15), wrong, badText, long });
      // A Close, so that what the client and we say last is seen as well.
      if (random.int(0, 1) === 0) bytes = concat(bytes, hex('88 82 00000000 03e8'));
      if (change > 0) bytes = mutated(bytes, random);
      const size = random.pick([3, 30, 300, 3_000, READ]);
      if (bytes.length / size > 3_000) continue;
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += pieces.at(-1)!.length)
        pieces.push(bytes.subarray(at, at + (size === READ ? READ : random.int(1, size))));
      expectSame(pieces, {
        peer: random.pick(['stream', 'message'] as const),
        messageBytes: random.pick([300, 1_000_000]),
        fullEvery: random.pick([0, 0, 1, 2, 3]),
        closeAt: random.pick([0, 0, 0, 1, 3]),
      });
    }
  });
});

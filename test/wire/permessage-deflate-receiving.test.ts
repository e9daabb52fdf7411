/** Compressed messages from a client, echoed by the built daemon: RFC 7692 §6.2 and §7.2.2. */
import { constants } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { Deflater } from '../support/deflate.ts';
import { compressedFragments, compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { byteByByte, cutAt, Random, randomCuts, SEED } from '../support/randomness.ts';
import { BINARY, clientClose, clientFrame, hex, TEXT } from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

const MIB = 1_048_576;
const SEEDS = Array.from({ length: 20 }, (_, i) => SEED + i);

/** "Hello" as one block (§7.2.3.1); the masks of literal frames are zeros, so that the payload can be read. */
const HELLO = 'c1 87 00000000 f248cdc9c90700';
/** "Hello" as a reference to the "Hello" before it (§7.2.3.2). */
const HELLO_AGAIN = 'c1 85 00000000 f200110000';
/** One block with one match: 258 bytes from 32,768 bytes before, as far as there is. */
const MATCH_32768 = hex('1abdff1f00');
/** The same from 1,024 bytes before. */
const MATCH_1024 = hex('1acdff0000');

let daemon: Daemon;
let forgetful: Daemon;
beforeAll(async () => {
  const options = ['-c', 'host=echo://', '--compression', 'on'];
  [daemon, forgetful] = await Promise.all([
    startDaemon(options),
    startDaemon([...options, '--compression-takeover', 'none']),
  ]);
});
afterAll(() => Promise.all([daemon, forgetful].map((each) => each?.stop('SIGKILL'))));

function open(): Promise<DeflateClient> {
  return DeflateClient.agree(daemon);
}

/** A block without compression, not final, from a byte boundary on (RFC 1951 §3.2.4). */
function stored(bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt16LE(bytes.length, 1);
  header.writeUInt16LE(bytes.length ^ 0xffff, 3);
  return Buffer.concat([header, bytes]);
}

/** §7.2.1 step 3: where a block has ended at a byte boundary, the header of the one whose rest was removed. */
const EMPTY_HEADER = hex('00');

describe.concurrent('an example of the RFC is understood', () => {
  const hello: [string, ...string[]][] = [
    ['§7.2.3.1: one block', HELLO],
    ['§7.2.3.1: in two fragments', '41 83 00000000 f248cd', '80 84 00000000 c9c90700'],
    ['§7.2.3.3: a block without compression', 'c1 8b 00000000 000500faff48656c6c6f00'],
    ['§7.2.3.4: a block with BFINAL set', 'c1 88 00000000 f348cdc9c9070000'],
    ['§7.2.3.5: two blocks in one message', 'c1 8d 00000000 f248050000 00ffffcac9c90700'],
  ];
  test.each(hello)('%s', async (_, ...frames) => {
    const client = await open();
    client.send(...frames);
    await client.expectData(TEXT, 'Hello');
    client.send(...frames);
    await client.expectData(TEXT, 'Hello');
    await client.expectOpen();
  });

  test('§7.2.3.2: the same bytes twice, with the window not used', async () => {
    const client = await open();
    client.send(HELLO, HELLO);
    await client.expectData(TEXT, 'Hello');
    await client.expectData(TEXT, 'Hello');
  });

  test('§7.2.3.2: a message that refers to the one before', async () => {
    const client = await open();
    client.send(HELLO, HELLO_AGAIN, HELLO_AGAIN);
    for (let i = 0; i < 3; i += 1) await client.expectData(TEXT, 'Hello');
  });

  test('§7.2.3.6: an empty message', async () => {
    const client = await open();
    client.send('c1 81 00000000 00', 'c2 81 00000000 00');
    await client.expectData(TEXT, '');
    await client.expectData(BINARY, '');
  });

  test('§7.2.3.6: an empty message does not disturb the window', async () => {
    const client = await open();
    client.send(HELLO, 'c1 81 00000000 00', HELLO_AGAIN);
    for (const text of ['Hello', '', 'Hello']) await client.expectData(TEXT, text);
  });

  test('with a mask that is not zero (RFC 6455 §5.3)', async () => {
    const client = await open();
    client.send(compressedFrame(BINARY, hex('f248cdc9c90700')));
    await client.expectData(BINARY, 'Hello');
  });
});

describe.concurrent('1002 for an RSV bit', () => {
  const wrong: [string, ...string[]][] = [
    ['§6: RSV1 on the last fragment', '41 83 00000000 f248cd', 'c0 84 00000000 c9c90700'],
    ['§6: RSV1 on a fragment in the middle', '41 83 00000000 f248cd', '40 81 00000000 c9'],
    ['§6: RSV1 on a continuation of what was not compressed', '01 81 00000000 48', 'c0 81 00000000 00'],
    ['§6: RSV1 on an empty continuation', '41 83 00000000 f248cd', 'c0 80 00000000'],
    ['§6: RSV1 on a continuation of nothing', 'c0 87 00000000 f248cdc9c90700'],
    ['§6: RSV1 on a Ping', 'c9 80 00000000'],
    ['§6: RSV1 on a Ping with a compressed payload', 'c9 87 00000000 f248cdc9c90700'],
    ['§6: RSV1 on a Pong', 'ca 80 00000000'],
    ['§6: RSV1 on a Close', 'c8 82 00000000 03e8'],
    ['§6: RSV1 on a Ping within a message', '41 83 00000000 f248cd', 'c9 80 00000000'],
    ['RFC 6455 §5.2: RSV2 on text', 'a1 85 00000000 48656c6c6f'],
    ['RFC 6455 §5.2: RSV3 on text', '91 85 00000000 48656c6c6f'],
    ['RFC 6455 §5.2: RSV2 beside RSV1', 'e1 87 00000000 f248cdc9c90700'],
    ['RFC 6455 §5.2: RSV3 beside RSV1', 'd1 87 00000000 f248cdc9c90700'],
    ['RFC 6455 §5.2: RSV2 on a continuation', '41 83 00000000 f248cd', 'a0 84 00000000 c9c90700'],
    ['RFC 6455 §5.2: RSV3 on a Ping', '99 80 00000000'],
    ['RFC 6455 §5.2: RSV1 with a reserved opcode', 'c3 87 00000000 f248cdc9c90700'],
  ];
  test.each(wrong)('%s', async (_, ...frames) => {
    const client = await open();
    client.send(...frames);
    await client.expectFailed(1002);
  });

  test('behind messages that are good, which come back first', async () => {
    const client = await open();
    client.send(HELLO, HELLO_AGAIN, 'c9 80 00000000');
    await client.expectData(TEXT, 'Hello');
    await client.expectData(TEXT, 'Hello');
    await client.expectFailed(1002);
  });
});

describe.concurrent('1002 for frames that RFC 6455 does not allow, compressed or not', () => {
  test.each([
    ['§5.1: no mask', 'c1 07 f248cdc9c90700'],
    ['§5.4: a new message within one', '41 83 00000000 f248cd', HELLO],
    ['§5.4: a new message, not compressed, within one', '41 83 00000000 f248cd', '81 80 00000000'],
    ['§5.4: a continuation behind a whole message', HELLO, '80 80 00000000'],
    ['§5.2: a length that is not minimal', 'c1 fe 0007 00000000 f248cdc9c90700'],
  ])('%s', async (_, ...frames) => {
    const client = await open();
    client.send(...frames);
    if (frames[0] === HELLO) await client.expectData(TEXT, 'Hello');
    await client.expectFailed(1002);
  });
});

describe.concurrent('messages with and without compression', () => {
  test('§6: may follow each other as the client likes', async () => {
    const client = await open();
    client.send('81 85 00000000 48616c6c6f', HELLO, '82 80 00000000', HELLO, '82 82 00000000 f248');
    await client.expectData(TEXT, 'Hallo');
    await client.expectData(TEXT, 'Hello');
    await client.expectData(BINARY, '');
    await client.expectData(TEXT, 'Hello');
    await client.expectData(BINARY, hex('f248'));
  });

  test('§7.2.2: what is not compressed is no part of the window', async () => {
    const client = await open();
    client.send(HELLO, '81 85 00000000 48616c6c6f', HELLO_AGAIN);
    client.send('01 81 00000000 61', '00 81 00000000 62', '80 81 00000000 63', HELLO_AGAIN);
    for (const text of ['Hello', 'Hallo', 'Hello', 'abc', 'Hello']) await client.expectData(TEXT, text);
  });

  test('§6: each as text and as binary in one window', async () => {
    const client = await open();
    client.send('c2 87 00000000 f248cdc9c90700', HELLO_AGAIN, 'c2 85 00000000 f200110000');
    await client.expectData(BINARY, 'Hello');
    await client.expectData(TEXT, 'Hello');
    await client.expectData(BINARY, 'Hello');
  });
});

describe.concurrent('a compressed message in fragments (§6.2)', () => {
  test('has control frames between them (RFC 6455 §5.4)', async () => {
    const client = await open();
    client.send('89 82 00000000 3130', '41 83 00000000 f248cd', '89 82 00000000 3131');
    await client.expectPong('10');
    await client.expectPong('11');
    client.send('00 82 00000000 c9c9', '8a 82 00000000 3132', '89 82 00000000 3133');
    await client.expectPong('13');
    client.send('80 82 00000000 0700');
    await client.expectData(TEXT, 'Hello');
  });

  const empty: [string, ...string[]][] = [
    ['the first', '41 80 00000000', '80 87 00000000 f248cdc9c90700'],
    ['the last', '41 87 00000000 f248cdc9c90700', '80 80 00000000'],
    ['one in the middle', '41 83 00000000 f248cd', '00 80 00000000', '80 84 00000000 c9c90700'],
    ['all but one', '41 80 00000000', '00 80 00000000', '00 87 00000000 f248cdc9c90700', '80 80 00000000'],
  ];
  test.each(empty)('of which %s is empty', async (_, ...frames) => {
    const client = await open();
    client.send(...frames, HELLO_AGAIN);
    await client.expectData(TEXT, 'Hello');
    await client.expectData(TEXT, 'Hello');
  });

  test('of which all are empty but the byte of an empty message', async () => {
    const client = await open();
    client.send('41 80 00000000', '00 81 00000000 00', '80 80 00000000', HELLO);
    await client.expectData(TEXT, '');
    await client.expectData(TEXT, 'Hello');
  });

  test('of one byte each', async () => {
    const client = await open();
    const text = 'She sells sea shells, the shells she sells are sea shells; €uro, naïve, 😀😀😀. '.repeat(5);
    const deflater = new Deflater();
    for (let round = 0; round < 3; round += 1) {
      client.send(compressedFragments(TEXT, byteByByte(deflater.message(Buffer.from(text)))));
      await client.expectData(TEXT, text);
    }
  });

  test('at each place where two can be cut', async () => {
    const client = await open();
    const deflater = new Deflater();
    const text = 'abcabcabc, abcabcabc; é€😀é€😀';
    const length = new Deflater().message(Buffer.from(text)).length;
    for (let at = 0; at <= length; at += 1) {
      const payload = deflater.message(Buffer.from(text));
      const place = Math.min(at, payload.length);
      client.send(compressedFragments(TEXT, [payload.subarray(0, place), payload.subarray(place)]));
      await client.expectData(TEXT, text);
    }
  });

  test.each(SEEDS)('at random, of several kinds of blocks, in random writes (TEST_SEED=%i)', async (seed) => {
    const random = new Random(seed);
    const client = await open();
    const deflater = new Deflater();
    for (let round = 0; round < 5; round += 1) {
      const parts = Array.from({ length: random.int(1, 6) }, () => someBytes(random));
      const payload = Buffer.concat([
        ...parts.map((part) =>
          deflater[random.pick(['blocks', 'final'] as const)](part, someOptions(random)),
        ),
        EMPTY_HEADER,
      ]);
      const frames = compressedFragments(BINARY, someFragments(payload, random));
      await client.sendPieces(randomCuts(frames, random.int(1, 8), random));
      await client.expectData(BINARY, Buffer.concat(parts));
    }
  });
});

/** Random, or with repeats far and near, or hardly anything. */
function someBytes(random: Random): Buffer {
  const part = random.bytes(random.pick([0, 1, 7, 100, 3_000]));
  return random.pick([part, Buffer.concat([part, random.bytes(500), part]), Buffer.alloc(part.length, 'ab')]);
}

function someOptions(random: Random) {
  const { Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
  return {
    level: random.int(0, 9),
    memLevel: random.int(1, 9),
    strategy: random.pick([Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE]),
  };
}

/** Pieces of a payload, some without a byte. */
function someFragments(payload: Buffer, random: Random): Buffer[] {
  const pieces = randomCuts(payload, random.pick([1, 2, 5, 20]), random);
  return pieces.flatMap((piece) => (random.int(0, 3) === 0 ? [Buffer.alloc(0), piece] : [piece]));
}

describe.concurrent('compressed frames in pieces of TCP', () => {
  test('are understood byte by byte', async () => {
    const client = await open();
    const frames = [HELLO, HELLO_AGAIN, '41 83 00000000 f248cd', '89 80 00000000', '80 84 00000000 c9c90700'];
    await client.sendPieces(byteByByte(hex(frames.join(''))));
    await client.expectData(TEXT, 'Hello');
    await client.expectData(TEXT, 'Hello');
    await client.expectPong('');
    await client.expectData(TEXT, 'Hello');
  });

  test('are understood when cut in two at any place', async () => {
    const client = await open();
    client.send(HELLO);
    await client.expectData(TEXT, 'Hello');
    const frames = hex('41 83 00000000 f200 11 80 82 00000000 0000');
    for (let at = 1; at < frames.length; at += 1) {
      await client.sendPieces(cutAt(frames, [at]));
      await client.expectData(TEXT, 'Hello');
    }
  });

  test.each(SEEDS)('are understood at random cuts, long and short (TEST_SEED=%i)', async (seed) => {
    const random = new Random(seed);
    const client = await open();
    const deflater = new Deflater();
    const messages = Array.from({ length: 6 }, () =>
      Buffer.concat([random.bytes(random.int(0, 300)), Buffer.alloc(random.pick([0, 10, 70_000]), 'xyz')]),
    );
    const frames = messages.map((data) => compressedFrame(BINARY, deflater.message(data)));
    await client.sendPieces(randomCuts(Buffer.concat(frames), random.int(2, 40), random));
    for (const data of messages) await client.expectData(BINARY, data);
  });
});

describe.concurrent('blocks with BFINAL set (§7.2.3.4)', () => {
  test('have others behind them in the same message', async () => {
    const client = await open();
    client.send(
      'c1 8e 00000000 f348cdc9c90700 f248cdc9c90700', // final, not final
      'c1 8f 00000000 f348cdc9c90700 f348cdc9c90700 00', // final, final
      'c1 8e 00000000 f248cdc9c907000000ffff 0300 00', // not final with its tail, final and empty
    );
    await client.expectData(TEXT, 'HelloHello');
    await client.expectData(TEXT, 'HelloHello');
    await client.expectData(TEXT, 'Hello');
  });

  test('leave the window as it is for blocks behind them', async () => {
    const client = await open();
    // "Hello" with BFINAL, then the reference of §7.2.3.2 to it.
    client.send('c1 8c 00000000 f348cdc9c90700 f200110000');
    await client.expectData(TEXT, 'HelloHello');
  });

  test('leave the window as it is for the next message', async () => {
    const client = await open();
    client.send('c1 88 00000000 f348cdc9c9070000', HELLO_AGAIN, HELLO_AGAIN);
    for (let i = 0; i < 3; i += 1) await client.expectData(TEXT, 'Hello');
  });

  test('leave the window of earlier messages as it is', async () => {
    const client = await open();
    // "Hello"; an empty final block; the reference.
    client.send(HELLO, 'c1 83 00000000 0300 00', HELLO_AGAIN);
    for (const text of ['Hello', '', 'Hello']) await client.expectData(TEXT, text);
    client.send('c1 87 00000000 0300 f200110000');
    await client.expectData(TEXT, 'Hello');
  });

  test('may be cut into fragments at each place', async () => {
    const client = await open();
    const payload = hex('f348cdc9c90700 0300 f200110000');
    for (let at = 0; at <= payload.length; at += 1) {
      client.send(compressedFragments(TEXT, [payload.subarray(0, at), payload.subarray(at)]));
      await client.expectData(TEXT, 'HelloHello');
    }
    client.send(compressedFragments(TEXT, byteByByte(payload)));
    await client.expectData(TEXT, 'HelloHello');
  });

  test('leave the whole of the window, 32,768 bytes, for what is behind them', async () => {
    const client = await open();
    const data = new Random(SEED).bytes(32_768);
    const deflater = new Deflater();
    client.send(compressedFrame(BINARY, Buffer.concat([deflater.final(data), EMPTY_HEADER])));
    await client.expectData(BINARY, data);
    client.send(compressedFrame(BINARY, MATCH_32768));
    await client.expectData(BINARY, data.subarray(0, 258));
    // 258 bytes of it have left the window; an empty final block, and the same match in the same message.
    client.send(compressedFrame(BINARY, Buffer.concat([hex('0300'), MATCH_32768])));
    await client.expectData(BINARY, data.subarray(258, 516));
  });

  test('may be many in one message', async () => {
    const client = await open();
    const payload = Buffer.concat([Buffer.alloc(500 * 7, hex('f348cdc9c90700')), EMPTY_HEADER]);
    client.send(compressedFrame(TEXT, payload), HELLO_AGAIN);
    await client.expectData(TEXT, 'Hello'.repeat(500));
    await client.expectData(TEXT, 'Hello');
  });

  test('end the message, if nothing but the tail is behind them', async () => {
    const client = await open();
    client.send('c1 88 00000000 f348cdc9c9070000', '89 80 00000000', '81 81 00000000 61');
    await client.expectData(TEXT, 'Hello');
    await client.expectData(TEXT, 'a');
    await client.readPongs(1);
  });
});

describe.concurrent('the window of the client', () => {
  test('§7.2.2: has 32,768 bytes over several messages', async () => {
    const client = await open();
    const random = new Random(SEED);
    const deflater = new Deflater();
    const messages = [258, 20_000, 12_510].map((length) => random.bytes(length));
    for (const data of messages) client.send(compressedFrame(BINARY, deflater.message(data)));
    for (const data of messages) await client.expectData(BINARY, data);
    client.send(compressedFrame(BINARY, MATCH_32768));
    await client.expectData(BINARY, messages[0]!);
  });

  test.each([9, 10, 12, 15])('§7.1.2.2: has the bits that were agreed, %i', async (bits) => {
    const client = await DeflateClient.agree(daemon, `permessage-deflate; client_max_window_bits=${bits}`);
    const random = new Random(SEED);
    const agreed = client.agreement?.clientMaxWindowBits ?? bits;
    const deflater = new Deflater(agreed);
    const part = random.bytes(300);
    for (let round = 0; round < 4; round += 1) {
      const data = Buffer.concat([part, random.bytes(2 ** agreed / 4), part]);
      client.send(compressedFrame(BINARY, deflater.message(data)));
      await client.expectData(BINARY, data);
    }
  });

  test('§7.1.2.2: has the last byte of 1,024, if they were agreed', async () => {
    const client = await DeflateClient.agree(daemon, 'permessage-deflate; client_max_window_bits=10');
    const data = new Random(SEED).bytes(1_024);
    client.send(compressedFrame(BINARY, new Deflater().message(data)), compressedFrame(BINARY, MATCH_1024));
    await client.expectData(BINARY, data);
    await client.expectData(BINARY, data.subarray(0, 258));
    // Behind a final block, too.
    client.send(compressedFrame(BINARY, Buffer.concat([hex('0300'), MATCH_1024])));
    await client.expectData(BINARY, data.subarray(258, 516));
  });

  test('§7.1.1.2: is empty for each message, if the server demands it', async () => {
    const client = await DeflateClient.agree(forgetful);
    expect(client.agreement).toMatchObject({ clientNoContextTakeover: true });
    const deflater = new Deflater(15, false);
    const text = Buffer.from('the same text, the same text, the same text');
    for (let i = 0; i < 3; i += 1) client.send(compressedFrame(TEXT, deflater.message(text)));
    for (let i = 0; i < 3; i += 1) await client.expectData(TEXT, text);
    // What was agreed frees the server from keeping the window, so a reference to it leads to nothing.
    client.send(HELLO, HELLO_AGAIN);
    await client.expectData(TEXT, 'Hello');
    await client.expectFailed(1007);
  });

  test('§7.1.1.2: is kept within a message, behind a final block, without takeover', async () => {
    const client = await DeflateClient.agree(forgetful);
    client.send('c1 8c 00000000 f348cdc9c90700 f200110000', HELLO);
    await client.expectData(TEXT, 'HelloHello');
    await client.expectData(TEXT, 'Hello');
  });

  test('§7.1.1.2: need not be used, if the client offered not to', async () => {
    const client = await DeflateClient.agree(daemon, 'permessage-deflate; client_no_context_takeover');
    client.send(HELLO, HELLO, HELLO);
    for (let i = 0; i < 3; i += 1) await client.expectData(TEXT, 'Hello');
  });
});

describe.concurrent('text that was compressed (RFC 6455 §8.1)', () => {
  test('may have a character split over fragments and blocks', async () => {
    const client = await open();
    // "é" is c3 a9: a block without compression for each of its bytes.
    client.send('41 86 00000000 000100feff c3', '80 87 00000000 000100feff a9 00');
    await client.expectData(TEXT, 'é');
    client.send('c1 8d 00000000 000100feff c3 000100feff a9 00');
    await client.expectData(TEXT, 'é');
    // The same with a final block between (RFC 1951 §3.2.4: 01 is its header).
    client.send('c1 8d 00000000 010100feff c3 000100feff a9 00');
    await client.expectData(TEXT, 'é');
  });

  test('is judged when it is inflated, not as it comes', async () => {
    const client = await open();
    // c9 c9 is no UTF-8, nor is f2 48.
    client.send('41 83 00000000 f248cd', '89 80 00000000');
    await client.expectPong('');
    client.send('80 84 00000000 c9c90700');
    await client.expectData(TEXT, 'Hello');
  });

  test.each([0, 1, 2])('may have its characters at any place of a long message: %i', async (shift) => {
    const client = await open();
    const text = 'x'.repeat(shift) + '€'.repeat(100_000);
    client.send(compressedFrame(TEXT, new Deflater().message(Buffer.from(text))));
    await client.expectData(TEXT, text);
  });

  const wrong: [string, string][] = [
    ['a byte that is never UTF-8', 'ff'],
    ['a continuation without a start', '61a9'],
    ['a character cut off', '61c3'],
    ['a character cut off, of four bytes', 'f09f98'],
    ['a surrogate', 'eda080'],
    ['a form that is too long', 'c080'],
    ['beyond U+10FFFF', 'f4908080'],
  ];
  test.each(wrong)('is failed with 1007 for %s', async (_, bytes) => {
    const payload = Buffer.concat([stored(hex(bytes)), EMPTY_HEADER]);
    const client = await open();
    client.send(compressedFrame(BINARY, payload), compressedFrame(TEXT, payload));
    await client.expectData(BINARY, hex(bytes));
    await client.expectFailed(1007);
    const other = await open();
    other.send(compressedFragments(TEXT, byteByByte(payload)));
    await other.expectFailed(1007);
  });

  test('is failed with 1007 for a character whose other half is in the next message', async () => {
    const client = await open();
    client.send('c1 87 00000000 000100feff c3 00', 'c1 87 00000000 000100feff a9 00');
    await client.expectFailed(1007);
  });

  test.each([1, 16_383, 16_384, 65_536, 299_999])(
    'is failed with 1007 for a wrong byte at %i of a long message',
    async (place) => {
      const client = await open();
      const text = Buffer.alloc(300_000, 'abc');
      text[place] = 0xff;
      client.send(compressedFrame(TEXT, new Deflater().message(text)));
      await client.expectFailed(1007);
    },
  );

  test('is failed with 1007 for what only a reference to an earlier message brings in', async () => {
    const client = await open();
    // Binary ff ff ff, then as text a match of three bytes from three bytes before: a literal and the match.
    const data = hex('ffffffffffffffff');
    const deflater = new Deflater();
    client.send(
      compressedFrame(BINARY, deflater.message(data)),
      compressedFrame(TEXT, deflater.message(data)),
    );
    await client.expectData(BINARY, data);
    await client.expectFailed(1007);
  });

  test('is failed behind messages that are good, which come back', async () => {
    const client = await open();
    client.send(HELLO, '81 81 00000000 61', HELLO_AGAIN, 'c1 87 00000000 000100feff ff 00', HELLO);
    for (const text of ['Hello', 'a', 'Hello']) await client.expectData(TEXT, text);
    await client.expectFailed(1007);
  });
});

describe.concurrent('1007 for data that is corrupt (§7.2.2)', () => {
  const corrupt: [string, string][] = [
    ['a reserved block type', '07'],
    ['a reserved block type, not final', '06'],
    ['a stored length that its complement denies', '000500ffff48656c6c6f00'],
    ['a distance to before the first byte', 'f200110000'],
    ['a reserved distance code', '0286ff0000'],
    ['a reserved literal code', '1b6300000000'],
    ['a table of codes that cannot be', 'fcffffffffffffffffff'],
    ['an error behind a good block', 'f248cdc9c907000000ffff 07'],
    ['an error behind a final block', 'f348cdc9c90700 07'],
  ];
  test.each(corrupt)('%s', async (_, payload) => {
    const bytes = hex(payload);
    for (const frames of [compressedFrame(BINARY, bytes), compressedFragments(TEXT, byteByByte(bytes))]) {
      const client = await open();
      client.send(frames);
      await client.expectFailed(1007);
    }
  });

  test('behind messages that are good, which come back', async () => {
    const client = await open();
    client.send(HELLO, '81 81 00000000 61', HELLO_AGAIN, 'c1 81 00000000 07', HELLO);
    for (const text of ['Hello', 'a', 'Hello']) await client.expectData(TEXT, text);
    await client.expectFailed(1007);
  });

  test('in the last of many fragments', async () => {
    const client = await open();
    client.send('41 83 00000000 f248cd', '00 82 00000000 c9c9', '80 87 00000000 07000000ffff06');
    await client.expectFailed(1007);
  });

  // §7.2.2 does not say what a message is that ends in the midst of a block, nor one without the byte of §7.2.3.6.
  test.each(['f248cd', 'f2', ''])(
    'or a message, but an answer for sure, where a payload ends within a block: %j',
    async (payload) => {
      const client = await open();
      client.send(compressedFrame(BINARY, hex(payload)), '88 82 00000000 03e8');
      let frame = await client.readFrame();
      if (frame.opcode === BINARY) frame = await client.readFrame();
      expect([1000, 1007]).toContain(frame.payload.readUInt16BE());
    },
  );

  test.each(SEEDS)('or another message, where a bit is turned at random (TEST_SEED=%i)', async (seed) => {
    const random = new Random(seed);
    for (let round = 0; round < 5; round += 1) {
      const payload = new Deflater().message(someBytes(random), someOptions(random));
      payload[random.int(0, payload.length - 1)]! ^= 1 << random.int(0, 7);
      const client = await open();
      client.send(compressedFrame(BINARY, payload), '88 82 00000000 03e8');
      const frames = [await client.readFrame()];
      if (frames[0]!.opcode === BINARY) frames.push(await client.readFrame());
      expect([1000, 1007]).toContain(frames.at(-1)!.payload.readUInt16BE());
      client.stream.destroy();
    }
  });
});

describe.concurrent('the order of frames', () => {
  test('is kept among messages large and small, compressed and not, before the answer to a Close', async () => {
    const client = await open();
    const deflater = new Deflater();
    const random = new Random(SEED);
    const large = Buffer.concat([random.bytes(100_000), Buffer.alloc(MIB, 'The same again. ')]);
    const sent: Buffer[] = [];
    const frames: Buffer[] = [];
    for (let i = 0; i < 4; i += 1) {
      const small = Buffer.from(`small ${i}`);
      sent.push(large, small, small, large.subarray(0, 1_000));
      frames.push(
        compressedFrame(BINARY, deflater.message(large)),
        clientFrame(BINARY, small),
        compressedFrame(BINARY, deflater.message(small)),
        clientFrame(BINARY, large.subarray(0, 1_000)),
      );
    }
    client.send(...frames, '89 81 00000000 21', clientClose(1000, 'done'));
    for (const data of sent) await client.expectData(BINARY, data);
    // A pong may overtake messages, but the Close is the last (RFC 6455 §5.5.1, §5.5.3).
    await client.readPongs(1);
    expect(await client.readClose()).toEqual({ code: 1000, reason: expect.any(String) });
    await client.stream.expectEnd();
  });

  test('is kept by five hundred messages in one write', async () => {
    const client = await open();
    const deflater = new Deflater();
    const frames = Array.from({ length: 500 }, (_, i) => {
      const text = Buffer.from(`message number ${i}`);
      return i % 3 === 0 ? clientFrame(TEXT, text) : compressedFrame(TEXT, deflater.message(text));
    });
    client.send(...frames, clientClose(1000));
    for (let i = 0; i < 500; i += 1) await client.expectData(TEXT, `message number ${i}`);
    await client.expectCloseEcho(1000);
  });

  test('a Ping behind a compressed message has its Pong, and the message its echo', async () => {
    const client = await open();
    const data = Buffer.alloc(MIB, 'a');
    client.send(
      compressedFrame(TEXT, new Deflater().message(data)),
      '89 84 00000000 70696e67',
      '81 81 00000000 61',
    );
    await client.expectData(TEXT, data);
    await client.expectData(TEXT, 'a');
    await client.readPongs(1);
    expect(client.pongs.map(String)).toEqual(['ping']);
  });

  test('nothing behind a Close is answered (RFC 6455 §5.5.1)', async () => {
    const client = await open();
    client.send(HELLO, clientClose(1000), HELLO, 'c9 80 00000000');
    await client.expectData(TEXT, 'Hello');
    await client.expectCloseEcho(1000);
  });

  test('a message that is unfinished at a Close is dropped', async () => {
    const client = await open();
    client.send(HELLO, '41 83 00000000 f248cd', clientClose(1001));
    await client.expectData(TEXT, 'Hello');
    await client.expectCloseEcho(1001);
  });
});

test('the windows of fifty clients at once are fifty', async () => {
  await Promise.all(
    Array.from({ length: 50 }, async (_, id) => {
      const client = await open();
      const deflater = new Deflater();
      for (let i = 0; i < 10; i += 1) {
        const text = `client ${id} says for the ${i}th time that it is client ${id}`;
        client.send(compressedFrame(TEXT, deflater.message(Buffer.from(text))));
        await client.expectData(TEXT, text);
      }
      client.stream.end();
    }),
  );
});

test('a client that goes away within a compressed message leaves no trace', async () => {
  for (let i = 0; i < 20; i += 1) {
    const client = await open();
    client.send(compressedFrame(BINARY, new Deflater().message(Buffer.alloc(MIB, 'b'))));
    client.send('41 83 00000000 f248cd');
    client.stream.reset();
  }
});

test('at the end the daemons run and echo', async () => {
  await expectStillEchoing(daemon);
  await expectStillEchoing(forgetful);
});

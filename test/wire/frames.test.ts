/** Frames on the wire, against echo://: RFC 6455 §5. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compressionAgreed, compressionArguments } from '../support/compression-agreed.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { byteByByte, cutAt, Random, randomCuts, SEED } from '../support/randomness.ts';
import {
  BINARY,
  CLOSE,
  clientClose,
  clientFrame,
  hex,
  PING,
  PONG,
  RawClient,
  TEXT,
} from '../support/raw-client.ts';
import { expectedFor } from '../support/reference.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

const MIB = 1_048_576;

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
});
afterAll(() => daemon?.stop('SIGKILL'));

/** Bytes that repeat with no period near a power of two, so that a block in the wrong place shows. */
function pattern(length: number): Buffer {
  const period = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
  return Buffer.alloc(length, period);
}

/** The same as ASCII. */
function letters(length: number): Buffer {
  return Buffer.alloc(length, 'the quick brown fox jumps over the lazy dog; 0123456789\r\n');
}

describe.concurrent('a message comes back with the same type and payload', () => {
  test('in the example of §5.7', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 85 37fa213d 7f9f4d5158');
    await client.expectMessage(TEXT, 'Hello');
  });

  test('when its masking key is zero', async () => {
    const client = await RawClient.open(daemon);
    client.send('82 84 00000000 00ff7f80');
    await client.expectMessage(BINARY, hex('00ff7f80'));
  });

  test('when it is empty text', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 80 37fa213d');
    await client.expectMessage(TEXT, '');
  });

  test('when it is empty binary', async () => {
    const client = await RawClient.open(daemon);
    client.send('82 80 37fa213d');
    await client.expectMessage(BINARY, '');
  });

  const boundaries = [
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    15,
    16,
    17,
    124,
    125,
    126,
    127,
    128,
    65_534,
    65_535,
    65_536,
    65_537,
    MIB,
  ];
  test.each(boundaries)('when it has %i bytes, text and binary, whole (§5.2)', async (length) => {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(BINARY, pattern(length)));
    await client.expectMessage(BINARY, pattern(length));
    client.send(clientFrame(TEXT, letters(length)));
    await client.expectMessage(TEXT, letters(length));
  });

  test.each([1, 125, 126, 127])('when it has %i bytes, byte by byte', async (length) => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(byteByByte(clientFrame(BINARY, pattern(length))));
    await client.expectMessage(BINARY, pattern(length));
    await client.sendPieces(byteByByte(clientFrame(TEXT, letters(length))));
    await client.expectMessage(TEXT, letters(length));
  });

  test.each([0, 1, 126, 65_535, 65_536, 65_537, MIB])(
    `when it has %i bytes, in random cuts (TEST_SEED=${SEED})`,
    async (length) => {
      const random = new Random(SEED + length);
      const client = await RawClient.open(daemon);
      for (const [opcode, payload] of [
        [BINARY, pattern(length)],
        [TEXT, letters(length)],
      ] as const) {
        const frame = clientFrame(opcode, payload, { mask: random.bytes(4) });
        await client.sendPieces(randomCuts(frame, random.int(2, 20), random));
        await client.expectMessage(opcode, payload);
      }
    },
  );

  // A 64-bit length has 14 header bytes: each place where a read may end.
  test.each(Array.from({ length: 16 }, (_, i) => i + 1))(
    'when a frame of 65,536 bytes is cut at byte %i',
    async (at) => {
      const client = await RawClient.open(daemon);
      await client.sendPieces(cutAt(clientFrame(BINARY, pattern(65_536)), [at]));
      await client.expectMessage(BINARY, pattern(65_536));
    },
  );

  test('when the header of a 64-bit length arrives byte by byte', async () => {
    const frame = clientFrame(BINARY, pattern(65_536));
    const client = await RawClient.open(daemon);
    await client.sendPieces([...byteByByte(frame.subarray(0, 15)), frame.subarray(15)]);
    await client.expectMessage(BINARY, pattern(65_536));
  });

  test('when the masked payload is cut at any phase of its mask (§5.3)', async () => {
    const client = await RawClient.open(daemon);
    const payload = hex('000102030405060708090a0b0c0d0e0f10');
    for (let at = 6; at < 6 + payload.length; at++) {
      await client.sendPieces(cutAt(clientFrame(BINARY, payload, { mask: hex('01020408') }), [at]));
      await client.expectMessage(BINARY, payload);
    }
  });

  test('when it has exactly 16 MiB', async () => {
    const client = await RawClient.open(daemon);
    const payload = pattern(16 * MIB);
    client.send(clientFrame(BINARY, payload));
    await client.expectMessage(BINARY, payload);
  });

  test('when 500 small ones arrive in one write, in their order', async () => {
    const client = await RawClient.open(daemon);
    const random = new Random(500);
    const messages = Array.from({ length: 500 }, (_, i) => ({
      opcode: i % 3 === 0 ? BINARY : TEXT,
      payload: letters((i * 7) % 300),
    }));
    client.send(
      ...messages.map(({ opcode, payload }) => clientFrame(opcode, payload, { mask: random.bytes(4) })),
    );
    for (const { opcode, payload } of messages) await client.expectMessage(opcode, payload);
  });
});

describe.concurrent('a fragmented message comes back as one frame', () => {
  test('in the example of §5.7, masked', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 83 00000000 48656c', '80 82 00000000 6c6f');
    await client.expectMessage(TEXT, 'Hello');
  });

  test('when it is binary, each fragment with another mask', async () => {
    const client = await RawClient.open(daemon);
    client.send('02 82 01010101 fefe', '00 81 ff00ff00 00', '80 82 80808080 8081');
    await client.expectMessage(BINARY, hex('ffff ff 0001'));
  });

  test('when fragments are empty, the first and the last among them', async () => {
    const client = await RawClient.open(daemon);
    client.send(
      '01 80 37fa213d',
      '00 81 00000000 61',
      '00 80 37fa213d',
      '00 81 00000000 62',
      '80 80 37fa213d',
    );
    await client.expectMessage(TEXT, 'ab');
  });

  test('when all its fragments are empty', async () => {
    const client = await RawClient.open(daemon);
    client.send('02 80 37fa213d', '00 80 37fa213d', '80 80 37fa213d');
    await client.expectMessage(BINARY, '');
  });

  test('when it arrives byte by byte', async () => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(byteByByte(hex('01 83 00000000 48656c 80 82 00000000 6c6f')));
    await client.expectMessage(TEXT, 'Hello');
  });

  test('when it has 500 fragments of one byte', async () => {
    const client = await RawClient.open(daemon);
    const middle = Array.from({ length: 498 }, () => hex('00 81 00000000 62'));
    client.send('01 81 00000000 61', ...middle, '80 81 00000000 63');
    await client.expectMessage(TEXT, `a${'b'.repeat(498)}c`);
  });

  test('when its fragments have lengths of all three encodings', async () => {
    const client = await RawClient.open(daemon);
    const parts = [pattern(100), pattern(70_000), pattern(1_000)];
    client.send(
      clientFrame(BINARY, parts[0]!, { fin: false }),
      clientFrame(0, parts[1]!, { fin: false }),
      clientFrame(0, parts[2]!),
    );
    await client.expectMessage(BINARY, Buffer.concat(parts));
  });

  test('when it has exactly 16 MiB altogether', async () => {
    const client = await RawClient.open(daemon);
    const payload = pattern(16 * MIB);
    client.send(
      clientFrame(BINARY, payload.subarray(0, 1), { fin: false }),
      clientFrame(0, payload.subarray(1), { fin: true }),
    );
    await client.expectMessage(BINARY, payload);
  });

  test('and leaves the next message free to be of the other type', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 81 00000000 61', '80 81 00000000 62', '82 81 00000000 ff', '81 81 00000000 63');
    await client.expectMessage(TEXT, 'ab');
    await client.expectMessage(BINARY, hex('ff'));
    await client.expectMessage(TEXT, 'c');
  });
});

describe.concurrent('a ping is answered by a pong with its payload (§5.5.2, §5.5.3)', () => {
  test('when it is empty', async () => {
    const client = await RawClient.open(daemon);
    client.send('89 80 37fa213d');
    await client.expectPong('');
  });

  test('in the example of §5.7, masked', async () => {
    const client = await RawClient.open(daemon);
    client.send('89 85 37fa213d 7f9f4d5158');
    await client.expectPong('Hello');
  });

  test('for every length from 0 to 125', async () => {
    const client = await RawClient.open(daemon);
    for (let from = 0; from < 126; from += 9) {
      const lengths = Array.from({ length: 9 }, (_, i) => from + i);
      client.send(...lengths.map((length) => clientFrame(PING, pattern(length))));
      for (const length of lengths) await client.expectPong(pattern(length));
    }
  });

  test('when the payload is not UTF-8', async () => {
    const client = await RawClient.open(daemon);
    client.send('89 84 00000000 c0ff80fe');
    await client.expectPong(hex('c0ff80fe'));
  });

  test('when it arrives byte by byte', async () => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(byteByByte(clientFrame(PING, pattern(125))));
    await client.expectPong(pattern(125));
  });

  test('in the middle of a fragmented message, before it ends (§5.4)', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 83 00000000 48656c', '89 82 00000000 abcd');
    await client.expectPong(hex('abcd'));
    client.send('80 82 00000000 6c6f');
    await client.expectMessage(TEXT, 'Hello');
  });

  test('when all of that comes in one write', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 83 00000000 48656c', '89 82 00000000 abcd', '80 82 00000000 6c6f');
    await client.expectPong(hex('abcd'));
    await client.expectMessage(TEXT, 'Hello');
  });

  test('each, when ten come in one write', async () => {
    const client = await RawClient.open(daemon);
    client.send(...Array.from({ length: 10 }, (_, i) => clientFrame(PING, `ping ${i}`)));
    for (let i = 0; i < 10; i++) await client.expectPong(`ping ${i}`);
  });

  test('each, when they stand between messages in one write', async () => {
    const client = await RawClient.open(daemon);
    for (let round = 0; round < 10; round++) {
      client.send(
        ...Array.from({ length: 10 }, (_, i) => [
          clientFrame(TEXT, `text ${i}`),
          clientFrame(PING, `ping ${i}`),
        ]).flat(),
      );
      const texts: string[] = [];
      const pongs: string[] = [];
      for (let i = 0; i < 20; i++) {
        const { opcode, payload } = await client.readFrame();
        (opcode === PONG ? pongs : texts).push(payload.toString());
      }
      expect(texts).toEqual(Array.from({ length: 10 }, (_, i) => `text ${i}`));
      expect(pongs).toEqual(Array.from({ length: 10 }, (_, i) => `ping ${i}`));
    }
  });
});

describe.concurrent('a pong that nobody asked for is ignored (§5.5.3)', () => {
  test.each([
    ['empty', '8a 80 37fa213d'],
    ['with a payload', '8a 85 37fa213d 7f9f4d5158'],
    ['with a payload that is not UTF-8', '8a 82 00000000 c0ff'],
  ])('%s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send(bytes, bytes, '81 85 37fa213d 7f9f4d5158');
    await client.expectMessage(TEXT, 'Hello');
    await client.expectOpen();
  });

  test('in the middle of a fragmented message', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 83 00000000 48656c', '8a 82 00000000 abcd', '80 82 00000000 6c6f');
    await client.expectMessage(TEXT, 'Hello');
  });
});

const RSV1_ON_DATA: [string, string][] = [
  ['RSV1 on text (§5.2)', 'c1 85 37fa213d 7f9f4d5158'],
  ['RSV1 on binary', 'c2 81 00000000 00'],
  ['RSV1 on a first fragment', '41 81 00000000 61'],
];

/** What breaks a rule, as one frame or more; the last one is the first that is wrong. */
const WRONG: [string, string][] = [
  ['a text frame that is not masked (§5.1)', '81 05 48656c6c6f'],
  ['an empty text frame that is not masked', '81 00'],
  ['a ping that is not masked', '89 00'],
  ['a Close that is not masked', '88 02 03e8'],
  ['a continuation that is not masked', '01 81 00000000 61 80 01 62'],

  // RFC 7692 §6 gives RSV1 a meaning there, and test/wire/permessage-deflate-receiving.test.ts says which.
  ...(compressionAgreed() ? [] : RSV1_ON_DATA),
  ['RSV2 on text', 'a1 85 37fa213d 7f9f4d5158'],
  ['RSV3 on text', '91 85 37fa213d 7f9f4d5158'],
  ['all RSV bits on text', 'f1 85 37fa213d 7f9f4d5158'],
  ['RSV1 on a continuation', '01 81 00000000 61 c0 81 00000000 62'],
  ['RSV1 on a ping', 'c9 80 00000000'],
  ['RSV2 on a pong', 'aa 80 00000000'],
  ['RSV3 on a Close', '98 82 00000000 03e8'],

  ...[0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf].map((opcode): [string, string] => {
    const digit = opcode.toString(16);
    return [`the reserved opcode 0x${digit.toUpperCase()} (§5.2)`, `8${digit} 80 37fa213d`];
  }),
  ['the reserved opcode 0x3 with a payload', '83 85 37fa213d 7f9f4d5158'],
  ['the reserved opcode 0xB with a payload', '8b 85 37fa213d 7f9f4d5158'],
  ['the reserved opcode 0x3 inside a fragmented message', '01 81 00000000 61 83 80 00000000'],
  ['the reserved opcode 0x3 as a first fragment', '03 81 00000000 61'],

  ['a ping that is fragmented (§5.5)', '09 80 00000000'],
  ['a pong that is fragmented', '0a 81 00000000 61'],
  ['a Close that is fragmented', '08 82 00000000 03e8'],
  ['a ping of 126 bytes (§5.5)', '89 fe 007e 00000000'],
  ['a pong of 126 bytes', '8a fe 007e 00000000'],
  ['a Close of 126 bytes', '88 fe 007e 00000000 03e8'],
  ['a ping of 65,536 bytes', '89 ff 0000000000010000 00000000'],
  ['a ping of 5 bytes in a 16-bit length', '89 fe 0005 00000000 48656c6c6f'],

  ['a 64-bit length with its top bit set (§5.2)', '82 ff 8000000000000000 00000000'],
  ['a 64-bit length of all ones', '82 ff ffffffffffffffff 00000000'],
  ['a 64-bit length of 5 but for its top bit', '82 ff 8000000000000005 00000000 48656c6c6f'],
  ['a length of 0 in 16 bits (§5.2, minimal)', '82 fe 0000 00000000'],
  ['a length of 5 in 16 bits', '81 fe 0005 00000000 48656c6c6f'],
  ['a length of 125 in 16 bits', '82 fe 007d 00000000'],
  ['a length of 0 in 64 bits', '82 ff 0000000000000000 00000000'],
  ['a length of 5 in 64 bits', '81 ff 0000000000000005 00000000 48656c6c6f'],
  ['a length of 126 in 64 bits', '82 ff 000000000000007e 00000000'],
  ['a length of 65,535 in 64 bits', '82 ff 000000000000ffff 00000000'],

  ['a continuation without a start (§5.4)', '80 81 00000000 61'],
  ['a continuation without a start, not the last', '00 81 00000000 61'],
  ['a continuation behind a message of one frame', '81 81 00000000 61 80 81 00000000 62'],
  ['a text frame inside a fragmented message (§5.4)', '01 81 00000000 61 81 81 00000000 62'],
  ['a binary frame inside a fragmented text message', '01 81 00000000 61 82 81 00000000 62'],
  ['a first fragment inside a fragmented message', '02 81 00000000 61 02 81 00000000 62'],
  [
    'a text frame behind a ping inside a fragmented message',
    '01 81 00000000 61 8a 80 00000000 81 81 00000000 62',
  ],
];

describe.concurrent('1002, and nothing behind it is obeyed, for', () => {
  test.each(WRONG)('%s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    // A message and a ping behind the wrong frame: neither may be answered (§7.1.7).
    client.send(bytes, '81 85 37fa213d 7f9f4d5158', '89 80 37fa213d');
    // One of the cases holds a good message before the wrong frame.
    if (bytes.startsWith('81 81')) await client.expectMessage(TEXT, 'a');
    await client.expectFailed(1002);
  });
});

describe.concurrent('1002 without another byte, when only the wrong bytes are sent, for', () => {
  test.each(WRONG.filter(([, bytes]) => !bytes.startsWith('81 81')))('%s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send(bytes);
    await client.expectFailed(1002);
  });
});

describe.concurrent('1002 though each byte is a read of its own, for', () => {
  test.each(WRONG.filter(([, bytes]) => !bytes.startsWith('81 81')))('%s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(byteByByte(hex(bytes)));
    await client.expectFailed(1002);
  });
});

describe.concurrent('a broken rule', () => {
  test('is told to a client that answers the Close, too', async () => {
    const client = await RawClient.open(daemon);
    client.send('91 80 37fa213d');
    await client.expectClosedByServer(1002);
  });

  test('does not swallow the message before it in the same write', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 85 37fa213d 7f9f4d5158', '83 80 37fa213d');
    await client.expectMessage(TEXT, 'Hello');
    await client.expectFailed(1002);
  });

  test('does not let the unfinished message before it through', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 83 00000000 48656c', '83 80 37fa213d', '80 82 00000000 6c6f');
    await client.expectFailed(1002);
  });

  test('ends in a FIN even when the client has sent a mebibyte behind it', async () => {
    const client = await RawClient.open(daemon);
    client.send('83 80 37fa213d', clientFrame(BINARY, pattern(MIB)), clientClose(1000));
    await client.expectFailed(1002);
  });

  test('on one connection leaves the others alone', async () => {
    const [bad, good] = [await RawClient.open(daemon), await RawClient.open(daemon)];
    good.send('01 83 00000000 48656c');
    await good.expectOpen();
    bad.send('83 80 37fa213d');
    await bad.expectFailed(1002);
    good.send('80 82 00000000 6c6f');
    await good.expectMessage(TEXT, 'Hello');
  });
});

describe.concurrent('1009, from the header alone, for', () => {
  test.each([
    ['a frame of one byte over 16 MiB', '82 ff 0000000001000001 00000000'],
    ['a first fragment of one byte over 16 MiB', '01 ff 0000000001000001 00000000'],
    ['a frame of 4 GiB', '82 ff 0000000100000000 00000000'],
    ['a frame of 2^53 - 1 bytes', '82 ff 001fffffffffffff 00000000'],
    ['a frame of 2^53 bytes', '82 ff 0020000000000000 00000000'],
    ['a frame of 2^63 - 1 bytes', '82 ff 7fffffffffffffff 00000000'],
    [
      'a frame just under 2^64 with the top bit clear, as crashed the C daemon',
      '82 ff 7ffffffffffffff0 00000000',
    ],
    ['a second fragment that makes 16 MiB and a byte', '02 81 00000000 61 80 ff 0000000001000000 00000000'],
    ['a second fragment of 2^53 - 1 bytes', '02 81 00000000 61 80 ff 001fffffffffffff 00000000'],
    [
      'a third fragment that makes too much',
      '02 81 00000000 61 00 81 00000000 62 00 ff 0000000000ffffff 00000000',
    ],
  ])('%s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send(bytes);
    await client.expectFailed(1009);
  });

  test('one byte behind a first fragment of 16 MiB', async () => {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(BINARY, pattern(16 * MIB), { fin: false }), '80 81 00000000');
    await client.expectFailed(1009);
  });

  test('a frame of one byte over 16 MiB whose payload is already on its way', async () => {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(BINARY, pattern(16 * MIB + 1)));
    await client.expectFailed(1009);
  });
});

describe.concurrent('whatever is legal', () => {
  test.each(Array.from({ length: 20 }, (_, i) => SEED + i))(
    'comes back from random messages, fragments, pings and cuts (TEST_SEED=%i)',
    async (seed) => {
      const random = new Random(seed);
      const sent: Buffer[] = [];
      const messages: { opcode: number; payload: Buffer }[] = [];
      const pings: Buffer[] = [];
      const maybeControl = () => {
        const draw = random.next();
        const payload = random.bytes(random.pick([0, 1, 4, 125]));
        if (draw < 0.15) pings.push(payload);
        if (draw < 0.25)
          sent.push(clientFrame(draw < 0.15 ? PING : PONG, payload, { mask: random.bytes(4) }));
      };
      for (let i = random.int(1, 12); i > 0; i--) {
        const opcode = random.pick([TEXT, BINARY]);
        const length = random.pick([0, 1, 2, 10, 125, 126, 300, 65_535, 65_536]);
        const payload = opcode === TEXT ? letters(length) : random.bytes(length);
        messages.push({ opcode, payload });
        const fragments =
          payload.length > 1 ? randomCuts(payload, random.pick([1, 1, 2, 5]), random) : [payload];
        for (const [index, fragment] of fragments.entries()) {
          maybeControl();
          const fin = index === fragments.length - 1;
          sent.push(clientFrame(index === 0 ? opcode : 0, fragment, { fin, mask: random.bytes(4) }));
        }
        maybeControl();
      }
      const client = await RawClient.open(daemon);
      const all = Buffer.concat([...sent, clientClose(4321)]);
      const writing = client.sendPieces(randomCuts(all, random.int(1, 40), random));
      for (let i = messages.length + pings.length; i > 0; i--) {
        const frame = await client.readFrame();
        expect(frame.fin).toBe(true);
        const expected =
          frame.opcode === PONG ? { opcode: PONG, payload: pings.shift()! } : messages.shift()!;
        expect(frame.opcode).toBe(expected.opcode);
        expect(frame.payload.equals(expected.payload)).toBe(true);
      }
      await client.expectCloseEcho(4321);
      await writing;
    },
  );
});

/** A stream of small legal frames, which may end in a Close. */
function legalFrames(random: Random): Buffer {
  const frames: Buffer[] = [];
  const words = ['', 'a', 'Hello', 'é', '€uro', '😀😀', 'x'.repeat(126), 'ß'.repeat(70)];
  let open = false;
  for (let i = random.int(2, 9); i > 0; i--) {
    const mask = random.bytes(4);
    const payload = random.next() < 0.7 ? Buffer.from(random.pick(words)) : random.bytes(random.int(0, 130));
    const fin = random.next() < 0.6;
    const draw = random.next();
    if (draw < 0.25) frames.push(clientFrame(random.pick([PING, PONG]), payload.subarray(0, 125), { mask }));
    else {
      frames.push(clientFrame(open ? 0 : random.pick([TEXT, BINARY]), payload, { fin, mask }));
      open = !fin;
    }
  }
  if (random.next() < 0.7)
    frames.push(clientFrame(CLOSE, random.pick(['', '\x03', '\x0f\xa0', '\x0f\xa0bye'].map(latin1))));
  return Buffer.concat(frames);
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Up to three bytes changed, left out or put in. */
function spoil(bytes: Buffer, random: Random): Buffer {
  let result = Buffer.from(bytes);
  for (let i = random.int(0, 3); i > 0; i--) {
    const place = random.int(0, result.length - 1);
    const draw = random.next();
    if (draw < 0.5) result[place]! ^= 1 << random.int(0, 7);
    else if (draw < 0.7) result[place] = random.int(0, 255);
    else if (draw < 0.85) result = Buffer.concat([result.subarray(0, place), result.subarray(place + 1)]);
    else result = Buffer.concat([result.subarray(0, place), random.bytes(1), result.subarray(place)]);
  }
  return result;
}

describe
  .skipIf(compressionAgreed())
  .concurrent('frames that chance has spoiled are answered as the reference says', () => {
    test.each(Array.from({ length: 40 }, (_, i) => SEED + i))(
      'in one write and in random cuts (TEST_SEED=%i)',
      async (seed) => {
        const random = new Random(seed);
        for (let round = 0; round < 10; round++) {
          const bytes = spoil(legalFrames(random), random);
          const { messages, pongs, end } = expectedFor(bytes);
          const client = await RawClient.open(daemon);
          const pieces = round % 2 === 0 ? [bytes] : randomCuts(bytes, random.int(2, 10), random);
          const writing = client.sendPieces(pieces);
          const seen = { messages: [] as { opcode: number; payload: Buffer }[], pongs: [] as Buffer[] };
          const input = `round ${round}: ${bytes.toString('hex')}`;
          try {
            for (let i = messages.length + pongs.length; i > 0; i--) {
              const { opcode, payload } = await client.readFrame();
              if (opcode === PONG) seen.pongs.push(payload);
              else seen.messages.push({ opcode, payload });
            }
            expect(seen).toEqual({ messages, pongs });
            if (end !== 'waiting') {
              expect(end).toContain((await client.readClose()).code);
              await client.stream.expectEnd();
            }
          } catch (cause) {
            throw new Error(`${input}\n${cause instanceof Error ? cause.message : cause}`, { cause });
          }
          await writing;
          client.stream.destroy();
        }
      },
    );
  });

test('at the end the daemon runs and echoes', async () => {
  await expectStillEchoing(daemon);
});

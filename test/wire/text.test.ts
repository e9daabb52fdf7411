/** Text on the wire, against echo://: RFC 6455 §8.1, RFC 3629. Valid text passes; the first wrong byte is a 1007. */
import { isUtf8 } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compressionArguments } from '../support/compression-agreed.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { byteByByte, Random, randomCuts, SEED } from '../support/randomness.ts';
import { BINARY, clientFrame, hex, RawClient, TEXT } from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
});
afterAll(() => daemon?.stop('SIGKILL'));

const VALID: [string, string][] = [
  ['U+0000', '00'],
  ['U+007F', '7f'],
  ['U+0080, the first of two bytes', 'c280'],
  ['U+07FF, the last of two bytes', 'dfbf'],
  ['U+0800, the first of three bytes', 'e0a080'],
  ['U+0FFF', 'e0bfbf'],
  ['U+1000', 'e18080'],
  ['U+CFFF', 'ecbfbf'],
  ['U+D000', 'ed8080'],
  ['U+D7FF, the last before the surrogates', 'ed9fbf'],
  ['U+E000, the first behind the surrogates', 'ee8080'],
  ['U+FDD0, a noncharacter', 'efb790'],
  ['U+FEFF, the byte order mark, which is kept', 'efbbbf'],
  ['U+FFFD', 'efbfbd'],
  ['U+FFFE, a noncharacter', 'efbfbe'],
  ['U+FFFF, the last of three bytes', 'efbfbf'],
  ['U+10000, the first of four bytes', 'f0908080'],
  ['U+3FFFF', 'f0bfbfbf'],
  ['U+40000', 'f1808080'],
  ['U+FFFFF', 'f3bfbfbf'],
  ['U+10FFFF, the last of all', 'f48fbfbf'],
  ['"κόσμε"', 'cebae1bdb9cf83cebcceb5'],
  ['"Hello-µ@ßöäüàá-UTF-8!!"', '48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121'],
];

/** Name, the bytes through the first wrong one, and bytes that a validator in love with lead bytes would go on with. */
const INVALID: [string, string, string][] = [
  ['a continuation byte alone, 80', '80', ''],
  ['a continuation byte alone, BF', 'bf', ''],
  ['a continuation byte behind ASCII', '6180', ''],
  ['a continuation byte too many behind two bytes', 'c3a980', ''],
  ['a continuation byte too many behind four bytes', 'f09f988080', ''],
  ['the byte C0, an overlong NUL', 'c0', '80'],
  ['the byte C0, an overlong slash', 'c0', 'af'],
  ['the byte C1, an overlong U+007F', 'c1', 'bf'],
  ['an overlong U+0000 in three bytes', 'e080', '80'],
  ['an overlong slash in three bytes', 'e080', 'af'],
  ['an overlong U+07FF in three bytes', 'e09f', 'bf'],
  ['an overlong U+0000 in four bytes', 'f080', '8080'],
  ['an overlong U+FFFF in four bytes', 'f08f', 'bfbf'],
  ['the first surrogate, U+D800', 'eda0', '80'],
  ['U+DBFF', 'edaf', 'bf'],
  ['U+DC00', 'edb0', '80'],
  ['the last surrogate, U+DFFF', 'edbf', 'bf'],
  ['a surrogate pair (CESU-8)', 'eda0', '81edb080'],
  ['U+110000, one beyond Unicode', 'f490', '8080'],
  ['F4 BF, far beyond', 'f4bf', 'bfbf'],
  ['the byte F5', 'f5', '808080'],
  ['the byte F7', 'f7', 'bfbfbf'],
  ['the byte F8, five bytes', 'f8', '88808080'],
  ['the byte FC, six bytes', 'fc', '8480808080'],
  ['the byte FE', 'fe', ''],
  ['the byte FF', 'ff', ''],
  ['a second byte that is ASCII, of two', 'c341', ''],
  ['a second byte that is a lead, of two', 'c3c3', 'a9'],
  ['a second byte that is ASCII, of three', 'e241', ''],
  ['a third byte that is ASCII, of three', 'e28241', ''],
  ['a third byte that is a lead, of three', 'e282c3', 'a9'],
  ['a second byte that is ASCII, of four', 'f041', ''],
  ['a third byte that is ASCII, of four', 'f09f41', ''],
  ['a fourth byte that is ASCII, of four', 'f09f9841', ''],
  ['a fourth byte that is a lead, of four', 'f09f98f0', '9f9880'],
];

const TRUNCATED: [string, string][] = [
  ['one byte of two', 'c3'],
  ['one byte of three', 'e2'],
  ['two bytes of three', 'e282'],
  ['two bytes of three, U+0800', 'e0a0'],
  ['one byte of four', 'f0'],
  ['two bytes of four', 'f09f'],
  ['three bytes of four', 'f09f98'],
];

test('the tables agree with Node about what is UTF-8', () => {
  for (const [, bytes] of VALID) expect(isUtf8(hex(bytes)), bytes).toBe(true);
  for (const [, wrong, rest] of INVALID) expect(isUtf8(hex(wrong + rest)), wrong + rest).toBe(false);
  for (const [, bytes] of TRUNCATED) expect(isUtf8(hex(bytes)), bytes).toBe(false);
});

describe.concurrent('valid text comes back byte for byte (§5.6)', () => {
  test.each(VALID)('%s, whole, byte by byte, and in fragments of one byte', async (_, bytes) => {
    const text = hex(bytes);
    const client = await RawClient.open(daemon);
    client.send(clientFrame(TEXT, text));
    await client.expectMessage(TEXT, text);

    await client.sendPieces(byteByByte(clientFrame(TEXT, text)));
    await client.expectMessage(TEXT, text);

    // A ping and its pong behind each fragment: the server has taken it, and has no complaint (§5.4 allows the cut).
    const fragments = byteByByte(text);
    for (const [index, fragment] of fragments.entries()) {
      client.send(clientFrame(index === 0 ? TEXT : 0, fragment, { fin: false }));
      await client.expectOpen();
    }
    client.send('80 80 37fa213d');
    await client.expectMessage(TEXT, text);
  });

  test('with a character of four bytes at each of 70 offsets in a longer text', async () => {
    const client = await RawClient.open(daemon);
    const texts = Array.from({ length: 70 }, (_, offset) => `${'a'.repeat(offset)}😀${'b'.repeat(100)}`);
    client.send(...texts.map((text) => clientFrame(TEXT, text)));
    for (const text of texts) await client.expectMessage(TEXT, text);
  });

  test.each(Array.from({ length: 10 }, (_, i) => SEED + i))(
    'with random characters, fragments and cuts (TEST_SEED=%i)',
    async (seed) => {
      const random = new Random(seed);
      const characters = [
        'a',
        '\0',
        '\x7f',
        'é',
        '\u07ff',
        '\u0800',
        '€',
        '\ud7ff',
        '\ue000',
        '\uffff',
        '😀',
        '\u{10ffff}',
      ];
      const client = await RawClient.open(daemon);
      for (let round = 0; round < 10; round++) {
        const text = Buffer.from(
          Array.from({ length: random.int(2, 400) }, () => random.pick(characters)).join(''),
        );
        const fragments = randomCuts(text, random.int(1, 6), random);
        const frames = fragments.map((fragment, i) =>
          clientFrame(i === 0 ? TEXT : 0, fragment, {
            fin: i === fragments.length - 1,
            mask: random.bytes(4),
          }),
        );
        await client.sendPieces(randomCuts(Buffer.concat(frames), random.int(1, 6), random));
        await client.expectMessage(TEXT, text);
      }
    },
  );
});

describe.concurrent('1007 for text with', () => {
  test.each(INVALID)('%s: in a complete frame, with nothing behind it obeyed', async (_, wrong, rest) => {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(TEXT, hex(`61 ${wrong} ${rest} 62`)), '81 85 37fa213d 7f9f4d5158');
    await client.expectFailed(1007);
  });

  test.each(INVALID)('%s: at the wrong byte, in a frame that never ends', async (_, wrong) => {
    const client = await RawClient.open(daemon);
    // A frame of 1,000 bytes, of which only those through the wrong one are sent.
    client.send(clientFrame(TEXT, hex(wrong), { announce: 1_000 }));
    await client.expectFailed(1007);
  });

  test.each(INVALID)('%s: at the wrong byte, each byte a read of its own', async (_, wrong) => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(byteByByte(clientFrame(TEXT, hex(wrong), { announce: 100 })));
    await client.expectFailed(1007);
  });

  test.each(INVALID)(
    '%s: in the fragment that holds the wrong byte, before the message ends',
    async (_, wrong) => {
      const client = await RawClient.open(daemon);
      const fragments = byteByByte(hex(wrong));
      const last = fragments.pop()!;
      client.send('01 81 00000000 61'); // "a", FIN=0
      for (const fragment of fragments) {
        client.send(clientFrame(0, fragment, { fin: false }));
        // So far it might still become text.
        await client.expectOpen();
      }
      client.send(clientFrame(0, last, { fin: false }));
      await client.expectFailed(1007);
    },
  );

  test.each(TRUNCATED)('its last character cut off: %s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(TEXT, hex(`61 ${bytes}`)), '81 85 37fa213d 7f9f4d5158');
    await client.expectFailed(1007);
  });

  test.each(TRUNCATED)('its last character cut off in its last fragment: %s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send('01 81 00000000 61', clientFrame(0, hex(bytes)));
    await client.expectFailed(1007);
  });

  test.each(TRUNCATED)(
    'its last character cut off, and an empty fragment for its end: %s',
    async (_, bytes) => {
      const client = await RawClient.open(daemon);
      client.send(clientFrame(TEXT, hex(bytes), { fin: false }));
      await client.expectOpen();
      client.send('80 80 37fa213d');
      await client.expectFailed(1007);
    },
  );

  test('a character whose other half is in the next message', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 82 00000000 61c3', '81 81 00000000 a9');
    await client.expectFailed(1007);
  });

  test('its wrong byte in the second read of a frame', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 fe 03e8 00000000 48656c6c6f'); // 1,000 bytes announced, "Hello" sent
    await client.stream.writePieces([Buffer.from('World'), hex('ff')]);
    await client.expectFailed(1007);
  });

  test('its wrong byte under a mask that makes it look like ASCII', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 83 80808080 e1e27f'); // 61 62 ff
    await client.expectFailed(1007);
  });

  test('its wrong byte at any of 70 offsets in a longer frame', async () => {
    await Promise.all(
      Array.from({ length: 70 }, async (_, offset) => {
        const text = Buffer.alloc(150, 'a');
        text[offset] = 0xff;
        const client = await RawClient.open(daemon);
        client.send(clientFrame(TEXT, text));
        await client.expectFailed(1007);
        client.stream.destroy();
      }),
    );
  });

  test('its wrong byte at the end of a mebibyte', async () => {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(TEXT, Buffer.concat([Buffer.alloc(1_048_575, 'a'), hex('ff')])));
    await client.expectFailed(1007);
  });

  test('its wrong byte behind messages that are good, which come back', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 82 00000000 c3a9', '82 81 00000000 ff', '81 81 00000000 ff', '81 81 00000000 61');
    await client.expectMessage(TEXT, 'é');
    await client.expectMessage(BINARY, hex('ff'));
    await client.expectFailed(1007);
  });
});

describe.concurrent('text and no text', () => {
  test('binary messages may hold anything, in fragments too', async () => {
    const client = await RawClient.open(daemon);
    client.send('82 84 00000000 c080edff', '02 81 00000000 c3', '80 81 00000000 28');
    await client.expectMessage(BINARY, hex('c080edff'));
    await client.expectMessage(BINARY, hex('c328'));
  });

  test('a binary message that ends in half a character says nothing about the text behind it', async () => {
    const client = await RawClient.open(daemon);
    client.send('82 81 00000000 c3', '81 81 00000000 61');
    await client.expectMessage(BINARY, hex('c3'));
    await client.expectMessage(TEXT, 'a');
  });

  test('a ping that is not UTF-8 does not disturb the text around it', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 81 00000000 c3', '89 81 00000000 ff');
    await client.expectPong(hex('ff'));
    client.send('80 81 00000000 a9');
    await client.expectMessage(TEXT, 'é');
  });

  test.each(Array.from({ length: 20 }, (_, i) => SEED + i))(
    'random bytes near UTF-8 come back or fail as they should (TEST_SEED=%i)',
    async (seed) => {
      const random = new Random(seed);
      const client = await RawClient.open(daemon);
      const bytes = ['61', 'c3a9', 'e282ac', 'f09f9880', 'ed9fbf', 'f48fbfbf', 'e0a080', 'f0908080'];
      for (;;) {
        const text = hex(Array.from({ length: random.int(1, 40) }, () => random.pick(bytes)).join(''));
        const place = random.int(0, text.length - 1);
        if (random.next() < 0.3)
          text[place] = random.pick([0x41, 0x80, 0xbf, 0xc0, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff]);
        await client.sendPieces(
          randomCuts(clientFrame(TEXT, text, { mask: random.bytes(4) }), random.int(1, 5), random),
        );
        if (!isUtf8(text)) break;
        await client.expectMessage(TEXT, text);
      }
      await client.expectFailed(1007);
    },
  );
});

test('at the end the daemon runs and echoes', async () => {
  await expectStillEchoing(daemon);
});

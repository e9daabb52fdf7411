/** The closing handshake on the wire, against echo://: RFC 6455 §5.5.1, §7. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compressionArguments } from '../support/compression-agreed.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { byteByByte, cutAt } from '../support/randomness.ts';
import {
  BINARY,
  CLOSE,
  clientClose,
  clientFrame,
  hex,
  RawClient,
  request,
  TEXT,
} from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
});
afterAll(() => daemon?.stop('SIGKILL'));

/** Close frames with a zero mask: their header, then code and reason as they are. */
function closeFrame(payload: string): Buffer {
  const bytes = hex(payload);
  return Buffer.concat([hex('88'), Buffer.from([0x80 | bytes.length]), hex('00000000'), bytes]);
}

describe.concurrent('a Close is answered with its own code, then the server ends TCP first (§5.5.1, §7.1.1)', () => {
  const codes: [number, string][] = [
    [1000, '03e8'],
    [1001, '03e9'],
    [1002, '03ea'],
    [1003, '03eb'],
    [1007, '03ef'],
    [1008, '03f0'],
    [1009, '03f1'],
    [1010, '03f2'],
    [1011, '03f3'],
    [1012, '03f4'],
    [1013, '03f5'],
    [1014, '03f6'],
    [3000, '0bb8'],
    [3999, '0f9f'],
    [4000, '0fa0'],
    [4999, '1387'],
  ];
  test.each(codes)('for %i', async (code, payload) => {
    const client = await RawClient.open(daemon);
    client.send(closeFrame(payload));
    await client.expectCloseEcho(code);
  });

  test.each(codes)('for %i with a reason', async (code, payload) => {
    const client = await RawClient.open(daemon);
    client.send(closeFrame(`${payload} 627965`)); // "bye"
    await client.expectCloseEcho(code);
  });

  test('for an empty Close, with an empty one (§7.1.5: no code is 1005, which is never sent)', async () => {
    const client = await RawClient.open(daemon);
    client.send('88 80 37fa213d');
    await client.expectCloseEcho(undefined);
  });

  test('for a reason of 123 bytes, the longest there is (§5.5)', async () => {
    const client = await RawClient.open(daemon);
    client.send(clientClose(1000, 'x'.repeat(123)));
    await client.expectCloseEcho(1000);
  });

  test('for a reason of 123 bytes that ends in a character of four', async () => {
    const client = await RawClient.open(daemon);
    client.send(clientClose(1000, `${'x'.repeat(119)}😀`));
    await client.expectCloseEcho(1000);
  });

  test('for a reason that begins with a byte order mark', async () => {
    const client = await RawClient.open(daemon);
    client.send(closeFrame('03e8 efbbbf 61'));
    await client.expectCloseEcho(1000);
  });

  test('for a masked one', async () => {
    const client = await RawClient.open(daemon);
    client.send('88 82 37fa213d 3412'); // 03e8
    await client.expectCloseEcho(1000);
  });

  test('when it arrives byte by byte', async () => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(byteByByte(clientClose(3001, 'über')));
    await client.expectCloseEcho(3001);
  });

  test('when it is cut between the two bytes of its code', async () => {
    const client = await RawClient.open(daemon);
    await client.sendPieces(cutAt(hex('88 82 00000000 0fa1'), [7]));
    await client.expectCloseEcho(4001);
  });

  test('in the middle of a fragmented message, which is dropped', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 83 00000000 48656c', '88 82 00000000 03e8');
    await client.expectCloseEcho(1000);
  });

  test('in the middle of a character, which is no longer anybody’s concern', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 81 00000000 c3', '88 82 00000000 03e8');
    await client.expectCloseEcho(1000);
  });

  test('behind the echoes of the messages before it', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 81 00000000 61', '82 81 00000000 62', '88 82 00000000 03e8');
    await client.expectMessage(TEXT, 'a');
    await client.expectMessage(BINARY, 'b');
    await client.expectCloseEcho(1000);
  });

  test('behind the echo of a mebibyte that the client has not begun to read', async () => {
    const client = await RawClient.open(daemon);
    client.stream.socket.pause();
    const payload = Buffer.alloc(1_048_576, 'm');
    client.send(clientFrame(BINARY, payload), clientFrame(BINARY, payload), clientClose(1000));
    // Meanwhile the daemon has time to come as far as it can.
    const other = await RawClient.open(daemon);
    for (let i = 0; i < 50; i++) await other.expectOpen();
    client.stream.socket.resume();
    await client.expectMessage(BINARY, payload);
    await client.expectMessage(BINARY, payload);
    await client.expectCloseEcho(1000);
  });
});

describe.concurrent('behind a Close nothing is answered (§5.5.1)', () => {
  test.each([
    ['a message', '81 85 37fa213d 7f9f4d5158'],
    ['a ping', '89 80 37fa213d'],
    ['a second Close', '88 82 00000000 03e9'],
    ['a frame that is wrong', '83 80 37fa213d'],
    ['a frame that is not masked', '81 01 61'],
    ['text that is not UTF-8', '81 81 00000000 ff'],
    ['half a frame', '81 fe'],
    ['bytes that are no frames', '474554202f20485454502f312e310d0a0d0a'],
  ])('not %s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send('88 82 00000000 03e8', bytes);
    await client.expectCloseEcho(1000);
  });

  test('not a mebibyte, and it is no reason for a reset', async () => {
    const client = await RawClient.open(daemon);
    client.send('88 82 00000000 03e8', clientFrame(BINARY, Buffer.alloc(1_048_576)));
    await client.expectCloseEcho(1000);
  });
});

describe.concurrent('1002 for a Close', () => {
  test.each([
    ['of one byte (§5.5.1)', '88 81 00000000 03'],
    ['of one byte, masked', '88 81 37fa213d 34'],
  ])('%s', async (_, bytes) => {
    const client = await RawClient.open(daemon);
    client.send(bytes);
    await client.expectFailed(1002);
  });

  test.each([
    ['0', '0000'],
    ['1', '0001'],
    ['999', '03e7'],
    ['1004, reserved (§7.4.1)', '03ec'],
    ['1005, never sent', '03ed'],
    ['1006, never sent', '03ee'],
    ['1015, never sent', '03f7'],
    ['1016', '03f8'],
    ['1100', '044c'],
    ['2000', '07d0'],
    ['2999', '0bb7'],
    ['5000', '1388'],
    ['65535', 'ffff'],
  ])('with the code %s', async (_, payload) => {
    const client = await RawClient.open(daemon);
    client.send(closeFrame(payload), '81 85 37fa213d 7f9f4d5158');
    await client.expectFailed(1002);
  });

  test('with a bad code and a reason', async () => {
    const client = await RawClient.open(daemon);
    client.send(closeFrame('03ed 627965'));
    await client.expectFailed(1002);
  });
});

describe.concurrent('1007 for a Close with a reason', () => {
  test.each([
    ['that is not UTF-8 (§5.5.1, §8.1)', '03e8 ff'],
    ['that ends in half a character', '03e8 61 e282'],
    ['with a surrogate', '03e8 eda080'],
    ['with an overlong form', '03e8 c0af'],
    ['with a character beyond Unicode', '0fa0 f4908080'],
    ['that begins with a continuation byte', '03e8 a9'],
  ])('%s', async (_, payload) => {
    const client = await RawClient.open(daemon);
    client.send(closeFrame(payload));
    await client.expectFailed(1007);
  });

  test('that would complete the character of an unfinished text', async () => {
    const client = await RawClient.open(daemon);
    client.send('01 81 00000000 c3', closeFrame('03e8 a9'));
    await client.expectFailed(1007);
  });
});

describe.concurrent('a client that ends without a Close (§7.1.5: abnormal)', () => {
  test('by FIN between messages gets an end', async () => {
    const client = await RawClient.open(daemon);
    client.stream.end();
    await client.stream.rest();
    expect(client.stream.ending).toBe('FIN');
  });

  test('by FIN in the middle of a frame gets an end', async () => {
    const client = await RawClient.open(daemon);
    client.send('81 fe 03e8 00000000 48656c6c6f');
    client.stream.end();
    await client.stream.rest();
    expect(client.stream.ending).toBe('FIN');
  });

  test('by FIN right behind a Close gets the closing handshake', async () => {
    const client = await RawClient.open(daemon);
    client.send('88 82 00000000 03e8');
    client.stream.end();
    await client.expectCloseEcho(1000);
  });

  test('by a reset does no harm to the others', async () => {
    const [gone, other] = [await RawClient.open(daemon), await RawClient.open(daemon)];
    gone.send('01 83 00000000 48656c');
    gone.stream.reset();
    await other.expectOpen();
  });
});

describe.concurrent('SIGTERM', () => {
  test('sends each open client a Close 1001 and ends with 0 once they have answered', async () => {
    await using stopping = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
    const clients = await Promise.all(Array.from({ length: 3 }, () => RawClient.open(stopping)));
    const exit = stopping.stop('SIGTERM');
    for (const client of clients) {
      expect((await client.readClose()).code).toBe(1001);
      client.send('88 82 00000000 03e9');
    }
    for (const client of clients) await client.expectEndAndLeave();
    expect(await exit).toBe(0);
  });

  test('ends with 0 from the moment that the log says where it listens, nobody being connected', async () => {
    await using stopping = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
    expect(await stopping.stop('SIGTERM')).toBe(0);
  });

  test('lets the client of a fragmented message go with 1001, too', async () => {
    await using stopping = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
    const client = await RawClient.open(stopping);
    client.send('01 83 00000000 48656c');
    await client.expectOpen();
    const exit = stopping.stop('SIGTERM');
    const { opcode, payload } = await client.readFrame();
    expect(opcode).toBe(CLOSE);
    expect(payload.subarray(0, 2)).toEqual(hex('03e9'));
    client.send('88 82 00000000 03e9');
    await client.expectEndAndLeave();
    expect(await exit).toBe(0);
  });

  test('does not answer what a client says behind the Close', async () => {
    await using stopping = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
    const client = await RawClient.open(stopping);
    const exit = stopping.stop('SIGTERM');
    expect((await client.readClose()).code).toBe(1001);
    client.send('81 85 37fa213d 7f9f4d5158', '89 80 37fa213d', '88 82 00000000 03e9');
    await client.expectEndAndLeave();
    expect(await exit).toBe(0);
  });

  test('takes no new connections while the old ones end', async () => {
    await using stopping = await startDaemon(['-c', 'host=echo://', ...compressionArguments()]);
    const client = await RawClient.open(stopping);
    const exit = stopping.stop('SIGTERM');
    expect((await client.readClose()).code).toBe(1001);
    const late = RawClient.connect(stopping).then(async (other) => {
      other.send(request());
      return (await other.stream.rest()).toString('latin1');
    });
    // Refused by the system, reset, ended, or told so; but never a 101.
    expect(await late.catch(() => 'refused')).not.toMatch(/^HTTP\/1\.1 101/);
    client.send('88 82 00000000 03e9');
    await client.expectEndAndLeave();
    expect(await exit).toBe(0);
  });
});

test('at the end the daemon runs and echoes', async () => {
  await expectStillEchoing(daemon);
});

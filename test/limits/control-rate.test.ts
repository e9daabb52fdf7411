/** Frames that carry nothing: nobody's taking them could hold the client back. */
import { describe, expect, test } from 'vitest';
import { serve } from '../support/in-process.ts';
import { counted, expectClose, expectEchoed } from '../support/limits.ts';
import { BINARY, CLOSE, clientFrame, PING, PONG, type RawClient, TEXT } from '../support/raw-client.ts';

const ECHO = 'echo://';
const RATE = 20;
const TEXT_OF_FAULT = 'too many control frames or empty fragments';

function times(count: number, frame: Buffer): Buffer {
  return Buffer.concat(Array<Buffer>(count).fill(frame));
}

/** Reads Pongs up to the Close, which is returned. */
async function pongsUntilClose(client: RawClient): Promise<{ pongs: number; close: Buffer }> {
  for (let pongs = 0; ; pongs += 1) {
    const { opcode, payload } = await client.readFrame();
    if (opcode === CLOSE) return { pongs, close: payload };
    expect(opcode).toBe(PONG);
  }
}

describe.each(['auto', 'off'] as const)('with kernel=%s', (kernel) => {
  test('a flood of Pings is ended by 1008, and others are served', async () => {
    const served = await serve({ peer: ECHO, kernel, limits: { controlRate: RATE } });
    const [client, other] = [await served.open(), await served.open()];
    client.send(times(20_000, clientFrame(PING, 'x')));
    const { pongs, close } = await pongsUntilClose(client);
    expect(close.readUInt16BE()).toBe(1008);
    expect(close.toString('utf8', 2)).toBe(TEXT_OF_FAULT);
    expect(pongs).toBeLessThan(20_000);
    await client.stream.expectEnd();
    client.stream.end();
    expect(await served.ended(1)).toMatchObject({ why: 'control-rate' });
    await counted(served, 'closed-control-rate');
    await expectEchoed(other);
  });

  test('so is one of empty fragments, which never make a message', async () => {
    const served = await serve({ peer: ECHO, kernel, limits: { controlRate: RATE } });
    const [client, other] = [await served.open(), await served.open()];
    client.send(clientFrame(TEXT, '', { fin: false }), times(20_000, clientFrame(0, '', { fin: false })));
    await expectClose(client, 1008, TEXT_OF_FAULT);
    await client.stream.expectEnd();
    client.stream.end();
    await counted(served, 'closed-control-rate');
    await expectEchoed(other);
  });

  test('to a stream peer as well, which has got what came before', async () => {
    const served = await serve({ kernel, framing: 'binary', limits: { controlRate: RATE } });
    const { client, peer } = await served.bridge();
    client.send(clientFrame(BINARY, 'before'), times(20_000, clientFrame(PONG, '')));
    await expectClose(client, 1008, TEXT_OF_FAULT);
    expect((await peer.take(6)).toString()).toBe('before');
    await peer.expectEnd();
    peer.end();
    await client.expectEndAndLeave();
    await counted(served, 'closed-control-rate');
  });

  test('as many as are allowed are answered, and data counts nothing', async () => {
    const served = await serve({ peer: ECHO, kernel, limits: { controlRate: RATE } });
    const client = await served.open();
    client.send(times(RATE, clientFrame(PING, 'x')));
    for (let i = 0; i < RATE; i += 1) await client.expectPong('x');
    client.send(times(1_000, clientFrame(BINARY, 'data')));
    for (let i = 0; i < 1_000; i += 1) await client.expectMessage(BINARY, 'data');
    client.send(times(500, Buffer.concat([clientFrame(TEXT, 'a', { fin: false }), clientFrame(0, 'b')])));
    for (let i = 0; i < 500; i += 1) await client.expectMessage(TEXT, 'ab');
  });

  test('without the limit, as it is by default, a client may send as many as it likes', async () => {
    const served = await serve({ peer: ECHO, kernel });
    const client = await served.open();
    const flood = times(10_000, Buffer.concat([clientFrame(PING, 'p'), clientFrame(PONG, '')]));
    client.send(
      clientFrame(TEXT, '', { fin: false }),
      flood,
      times(10_000, clientFrame(0, '', { fin: false })),
    );
    client.send(clientFrame(0, 'end'));
    let pongs = 0;
    for (;;) {
      const { opcode, payload } = await client.readFrame();
      if (opcode === TEXT) {
        expect(payload.toString()).toBe('end');
        break;
      }
      expect(opcode).toBe(PONG);
      pongs += 1;
    }
    // §5.5.3: while we did not read, the latest Ping alone may have been answered.
    expect(pongs).toBeGreaterThan(0);
    expect(served.daemon.connections).toBe(1);
  });
});

/**
 * What compression must not do to the daemon: messages that inflate to much more than they are, peers that do not keep
 * up with them, and more windows than there is memory for. RFC 7692 §8 and RFC 6455 §10.4.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type ByteStream, connectTo, DEADLINE } from '../support/byte-stream.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { Deflater } from '../support/deflate.ts';
import { compressedFragments, compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { stable } from '../support/in-process.ts';
import { Random, SEED } from '../support/randomness.ts';
import { BINARY, clientClose, clientFrame, hex, PING, request, TEXT } from '../support/raw-client.ts';
import { expectRunning, expectStillEchoing } from '../support/still-serving.ts';
import { refusingPort, TcpPeer } from '../support/tcp-peer.ts';
import { MIB, pattern } from '../support/ws-wire.ts';

/** The largest message that is collected (docs, and the limit of the engine). */
const LIMIT = 16 * MIB;

/** Far above what a daemon needs for its own, far below what the bombs here inflate to. */
const MOST_GROWTH = 64 * MIB;

/** What the bombs inflate to: no period near a power of two, and as text with characters over every boundary. */
const REGULAR: Readonly<Record<number, Buffer>> = {
  [BINARY]: pattern(251 * 1_024),
  [TEXT]: Buffer.from(
    'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich: 12 €, 😀! '.repeat(3_001),
  ),
};

/** A message of the bytes of `part`, so many times, with its length inflated; it refers to nothing before it. */
function bomb(part: Buffer, about: number): { payload: Buffer; length: number } {
  const times = Math.round(about / part.length);
  const blocks = new Deflater(15, false).blocks(part);
  const payload = Buffer.concat([Buffer.alloc(times * blocks.length, blocks), hex('00')]);
  return { payload, length: times * part.length };
}

/** The payload of a message that refers to nothing before it. */
function deflated(data: Uint8Array): Buffer {
  return new Deflater(15, false).message(data);
}

let echo: Daemon;
let bridge: Daemon;
let peers: TcpPeer;

beforeAll(async () => {
  peers = await TcpPeer.listen();
  [echo, bridge] = await Promise.all([
    startDaemon(['-c', 'host=echo://', '--compression', 'on']),
    startDaemon(['-c', `host=${peers.address}`, '-c', 'framing=binary', '--compression', 'on']),
  ]);
});
afterAll(async () => {
  await Promise.all([echo, bridge].map((daemon) => daemon?.stop('SIGKILL')));
  await peers.close();
});

/** A figure of /proc in bytes: `VmRSS`, what it has of memory, `VmHWM`, the most that it ever had. Linux alone tells. */
function memoryOf(daemon: Daemon, figure: 'VmRSS' | 'VmHWM'): number {
  if (process.platform !== 'linux') return 0;
  const status = readFileSync(`/proc/${daemon.pid}/status`, 'latin1');
  return Number(new RegExp(`^${figure}:\\s+(\\d+) kB$`, 'm').exec(status)![1]) * 1_024;
}

/** Runs it, and expects that the daemon's memory did not grow by more than `most` at any time; not judged but on Linux. */
async function withinMemory(daemon: Daemon, most: number, run: () => Promise<void>): Promise<void> {
  const before = memoryOf(daemon, 'VmRSS');
  await run();
  expect(memoryOf(daemon, 'VmHWM') - before, 'the growth of the daemon').toBeLessThan(most);
}

async function bridged(): Promise<{ client: DeflateClient; peer: ByteStream }> {
  const client = await DeflateClient.agree(bridge);
  const peer = await peers.accept();
  onTestFinished(() => {
    client.stream.destroy();
    peer.destroy();
  });
  return { client, peer };
}

/** Reads `REGULAR` again and again, exactly so many bytes. */
async function expectRegular(peer: ByteStream, opcode: number, length: number): Promise<void> {
  const part = REGULAR[opcode]!;
  for (let at = 0; at < length; at += part.length) {
    const bytes = await peer.take(part.length, `the bytes from ${at} on of ${length}`);
    expect(bytes.equals(part), `the bytes from ${at} on are in their place`).toBe(true);
  }
}

describe('a message on echo:// that inflates', () => {
  test('to 16 MiB comes back', async () => {
    const client = await DeflateClient.agree(echo);
    const data = pattern(LIMIT);
    client.send(compressedFrame(BINARY, deflated(data)));
    await client.expectData(BINARY, data);
    client.stream.end();
  });

  test('to one byte more is 1009', async () => {
    const client = await DeflateClient.agree(echo);
    client.send(compressedFrame(BINARY, deflated(pattern(LIMIT + 1))));
    await client.expectFailed(1009);
  });

  test('to one byte more over its fragments is 1009', async () => {
    const client = await DeflateClient.agree(echo);
    const payload = deflated(Buffer.alloc(LIMIT + 1, 'a'));
    const third = Math.floor(payload.length / 3);
    const pieces = [payload.subarray(0, third), payload.subarray(third, -third), payload.subarray(-third)];
    client.send(compressedFragments(TEXT, pieces));
    await client.expectFailed(1009);
  });

  test('to one byte more by a block with BFINAL set is 1009', async () => {
    const client = await DeflateClient.agree(echo);
    const [whole, one] = [Buffer.alloc(LIMIT, 'a'), Buffer.from('b')];
    client.send(
      compressedFrame(BINARY, Buffer.concat([deflateRawSync(whole), deflateRawSync(one), hex('00')])),
    );
    await client.expectFailed(1009);
  });

  test('behind one of 16 MiB begins to count anew', async () => {
    const client = await DeflateClient.agree(echo);
    const data = Buffer.alloc(LIMIT, 'a');
    client.send(compressedFrame(BINARY, deflated(data)), compressedFrame(BINARY, deflated(data)));
    await client.expectData(BINARY, data);
    await client.expectData(BINARY, data);
    client.stream.end();
  });

  test.each([
    ['text', TEXT],
    ['binary', BINARY],
  ])(
    'of 1 MB to 1 GiB is 1009, and takes memory for little more than the limit (%s)',
    async (_, opcode) => {
      const { payload } = bomb(Buffer.alloc(MIB, 'a'), 1_024 * MIB);
      expect(payload.length).toBeLessThan(1_200_000);
      await using daemon = await startDaemon(['-c', 'host=echo://', '--compression', 'on']);
      await withinMemory(daemon, 2 * LIMIT, async () => {
        const client = await DeflateClient.agree(daemon);
        client.send(compressedFrame(opcode, payload));
        await client.expectFailed(1009);
      });
      await expectStillEchoing(daemon);
    },
    40_000,
  );

  test('to nothing, again and again, is still nothing', async () => {
    const client = await DeflateClient.agree(echo);
    // 200,000 empty blocks without compression, then the header of the last one.
    const payload = Buffer.concat([Buffer.alloc(200_000 * 5, hex('000000ffff')), hex('00')]);
    client.send(compressedFrame(BINARY, payload), '81 81 00000000 61');
    await client.expectData(BINARY, '');
    await client.expectData(TEXT, 'a');
    client.stream.end();
  });

  const busy: [string, number, Buffer, Buffer][] = [
    ['to 16 MiB, ten times,', 10, bomb(Buffer.alloc(MIB, 'a'), LIMIT).payload, Buffer.alloc(LIMIT, 'a')],
    ['from 100,000 final blocks', 1, Buffer.concat([Buffer.alloc(200_000, hex('0300')), hex('00')]), hex('')],
  ];
  test.each(busy)('%s lets another client have its Pong meanwhile', async (_, times, payload, data) => {
    const [client, other] = [await DeflateClient.agree(echo), await DeflateClient.agree(echo)];
    client.send(...Array<Buffer>(times).fill(compressedFrame(BINARY, payload)));
    let echoed = false;
    const echoes = (async () => {
      for (let i = 0; i < times; i += 1) await client.expectData(BINARY, data);
      echoed = true;
    })();
    await other.expectOpen();
    expect(echoed, 'the last echo is there').toBe(false);
    await echoes;
    client.stream.end();
    other.stream.end();
  });
});

describe('a compressed message towards a stream peer', () => {
  test.each([
    ['binary', BINARY],
    ['text', TEXT],
  ])(
    'of 64 MiB arrives whole and in order (%s)',
    async (_, opcode) => {
      const { payload, length } = bomb(REGULAR[opcode]!, 64 * MIB);
      expect(payload.length).toBeLessThan(MIB);
      const { client, peer } = await bridged();
      client.send(compressedFrame(opcode, payload), clientFrame(TEXT, 'behind it'), clientClose(1000));
      await expectRegular(peer, opcode, length);
      expect(String(await peer.rest())).toBe('behind it');
      peer.end();
      await client.expectCloseEcho(1000);
    },
    60_000,
  );

  test('of 64 MiB in fragments arrives whole, with its Pongs', async () => {
    const { payload, length } = bomb(REGULAR[BINARY]!, 64 * MIB);
    const { client, peer } = await bridged();
    const size = Math.ceil(payload.length / 10);
    for (let at = 0; at < payload.length; at += size) {
      const piece = payload.subarray(at, at + size);
      const fin = at + size >= payload.length;
      client.send(at === 0 ? compressedFrame(BINARY, piece, { fin }) : clientFrame(0, piece, { fin }));
      client.send(clientFrame(PING, 'still there?'));
    }
    await expectRegular(peer, BINARY, length);
    await client.readPongs(10);
  }, 60_000);

  test.each([
    ['binary', BINARY],
    ['text', TEXT],
  ])(
    'waits for a peer that does not read, and so does the client; little of it is in memory meanwhile (%s)',
    async (_, opcode) => {
      const { payload, length } = bomb(REGULAR[opcode]!, 128 * MIB);
      await using daemon = await startDaemon([
        ...['-c', `host=${peers.address}`, '-c', 'framing=binary', '--compression', 'on'],
      ]);
      await withinMemory(daemon, MOST_GROWTH, async () => {
        const client = await DeflateClient.agree(daemon);
        const peer = await peers.accept();
        onTestFinished(() => {
          client.stream.destroy();
          peer.destroy();
        });
        peer.socket.pause();
        // More than the kernel holds for a connection, and inflated many gigabytes.
        const flood = Buffer.alloc(24 * MIB, compressedFrame(opcode, payload));
        client.send(flood);
        const { socket } = client.stream;
        await stable(() => socket.bytesWritten - socket.writableLength);
        await stable(() => memoryOf(daemon, 'VmRSS'));
        expect(socket.writableLength, 'what the daemon does not take').toBeGreaterThan(0);
        peer.socket.resume();
        await expectRegular(peer, opcode, length);
      });
    },
    60_000,
  );

  test('that came with the request, before there was a peer, arrives whole', async () => {
    const { payload, length } = bomb(REGULAR[BINARY]!, 64 * MIB);
    const client = new DeflateClient(await connectTo(bridge));
    client.send(
      request({ add: ['Sec-WebSocket-Extensions: permessage-deflate'] }),
      compressedFrame(BINARY, payload),
      clientClose(1000),
    );
    const peer = await peers.accept();
    await expectRegular(peer, BINARY, length);
    expect(await peer.rest()).toHaveLength(0);
    peer.end();
    await client.readAccepted();
    await client.expectCloseEcho(1000);
  });

  test('is passed on as it comes, not when it is whole', async () => {
    const { client, peer } = await bridged();
    const deflater = new Deflater();
    // Each a part of one message, ended by a flush.
    client.send(compressedFrame(BINARY, deflater.blocks(Buffer.from('one')), { fin: false }));
    expect(String(await peer.take(3))).toBe('one');
    client.send(clientFrame(0, deflater.blocks(Buffer.from('two')), { fin: false }));
    expect(String(await peer.take(3))).toBe('two');
    client.send(clientFrame(0, deflater.message(Buffer.from('three'))));
    expect(String(await peer.take(5))).toBe('three');
    client.send(clientClose(1000));
    expect(await peer.rest()).toHaveLength(0);
    peer.end();
    await client.expectCloseEcho(1000);
  });

  test('is 1007 when it is corrupt, behind what came before it', async () => {
    const { client, peer } = await bridged();
    client.send('c1 87 00000000 f248cdc9c90700', 'c1 85 00000000 f200110000', 'c1 81 00000000 07');
    expect((await client.readClose()).code).toBe(1007);
    const bytes = await peer.rest();
    expect(bytes.toString()).toBe('HelloHello');
    peer.end();
  });

  test('is 1007 when it inflates to what is not UTF-8', async () => {
    const { client, peer } = await bridged();
    client.send(compressedFrame(TEXT, deflated(Buffer.concat([Buffer.alloc(100_000, 'a'), hex('c328')]))));
    expect((await client.readClose()).code).toBe(1007);
    // Whatever of it was passed on before, the wrong byte was not.
    expect((await peer.rest()).indexOf(0x28)).toBe(-1);
    peer.end();
  });

  test('may be of another size than a message on echo://, and the next one follows it', async () => {
    const { client, peer } = await bridged();
    const data = Buffer.alloc(LIMIT + 1, 'a');
    client.send(compressedFrame(BINARY, deflated(data)), 'c1 87 00000000 f248cdc9c90700');
    expect((await peer.take(data.length)).equals(data)).toBe(true);
    expect(String(await peer.take(5))).toBe('Hello');
  });
});

describe('a compressed message towards a datagram peer', () => {
  test('is one datagram; one that inflates beyond the limit is 1009', async () => {
    const peer = createSocket('udp4').bind(0, '127.0.0.1');
    await once(peer, 'listening');
    onTestFinished(() => void peer.close());
    const host = `host=udp://127.0.0.1:${peer.address().port}`;
    await using daemon = await startDaemon(['-c', host, '--compression', 'on']);
    const client = await DeflateClient.agree(daemon);
    const data = pattern(10_000);
    const received = once(peer, 'message');
    client.send(compressedFrame(BINARY, deflated(data)));
    expect(((await received)[0] as Buffer).equals(data)).toBe(true);
    await withinMemory(daemon, MOST_GROWTH, async () => {
      client.send(compressedFrame(BINARY, bomb(Buffer.alloc(MIB, 'a'), 256 * MIB).payload));
      await client.expectFailed(1009);
    });
  });
});

describe('a stream peer that sends to a client', () => {
  /** Messages of any size, which side by side are the data. */
  async function expectAll(client: DeflateClient, data: Buffer): Promise<void> {
    let at = 0;
    while (at < data.length) {
      const message = await client.readMessage();
      const right = message.data.equals(data.subarray(at, at + message.data.length));
      expect(right, `the bytes from ${at} on are in their place`).toBe(true);
      at += message.data.length;
    }
    expect((await client.readClose()).code).toBe(1000);
  }

  test('128 MiB that deflate to next to nothing take little memory', async () => {
    const data = Buffer.alloc(128 * MIB, REGULAR[BINARY]);
    await using daemon = await startDaemon([
      ...['-c', `host=${peers.address}`, '-c', 'framing=binary', '--compression', 'on'],
    ]);
    await withinMemory(daemon, MOST_GROWTH, async () => {
      const client = await DeflateClient.agree(daemon);
      const peer = await peers.accept();
      peer.write(data);
      peer.end();
      await expectAll(client, data);
      client.stream.destroy();
    });
  }, 60_000);

  test('what does not deflate is held back while the client does not read', async () => {
    // A period beyond the window.
    const data = Buffer.alloc(32 * MIB, new Random(SEED).bytes(251 * 1_024));
    const { client, peer } = await bridged();
    client.stream.socket.pause();
    peer.write(data);
    peer.end();
    const { socket } = peer;
    await stable(() => socket.bytesWritten - socket.writableLength);
    expect(socket.writableLength, 'what the daemon does not take').toBeGreaterThan(0);
    client.stream.socket.resume();
    await expectAll(client, data);
  }, 60_000);
});

test('the windows of connections that have ended take no memory', async () => {
  await using daemon = await startDaemon(['-c', 'host=echo://', '--compression', 'on']);
  const data = Buffer.alloc(1_000, 'a');
  const frame = compressedFrame(BINARY, deflated(data));
  // A window and what belongs to it are about 300 KB: in all, twice what may be used.
  await withinMemory(daemon, MOST_GROWTH, async () => {
    for (let i = 0; i < 450; i += 1) {
      const client = await DeflateClient.agree(daemon);
      client.send(frame);
      await client.expectData(BINARY, data);
      if (i % 3 === 0) client.stream.reset();
      else {
        if (i % 3 === 1) client.send(clientClose(1000));
        client.stream.end();
        await client.stream.rest();
      }
    }
  });
}, 40_000);

describe('with --compression-connections 1', () => {
  let single: Daemon;
  beforeAll(async () => {
    single = await startDaemon([
      ...['-c', 'host=echo://', '--compression', 'on', '--compression-connections', '1'],
    ]);
  });
  afterAll(() => single?.stop('SIGKILL'));

  /** Whether a new connection is compressed; it works in either case. */
  async function next(): Promise<DeflateClient> {
    const client = await DeflateClient.offer(single, 'permessage-deflate; client_max_window_bits');
    client.send(clientFrame(TEXT, 'a'.repeat(1_000)));
    const { compressed } = await client.expectData(TEXT, 'a'.repeat(1_000));
    expect(compressed).toBe(client.agreement !== undefined);
    return client;
  }

  /** The one place, as soon as it is free, which is some time after the client before has seen its end. */
  async function untilFree(): Promise<DeflateClient> {
    for (const last = Date.now() + DEADLINE; Date.now() < last; ) {
      const client = await next();
      if (client.agreement !== undefined) return client;
      client.send(clientClose(1000));
      await client.expectCloseEcho(1000);
      client.stream.end();
    }
    throw new Error(`no connection is compressed within ${DEADLINE} ms`);
  }

  test('the second goes on without, and the next after the first has closed has it again', async () => {
    const first = await untilFree();
    const second = await next();
    expect(second.agreement).toBeUndefined();
    // RSV1 was not agreed to there.
    second.send('c1 87 00000000 f248cdc9c90700');
    await second.expectFailed(1002);
    second.stream.end();
    first.send(clientClose(1000));
    await first.expectCloseEcho(1000);
    first.stream.end();
    const third = await untilFree();
    third.send(clientClose(1000));
    await third.expectCloseEcho(1000);
    third.stream.end();
  });

  test.each([
    ['ends its TCP connection', (client: DeflateClient) => client.stream.end()],
    ['resets its TCP connection', (client: DeflateClient) => client.stream.reset()],
    ['breaks a rule', (client: DeflateClient) => client.send('c9 80 00000000')],
    ['sends what is corrupt', (client: DeflateClient) => client.send('c1 81 00000000 07')],
    [
      'leaves within a message',
      (client: DeflateClient) => {
        client.send(compressedFrame(BINARY, deflated(Buffer.alloc(MIB)).subarray(0, 500), { fin: false }));
        client.stream.reset();
      },
    ],
  ])('a client that %s leaves its place', async (_, leave) => {
    const first = await untilFree();
    leave(first);
    const second = await untilFree();
    first.stream.destroy();
    second.stream.destroy();
  });

  test('a client that is refused takes no place', async () => {
    const refusing = await refusingPort();
    const folder = mkdtempSync(join(tmpdir(), 'ws-'));
    onTestFinished(() => {
      refusing.release();
      rmSync(folder, { recursive: true });
    });
    writeFileSync(join(folder, 'echo'), 'echo:// *\n');
    writeFileSync(join(folder, 'dead'), `tcp://127.0.0.1:${refusing.port} *\n`);
    await using daemon = await startDaemon([
      ...['-b', 'file', '-c', `path=${folder}`, '-c', 'expression=%endpoint%'],
      ...['--compression', 'on', '--compression-connections', '1'],
    ]);
    const ask = async (target: string): Promise<DeflateClient> => {
      const client = new DeflateClient(await connectTo(daemon));
      client.send(
        request({
          requestLine: `GET ${target} HTTP/1.1`,
          add: ['Sec-WebSocket-Extensions: permessage-deflate'],
        }),
      );
      return client;
    };
    // What became of each is known, and its place with it, before the next one asks.
    for (const target of ['/dead', '/nowhere', '/dead']) {
      const client = await ask(target);
      const { status } = await client.readResponse();
      expect(status === 101 || status >= 400).toBe(true);
      await client.stream.rest();
      client.stream.end();
    }
    const { fields } = await (await ask('/echo')).readAccepted();
    expect(fields.get('sec-websocket-extensions')).toHaveLength(1);
  });

  test('clients that offer nothing, or what is declined, take no place', async () => {
    const without: DeflateClient[] = [];
    for (const fields of [[], ['foo'], ['permessage-deflate; foo']])
      without.push(await DeflateClient.offer(single, ...fields));
    const compressed = await untilFree();
    for (const client of without) expect(client.agreement).toBeUndefined();
    for (const client of [...without, compressed]) client.stream.destroy();
  });
});

test('at the end the daemons run and echo', async () => {
  await expectStillEchoing(echo);
  await expectRunning(bridge);
});

/**
 * What crashes or hangs the C daemon, each as a test against this one: the daemon lives, this connection gets what the
 * rules say, and others are served meanwhile.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Daemon, runCommand, startDaemon } from '../support/daemon.ts';
import { serve, stable } from '../support/in-process.ts';
import { BINARY, clientClose, clientFrame, RawClient, request, TEXT } from '../support/raw-client.ts';
import { expectRunning, expectStillEchoing } from '../support/still-serving.ts';
import { TcpPeer } from '../support/tcp-peer.ts';

let echo: Daemon;
let peer: TcpPeer;
let bridge: Daemon;

beforeAll(async () => {
  peer = await TcpPeer.listen();
  [echo, bridge] = await Promise.all([
    startDaemon(['-c', 'host=echo://']),
    startDaemon(['-c', `host=${peer.address}`]),
  ]);
});

afterAll(async () => {
  await Promise.all([echo, bridge].map((each) => each?.stop('SIGKILL')));
  await peer?.close();
});

beforeEach(() => peer.forget());

describe('a frame', () => {
  test.each([
    ['ff ffffffffffffff', 1002],
    ['ff fffffffffffff0', 1002],
    ['7f ffffffffffffff', 1009],
  ])('with the 64-bit length %s is refused with %i', async (length, code) => {
    const client = await RawClient.open(echo);
    client.send(`82 ff ${length} 00000000 61`);
    await client.expectFailed(code);
    await expectStillEchoing(echo);
  });

  test('that holds CRLF and comes right behind the handshake, in the same segment, is a frame', async () => {
    const client = await RawClient.connect(echo);
    client.send(request(), clientFrame(TEXT, 'a\r\n\r\nb\r\n'));
    await client.expectAccepted();
    await client.expectMessage(TEXT, 'a\r\n\r\nb\r\n');
    client.send(clientClose(1000));
    await client.expectCloseEcho(1000);
  });
});

test('a request whose CR and LF come in separate reads is a request', async () => {
  const client = await RawClient.connect(echo);
  const head = request();
  const pieces: Buffer[] = [];
  let start = 0;
  for (let at = 0; at < head.length; at += 1) {
    if (head[at] !== 0x0d) continue;
    pieces.push(head.subarray(start, at + 1));
    start = at + 1;
  }
  await client.sendPieces([...pieces, head.subarray(start)]);
  await client.expectAccepted();
  await client.expectOpen();
});

test('a message of over 16 KiB from the peer arrives whole', async () => {
  const client = await RawClient.open(bridge);
  const server = await peer.accept();
  const bytes = Buffer.alloc(100_000, 'RFB');
  server.write(bytes);
  let taken = 0;
  while (taken < bytes.length) taken += (await client.readFrame()).payload.length;
  expect(taken).toBe(bytes.length);
  await expectRunning(bridge);
});

test('a client that stops reading holds up its own peer and nobody else', async () => {
  const client = await RawClient.open(bridge);
  const server = await peer.accept();
  client.stream.socket.pause();
  for (let i = 0; i < 64; i += 1) server.write(Buffer.alloc(1_000_000));
  const other = await RawClient.open(bridge);
  const otherServer = await peer.accept();
  for (let i = 0; i < 20; i += 1) {
    otherServer.write(Buffer.alloc(1000, i));
    await other.readFrame();
  }
  // What is in the kernel's hands is a part of it. A daemon that took all of it would have it in its memory.
  expect(await stable(() => server.socket.writableLength)).toBeGreaterThan(0);
  server.destroy();
  client.stream.destroy();
  await expectRunning(bridge);
});

test('more than 510 sessions are open at the same time', async () => {
  const clients: RawClient[] = [];
  for (let i = 0; i < 600; i += 1) clients.push(await RawClient.open(echo));
  for (const client of [clients[0]!, clients[511]!, clients[599]!]) await client.expectOpen();
  for (const client of clients) client.stream.destroy();
  await expectStillEchoing(echo);
});

test('a keepalive of one second costs next to no processor time', async () => {
  await using daemon = await startDaemon(['-k', '1', '-c', 'host=echo://']);
  const client = await RawClient.open(daemon);
  // utime and stime (proc(5)), in ticks of 10 ms. A daemon that spins uses all of the time there is.
  const used = () => {
    const fields = readFileSync(`/proc/${daemon.pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  const [cpu, wall] = [used(), performance.now()];
  await sleep(2_000);
  expect(used() - cpu).toBeLessThan(0.5 * (performance.now() - wall));
  expect((await client.readFrame()).opcode).toBe(0x9);
});

test('a name that resolves slowly holds up nobody but those who need it', async () => {
  const peers = await TcpPeer.listen();
  const served = await serve({
    backend: {
      query: async ({ path }) => ({ peer: path === '/slow' ? 'tcp://slow.example:80' : peers.address }),
    },
    resolver: (host) => (host === 'slow.example' ? new Promise(() => {}) : [host]),
    limits: { dialTimeout: 60_000 },
  });
  const slow = await served.connect();
  slow.send(request({ requestLine: 'GET /slow HTTP/1.1' }));
  for (let i = 0; i < 5; i += 1) {
    const client = await served.open();
    const server = await peers.accept();
    client.send(clientFrame(BINARY, 'hello'));
    expect(String(await server.take(5))).toBe('hello');
    client.stream.destroy();
  }
  expect(slow.stream.ending).toBe('open');
  slow.stream.destroy();
  await peers.close();
});

describe('a framing', () => {
  test.each(['newline', 'dynamic32'])('%s without a configuration takes its default', async (framing) => {
    await using daemon = await startDaemon(['-c', `host=${peer.address}`, '-c', `framing=${framing}`]);
    const client = await RawClient.open(daemon);
    const server = await peer.accept();
    server.write(Buffer.from('0300000061620d0a', 'hex'));
    const { payload } = await client.readFrame();
    expect(payload.toString('hex')).toBe(framing === 'newline' ? '0300000061620d0a' : '0300000061620d');
    await expectRunning(daemon);
  });

  test.each([
    ['separator', undefined, /separator.*needs a configuration/],
    ['fixedlength', undefined, /fixedlength.*needs a configuration/],
    ['separator', 'a\\xZZ', /framing.*\\\\xZZ|framing.*hexadecimal/],
    ['separator', '\\x', /framing.*\\\\x|framing.*hexadecimal/],
    ['separator', '\\', /framing.*\\\\/],
  ])('%s with the configuration %s is refused before it listens', async (framing, config, message) => {
    const args = [
      '-c',
      `framing=${framing}`,
      ...(config === undefined ? [] : ['-c', `framing-config=${config}`]),
    ];
    const { code, stderr } = await runCommand(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    expect(stderr.split('\n')).toHaveLength(2);
  });

  test('dynamic32 takes more than one option', async () => {
    const config = 'framing-config=offset=1,static=2,endian=big';
    await using daemon = await startDaemon([
      ...['-c', `host=${peer.address}`, '-c', 'framing=dynamic32', '-c', config],
    ]);
    const client = await RawClient.open(daemon);
    const server = await peer.accept();
    // One byte before the length, which is 3, and two behind it that it does not count.
    server.write(Buffer.from('aa 00000003 bbcc 010203 aa'.replaceAll(' ', ''), 'hex'));
    await client.expectMessage(BINARY, Buffer.from('aa00000003bbcc010203', 'hex'));
  });
});

test('a blank line in a target file is skipped', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'websocksy-blank-'));
  writeFileSync(join(folder, 'chat'), `\n   \n${peer.address} *\n\n`);
  await using daemon = await startDaemon([
    ...['-b', 'file', '-c', `path=${folder}`, '-c', 'expression=%endpoint%'],
  ]);
  const client = await RawClient.open(daemon);
  await peer.accept();
  await client.expectOpen();
  expect(daemon.output()).toMatch(/ warn .*chat:1: skipped.*others: 2, 4/);
  await expectRunning(daemon);
  rmSync(folder, { recursive: true });
});

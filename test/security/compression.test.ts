/**
 * Published weaknesses in permessage-deflate: bombs, windows that crash, frames that nobody has agreed to inflate.
 * docs/security.md names the advisories; test/wire/permessage-deflate-limits.test.ts has more of them.
 */
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { BINARY, RawClient, request, TEXT } from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';
import { MIB } from '../support/ws-wire.ts';
import { withinMemory } from './daemon-memory.ts';

let echo: Daemon;
let plain: Daemon;
beforeAll(async () => {
  [echo, plain] = await Promise.all([
    startDaemon(['-c', 'host=echo://', '--compression', 'on']),
    startDaemon(['-c', 'host=echo://']),
  ]);
});
afterAll(async () => {
  await Promise.all([echo, plain].map((daemon) => daemon?.stop('SIGKILL')));
});

/** 256 MiB of zeros, in a quarter of a megabyte; as RFC 7692 has it, without the end of the last block. */
const BOMB = Buffer.concat([
  deflateRawSync(Buffer.alloc(256 * MIB), { finishFlush: 2 }).subarray(0, -4),
  Buffer.from([0]),
]);

test('a bomb of 256 MiB ends at the limit of a message, in memory for little more', async () => {
  expect(BOMB.length).toBeLessThan(MIB);
  const client = await DeflateClient.agree(echo);
  await withinMemory(echo, async () => {
    client.send(compressedFrame(BINARY, BOMB));
    await client.expectFailed(1009);
  });
  client.stream.end();
});

test('a compressed frame without an agreement is refused, not inflated', async () => {
  const client = await RawClient.open(plain, request());
  client.send(compressedFrame(TEXT, deflateRawSync('Hello')));
  await client.expectFailed(1002);
  client.stream.end();
});

describe('a window that no zlib has', () => {
  test.each(['0', '7', '16', '-1', '08', '1e1', '99999999999999999999', '15a', '"16"'])(
    'server_max_window_bits=%s is declined',
    async (bits) => {
      const client = await DeflateClient.offer(echo, `permessage-deflate; server_max_window_bits=${bits}`);
      expect(client.agreement).toBeUndefined();
      await client.expectOpen();
      client.stream.end();
    },
  );

  test.each(['0', '7', '16', '-1', '99999999999999999999'])(
    'client_max_window_bits=%s is declined',
    async (bits) => {
      const client = await DeflateClient.offer(echo, `permessage-deflate; client_max_window_bits=${bits}`);
      expect(client.agreement).toBeUndefined();
      await client.expectOpen();
      client.stream.end();
    },
  );

  test('of 8 bits, which zlib cannot do for raw data, works all the same', async () => {
    const client = await DeflateClient.agree(echo, 'permessage-deflate; client_max_window_bits=8');
    client.send('81 85 37fa213d 7f9f4d5158');
    await client.expectData(TEXT, 'Hello');
    client.stream.end();
  });
});

test('the daemons live, serve, and met nothing unforeseen', async () => {
  await expectStillEchoing(echo);
  await expectStillEchoing(plain);
});

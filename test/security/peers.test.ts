/**
 * What a hostile peer can do by the framings that are built in: messages without end, lengths that are not meant,
 * nesting, dribbles. It ends its own connection, in memory for little more than a message may have.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { RawClient } from '../support/raw-client.ts';
import { TcpPeer } from '../support/tcp-peer.ts';
import { MIB } from '../support/ws-wire.ts';
import { withinMemory } from './daemon-memory.ts';

let peers: TcpPeer;
beforeAll(async () => {
  peers = await TcpPeer.listen();
});
afterAll(async () => {
  await peers.close();
});

async function start(framing: string, config?: string): Promise<Daemon> {
  const options = [`host=${peers.address}`, `framing=${framing}`];
  if (config !== undefined) options.push(`framing-config=${config}`);
  return startDaemon(options.flatMap((option) => ['-c', option]));
}

describe('a message without end is 1009 for the client', () => {
  test.each([
    ['json', undefined, '['],
    ['json', undefined, '{"a":'],
    ['json', undefined, ' '],
    ['newline', 'lf', 'x'],
    ['newline', 'crlf', '\r'],
    ['separator', 'ab', 'a'],
    ['dynamic32', 'offset=0', '\xff'],
  ])('by %s with %s, of %s again and again', async (framing, config, text) => {
    await using daemon = await start(framing, config);
    const client = await RawClient.open(daemon);
    const peer = await peers.accept();
    await withinMemory(daemon, async () => {
      peer.write(Buffer.alloc(17 * MIB, text, 'latin1'));
      expect(await client.readClose()).toEqual({ code: 1009, reason: 'message from peer too large' });
    });
    client.stream.destroy();
    peer.destroy();
  });
});

test('a peer that dribbles a long message costs no more than one that does not', async () => {
  await using daemon = await start('json');
  const client = await RawClient.open(daemon);
  const peer = await peers.accept();
  const text = JSON.stringify({ '[': 'x'.repeat(20_000) });
  for (const byte of Buffer.from(text)) peer.write(Buffer.from([byte]));
  const { payload } = await client.readFrame();
  expect(payload.toString()).toBe(text);
  client.stream.destroy();
  peer.destroy();
});

/**
 * Messages to and from datagram peers, on many connections by turns: each is put together from its own pieces, though
 * others are read between them into whatever memory the daemon uses for that. See shared-memory.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { show } from '../support/byte-stream.ts';
import { Content } from '../support/content.ts';
import { startDaemon } from '../support/daemon.ts';
import { built, UdpPeer, UnixPeer } from '../support/dgram-peer.ts';
import { Random, randomCuts, SEED } from '../support/randomness.ts';
import { BINARY, clientFrame, PING, PONG, RawClient } from '../support/raw-client.ts';

const CLIENTS = 40;
const ROUNDS = 5;
const LONGEST = 12_000;
/** Of the datagrams to clients that do not read. */
const SLICE = 40_000;
/** Only a failing test ever waits this long. */
const PATIENCE = 60_000;

const kinds = [
  { name: 'UDP', there: true, listen: async () => UdpPeer.listen() },
  {
    name: 'Unix datagrams',
    there: built,
    async listen() {
      const folder = mkdtempSync(join(tmpdir(), 'ws-shared-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      return UnixPeer.listen(join(folder, 'peer'));
    },
  },
];

/** One message in fragments, with Pings between them. */
function fragments(random: Random, message: Buffer, name: string): Buffer[] {
  const pieces = randomCuts(message, random.int(1, 3), random);
  return pieces.flatMap((piece, i) => [
    clientFrame(PING, `${name} ${i}`, { mask: random.bytes(4) }),
    clientFrame(i === 0 ? BINARY : 0, piece, { fin: i === pieces.length - 1, mask: random.bytes(4) }),
  ]);
}

function expectSame(actual: Buffer, expected: Buffer, what: string): void {
  expect(actual.equals(expected), `${what}: got ${show(actual)}, expected ${show(expected)}`).toBe(true);
}

describe.each(kinds)('over $name', ({ there, listen }) => {
  test.skipIf(!there)(
    `${CLIENTS} clients' messages and their peer's answers are not mixed up, seed ${SEED}`,
    async () => {
      const random = new Random(SEED);
      const peer = await listen();
      onTestFinished(async () => void (await peer.close()));
      await using daemon = await startDaemon(['-c', `host=${peer.address}`, '-c', 'framing=binary']);
      const links = [];
      for (let i = 0; i < CLIENTS; i += 1) {
        const client = await RawClient.open(daemon);
        client.send(clientFrame(BINARY, 'who am I'));
        const { from, bytes } = await peer.take();
        expect(String(bytes)).toBe('who am I');
        const up = new Content(`client ${i}`, 'binary');
        links.push({ name: `client ${i}`, client, from, up, down: new Content(`peer ${i}`, 'binary') });
      }
      // Whose Pong tells that what was sent before has been there to be read.
      const metronome = await RawClient.open(daemon);
      for (let round = 0; round < ROUNDS; round += 1) {
        const sending = links.map(({ name, client, from, up }) => {
          const messages = Array.from({ length: random.int(1, 3) }, () => up.next(random.int(1, LONGEST)));
          const frames = messages.map((message, i) => fragments(random, message, `${name} ${round} ${i}`));
          const pieces = randomCuts(Buffer.concat(frames.flat()), 5, random);
          const pongs = frames.flatMap((of, i) =>
            Array.from({ length: of.length / 2 }, (_, ping) => `${name} ${round} ${i} ${ping}`),
          );
          return { name, client, from, messages, pieces, pongs };
        });
        // Its queue has room for ten: all others wait in the daemon. UDP has no such thing.
        if (peer instanceof UnixPeer) await peer.hold();
        for (let turn = 0; turn < 5; turn += 1) {
          for (const { client, pieces } of sending) if (turn < pieces.length) client.send(pieces[turn]!);
          await metronome.expectOpen();
        }
        for (const { client, pongs } of sending) for (const pong of pongs) await client.expectPong(pong);
        if (peer instanceof UnixPeer) await peer.goOn();
        const total = sending.reduce((sum, { messages }) => sum + messages.length, 0);
        const came = await peer.takeMany(total);
        for (const { name, from, messages } of sending) {
          const mine = came.filter((datagram) => datagram.from === from);
          expect(mine.length, name).toBe(messages.length);
          for (const [i, message] of messages.entries()) expectSame(mine[i]!.bytes, message, name);
        }
        const answers = links.map(({ down }) =>
          Array.from({ length: random.int(1, 3) }, () => down.next(random.int(1, LONGEST))),
        );
        for (let turn = 0; turn < 3; turn += 1) {
          for (const [i, { from }] of links.entries()) {
            const answer = answers[i]![turn];
            if (answer !== undefined) peer.send(from, answer);
          }
        }
        for (const [i, { client }] of links.entries()) {
          for (const answer of answers[i]!) await client.expectMessage(BINARY, answer);
        }
      }
    },
    60_000,
  );
});

test(`datagrams that wait for clients which do not read, or are dropped, stay whole, seed ${SEED}`, async () => {
  const random = new Random(SEED);
  const peer = await UdpPeer.listen();
  onTestFinished(() => peer.close());
  await using daemon = await startDaemon(['-c', `host=${peer.address}`, '-c', 'framing=binary']);
  const metronome = await RawClient.open(daemon);
  const links = [];
  for (let i = 0; i < 8; i += 1) {
    const client = await RawClient.open(daemon);
    client.send(clientFrame(BINARY, 'who am I'));
    const { from } = await peer.take();
    client.stream.socket.pause();
    links.push({ name: `client ${i}`, client, from, down: new Content(`peer ${i}`, 'binary') });
  }
  const dropping = () => daemon.output().split('datagrams are dropped').length - 1;
  const last = Date.now() + PATIENCE;
  while (dropping() < links.length) {
    expect(Date.now(), 'all clients are known to be slow').toBeLessThan(last);
    for (const { from, down } of links) {
      for (let i = 0; i < 4; i += 1) peer.send(from, down.next(SLICE));
    }
    await metronome.expectOpen();
  }
  for (const { name, client, down } of links) {
    client.stream.socket.resume();
    client.send(clientFrame(PING, name, { mask: random.bytes(4) }));
    // What is dropped is whole datagrams, and the others keep their order.
    let next = 0;
    for (let frame = await client.readFrame(); frame.opcode !== PONG; frame = await client.readFrame()) {
      const index = Array.from({ length: down.sent / SLICE - next }, (_, i) => next + i).find((i) =>
        down.slice(i * SLICE, 16).equals(frame.payload.subarray(0, 16)),
      );
      expect(index, `${name}: the next of its datagrams, got ${show(frame.payload)}`).toBeDefined();
      expectSame(frame.payload, down.slice(index! * SLICE, SLICE), name);
      next = index! + 1;
    }
    expect(next, `datagrams to ${name}`).toBeGreaterThan(0);
  }
}, 120_000);

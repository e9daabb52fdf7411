/**
 * What one connection sends comes out at its own other end and nowhere else, whatever the daemon does with its memory:
 * every byte is compared, while sides that do not read keep writes pending in the daemon for as long as they please.
 *
 * There are more of those than a pool of buffers would have, `STALLED` on each side. While they stand still others are
 * busy, and some vanish in the middle, so that what they held is used again. Messages that are collected, or that wait
 * for the peer, for zlib or for the client, are kept while others use the memory that they were read into.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { Exchange } from '../support/exchange.ts';
import type { Link, LinkOptions } from '../support/link.ts';
import { Random, SEED } from '../support/randomness.ts';

const STALLED = { unix: 240, tcp: 12 } as const;
/**
 * What a side that does not read is sent at first, and then again until its sender is held back: somewhat less than the
 * kernel takes, with what the daemon itself keeps.
 */
const PORTIONS = { unix: [700_000, 150_000], tcp: [5_000_000, 2_000_000] } as const;

/** Longer than the slowest of these takes where others want the processor, too. */
const PATIENCE = 180_000;

const KINDS: readonly LinkOptions[] = [
  { framing: 'binary', up: 'binary', down: 'binary' },
  { framing: 'newline', up: 'text', down: 'lines' },
  { framing: 'auto', up: 'text', down: 'text' },
  { framing: 'auto', up: 'lines', down: 'binary' },
];

/** As many links of each kind. */
async function openKinds(
  exchange: Exchange,
  count: number,
  ...peers: readonly ('unix' | 'tcp')[]
): Promise<Link[]> {
  const links: Link[] = [];
  const choices = KINDS.flatMap((kind) => peers.map((peer) => ({ ...kind, peer })));
  for (const choice of choices) links.push(...(await exchange.open(count / choices.length, choice)));
  return links;
}

type Portions = (typeof PORTIONS)[keyof typeof PORTIONS];

/** Clients that stop reading, and peers that send until they are held back. */
async function stallClients(exchange: Exchange, links: readonly Link[], portions: Portions): Promise<void> {
  for (const { client } of links) client.pause();
  await exchange.fill(links, portions, (link, bytes) => {
    link.sendDown(bytes);
    return link.peer;
  });
}

/** The same the other way round. */
async function stallPeers(exchange: Exchange, links: readonly Link[], portions: Portions): Promise<void> {
  for (const { peer } of links) peer.pause();
  await exchange.fill(links, portions, (link, bytes) => {
    link.sendUp(bytes);
    return link.client;
  });
}

function resume(links: readonly Link[]): void {
  for (const { client, peer } of links) {
    client.resume();
    peer?.resume();
  }
}

describe.each(['unix', 'tcp'] as const)('over %s', (kind) => {
  const count = STALLED[kind];
  test(
    `${count} clients and ${count} peers that do not read get each of their bytes, seed ${SEED}`,
    async () => {
      const random = new Random(SEED);
      await using exchange = await Exchange.start(kind, random);
      const busy = await openKinds(exchange, 8, 'unix', 'tcp');
      const readers = await openKinds(exchange, count, kind);
      const peers = await openKinds(exchange, count, kind);
      await stallClients(exchange, readers, PORTIONS[kind]);
      await stallPeers(exchange, peers, PORTIONS[kind]);
      await exchange.carry(busy, 6);
      // Every third one vanishes, and others take over what the daemon kept for it.
      for (const [i, link] of [...readers, ...peers].entries()) {
        if (i % 3 === 0) link.vanish(random.pick(['client', 'peer']));
      }
      await exchange.carry(busy, 3);
      const heirs = await openKinds(exchange, count / 3, kind);
      await stallClients(exchange, heirs.slice(0, count / 6), PORTIONS[kind]);
      await stallPeers(exchange, heirs.slice(count / 6), PORTIONS[kind]);
      await exchange.carry(busy, 3);
      resume(exchange.links);
      await exchange.settle();
      await exchange.carry([...busy, ...heirs.slice(0, 8)], 2);
      await exchange.closeAll();
    },
    PATIENCE,
  );
});

test(
  `clients that read in sips get each of their bytes, and their peers too, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const links = await openKinds(exchange, 64, 'unix');
    let sipping = true;
    for (let round = 0; round < 8; round += 1) {
      for (const link of links) {
        link.sendUp(random.int(1, 100_000));
        link.sendDown(random.int(1, 100_000));
        for (const socket of [link.client, link.peer]) if (random.next() < 0.5) socket.pause();
      }
      // One read at a time is taken, now by these and now by those.
      for (let sip = 0; sip < 4; sip += 1) {
        for (const link of links) {
          const socket = random.pick([link.client, link.peer]);
          if (!socket.isPaused()) continue;
          socket.once('data', () => {
            if (sipping) socket.pause();
          });
          socket.resume();
        }
        await exchange.turn();
      }
    }
    sipping = false;
    resume(links);
    await exchange.settle();
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `what a client sends before it breaks a rule is kept for a peer that does not read, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const busy = await openKinds(exchange, 4, 'unix');
    const links = await openKinds(exchange, 96, 'unix');
    // Of some of them the kernel takes a part of what came last.
    for (const { peer } of links) peer.pause();
    for (const link of links) link.sendUp(random.int(1_000, 300_000));
    await exchange.carry(busy, 1);
    for (const link of links) link.breakRule(random.int(20_000, 60_000));
    await exchange.carry(busy, 3);
    resume(links);
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `a peer may close, and a client too, behind bytes that are still to be read, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const busy = await openKinds(exchange, 4, 'unix');
    const links = await openKinds(exchange, 80, 'unix');
    await stallClients(exchange, links.slice(0, 40), PORTIONS.unix);
    await stallPeers(exchange, links.slice(40), PORTIONS.unix);
    for (const [i, link] of links.entries()) link.close(i < 40 ? 'peer' : 'client');
    await exchange.carry(busy, 3);
    resume(links);
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `frames that come with the request are kept until the peer is there, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const busy = await openKinds(exchange, 8, 'unix', 'tcp');
    const gate = await Gate.at(join(exchange.folder, 'gate'));
    const early: Link[] = [];
    for (let i = 0; i < 120; i += 1) {
      const options = { ...KINDS[i % KINDS.length], gate: gate.path, early: random.int(1, 50_000) };
      early.push(await exchange.connect(options));
    }
    for (const link of early) link.sendHead();
    await exchange.until('all requests', () => gate.waiting === early.length);
    // Little enough for the time that a backend may take to answer, 5 s.
    await exchange.carry(busy, 2, 30_000);
    // Half of them send on, and are not heard beyond what the daemon keeps.
    for (const link of early.slice(60)) link.sendUp(100_000);
    await exchange.carry(busy, 2, 30_000);
    gate.open();
    await exchange.until('all peers', () => early.every(({ ready }) => ready));
    await exchange.settle();
    await exchange.carry(early, 2, 20_000);
    await exchange.closeAll();
    gate.close();
  },
  PATIENCE,
);

test(
  `requests that come in pieces, by turns, are not mixed up, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const links: Link[] = [];
    for (let i = 0; i < 100; i += 1) {
      links.push(await exchange.connect({ ...KINDS[i % KINDS.length], pieces: 6, early: 2_000 }));
    }
    for (let piece = 0; piece < 6; piece += 1) {
      for (const link of links) link.sendHead();
      await exchange.turn();
    }
    await exchange.until('open links', () => links.every(({ ready }) => ready));
    await exchange.carry(links, 1, 20_000);
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `Pings of clients that do not read are answered with their own payload, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const busy = await openKinds(exchange, 8, 'unix', 'tcp');
    const links = await openKinds(exchange, 100, 'unix');
    await exchange.carry(links, 1, 5_000);
    await stallClients(exchange, links, PORTIONS.unix);
    for (let round = 0; round < 5; round += 1) {
      for (const link of links) link.sendUp(random.int(1, 5_000), { pings: 3 });
      await exchange.carry(busy, 1);
    }
    resume(links);
    await exchange.settle();
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `what is cut anywhere, on many connections by turns, is put together from its own pieces, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const links = [
      ...(await openKinds(exchange, 40, 'unix')),
      ...(await exchange.open(20, { peer: 'echo', up: 'text' })),
      ...(await exchange.open(20, { peer: 'echo', up: 'binary' })),
    ];
    for (let round = 0; round < 6; round += 1) {
      // Headers, messages and lines are left unfinished in the daemon while it reads the next connection's.
      const pieces = links.map((link) => ({
        link,
        up: link.piecesUp(random.int(1, 40_000), random.int(2, 12)),
        down: link.echoes ? [] : link.piecesDown(random.int(1, 40_000), random.int(2, 12)),
      }));
      for (let turn = 0; turn < 12; turn += 1) {
        for (const { link, up, down } of pieces) {
          if (turn < up.length) link.client.write(up[turn]!);
          if (turn < down.length) link.peer.write(down[turn]!);
        }
        await exchange.turn();
      }
      await exchange.settle();
    }
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `echoes that wait for clients which do not read are their own, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random);
    const busy = [...(await openKinds(exchange, 8, 'unix', 'tcp')), ...(await exchange.open(4, ECHO))];
    const links = await exchange.open(270, ECHO);
    for (const { client } of links) client.pause();
    await exchange.fill(links, PORTIONS.unix, (link, bytes) => {
      link.sendUp(bytes);
      return link.client;
    });
    await exchange.carry(busy, 6);
    for (const link of links.slice(0, 100)) link.vanish('client');
    await exchange.carry(busy, 6);
    resume(links);
    await exchange.settle();
    await exchange.closeAll();
  },
  PATIENCE,
);

test(
  `messages that wait for zlib, for the peer or for the client are inflated and deflated from their own bytes, seed ${SEED}`,
  async () => {
    const random = new Random(SEED);
    await using exchange = await Exchange.start('unix', random, ['--compression', 'on']);
    const open = (count: number, options: LinkOptions) =>
      exchange.open(count, { ...options, compression: true });
    const busy = [
      ...(await open(4, { framing: 'binary', up: 'sparse', down: 'sparse' })),
      ...(await open(4, { framing: 'auto', up: 'text', down: 'text' })),
      ...(await open(4, { framing: 'newline', up: 'lines', down: 'lines' })),
      ...(await open(4, { peer: 'echo', up: 'text' })),
      ...(await openKinds(exchange, 4, 'unix')),
    ];
    const readers = await open(20, { framing: 'auto', up: 'sparse', down: 'binary' });
    const peers = await open(40, { framing: 'binary', up: 'sparse', down: 'sparse' });
    await stallClients(exchange, readers, PORTIONS.unix);
    for (const link of peers) {
      link.peer.pause();
      link.sendUp(2_000_000);
    }
    await exchange.carry(busy, 3);
    resume(readers);
    resume(peers);
    for (const link of peers.slice(20)) link.sendUp(2_000_000);
    await exchange.carry(busy, 2);
    await exchange.settle();
    await exchange.closeAll();
  },
  PATIENCE,
);

const ECHO: LinkOptions = { peer: 'echo', up: 'text' };

/** Where the backend of a link waits before it answers: connections that are held until `open`. */
class Gate {
  readonly path: string;
  readonly #held: Socket[] = [];
  readonly #server = createServer((socket) => this.#held.push(socket.on('error', () => {})));

  private constructor(path: string) {
    this.path = path;
  }

  static async at(path: string): Promise<Gate> {
    const gate = new Gate(path);
    await once(gate.#server.listen(path), 'listening');
    return gate;
  }

  get waiting(): number {
    return this.#held.length;
  }

  open(): void {
    for (const socket of this.#held) socket.destroy();
  }

  close(): void {
    this.#server.close();
  }
}

// The clients that are not honest, as a process: those that dribble their request head, and those that flood. A flood
// that is closed begins anew.
import { connect } from 'node:net';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Client, requestHead } from './client.mjs';
import { DOWN, slice } from './content.mjs';
import { BINARY, CONTINUATION, frame, PING } from './frames.mjs';
import { answer } from './worker.mjs';

/** ms between two bytes of a slow head. */
const DRIBBLE = 400;
/** ms that a flood which was closed or refused at once waits: the machine is to be loaded by the daemon, not by us. */
const BREATH = 10;
const HOST = '127.0.0.1';
/** Behind the addresses of the honest ones. */
const localAddress = (i) => `127.0.${100 + (i % 16)}.1`;

const many = (bytes, count) => Buffer.concat(Array.from({ length: count }, () => bytes));
const KIB_OF = {
  pings: many(frame(PING, Buffer.alloc(125)), 100),
  'empty fragments': many(frame(CONTINUATION, Buffer.alloc(0), false), 1000),
  'tiny frames': many(frame(BINARY, Buffer.from('x')), 1000),
};

let flooding = false;
const counts = {};
/** Sockets of floods, to be ended with them. */
const open = new Set();

const count = (kind, connections, bytes) => {
  counts[kind] ??= { connections: 0, bytes: 0 };
  counts[kind].connections += connections;
  counts[kind].bytes += bytes;
};

function clientOf(i, port, target) {
  const client = new Client({ port, host: HOST, localAddress: localAddress(i) }, requestHead(target));
  open.add(client.socket);
  client.closed.then(() => open.delete(client.socket));
  return client;
}

/** Sends the same again and again, as fast as it is taken; reads what comes. */
const repeated = (kind, begin) => async (i, port) => {
  const client = clientOf(i, port, '/?flood&peer=echo://');
  if ((await client.opened) === 101) {
    count(kind, 1, 0);
    begin?.(client);
    while (flooding && !client.socket.destroyed) {
      count(kind, 0, KIB_OF[kind].length);
      if (client.socket.write(KIB_OF[kind])) await turn();
      else await Promise.race([new Promise((free) => client.socket.once('drain', free)), client.closed]);
    }
  }
  client.socket.destroy();
  await client.closed;
};

const FLOODS = [
  repeated('pings'),
  repeated('empty fragments', (client) => client.socket.write(frame(BINARY, [], false))),
  repeated('tiny frames'),
  /** Connects and resets, before the head, within it, or behind it. */
  async function storm(i, port) {
    const socket = connect({ port, host: HOST, localAddress: localAddress(i) });
    socket.on('error', () => {});
    await new Promise((done) => {
      socket.once('close', done);
      socket.once('connect', () => {
        const head = requestHead('/?flood&peer=echo://');
        const length = [0, 20, head.length][counts.storm?.connections % 3 || 0];
        count('storm', 1, length);
        if (length > 0) socket.write(head.subarray(0, length));
        setImmediate(() => socket.resetAndDestroy());
      });
    });
  },
  /** What is no HTTP at all. */
  async function garbage(i, port) {
    const socket = connect({ port, host: HOST, localAddress: localAddress(i) });
    open.add(socket);
    socket.on('error', () => {}).resume();
    const bytes = slice(i, DOWN, 0, 20_000);
    count('garbage', 1, bytes.length);
    socket.end(bytes);
    await new Promise((done) => socket.once('close', done));
    open.delete(socket);
  },
  /** Its peer answers without end, and nobody reads. */
  async function unread(i, port, peerPort) {
    const client = clientOf(i, port, `/?flood&peer=tcp://127.0.0.1:${peerPort}`);
    if ((await client.opened) === 101) {
      client.socket.pause();
      count('unread', 1, 0);
      client.send(BINARY, Buffer.from('ffffffff00000000', 'hex'));
    }
    await client.closed;
  },
];

async function flood(i, port, peerPort) {
  const kind = FLOODS[i % FLOODS.length];
  while (flooding) {
    await kind(i, port, peerPort);
    await sleep(BREATH);
  }
}

let floods = [];

answer({
  flood({ floods: number, port, peerPort }) {
    flooding = true;
    floods = Array.from({ length: number }, (_, i) => flood(i, port, peerPort));
  },
  /** No flood begins anew; those that only wait to be cut stay. */
  calm() {
    flooding = false;
  },
  async end() {
    flooding = false;
    for (const socket of open) socket.destroy();
    await Promise.all(floods);
    return counts;
  },
  /** A byte at a time, which would take minutes. How many got which status, when the last one has its answer. */
  async slow({ slow, port }) {
    const statuses = {};
    await Promise.all(
      Array.from({ length: slow }, async (_, i) => {
        const head = requestHead('/?slow&peer=echo://');
        const client = new Client({ port, host: HOST, localAddress: localAddress(i) }, head.subarray(0, 1));
        let at = 1;
        const timer = setInterval(() => {
          client.socket.write(head.subarray(at, at + 1));
          at += 1;
        }, DRIBBLE);
        await client.opened;
        clearInterval(timer);
        const { status } = await client.closed;
        statuses[status] = (statuses[status] ?? 0) + 1;
      }),
    );
    return statuses;
  },
});

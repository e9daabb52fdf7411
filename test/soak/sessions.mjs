// What clients do in the soak, one function for each kind of session: it resolves when the session is over and all was
// as it has to be, and throws if not. `world` has the daemon's port, the peers' addresses, randomness, and `rest`, a
// promise that the traffic pauses.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { Client, requestHead } from '../load/client.mjs';
import { Comparison, DOWN, slice, UP } from '../load/content.mjs';
import { BINARY, frame, PING, PONG, TEXT } from '../load/frames.mjs';
import { Expected, someFraming } from './messages.mjs';
import { SOURCE_BYTES } from './peers.mjs';

const HOST = '127.0.0.1';

function client({ port }, query, handlers, fields) {
  return new Client({ port, host: HOST }, requestHead(`/?${query}`, fields), handlers);
}

function must(name, seen, expected) {
  if (seen !== expected) throw new Error(`${name}: ${seen} instead of ${expected}`);
}

async function opened(world, query, handlers, fields) {
  const one = client(world, query, handlers, fields);
  const status = await one.opened;
  if (status !== 101) throw new Error(`status ${status}: ${one.error?.message}`);
  return one;
}

/** It has ended with this code, by FIN, and nothing was wrong before. */
async function over(one, code) {
  await one.closed;
  if (one.error !== undefined) throw one.error;
  must('Close', one.code, code);
  must('FIN', one.ended, true);
}

/** Resolves when all is there, or throws when the client has ended before. */
const arrival = (one, expected) =>
  Promise.race([
    expected.whole(),
    one.closed.then(() => {
      throw one.error ?? new Error(`closed with ${one.code} before all had come`);
    }),
  ]);

/** A client of a peer that echoes: opens it, and gives a way to say something and have it back. */
async function echoing(world, peer, framing = someFraming(world.random)) {
  const expected = new Expected();
  const one = await opened(world, `peer=${world.peers[peer] ?? peer}&${framing.query}`, {
    data: (bytes) => expected.take(bytes),
  });
  const say = (count, most) => {
    for (let i = 0; i < count; i += 1) {
      const [opcode, payload] = framing.message(most);
      expected.add(payload);
      one.send(opcode, payload);
    }
    return arrival(one, expected);
  };
  return { one, say };
}

/** Some messages there and back, and one of the ways in which a client may leave. */
async function short(world) {
  const { one, say } = await echoing(world, world.random.pick(['echo', 'echo', 'unix']));
  await say(world.random.int(1, 5));
  const how = world.random.int(0, 3);
  if (how === 0) one.reset();
  else if (how === 1) one.socket.end();
  else one.close(1000);
  if (how >= 2) await over(one, 1000);
  else await one.closed;
}

/** The echo inside the daemon, and messages in fragments with a Ping between them. */
async function fragments(world) {
  const expected = new Expected();
  const one = await opened(world, 'peer=echo://', { data: (bytes) => expected.take(bytes) });
  const bytes = slice(0, UP, world.random.int(0, 9999), 3000);
  expected.add(bytes);
  one.socket.write(frame(BINARY, bytes.subarray(0, 1000), false));
  one.send(PING, Buffer.from('between'));
  one.socket.write(frame(0, bytes.subarray(1000, 1000), false));
  one.send(0, bytes.subarray(1000));
  await arrival(one, expected);
  one.close(1000);
  await over(one, 1000);
}

/** One datagram at a time: the network may drop what nobody waits for. */
async function datagrams(world) {
  const expected = new Expected();
  const one = await opened(world, `peer=${world.peers.udp}`, { data: (bytes) => expected.take(bytes) });
  for (let i = 0; i < 5; i += 1) {
    const bytes = slice(0, UP, i * 1000, world.random.int(1, 1400));
    expected.add(bytes);
    one.send(BINARY, bytes);
    await arrival(one, expected);
  }
  one.close(1000);
  await over(one, 1000);
}

/** Much, to a peer that reads slowly. */
async function upload(world) {
  const { one, say } = await echoing(world, 'slow');
  await say(10, 65_536);
  one.close(1001);
  await over(one, 1001);
}

/** All that the source has, by a client that for a while does not read. */
async function download(world) {
  const seen = new Comparison(0, DOWN);
  const one = await opened(world, `peer=${world.peers.source}&framing=binary`, {
    data: (bytes) => seen.take(bytes),
  });
  one.socket.pause();
  await sleep(world.random.int(0, 500));
  one.socket.resume();
  await over(one, 1000);
  must('bytes', seen.seen, SOURCE_BYTES);
}

/** Gone in the middle of what comes. */
async function vanishing(world) {
  const one = await opened(world, `peer=${world.peers.source}`);
  await sleep(world.random.int(0, 50));
  if (world.random.next() < 0.5) one.reset();
  else one.socket.destroy();
  await one.closed;
}

async function peerResets(world) {
  const one = await opened(world, `peer=${world.peers.reset}`);
  one.send(BINARY, Buffer.from('now'));
  await over(one, 1011);
}

/** Requests that are refused, each for another reason. */
async function refused(world) {
  const [status, query, fields] = world.random.pick([
    [502, `peer=${world.peers.nobody}`, []],
    [404, 'peer=echo://', ['Sec-WebSocket-Protocol: other']],
    [500, 'peer=nonsense', []],
    [400, 'peer=echo://', ['Host: twice']],
    [400, 'peer=echo://', ['Content-Length: 5']],
  ]);
  const one = client(world, query, {}, fields);
  await one.closed;
  must(query, one.status, status);
}

/** Frames that break a rule. */
async function broken(world) {
  const [code, bytes] = world.random.pick([
    [1002, Buffer.from('8100', 'hex')],
    [1002, frame(0x3, Buffer.from('reserved'))],
    [1002, frame(PING, Buffer.alloc(20), false)],
    [1007, frame(TEXT, Buffer.from([0xc0, 0xaf]))],
  ]);
  const one = await opened(world, `peer=${world.peers.echo}`);
  one.socket.write(bytes);
  await over(one, code);
}

/** A head that comes in pieces, whole in the end or not. */
async function slowHead(world) {
  const head = requestHead(`/?peer=${world.peers.echo}`);
  const step = 20;
  const one = new Client({ port: world.port, host: HOST }, head.subarray(0, step));
  const stopAt = world.random.pick([head.length, head.length, 60]);
  for (let at = step; at < stopAt; at += step) {
    await sleep(20);
    one.socket.write(head.subarray(at, at + step));
  }
  if (stopAt < head.length) return void one.reset();
  must('slow head', await one.opened, 101);
  one.close(1000);
  await over(one, 1000);
}

/** A head that never comes, and a client that never answers a Ping: the daemon ends both, unless we rest before that. */
async function neverComes(world) {
  const head = requestHead('/?peer=echo://').subarray(0, 30);
  const one = new Client({ port: world.port, host: HOST }, head);
  if ((await Promise.race([one.closed, world.rest])) !== one) one.reset();
  else must('head', one.status, 408);
  await one.closed;
}

async function silent(world) {
  const one = await opened(world, `peer=${world.peers.echo}`, { ping: false });
  await Promise.race([one.closed, world.rest]);
  one.reset();
  await one.closed;
}

/** Pings, answered one by one. */
async function pings(world) {
  const one = await opened(world, 'peer=echo://');
  for (let i = 0; i < 50; i += 1) one.send(world.random.pick([PING, PONG]), slice(0, UP, i, i));
  one.close(1000);
  await over(one, 1000);
}

/** Connections that never were one. */
async function noRequest({ port, random }) {
  const socket = connect({ port, host: HOST });
  socket.on('error', () => {}).resume();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  if (random.next() < 0.5) socket.resetAndDestroy();
  else socket.end(slice(0, UP, random.int(0, 9999), 300));
  await closed;
}

/** By `ws`, which keeps contexts of its own from message to message. */
async function compressed(world) {
  const socket = new WebSocket(
    `ws://${HOST}:${world.port}/?peer=${world.peers.echo}&framing=newline&framing-config=lf`,
    {
      perMessageDeflate: world.random.pick([
        true,
        { serverNoContextTakeover: true },
        { clientNoContextTakeover: true },
      ]),
    },
  );
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  must('extension', socket.extensions.startsWith('permessage-deflate'), true);
  for (let i = world.random.int(1, 20); i > 0; i -= 1) {
    const text = `${slice(0, UP, i * 77, world.random.int(0, 3000), 'text')
      .toString()
      .replaceAll('\n', ' ')}\n`;
    socket.send(text);
    const [back] = await new Promise((resolve, reject) => {
      socket.once('message', (...words) => resolve(words));
      socket.once('close', (code) => reject(new Error(`closed with ${code}`)));
    });
    must('message', back.toString(), text);
    socket.removeAllListeners('close');
  }
  const closed = new Promise((resolve) => socket.once('close', resolve));
  if (world.random.next() < 0.3) socket.terminate();
  else socket.close(1000);
  await closed;
}

/** Each kind, and how many of it there are at a time. */
export const SESSIONS = [
  [short, 8],
  [fragments, 1],
  [datagrams, 2],
  [upload, 1],
  [download, 2],
  [vanishing, 1],
  [peerResets, 1],
  [refused, 2],
  [broken, 2],
  [slowHead, 2],
  [neverComes, 1],
  [silent, 1],
  [pings, 1],
  [noRequest, 1],
  [compressed, 2],
];

/** Connections that stay, at rest, too: each is a function that says something and has it back. */
export async function longOnes(world) {
  const kinds = [
    ...['echo', 'echo', 'echo', 'unix', 'unix', 'slow', 'echo://'].map((peer) => [peer, undefined]),
    ['udp', { query: 'framing=binary', message: () => [BINARY, slice(0, UP, 0, world.random.int(1, 1400))] }],
  ];
  return Promise.all(
    kinds.map(async ([peer, framing]) => {
      const { one, say } = await echoing(world, peer, framing);
      const bulk = world.random.next() < 0.5 && peer !== 'udp';
      return { one, say: () => say(bulk ? 8 : 1, bulk ? undefined : 126) };
    }),
  );
}

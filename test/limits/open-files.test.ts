/**
 * The limit of open files is never reached: a connection that Node cannot accept for it is closed without a word. So
 * whoever is too much is told so, out of descriptors that are kept back.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { expectAnswer, expectEchoed } from '../support/limits.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { until } from '../support/sockets.ts';

/** Runs a command with so many open files. */
const under = (files: number) => ['bash', '-c', `ulimit -n ${files}; exec "$0" "$@"`];

const FILES = 100;
/** 32 are the daemon's own, 48 are kept back, half of them for those who are turned away. */
const ROOM = 10;
const ANSWERED = 24;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'websocksy-files-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function descriptorsOf({ pid }: Daemon): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Watches how many a daemon has open. */
function watch(daemon: Daemon) {
  let most = descriptorsOf(daemon);
  const timer = setInterval(() => {
    most = Math.max(most, descriptorsOf(daemon));
  }, 1);
  return {
    most: () => most,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** A TCP server that sends back what it gets, and leaves when its client does. */
async function echoingPeers() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A backend that takes all descriptors at `/hungry/…` and gives them back at `/sated`. */
const hungryBackend = (peers: Readonly<Record<string, string>>) => `
  import { closeSync, openSync } from 'node:fs';
  const peers = ${JSON.stringify(peers)};
  const taken = [];
  export default { apiVersion: 1, kind: 'backend', name: 'hungry', options: {}, create: () => ({
    async query({ path }) {
      if (path === '/sated') {
        for (const file of taken.splice(0)) closeSync(file);
        return { peer: 'echo://' };
      }
      try { for (;;) taken.push(openSync('/dev/null')); } catch {}
      return { peer: peers[path.split('/').at(-1)], framing: 'binary' };
    } }) };
`;

/** Sends a request at once and says how it was answered: 0 if there was no answer. */
async function ask(daemon: Daemon): Promise<{ client: RawClient; status: number }> {
  const client = await RawClient.connect(daemon);
  client.send(request());
  const status = await client.readResponse().then(
    (response) => response.status,
    () => 0,
  );
  return { client, status };
}

test('a limit that leaves little room is told at the start, with what to raise it to', async () => {
  await using daemon = await startDaemon(['-c', 'host=echo://'], process.env, under(FILES));
  await until('the warning', () => daemon.output().includes('LimitNOFILE='));
  expect(daemon.output()).toMatch(/ info {2}bounds max-connections=10 open-files=100 max-buffered=\d+\n/);
  expect(daemon.output()).toMatch(
    / warn {2}the limit of open files, 100, leaves room for 10 connections: for 1000 raise it to 2323 \(ulimit -n, /,
  );
});

test('so is one that leaves less than was asked for; one that leaves enough is not', async () => {
  const args = ['-c', 'host=echo://', '--max-connections'];
  await using short = await startDaemon([...args, '600'], process.env, under(1_000));
  await until('the warning', () => short.output().includes('LimitNOFILE='));
  expect(short.output()).toContain('leaves room for 421 connections: for 600 raise it to 1408 (');
  await using enough = await startDaemon([...args, '400'], process.env, under(1_000));
  await until('the bounds', () => enough.output().includes('bounds max-connections=400'));
  await short.stop();
  await enough.stop();
  expect(enough.output()).not.toContain('LimitNOFILE=');
});

describe('a daemon that may open 100 files', () => {
  test('takes as many as it has room for, answers the others 503, and serves on', async () => {
    await using peers = await echoingPeers();
    await using daemon = await startDaemon(['-c', `host=${peers.address}`], process.env, under(FILES));
    using watched = watch(daemon);
    const answers = await Promise.all(Array.from({ length: ROOM + ANSWERED - 8 }, () => ask(daemon)));
    const count = (wanted: number) => answers.filter(({ status }) => status === wanted).length;
    expect([count(101), count(503), count(0)]).toEqual([ROOM, ANSWERED - 8, 0]);
    for (const { client, status } of answers) {
      if (status === 503) await client.stream.expectEnd();
      else await client.expectOpen();
    }
    expect(watched.most()).toBeLessThan(FILES);
    expect(daemon.output()).toMatch(/ warn {2}turned away client=127\.0\.0\.1 why=connections-full\n/);
    for (const { client } of answers) client.stream.destroy();
    await until('room', () => [...daemon.output().matchAll(/ closed id=/g)].length === ROOM);
    const { client, status } = await ask(daemon);
    expect(status).toBe(101);
    await client.expectOpen();
    client.stream.destroy();
    await daemon.stop();
    expect(daemon.output()).toMatch(/ counters .*refused-connections-full=16/);
  });

  test('has room for twice as many where a peer takes none', async () => {
    await using daemon = await startDaemon(['-c', 'host=echo://'], process.env, under(FILES));
    const clients = [];
    for (;;) {
      const { client, status } = await ask(daemon);
      clients.push(client);
      if (status !== 101) break;
    }
    // 20 descriptors; whoever comes may need two.
    expect(clients.length - 1).toBe(2 * ROOM - 1);
    await expectEchoed(clients[0]!);
    for (const client of clients) client.stream.destroy();
  });

  test('never runs out of them, however many come at once; each that is closed unanswered is counted', async () => {
    await using daemon = await startDaemon(['-c', 'host=echo://'], process.env, under(FILES));
    using watched = watch(daemon);
    const answers = await Promise.all(Array.from({ length: 400 }, () => ask(daemon).catch(() => undefined)));
    const statuses = answers.map((answer) => answer?.status ?? 0);
    expect(watched.most()).toBeLessThan(FILES);
    process.kill(daemon.pid, 'SIGUSR2');
    await until('the counters', () => / counters .*\n/.test(daemon.output()));
    const counter = (name: string) => Number(new RegExp(` ${name}=(\\d+)`).exec(daemon.output())?.[1] ?? 0);
    expect(counter('accepted')).toBe(400);
    expect(counter('opened')).toBe(statuses.filter((status) => status === 101).length);
    expect(statuses.filter((status) => status !== 101 && status !== 503 && status !== 0)).toEqual([]);
    expect(statuses.filter((status) => status === 0).length).toBeLessThanOrEqual(counter('unanswered'));
    const open = answers.find((answer) => answer?.status === 101)!;
    await expectEchoed(open.client);
    for (const answer of answers) answer?.client.stream.destroy();
  });

  test('answers 503 if a dial finds no descriptor left, whoever has taken them, and serves again when there are some', async () => {
    await using peers = await echoingPeers();
    const plugin = join(folder, 'hungry.mjs');
    writeFileSync(
      plugin,
      hungryBackend({ tcp: peers.address, unix: 'unix:///nowhere', udp: 'udp://127.0.0.1:9' }),
    );
    await using daemon = await startDaemon(['-b', plugin], process.env, under(FILES));
    const ask = (client: RawClient, path: string) =>
      client.send(request({ requestLine: `GET ${path} HTTP/1.1` }));
    // While there are descriptors left for them.
    const before = descriptorsOf(daemon);
    const inside = await RawClient.connect(daemon);
    ask(inside, '/sated');
    await inside.expectAccepted();
    const kinds = ['tcp', 'unix', 'udp'];
    const clients = await Promise.all([...kinds, 'sated'].map(() => RawClient.connect(daemon)));
    await until('all of them', () => descriptorsOf(daemon) === before + 5);
    for (const [i, kind] of kinds.entries()) {
      ask(clients[i]!, `/hungry/${kind}`);
      await expectAnswer(clients[i]!, 503, 'too many connections', 5);
    }
    const lines = () => [
      ...daemon.output().matchAll(/ refused id=\d+ .*status=503 .*why=descriptors-full .*EMFILE/g),
    ];
    await until('the lines', () => lines().length === kinds.length);
    await expectEchoed(inside);
    const sated = clients.at(-1)!;
    ask(sated, '/sated');
    await sated.expectAccepted();
    await expectEchoed(sated);
    for (const client of [inside, sated]) client.stream.destroy();
    await daemon.stop();
    expect(daemon.output()).toMatch(/ counters .*refused-descriptors-full=3/);
  });
});

test('as many as a limit has room for are served at once, each with its peer', async () => {
  await using peers = await echoingPeers();
  await using daemon = await startDaemon(
    ['-c', `host=${peers.address}`, '-c', 'framing=binary'],
    process.env,
    under(512),
  );
  using watched = watch(daemon);
  const answers = await Promise.all(Array.from({ length: 208 }, () => ask(daemon)));
  expect(answers.filter(({ status }) => status === 101).length).toBe(208);
  for (const { client } of answers) await expectEchoed(client);
  expect(watched.most()).toBeLessThan(512);
  for (const { client } of answers) client.stream.destroy();
  await daemon.stop();
});

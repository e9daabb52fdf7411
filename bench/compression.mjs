// What permessage-deflate brings and costs: ratio, CPU per message and memory per connection, beside the library ws with
// the same settings, in one run. Not a test: it depends on the machine. Linux only, since it reads /proc.
// Run: npm run build && node bench/compression.mjs [rounds, 3 by default] [names to be measured, by a part of them]
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { constants, createDeflateRaw } from 'node:zlib';

const ROUNDS = Number(process.argv[2] ?? 3);
const ONLY = process.argv[3] ?? '';
/** Connections, messages of each, and how many of them are under way at a time, where CPU is measured. */
const BUSY = { connections: 8, messages: 2_000, inFlight: 16 };
/** The same where memory is. */
const IDLE = { connections: 200, messages: 40, inFlight: 4 };

const DAEMON = new URL('../dist/bin/websocksy.js', import.meta.url).pathname;
const WS = new URL('ws-echo.mjs', import.meta.url).pathname;

const daemon = (...options) => [DAEMON, '-l', '127.0.0.1', '-p', '0', '-c', 'host=echo://', ...options];
const compressing = (...options) => daemon('--compression', 'on', ...options);
const ws = (options) => [WS, JSON.stringify(options)];

const SERVERS = [
  ['websocksy, off', daemon()],
  ['websocksy, on', compressing()],
  ['ws, same settings', ws({ threshold: 64 })],
  ['websocksy, takeover client', compressing('--compression-takeover', 'client')],
  ['websocksy, takeover none', compressing('--compression-takeover', 'none')],
  ['ws, takeover none', ws({ threshold: 64, serverNoContextTakeover: true, clientNoContextTakeover: true })],
  ['websocksy, window 12', compressing('--compression-window-bits', '12')],
  ['websocksy, window 9', compressing('--compression-window-bits', '9')],
  ['websocksy, level 1', compressing('--compression-level', '1')],
  ['websocksy, level 9', compressing('--compression-level', '9')],
].filter(([name]) => name.includes(ONLY));

let seed = 1;
/** A number below n, the same ones in every run. */
function random(n) {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * n);
}
const pick = (list) => list[random(list.length)];

const WORDS =
  'the a to of and in is that it you for on with as this was at be have not are but from they we by or an will my one all would there what so up out if about who get which go me when make can like time no just him know take people into year your good some could them see other than then now look only come its over think also back after use two how our work first well way even new want because any these give day most us'.split(
    ' ',
  );
const NICKS = ['alice', 'bob', 'carol_', 'dave|away', 'eve', 'mallory', 'trent', 'peggy'];

const WORKLOADS = [
  [
    'IRC lines, 70 to 150 B',
    1,
    () => {
      const nick = pick(NICKS);
      const text = Array.from({ length: 6 + random(12) }, () => pick(WORDS)).join(' ');
      return Buffer.from(`:${nick}!~${nick}@user/${nick} PRIVMSG #channel${random(3)} :${text}\r\n`);
    },
  ],
  [
    'JSON, about 1 KB',
    1,
    () =>
      Buffer.from(
        JSON.stringify({
          id: random(1e9),
          time: new Date(1.7e12 + random(1e9)).toISOString(),
          type: pick(['order', 'trade', 'quote']),
          entries: Array.from({ length: 8 }, () => ({
            symbol: pick(['EURUSD', 'GBPUSD', 'USDJPY', 'AUDUSD']),
            price: random(1e6) / 1e4,
            volume: random(1e5),
            flags: { firm: random(2) === 0, venue: pick(['XLON', 'XNYS', 'XPAR']) },
          })),
        }),
      ),
  ],
  ['random, 1 KiB', 2, () => Buffer.from(Array.from({ length: 1024 }, () => random(256)))],
];

/** Masked frames as a compressing client sends them; the key is 0, which makes the server's work no less. */
async function framesOf(messages, opcode, { compressed, takeover, windowBits = 15 }) {
  let deflate;
  const frames = [];
  for (const message of messages) {
    let payload = message;
    if (compressed) {
      if (deflate === undefined || !takeover) {
        deflate?.close();
        deflate = createDeflateRaw({ windowBits });
      }
      const pieces = [];
      deflate.on('data', (piece) => pieces.push(piece));
      deflate.write(message);
      await new Promise((resolve) => deflate.flush(constants.Z_SYNC_FLUSH, resolve));
      deflate.removeAllListeners('data');
      payload = Buffer.concat(pieces).subarray(0, -4);
    }
    const extended = payload.length < 126 ? 0 : 2;
    const head = Buffer.alloc(2 + extended + 4);
    head[0] = 0x80 | opcode | (compressed ? 0x40 : 0);
    head[1] = 0x80 | (extended === 0 ? payload.length : 126);
    if (extended === 2) head.writeUInt16BE(payload.length, 2);
    frames.push(Buffer.concat([head, payload]));
  }
  deflate?.close();
  return frames;
}

/** One client: sends the frames, so many under way at a time, and counts what comes back. */
async function open(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.write(
    'GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n',
  );
  const head = (await new Promise((resolve) => socket.once('data', resolve))).toString('latin1');
  const extensions = /sec-websocket-extensions: (.*)\r\n/i.exec(head)?.[1] ?? '';
  return {
    socket,
    agreed: {
      compressed: extensions !== '',
      takeover: !extensions.includes('client_no_context_takeover'),
      windowBits: Number(/client_max_window_bits=(\d+)/.exec(extensions)?.[1] ?? 15),
    },
    exchange(frames, inFlight) {
      return new Promise((resolve, reject) => {
        let sent = 0;
        let received = 0;
        let wire = 0;
        let rest = Buffer.alloc(0);
        const onData = (chunk) => {
          rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
          let at = 0;
          const before = received;
          for (;;) {
            if (rest.length - at < 2) break;
            const extended = rest[at + 1] === 126 ? 2 : 0;
            if (rest.length - at < 2 + extended) break;
            const length = extended === 2 ? rest.readUInt16BE(at + 2) : rest[at + 1];
            if (rest.length - at < 2 + extended + length) break;
            if ((rest[at] & 0x0f) === 8) reject(new Error(`closed: ${rest.toString('latin1', at + 4)}`));
            at += 2 + extended + length;
            wire += length;
            received += 1;
          }
          rest = rest.subarray(at);
          if (received === frames.length) {
            socket.removeListener('data', onData);
            resolve(wire);
          } else if (received > before && sent < frames.length) {
            const next = frames.slice(sent, sent + received - before);
            sent += next.length;
            socket.write(Buffer.concat(next));
          }
        };
        socket.on('data', onData);
        sent = Math.min(inFlight, frames.length);
        socket.write(Buffer.concat(frames.slice(0, sent)));
      });
    },
  };
}

/** User and system time of all threads, in µs. The fields are in ticks of 10 ms. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function rss(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

async function start(args) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const port = await new Promise((resolve, reject) => {
    let text = '';
    const read = (chunk) => {
      text += chunk;
      const found = /ws:\/\/127\.0\.0\.1:(\d+)/.exec(text);
      if (found !== null) resolve(Number(found[1]));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', () => reject(new Error(text)));
  });
  return { child, port, pid: child.pid };
}

async function crowd(port, { connections, messages, inFlight }, [, opcode, make], pid) {
  seed = 1;
  const texts = Array.from({ length: messages }, make);
  const clients = [];
  for (let i = 0; i < connections; i += 1) clients.push(await open(port));
  const frames = await framesOf(texts, opcode, clients[0].agreed);
  const before = cpu(pid);
  const wires = await Promise.all(clients.map((client) => client.exchange(frames, inFlight)));
  const used = cpu(pid) - before;
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  return { clients, ratio: wires[0] / bytes, used: used / (connections * messages) };
}

async function measure(args, workload) {
  const { child, port, pid } = await start(args);
  const close = ({ clients }) => {
    for (const { socket } of clients) socket.destroy();
  };
  try {
    close(await crowd(port, { ...BUSY, messages: 500 }, workload, pid));
    const busy = await crowd(port, BUSY, workload, pid);
    close(busy);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = rss(pid);
    const idle = await crowd(port, IDLE, workload, pid);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const memory = (rss(pid) - before) / IDLE.connections;
    close(idle);
    return { ratio: busy.ratio, used: busy.used, memory };
  } finally {
    child.removeAllListeners('exit');
    child.kill();
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const line = (...cells) => process.stdout.write(`| ${cells.join(' | ')} |\n`);

process.stdout.write(`Node ${process.version}, ${ROUNDS} rounds, medians\n\n`);
line('server', 'messages', 'on the wire', 'CPU per echo, µs', 'memory per connection, KiB');
line('---', '---', '---', '---', '---');
for (const workload of WORKLOADS) {
  const results = SERVERS.map(() => []);
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [i, [, args]] of SERVERS.entries()) results[i].push(await measure(args, workload));
  for (const [i, [name]] of SERVERS.entries()) {
    const of = (key) => median(results[i].map((result) => result[key]));
    line(
      name,
      workload[0],
      `${(100 * of('ratio')).toFixed(1)} %`,
      of('used').toFixed(1),
      of('memory').toFixed(0),
    );
  }
}

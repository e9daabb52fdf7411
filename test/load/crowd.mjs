// The honest clients, as a process: each sends requests to its peer and compares the answers byte for byte.
//
// A client is busy or held. Of the busy ones half chat (short requests and answers), a quarter upload to peers that read
// slowly, a quarter download and read slowly themselves: those have bytes on their way in the daemon at any time.
import { Client, requestHead } from './client.mjs';
import { Comparison, DOWN, slice, UP } from './content.mjs';
import { BINARY } from './frames.mjs';
import { answer } from './worker.mjs';

/** Connections that are opened, or ask, at the same time. */
const AT_ONCE = 200;
/** ms between reads of a slow reader, a client or its peer. */
const SLOW = 20;
const PAIR = 8;
/** ms after which a request that has no answer never gets one, however slow the machine is. */
const PATIENCE = 600_000;

const KINDS = [
  { name: 'chat', ask: [64, 256] },
  { name: 'chat', ask: [700, 64] },
  { name: 'upload', ask: [200_000, 64], peerPause: SLOW },
  { name: 'download', ask: [64, 200_000], pause: SLOW },
];
const HELD = { name: 'held', ask: [32, 32] };

const crowd = new Map();
/** ms from request to the whole answer. */
const waits = [];
let busy = false;

class Honest {
  id;
  /** As the peer sees it: bytes of messages. */
  sent = 0;
  exchanges = 0;
  client;
  kind;
  #echo;
  #seen;
  #expected = 0;
  #content = 0;
  #resolve;
  #reject;

  constructor(id, kind, { port, peerPort, echo }) {
    this.id = id;
    this.kind = kind;
    this.#echo = echo;
    this.#seen = new Comparison(id, echo ? UP : DOWN);
    const target = `/?n=${id}&peer=${echo ? 'echo://' : `tcp://127.0.0.1:${peerPort}`}`;
    // Source ports are one machine's: addresses of 127.0.0.0/8 multiply them.
    const to = { port, host: '127.0.0.1', localAddress: `127.0.${1 + (id % 16)}.1` };
    this.client = new Client(to, requestHead(target), { data: (bytes) => this.#received(bytes) });
    this.client.closed.then(() => this.#reject?.(new Error(`client ${id} is closed`)));
  }

  async open() {
    if ((await this.client.opened) !== 101) throw new Error(`client ${this.id} got ${this.client.status}`);
    if (!this.#echo) this.#send([pair(this.id, this.kind.peerPause ?? 0)]);
    await this.exchange();
  }

  /** One request, and its whole answer. */
  exchange() {
    const [length, wanted] = this.kind.ask;
    const payload = slice(this.id, UP, this.#content, length);
    this.#content += length;
    this.#expected += this.#echo ? length : wanted;
    const begun = performance.now();
    const late = setTimeout(() => this.client.socket.destroy(new Error('no answer')), PATIENCE);
    const done = new Promise((resolve, reject) => {
      this.#reject = reject;
      this.#resolve = () => {
        clearTimeout(late);
        waits.push(performance.now() - begun);
        this.exchanges += 1;
        resolve();
      };
    });
    if (this.client.socket.destroyed) this.#reject(new Error(`client ${this.id} is closed`));
    else this.#send(this.#echo ? [payload] : [pair(length, wanted), payload]);
    return done;
  }

  /** Bytes of messages that have come. */
  get got() {
    return this.#seen.seen;
  }

  /** Whether each request has its whole answer. */
  get whole() {
    return this.got === this.#expected;
  }

  #send(parts) {
    this.sent += parts.reduce((sum, one) => sum + one.length, 0);
    this.client.send(BINARY, parts);
  }

  #received(bytes) {
    this.#seen.take(bytes);
    if (this.got > this.#expected) throw new Error('more has come than was asked for');
    if (this.whole) this.#resolve?.();
    const { pause } = this.kind;
    if (pause === undefined) return;
    this.client.socket.pause();
    setTimeout(() => this.client.socket.resume(), pause);
  }
}

function pair(first, second) {
  const bytes = Buffer.alloc(PAIR);
  bytes.writeUInt32BE(first, 0);
  bytes.writeUInt32BE(second, 4);
  return bytes;
}

/** Does it for each of them, some at once; what failed, in sentences. */
async function each(items, step) {
  const failures = [];
  const left = [...items];
  const one = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop())
      await step(item).catch((error) => failures.push(error.message));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return failures;
}

async function keepBusy(honest) {
  try {
    while (busy) await honest.exchange();
  } catch {
    // Closed: the report tells how.
  }
}

let loops = [];

answer({
  /** Opens the clients of these numbers, each with a first exchange; those below `busy` will be busy, those from `echoFrom` on have no TCP peer. */
  open({ from, to, busy: busyOnes, echoFrom, port, peerPort }) {
    const numbers = Array.from({ length: to - from }, (_, i) => from + i);
    return each(numbers, (id) => {
      const kind = id < busyOnes ? KINDS[id % KINDS.length] : HELD;
      const honest = new Honest(id, kind, { port, peerPort, echo: id >= echoFrom });
      crowd.set(id, honest);
      return honest.open();
    });
  },
  /** Lets the busy ones begin. */
  work() {
    busy = true;
    loops = [...crowd.values()].filter(({ kind }) => kind !== HELD).map(keepBusy);
  },
  /** The fewest exchanges that a busy client has had, of those that are still there. */
  fewest: () =>
    Math.min(
      ...[...crowd.values()]
        .filter(({ kind, client }) => kind !== HELD && !client.socket.destroyed)
        .map(({ exchanges }) => exchanges),
    ),
  /** Lets the busy ones finish what they have begun. */
  async rest() {
    busy = false;
    await Promise.all(loops);
  },
  /** One more exchange for all. */
  exchange: () => each(crowd.values(), (honest) => honest.exchange()),
  /** The closing handshake, begun by each client. */
  close: () =>
    each(crowd.values(), ({ client }) => {
      client.close(1000);
      return client.closed;
    }),
  async closed() {
    busy = false;
    await Promise.all([...crowd.values()].map(({ client }) => client.closed));
  },
  report: () => ({
    waits: Float64Array.from(waits).sort(),
    clients: [...crowd.values()].map((one) => ({
      id: one.id,
      kind: one.kind.name,
      sent: one.sent,
      got: one.got,
      whole: one.whole,
      exchanges: one.exchanges,
      code: one.client.code,
      ended: one.client.ended,
      error: one.client.error?.message,
    })),
  }),
});

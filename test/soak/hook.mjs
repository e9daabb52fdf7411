// Loaded into the daemon by `npm run soak` (`node --import`): tells what only the process itself knows, memory, slabs,
// timers, sockets, listeners, over a Unix socket that the soak listens on. A line that comes in asks, a line of JSON answers:
//
//     sample   as it is
//     rest     the same after garbage has been collected, to the last bit
//
// WEBSOCKSY_SOAK_LEAK makes it leak one kind of thing, a hundred times a second: a soak that does not notice is no good.
import { openSync } from 'node:fs';
import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';

const { WEBSOCKSY_SOAK_CHANNEL: channel, WEBSOCKSY_SOAK_DIST: dist, WEBSOCKSY_SOAK_LEAK: leak } = process.env;

/** The same modules as the daemon's, so the same slabs. */
const { Daemon } = await import(`${dist}/src/daemon.js`);
const { fastPath } = await import(`${dist}/src/fast-path.js`);

/** Collections until finalizers and weak references have nothing more to give back. */
const COLLECTIONS = 4;

let daemon;
const { start } = Daemon.prototype;
Daemon.prototype.start = function (...words) {
  daemon = this;
  return start.apply(this, words);
};

const socket = connect(channel);
socket.unref();
socket.setEncoding('utf8').on('data', async (asked) => {
  if (asked.trim() === 'rest') await collect();
  socket.write(`${JSON.stringify(sample())}\n`);
});
// The soak has ended.
socket.on('error', () => {}).on('close', () => process.exit(1));

async function collect() {
  for (let i = 0; i < COLLECTIONS; i += 1) {
    globalThis.gc();
    await turn();
  }
}

function sample() {
  const { heapUsed, external } = process.memoryUsage();
  const resources = counted(process.getActiveResourcesInfo());
  // Not documented, and in every Node: the objects behind the handles, each of our sockets and servers among them.
  const emitters = process
    ._getActiveHandles()
    .filter((one) => one !== socket && one.eventNames !== undefined);
  const sum = (list) => list.reduce((total, one) => total + listenersOf(one), 0);
  return {
    heapUsed,
    /** What is resident of V8's heap. */
    heapResident: getHeapStatistics().total_physical_size,
    // It holds array buffers, too.
    external,
    connections: daemon?.connections ?? 0,
    slabs: daemon?.usesKernel ? fastPath().slabs.outstanding : 0,
    timers: resources.Timeout ?? 0,
    resources,
    listeners: sum(emitters),
    processListeners: listenersOf(process),
  };
}

const listenersOf = (emitter) =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);

function counted(names) {
  const counts = {};
  for (const name of names.sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** What a leak keeps. */
const kept = [];
const LEAKS = {
  heap: () => kept.push(Array.from({ length: 1024 }, Math.random)),
  buffers: () => kept.push(Buffer.alloc(8192)),
  descriptors: () => openSync('/dev/null'),
  timers: () => setInterval(() => {}, 1 << 30),
  listeners: () => process.on('soak', () => {}),
  slabs: () => kept.length < 100 && kept.push(fastPath().slabs.take()),
};
if (leak !== undefined) setInterval(LEAKS[leak], 10).unref();

// What connections cost that do nothing: memory, CPU time, and the Pings that tell whether the client is still there.
import { setTimeout as sleep } from 'node:timers/promises';
import { websocksy } from '../contenders.mjs';
import { SETTLE, withBridge } from '../measure.mjs';
import { mainThreadSeconds, memory, mostFiles } from '../proc.mjs';

const CONNECTIONS = [1, 10, 100, 1000, 10_000];
/** Files of a daemon for itself. A connection has two of them: the client's socket and the peer's. */
const OWN_FILES = 200;
/** Seconds in which idle CPU time is counted: of two Pings for each connection, where there are some. */
const WATCHED = 4;
const PINGS_EVERY = WATCHED / 2;
/** Seconds after the start in which V8 gives back what it took for it. */
const REST = 9;
/** Fewer connections than these weigh less than what a young daemon's memory changes by itself. */
const WEIGHTY = 100;

const TEST = { peer: 'hello', client: 'idle' };

/** As many connections as the limit of open files allows; says so if that is less than was meant. */
function possible(counts, say) {
  const most = Math.floor((mostFiles() - OWN_FILES) / 2);
  const largest = Math.min(counts.at(-1), most);
  if (largest < counts.at(-1))
    say(
      `idle: ${counts.at(-1)} connections need ${2 * counts.at(-1) + OWN_FILES} open files, and "ulimit -Hn" is ${mostFiles()}: ${largest} instead`,
    );
  return [...counts.filter((one) => one < largest), largest];
}

export async function idle(tools) {
  const counts = possible(tools.quick ? [1, 100, 1000] : CONNECTIONS, tools.say);
  const silent = await stages(counts, websocksy({ more: ['-k', '0'] }), tools);
  const pinged = await stages(counts, websocksy({ more: ['-k', String(PINGS_EVERY)] }), tools);
  const line = (name, all, y) => ({
    name,
    points: all.map(({ connections: x, ...one }) =>
      one.failed === undefined ? { x, y: y({ connections: x, ...one }) } : { x, failed: one.failed },
    ),
  });
  const x = 'connections';
  return [
    {
      name: 'idle-memory',
      title: 'Idle connections: memory for each',
      ...{ x, y: 'bytes per connection', shape: 'not rising', from: WEIGHTY },
      series: [
        line('RSS', silent, (one) => one.rss / one.connections),
        line('PSS', silent, (one) => one.pss / one.connections),
        line('own (anonymous PSS)', silent, (one) => one.own / one.connections),
        line('own, each one more', silent, (one) => one.each),
      ],
    },
    {
      name: 'idle-cpu',
      title: 'Idle connections: CPU time for each',
      ...{ x, y: 'µs per second and connection', shape: 'not rising' },
      series: [
        line('nothing happens', silent, (one) => (one.cpu / WATCHED / one.connections) * 1e6),
        line(`a Ping every ${PINGS_EVERY} s`, pinged, (one) => (one.cpu / WATCHED / one.connections) * 1e6),
      ],
    },
  ];
}

/**
 * At each number of connections: memory above that of none, `each` that came since the number before, and seconds of CPU
 * in the time that is watched. The first that fails is the last.
 */
async function stages(counts, contender, tools) {
  return withBridge(TEST, contender, tools, async ({ bridge, connect }) => {
    await sleep(REST * 1000);
    const before = memory(bridge.pid);
    const found = [];
    for (const [i, connections] of counts.entries()) {
      const more = connections - (counts[i - 1] ?? 0);
      try {
        const { now, cpu } = await stage(connect(more), bridge);
        const [rss, pss, own] = ['rss', 'pss', 'own'].map((name) => now[name] - before[name]);
        found.push({ connections, rss, pss, own, each: (own - (found.at(-1)?.own ?? 0)) / more, cpu });
        tools.say(`${connections}: ${Math.round(own / 1024)} KiB, ${(cpu * 1e3).toFixed(1)} ms of CPU`);
      } catch (error) {
        found.push({ connections, failed: error.message });
        break;
      }
    }
    return found;
  });
}

/** Once all connections of a client are open: the memory, and the CPU time of a while. */
async function stage(client, bridge) {
  await client.next();
  await sleep(SETTLE * 1000);
  const now = memory(bridge.pid);
  const from = mainThreadSeconds(bridge.pid);
  await sleep(WATCHED * 1000);
  const cpu = mainThreadSeconds(bridge.pid) - from;
  await client.counters(); // It would tell of a connection that was closed.
  return { now, cpu };
}

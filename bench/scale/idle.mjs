// What connections cost that do nothing: memory, CPU time, and the Pings that tell whether the client is still there.
import { setTimeout as sleep } from 'node:timers/promises';
import { websocksy } from '../contenders.mjs';
import { SETTLE, withBridge } from '../measure.mjs';
import { mainThreadSeconds, memory } from '../proc.mjs';
import { possible } from './descriptors.mjs';

const CONNECTIONS = [1, 10, 100, 1000, 10_000];
/** Seconds in which idle CPU time is counted: of two Pings for each connection, where there are some. */
const WATCHED = 4;
const PINGS_EVERY = WATCHED / 2;
/** Seconds after the start in which V8 gives back what it took for it. */
const REST = 9;
/** Fewer connections than these weigh less than what a young daemon's memory changes by itself. */
const WEIGHTY = 1000;

const TEST = { peer: 'hello', client: 'idle' };

export async function idle(tools) {
  const counts = possible('idle', tools.quick ? [1, 100, 1000] : CONNECTIONS, tools.say);
  const silent = await stages(counts, 0, tools);
  const pinged = await stages(counts, PINGS_EVERY, tools);
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
async function stages(counts, keepalive, tools) {
  const contender = websocksy({ more: ['-k', String(keepalive)] });
  return withBridge(TEST, contender, tools, async ({ bridge, connect }) => {
    await sleep(REST * 1000);
    const before = memory(bridge.pid);
    const found = [];
    for (const [i, connections] of counts.entries()) {
      const more = connections - (counts[i - 1] ?? 0);
      try {
        const { now, cpu } = await stage(connect(more), bridge, keepalive > 0 ? more : 0);
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

/** Once all connections of a client are open: the memory, and the CPU time of a while, in which so many Pings came. */
async function stage(client, bridge, least) {
  await client.next();
  await sleep(SETTLE * 1000);
  const now = memory(bridge.pid);
  const from = mainThreadSeconds(bridge.pid);
  await sleep(WATCHED * 1000);
  const cpu = mainThreadSeconds(bridge.pid) - from;
  const { pings } = await client.counters(); // It also tells of a connection that was closed.
  if (pings < least) throw new Error(`${pings} Pings came, for ${least} connections`);
  return { now, cpu };
}

// Many gigabytes through one connection, each way: the daemon's memory along the way, which must be flat.
import { setTimeout as sleep } from 'node:timers/promises';
import { websocksy } from '../contenders.mjs';
import { withBridge } from '../measure.mjs';
import { memory } from '../proc.mjs';
import { TESTS } from '../tests.mjs';

/** Seconds between two readings. */
const EVERY = 0.2;
/** Seconds without a byte after which it is given up. */
const PATIENCE = 20;

const WAYS = [
  {
    name: 'client to peer',
    test: TESTS.up64k,
    through: async ({ peer }) => (await peer.counters()).received,
  },
  {
    name: 'peer to client',
    test: TESTS.down,
    through: async ({ client }) => (await client.counters()).received,
  },
];

export async function endurance(tools) {
  const total = tools.gigabytes * 1e9;
  const series = [];
  for (const way of WAYS) {
    const points = await along(way, total, tools).catch((error) => [{ x: 0, failed: error.message }]);
    tools.say(`${way.name}  ${points.length} readings of memory`);
    series.push({ name: way.name, points });
  }
  return [
    {
      name: 'endurance',
      title: `${tools.gigabytes} GB through one connection: memory of the daemon`,
      ...{ x: 'GB', y: 'MB resident', linear: true, shape: 'flat', series },
    },
  ];
}

async function along({ test, through }, total, tools) {
  return withBridge(test, websocksy(), tools, async ({ peer, bridge, connect }) => {
    const client = connect(test.connections, test.size, test.depth);
    await client.next();
    const points = [];
    let moved = 0;
    for (let last = performance.now(); moved < total; await sleep(EVERY * 1000)) {
      const bytes = await through({ peer, client });
      if (bytes > moved) last = performance.now();
      if (performance.now() - last > PATIENCE * 1000) throw new Error(`nothing more came after ${bytes} B`);
      moved = bytes;
      points.push({ x: moved / 1e9, y: memory(bridge.pid).rss / 1e6 });
    }
    // Both ends have compared every byte: this asks whether one has failed meanwhile.
    await Promise.all([peer.counters(), client.counters()]);
    return points;
  });
}

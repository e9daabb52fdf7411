// One measurement: a peer, a bridge and a client, all new, looked at twice with some seconds between. Nothing is kept
// running from one to the next, so that no bridge pays for what another left behind.
import { setTimeout as sleep } from 'node:timers/promises';
import { start } from './contenders.mjs';
import { LoadEnd } from './load.mjs';
import { cpuSeconds, machineSeconds, memory } from './proc.mjs';

/** Seconds until the code is compiled and buffers have grown. */
export const WARM_UP = 0.7;
/** Share of the machine used by others at which a measurement is made again, and how often it is made if not told. */
const NOISY = 0.15;
const TRIES = 2;
/** Seconds in which collectors of garbage come to rest before memory is read. */
export const SETTLE = 1.5;

/** A result: `perCpu` and `rate` in `unit`, or `bytes` of memory; `busy` and `others` are shares; or `failed`. */
export async function measure(test, contender, tools) {
  let result;
  for (let tried = 1; tried <= (tools.tries ?? TRIES); tried += 1) {
    try {
      result = await withBridge(test, contender, tools, (ends) => once(test, contender, ends, tools));
    } catch (error) {
      return { failed: error.message };
    }
    result.noisy = result.others > NOISY;
    if (!result.noisy) break;
  }
  return result;
}

/** Starts a peer and a bridge, lets `work` have them and a way to start clients, and ends them all. */
export async function withBridge(test, contender, { program, folder }, work) {
  const started = [];
  const load = contender.load ?? [];
  try {
    const peer = new LoadEnd(program, 'peer', test.peer, ...load);
    started.push(peer);
    const { port } = await peer.next();
    const bridge = await start(contender, port, folder);
    started.push(bridge);
    const connect = (connections, size = 64, depth = 1) => {
      const protocol = contender.raw ? 'raw' : 'websocket';
      const words = [bridge.port, protocol, test.client, connections, size, depth];
      const client = new LoadEnd(program, 'client', ...words, ...load);
      started.push(client);
      return client;
    };
    return await work({ peer, bridge, connect });
  } finally {
    // The client first: a bridge that goes before it would look like a fault.
    for (const one of started.reverse()) await one.stop();
  }
}

const once = (test, contender, { peer, bridge, connect }, { time }) =>
  test.client === 'idle'
    ? ofIdle({ ...test, ...contender.idle }, bridge, connect)
    : speed(test, { peer, bridge, connect, time });

async function speed(test, { peer, bridge, connect, time }) {
  const client = connect(test.connections, test.size, test.depth);
  await client.next();
  await sleep(WARM_UP * 1000);
  const from = await reading(peer, client, bridge);
  await sleep(time * 1000);
  const to = await reading(peer, client, bridge);

  const { unit, count } = test.counts({
    peer: { from: from.peer, to: to.peer },
    client: { from: from.client, to: to.client },
  });
  if (count === 0) throw new Error('nothing came through');
  const cpu = to.bridgeCpu - from.bridgeCpu;
  if (cpu <= 0) throw new Error('too short to see any CPU time: use a longer --time');
  const seconds = to.at - from.at;
  const others = to.machine.used - from.machine.used - (to.ours - from.ours);
  return {
    unit,
    rate: count / seconds,
    perCpu: count / cpu,
    busy: cpu / seconds,
    others: Math.max(0, others) / seconds / to.machine.processors,
    ...(to.client.unansweredCloses > 0 && { unansweredCloses: to.client.unansweredCloses }),
  };
}

/** Both ends' counters and everybody's CPU time, as close together as can be. */
async function reading(peer, client, bridge) {
  const machine = machineSeconds();
  const [peerCounters, clientCounters] = await Promise.all([peer.counters(), client.counters()]);
  const bridgeCpu = cpuSeconds(bridge.pid);
  const own = process.cpuUsage();
  return {
    at: performance.now() / 1000,
    peer: peerCounters,
    client: clientCounters,
    machine,
    bridgeCpu,
    ours: bridgeCpu + cpuSeconds(peer.pid) + cpuSeconds(client.pid) + (own.user + own.system) / 1e6,
  };
}

/** What a connection that does nothing costs, once there are some. */
async function ofIdle({ base, more }, bridge, connect) {
  const settled = async (connections) => {
    await connect(connections).next();
    await sleep(SETTLE * 1000);
    return memory(bridge.pid).pss;
  };
  const before = await settled(base);
  const after = await settled(more);
  return { unit: 'B', bytes: (after - before) / more, others: 0 };
}

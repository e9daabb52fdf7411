// What a message costs when more connections have some under way.
import { websocksy } from '../contenders.mjs';
import { echo } from '../tests.mjs';
import { lines } from './points.mjs';

const CONNECTIONS = [1, 4, 16, 64, 256, 1000];
const DEPTHS = [1, 32];

export async function active(tools) {
  const connections = tools.quick ? [1, 64, 1000] : CONNECTIONS;
  const plan = DEPTHS.flatMap((depth) =>
    connections.map((x) => ({
      ...{ series: `${depth} under way`, x },
      ...{ test: echo(x, depth), contender: websocksy() },
    })),
  );
  return [
    {
      name: 'active',
      title: 'Active connections: CPU per message of 64 B, there and back',
      x: 'connections',
      y: 'µs per message',
      shape: 'not rising',
      series: await lines(plan, tools, ({ perCpu }) => 1e6 / perCpu),
    },
  ];
}

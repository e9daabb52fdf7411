// What a message costs when more connections have some under way.
import { prepare, websocksy } from '../contenders.mjs';
import { echo } from '../tests.mjs';
import { possible } from './descriptors.mjs';
import { lines } from './points.mjs';

const CONNECTIONS = [1, 4, 16, 64, 256, 1000];
const DEPTHS = [1, 32];

export async function active(tools) {
  const connections = possible('active', tools.quick ? [1, 64, 1000] : CONNECTIONS, tools.say);
  // What the kernel takes by itself, more for many sockets than for few, shows in the control.
  const contenders = [websocksy(), ...prepare(['c-bridge'], tools.folder, tools.say)];
  const plan = DEPTHS.flatMap((depth) =>
    connections.flatMap((x) =>
      contenders.map((contender) => ({
        ...{ series: `${contender.name}, ${depth} under way`, x },
        ...{ test: echo(x, depth), contender },
      })),
    ),
  );
  const series = await lines(plan, tools, ({ perCpu }) => 1e6 / perCpu);
  return [
    {
      name: 'active',
      title: 'Active connections: CPU per message of 64 B, there and back',
      x: 'connections',
      y: 'µs per message',
      shape: 'not rising',
      series: series.map((line) => ({ ...line, ...controlOf(line.name) })),
    },
  ];
}

/** A line of the control says so; one of the daemon names that of the control. */
const controlOf = (name) =>
  name.startsWith('websocksy') ? { control: name.replace('websocksy', 'c-bridge') } : { isControl: true };

// What a client's frame and its bytes cost over the length of the frame. The other way, see framings.mjs.
import { websocksy } from '../contenders.mjs';
import { upload } from '../tests.mjs';
import { lines } from './points.mjs';

const SIZES = Array.from({ length: 11 }, (_, i) => 16 * 4 ** i); // 16 B to 16 MiB

export async function frames(tools) {
  const sizes = tools.quick ? SIZES.filter((_, i) => i % 5 === 0) : SIZES;
  const plan = sizes.map((x) => ({
    ...{ series: 'client to peer', x },
    ...{ test: upload(x), contender: websocksy() },
  }));
  const series = await lines(plan, tools, ({ perCpu }) => 1e3 / perCpu);
  return perByteAndMessage(series, 'frame', 'Frames of a client');
}

/** The same lines twice: for each byte, in ns, and for each message, in µs. */
export function perByteAndMessage(series, what, title) {
  const perMessage = series.map(({ name, points }) => ({
    name,
    points: points.map(({ y, ...point }) => ({
      ...point,
      ...(y !== undefined && { y: (y * point.x) / 1e3 }),
    })),
  }));
  const x = `bytes of a ${what}`;
  return [
    {
      name: `${what}s-bytes`,
      ...{ title: `${title}: CPU per byte`, x, y: 'ns per byte', shape: 'not rising', series },
    },
    {
      name: `${what}s`,
      ...{ title: `${title}: CPU per ${what}`, x, y: `µs per ${what}`, series: perMessage },
    },
  ];
}

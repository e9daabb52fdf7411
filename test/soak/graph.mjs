// The soak's graph: memory over time, at rest and under traffic.
import { cpus } from 'node:os';
import { lineChart } from '../../bench/scale/lines.mjs';

const line = (name, samples, of) => ({
  name,
  points: samples.map((one) => ({ x: one.at / 60, y: one[of] / 1e6 })),
});

export function graph({ busy, rests, counts }) {
  const sessions = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const minutes = Math.round(rests.at(-1).at / 60);
  return lineChart(
    {
      title: `${minutes} minutes of mixed traffic, ${sessions.toLocaleString('en')} sessions: memory of the daemon`,
      ...{ x: 'minutes', y: 'MB', linear: true },
      series: [
        line('resident', busy, 'rss'),
        line("at rest, not V8's", rests, 'native'),
        line('heap', busy, 'heapUsed'),
        line('heap, at rest', rests, 'heapUsed'),
        line('external, at rest', rests, 'external'),
      ],
    },
    {
      date: new Date().toISOString().slice(0, 10),
      processor: cpus()[0]?.model ?? 'unknown processor',
      node: process.versions.node,
    },
  );
}

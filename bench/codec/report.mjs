/** What was measured, as Markdown and as an object for JSON. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, platform, release } from 'node:os';

/** A median so far above the minimum was disturbed: other figures of this row may be wrong as much. */
const NOISY = 1.2;

export function machine() {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return {
    websocksy: manifest.version,
    node: process.versions.node,
    v8: process.versions.v8,
    zlib: process.versions.zlib,
    platform: `${platform()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    load: Number(loadavg()[0].toFixed(2)),
    date: new Date().toISOString(),
  };
}

/** A case and its rounds in figures: times of an item in ns. */
export function summarize({ part, name, size, item, items, bytes }, rounds) {
  const times = rounds.map(({ ns }) => ns).toSorted((a, b) => a - b);
  const ns = median(times);
  return {
    part,
    name,
    size,
    item,
    ns,
    min: times[0],
    cpu: median(rounds.map(({ cpu }) => cpu).toSorted((a, b) => a - b)),
    gigabytesPerSecond: bytes / items / ns,
    itemsPerSecond: 1e9 / ns,
    noisy: ns > NOISY * times[0],
  };
}

function median(sorted) {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function markdown(head, rows, { rounds, time }) {
  const lines = [
    `websocksy ${head.websocksy}, Node ${head.node} (V8 ${head.v8}, zlib ${head.zlib}), ${head.platform}, ${head.cores} × ${head.cpu}, load ${head.load}, ${head.date}`,
    '',
    `${rounds} interleaved rounds of ${time} ms for each row. Rates are of the median; CPU is of all threads of the process, also the median.`,
  ];
  for (const part of new Set(rows.map((row) => row.part))) {
    const own = rows.filter((row) => row.part === part);
    const { item } = own[0];
    lines.push(
      '',
      `| ${part} | size | GB/s | ${item}s/s | time per ${item} | least | CPU per ${item} |`,
      '|---|--:|--:|--:|--:|--:|--:|',
      ...own.map((row) => `| ${cells(row).join(' | ')} |`),
    );
  }
  if (rows.some((row) => row.noisy))
    lines.push(
      '',
      `~ the median is more than ${((NOISY - 1) * 100).toFixed(0)} % above the least: the machine was busy.`,
    );
  return `${lines.join('\n')}\n`;
}

function cells(row) {
  return [
    row.name,
    bytesText(row.size),
    digits(row.gigabytesPerSecond),
    rateText(row.itemsPerSecond),
    `${timeText(row.ns)}${row.noisy ? ' ~' : ''}`,
    timeText(row.min),
    timeText(row.cpu),
  ];
}

/** Three digits that count. */
const digits = (value) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const timeText = (ns) =>
  ns < 1e3 ? `${digits(ns)} ns` : ns < 1e6 ? `${digits(ns / 1e3)} µs` : `${digits(ns / 1e6)} ms`;
const rateText = (rate) =>
  rate < 1e3 ? digits(rate) : rate < 1e6 ? `${digits(rate / 1e3)} k` : `${digits(rate / 1e6)} M`;
/** `125 B`, `1085 B`, `16 KiB`, `4 MiB`. */
export function bytesText(size) {
  if (size < 1024 || (size < 10_240 && size % 1024 !== 0)) return `${size} B`;
  return size < 1_000_000 ? `${Math.round(size / 1024)} KiB` : `${Math.round(size / 1_048_576)} MiB`;
}

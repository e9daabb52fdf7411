// How fast framings cut a stream, and that the time is linear in its length. Not a test: it depends on the machine.
// Run: npx tsc -p tsconfig.build.json && node bench/framings.mjs [megabytes, 10 by default]
import json from '../dist/src/plugins/framings/json.js';
import newline from '../dist/src/plugins/framings/newline.js';
import { Segmenter } from '../dist/src/segmenter.js';

const SIZE = Number(process.argv[2] ?? 10) * 1e6;
const MAXIMUM = 16 * 2 ** 20;
const RUNS = 3;

const record = (i) =>
  JSON.stringify({
    time: `2024-05-01T12:00:${String(i % 60).padStart(2, '0')}.123Z`,
    level: 'info',
    id: i * 7919,
    ok: i % 3 === 0,
    ratio: i / 7,
    message: `request ${i} of "somebody" was answered by a server that has a long name`,
    tags: ['a', 'b', null],
  });

const CASES = [
  ['json, objects', json.configure(undefined), (i) => `${record(i)}\n`],
  ['json, one long string', json.configure(undefined), () => '', (size) => `"${'x'.repeat(size - 2)}"`],
  ['json, broken lines', json.configure(undefined), (i) => `${i}:${record(i)}\n`],
  ['newline, lines', newline.configure('lf'), (i) => `${record(i)}\n`],
  ['newline, one long line', newline.configure('crlf'), () => '', (size) => `${'x'.repeat(size - 2)}\r\n`],
];

function ofSize(size, line) {
  const lines = [];
  for (let i = 0, length = 0; length < size; i += 1) {
    lines.push(line(i));
    length += lines[i].length;
  }
  return lines.join('').slice(0, size);
}

/** The best of some runs, in milliseconds, and the messages of one. */
function measure(make, stream, read) {
  let best = Number.POSITIVE_INFINITY;
  let messages = 0;
  for (let run = 0; run < RUNS; run += 1) {
    messages = 0;
    const sink = {
      onSegment: () => {
        messages += 1;
      },
    };
    const segmenter = new Segmenter(make({ maximum: MAXIMUM }), sink, MAXIMUM);
    const begin = process.hrtime.bigint();
    for (let at = 0; at < stream.length; at += read) segmenter.push(stream.subarray(at, at + read));
    segmenter.end();
    best = Math.min(best, Number(process.hrtime.bigint() - begin) / 1e6);
  }
  return { best, messages };
}

const row = (...cells) =>
  process.stdout.write(
    `${cells.map((cell, i) => (i === 0 ? cell.padEnd(24) : cell.padStart(11))).join('')}\n`,
  );

row('framing and stream', 'read', 'messages', 'ms', 'MB/s', 'ratio');
for (const [name, make, line, whole = (size) => ofSize(size, line)] of CASES) {
  for (const read of [65_536, 1]) {
    const quarter = measure(make, Buffer.from(whole(SIZE / 4)), read);
    const full = measure(make, Buffer.from(whole(SIZE)), read);
    const speed = SIZE / 1000 / full.best;
    const ratio = full.best / quarter.best;
    row(name, String(read), String(full.messages), full.best.toFixed(0), speed.toFixed(0), ratio.toFixed(1));
  }
}
process.stdout.write('\nratio: the time against that of a quarter of the stream; about 4 is linear.\n');

// How fast the codec is by itself: frames, masks, UTF-8, framings, handshakes, compression. No sockets, one thread, no
// dependency. Not a test: it depends on the machine; but what comes out of each case is checked.
// Run: npm run bench:codec -- [options], see USAGE; what it measures: README.md here.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { decoder, mask } from './codec/decoder.mjs';
import { deflate } from './codec/deflate.mjs';
import { encoder } from './codec/encoder.mjs';
import { framings } from './codec/framings.mjs';
import { handshake } from './codec/handshake.mjs';
import { measure } from './codec/measure.mjs';
import { bytesText, machine, markdown, summarize } from './codec/report.mjs';
import { utf8 } from './codec/utf8.mjs';

const PARTS = { decoder, mask, encoder, utf8, framings, handshake, deflate };

const USAGE = `npm run bench:codec -- [options]

--only TEXT    cases whose "part/name/size" contains TEXT, for instance decoder, or "decoder/FrameDecoder, binary/1 KiB"
--time MS      timed run time of a case in each round [40]
--rounds N     rounds [7]
--json FILE    the figures to FILE as well
--list         name the cases and end

Parts: ${Object.keys(PARTS).join(', ')}.
`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    time: { type: 'string', default: '40' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'string' },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const rounds = Number(options.rounds);
const time = Number(options.time);
const id = ({ part, name, size }) => `${part}/${name}/${bytesText(size)}`;

if (options.help) {
  process.stdout.write(USAGE);
} else if (!(rounds >= 1) || !(time >= 0)) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  run();
}

function run() {
  // Where the part is named, no other one is made: inputs take time and memory.
  const [first] = options.only.split('/');
  const wanted = first in PARTS ? [first] : Object.keys(PARTS);
  const cases = wanted.flatMap((part) => PARTS[part]()).filter((each) => id(each).includes(options.only));
  if (cases.length === 0) {
    process.stderr.write(`no case has ${JSON.stringify(options.only)} in its name; --list names them\n`);
    process.exitCode = 2;
  } else if (options.list) {
    for (const each of cases) process.stdout.write(`${id(each)}\n`);
  } else {
    const head = machine();
    const rows = measure(cases, rounds, time).map((results, i) => summarize(cases[i], results));
    process.stdout.write(markdown(head, rows, { rounds, time }));
    if (options.json !== undefined)
      writeFileSync(options.json, `${JSON.stringify({ ...head, rounds, time, rows }, undefined, 2)}\n`);
  }
}

// What a peer's stream costs when it is cut into messages, over their size. `auto` and `binary` cut where reads end: for
// them the size is only that of the lines in the stream. Each message's length and type and every byte is compared.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { websocksy } from '../contenders.mjs';
import { bytes, json, lines as linesOf, prefixed, separated } from '../streams.mjs';
import { TESTS } from '../tests.mjs';
import { perByteAndMessage } from './frames.mjs';
import { lines } from './points.mjs';

const SIZES = [...Array.from({ length: 7 }, (_, i) => 16 * 4 ** i), 1_048_576]; // 16 B to 64 KiB, 1 MiB

/** Each: the framing's name and configuration, the stream that it meets, and what its messages must be. */
const FRAMINGS = [
  { framing: 'binary', stream: bytes },
  { framing: 'auto', stream: linesOf, text: true },
  { framing: 'newline', config: () => 'lf', stream: linesOf, text: true, cuts: true },
  { framing: 'separator', config: () => '\\x03', stream: separated, cuts: true },
  { framing: 'fixedlength', config: String, stream: bytes, cuts: true },
  { framing: 'dynamic32', config: () => 'endian=big', stream: prefixed, cuts: true },
  { framing: 'json', stream: json, text: true, cuts: true },
];

export async function framings(tools) {
  const sizes = tools.quick ? [16, 1024, 65_536] : SIZES;
  const plan = FRAMINGS.flatMap(({ framing, config, stream, text, cuts }) =>
    sizes.map((x) => {
      const file = join(tools.folder, `${stream.name}-${x}.stream`);
      writeFileSync(file, stream(x));
      const load = [`stream=${file}`, ...(text ? ['text'] : []), ...(cuts ? [`exact=${x}`] : [])];
      const contender = websocksy({ framing, config: config?.(x), load });
      return { series: framing, x, test: TESTS.down, contender };
    }),
  );
  const series = await lines(plan, tools, ({ perCpu }) => 1e3 / perCpu);
  return perByteAndMessage(series, 'message', 'Framings, peer to client');
}

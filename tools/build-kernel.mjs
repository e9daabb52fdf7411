/**
 * Assembles src/rfc6455/kernel.wat, and writes the result as a module that embeds it: src/rfc6455/kernel-bytes.ts, which
 * is not kept in the repository. So the daemon loads nothing from disk but JavaScript.
 *
 *     node tools/build-kernel.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import wabt from 'wabt';

const SOURCE = new URL('../src/rfc6455/kernel.wat', import.meta.url);
const RESULT = new URL('../src/rfc6455/kernel-bytes.ts', import.meta.url);

const { parseWat } = await wabt();
const module = parseWat('kernel.wat', readFileSync(SOURCE, 'utf8'), { simd: true });
module.resolveNames();
module.validate();
const { buffer } = module.toBinary({});
const text = Buffer.from(buffer).toString('base64');

writeFileSync(
  RESULT,
  `/** kernel.wat, assembled by tools/build-kernel.mjs: ${buffer.length} bytes, in base64. */\nexport const KERNEL =\n  '${text}';\n`,
);

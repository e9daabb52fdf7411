/**
 * `npm run interop`: the interoperability tests of all clients, or of those that are named.
 *
 * Each client is a file `NAME.test.ts` beside this one. They are run by Vitest with vitest.interop.config.ts.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `npm run interop -- [OPTION]…

  --only NAME,…     these clients; without it all of them
  --list            print the clients' names
  --markdown FILE   write the tables into a page, between its markers
  --json FILE       write each result
  --help
`;

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = resolve(HERE, '../..');
const ENDING = '.test.ts';

function fail(message) {
  process.stderr.write(`interop: ${message}\n`);
  process.exit(2);
}

function parse() {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  try {
    return parseArgs({ options: { only: text, list: flag, markdown: text, json: text, help: flag } }).values;
  } catch (error) {
    return fail(error.message);
  }
}

const options = parse();
const clients = readdirSync(HERE)
  .filter((file) => file.endsWith(ENDING))
  .map((file) => file.slice(0, -ENDING.length));

if (options.help) {
  process.stdout.write(USAGE);
} else if (options.list) {
  process.stdout.write(`${clients.join('\n')}\n`);
} else {
  const chosen = options.only?.split(',') ?? clients;
  for (const name of chosen)
    if (!clients.includes(name)) fail(`no client '${name}'; there are ${clients.join(', ')}`);
  const files = chosen.map((name) => relative(ROOT, join(HERE, name + ENDING)));
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const env = { ...process.env };
  if (options.markdown) env['INTEROP_MARKDOWN'] = resolve(options.markdown);
  if (options.json) env['INTEROP_JSON'] = resolve(options.json);
  const args = [vitest, 'run', '--config', 'vitest.interop.config.ts', ...files];
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, env, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}

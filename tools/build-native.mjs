/**
 * Builds the native part of unix-dgram:// peers, where this machine can: Linux, a C compiler, Node's headers.
 *
 *     node tools/build-native.mjs [FILE]     into dist, or into FILE
 *
 * Never fails: without it everything else works, and the daemon says what is missing when somebody asks for such a
 * peer. No node-gyp, which would want Python, make and the network.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const SOURCE = join(ROOT, 'src/transports/unix-dgram.c');
const RESULT = resolve(process.argv[2] ?? join(ROOT, 'dist/src/transports/unix-dgram.node'));
const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared'];

try {
  const problem = build();
  if (problem !== undefined) skip(problem);
} catch (error) {
  skip(error.message);
}

/** Why there is nothing to show for it; undefined if there is, and where nobody expects it. */
function build() {
  // A build that does not succeed leaves none of an earlier one behind.
  rmSync(RESULT, { force: true });
  if (process.platform !== 'linux') return undefined;
  const headers = findHeaders();
  if (headers === undefined) return 'Node.js headers (node_api.h, uv.h) were not found';
  const [compiler, ...options] = process.env.CC?.match(/\S+/g) ?? findCompiler() ?? [];
  if (!compiler) return 'no C compiler was found';
  const includes = headers.flatMap((folder) => ['-I', folder]);
  const run = spawnSync(compiler, [...options, ...FLAGS, ...includes, SOURCE, '-o', RESULT], {
    encoding: 'utf8',
  });
  const said = run.error?.message ?? run.stderr.trimEnd();
  if (run.status !== 0) return `${compiler} failed${said ? `:\n${said}` : ''}`;
  if (said) process.stderr.write(`${said}\n`);
  return undefined;
}

function skip(why) {
  try {
    rmSync(RESULT, { force: true });
  } catch {
    // Told already: it is why.
  }
  process.stderr.write(
    `note: ${why}; all but unix-dgram:// peers works without the native part, docs/peers.md says what it needs\n`,
  );
}

/**
 * The folders that hold node_api.h and uv.h: any version's, since Node-API and libuv's are stable. Those that somebody
 * has named (`npm_config_nodedir`, as for node-gyp) are the only ones; else this Node's own come first.
 */
function findHeaders() {
  const named = process.env.npm_config_nodedir;
  const prefixes = named
    ? [named]
    : [resolve(dirname(process.execPath), '..'), '/usr', '/usr/local', ...downloaded()];
  for (const prefix of prefixes) {
    const folders = ['include/node', 'include'].map((folder) => join(prefix, folder));
    const node = folders.find((folder) => existsSync(join(folder, 'node_api.h')));
    // Distributions package libuv apart.
    const uv = folders.find((folder) => existsSync(join(folder, 'uv.h')));
    if (node !== undefined && uv !== undefined) return node === uv ? [node] : [node, uv];
  }
  return undefined;
}

/** What node-gyp has fetched for other packages. */
function downloaded() {
  try {
    const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'node-gyp');
    return readdirSync(cache).map((version) => join(cache, version));
  } catch {
    return [];
  }
}

function findCompiler() {
  const found = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  return found && [found];
}

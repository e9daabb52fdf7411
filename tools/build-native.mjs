/**
 * Builds the native part of unix-dgram:// peers, where this machine can: Linux, a C compiler, Node's headers.
 *
 * Never fails: without it everything else works, and the daemon says what is missing when somebody asks for such a
 * peer. No node-gyp, which would want Python, make and the network.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const SOURCE = join(ROOT, 'src/transports/unix-dgram.c');
const RESULT = join(ROOT, 'dist/src/transports/unix-dgram.node');

build();

function build() {
  rmSync(RESULT, { force: true });
  if (process.platform !== 'linux') return;
  const headers = findHeaders();
  if (headers === undefined) {
    skip('Node.js headers (node_api.h) were not found');
    return;
  }
  const compiler = process.env.CC || findCompiler();
  if (compiler === undefined) {
    skip('no C compiler was found');
    return;
  }
  mkdirSync(dirname(RESULT), { recursive: true });
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-fPIC', '-shared', '-I', headers];
  const { status, stderr } = spawnSync(compiler, [...flags, SOURCE, '-o', RESULT], { encoding: 'utf8' });
  if (status !== 0) skip(`${compiler} failed${stderr ? `:\n${stderr.trimEnd()}` : ''}`);
  else if (stderr) process.stderr.write(stderr);
}

function skip(why) {
  rmSync(RESULT, { force: true });
  process.stderr.write(
    `note: ${why}; all but unix-dgram:// peers works without the native part, docs/peers.md says what it needs\n`,
  );
}

/** The folder that holds node_api.h: any version's, since Node-API and libuv's are stable. This Node's own come first. */
function findHeaders() {
  const prefixes = [
    process.env.npm_config_nodedir,
    resolve(dirname(process.execPath), '..'),
    '/usr',
    '/usr/local',
    ...downloaded(),
  ];
  return prefixes
    .filter((prefix) => prefix !== undefined && prefix !== '')
    .map((prefix) => join(prefix, 'include/node'))
    .find((folder) => existsSync(join(folder, 'node_api.h')) && existsSync(join(folder, 'uv.h')));
}

/** What node-gyp has fetched for other packages. */
function downloaded() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'node-gyp');
  return existsSync(cache) ? readdirSync(cache).map((version) => join(cache, version)) : [];
}

function findCompiler() {
  return ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
}

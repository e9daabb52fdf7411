// The bridges that are compared: how each is started between a port and a peer's port, and whether this machine has it.
// Every one gets its best settings that we know of: no compression, TCP_NODELAY, one thread, no limit in its way.
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compile } from './load.mjs';
import { isListening, tree } from './proc.mjs';
import { lines } from './streams.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const DAEMON = here('../dist/bin/websocksy.js');

const haproxy = (port, peer) => `global
  nbthread 1
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen bridge
  bind 127.0.0.1:${port}
  server peer 127.0.0.1:${peer}
`;

const lighttpd = (port, peer, folder) => `server.document-root = "${folder}"
server.bind = "127.0.0.1"
server.port = ${port}
server.modules = ( "mod_wstunnel" )
server.stream-request-body = 2
server.stream-response-body = 2
server.max-fds = 18000
server.max-connections = 9000
server.max-request-size = 0
server.max-read-idle = 600
server.max-write-idle = 600
wstunnel.server = ( "/" => ( ( "host" => "127.0.0.1", "port" => ${peer} ) ) )
wstunnel.frame-type = "binary"
`;

const configured = (text, folder) => {
  const file = join(folder, 'bridge.conf');
  writeFileSync(file, text);
  return file;
};

/**
 * The daemon in `dist`, to one TCP peer. `framing` and `config` are those of the bridge, `node` are words for Node,
 * `more` are for the daemon.
 */
export const websocksy = ({ framing = 'binary', config, node = [], more = [], ...rest } = {}) => ({
  name: 'websocksy',
  command: (port, peer) => [
    ...[process.execPath, ...node, DAEMON, '-l', '127.0.0.1', '-p', port, '-b', 'default'],
    ...['-c', 'host=tcp://127.0.0.1', '-c', `port=${peer}`, '-c', `framing=${framing}`],
    ...(config === undefined ? [] : ['-c', `framing-config=${config}`]),
    ...more,
  ],
  version: [process.execPath, DAEMON, '--version'],
  ...rest,
});

/** As long as the messages of the echo rows, so that each of them is one line. */
const LINE = 64;

/**
 * `command`: the words to start it with, of a port, the peer's port and a folder that is its own. `needs`: a program on
 * the PATH; `version`: the words that make it tell its version. `raw`: no WebSocket, a relay of TCP, to know what that
 * alone costs. `idle`: how many idle connections it can be asked for, where that is less than the usual. `text`: lines
 * of text go both ways instead of bytes; `exact`: the length that each message of the bridge must have. `env`: variables.
 */
const CONTENDERS = {
  websocksy: websocksy(),
  'auto-text': websocksy({ framing: 'auto', text: true }),
  'newline-text': websocksy({ framing: 'newline', config: 'lf', text: true, exact: LINE }),
  ws: {
    command: (port, peer) => [process.execPath, here('controls/ws-bridge.mjs'), port, peer],
    version: [
      process.execPath,
      '-p',
      `require(${JSON.stringify(here('../node_modules/ws/package.json'))}).version`,
    ],
  },
  'c-bridge': {
    source: here('controls/c-bridge.c'),
    command: (port, peer, _folder, program) => [program, port, peer],
  },
  'node-pipe': {
    raw: true,
    command: (port, peer) => [process.execPath, here('controls/node-pipe.mjs'), port, peer],
  },
  haproxy: {
    raw: true,
    needs: 'haproxy',
    command: (port, peer, folder) => ['haproxy', '-db', '-f', configured(haproxy(port, peer), folder)],
    version: ['haproxy', '-v'],
  },
  lighttpd: {
    needs: 'lighttpd',
    command: (port, peer, folder) => [
      'lighttpd',
      '-D',
      '-f',
      configured(lighttpd(port, peer, folder), folder),
    ],
    version: ['lighttpd', '-v'],
  },
  websocat: {
    needs: 'websocat',
    command: (port, peer) => ['websocat', '-b', '-E', `ws-l:127.0.0.1:${port}`, `tcp:127.0.0.1:${peer}`],
    version: ['websocat', '--version'],
  },
  websockify: {
    needs: 'websockify',
    command: (port, peer) => ['websockify', `127.0.0.1:${port}`, `127.0.0.1:${peer}`],
    idle: { base: 20, more: 80 }, // a process per connection
  },
};

export const NAMES = Object.keys(CONTENDERS);
export const WITH_TEXT = NAMES.filter((name) => CONTENDERS[name].text);

// Where a distribution puts servers, though a user's PATH may not have it.
const FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionOf(words) {
  if (words === undefined) return '';
  try {
    const said = execFileSync(words[0], words.slice(1), {
      encoding: 'utf8',
      timeout: 10_000,
      env: environment(),
    });
    return /\d+\.\d+[\w.-]*/.exec(said)?.[0] ?? '';
  } catch {
    return '';
  }
}

const environment = () => ({ ...process.env, PATH: FOLDERS.join(delimiter) });

/** Those of the names that this machine has, made ready; `say` hears of the others. */
export function prepare(names, folder, say) {
  const found = [];
  for (const name of NAMES.filter((one) => names.includes(one))) {
    const contender = CONTENDERS[name];
    if (contender.needs && !FOLDERS.some((one) => isProgram(join(one, contender.needs)))) {
      say(`${name}: not installed, left out`);
      continue;
    }
    const program = contender.source && compile(contender.source, folder, name, say);
    if (contender.source && program === undefined) continue;
    const load = contender.text && textLoad(folder, contender.exact);
    found.push({ ...contender, name, program, load, version: versionOf(contender.version) });
  }
  return found;
}

/** The words that make the load send lines, and expect them. */
function textLoad(folder, exact) {
  const file = join(folder, 'text.stream');
  writeFileSync(file, lines(LINE));
  return [`stream=${file}`, 'text', ...(exact === undefined ? [] : [`exact=${exact}`])];
}

/** A port that is free now, chosen by the system. A bridge takes it at once, and is the only one here that does. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a bridge and waits until it listens: its port, its pid, and how to end it. */
export async function start(contender, peer, folder) {
  const port = await freePort();
  const words = contender.command(String(port), String(peer), folder, contender.program);
  // As many files as the system allows: two for each connection.
  const child = spawn('/bin/sh', ['-c', 'ulimit -n "$(ulimit -Hn)"; exec "$@"', 'sh', ...words], {
    stdio: 'ignore',
    cwd: folder,
    env: { ...environment(), ...contender.env },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const kill = () => {
    for (const pid of tree(child.pid)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself meanwhile.
      }
    }
  };
  process.on('exit', kill); // When we are told to end.
  const stop = async () => {
    process.off('exit', kill);
    if (child.exitCode === null && child.signalCode === null) kill();
    await ended;
  };
  for (const begin = Date.now(); !isListening(port); await sleep(20)) {
    const problem =
      child.exitCode !== null
        ? `it ended at once, with status ${child.exitCode}`
        : Date.now() - begin > 15_000 && 'it does not listen';
    if (!problem) continue;
    await stop();
    throw new Error(problem);
  }
  return { port, pid: child.pid, stop };
}

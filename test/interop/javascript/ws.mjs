/** The client of `ws`. */
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { parseArguments, report } from './report.mjs';
import { runScenario } from './scenario.mjs';

/** The library's option for what the orchestrator asks for. */
function perMessageDeflate(compression) {
  if (compression === 'off') return false;
  const threshold = 0; // every message, however short
  if (compression === 'on') return { threshold };
  if (compression === 'no-takeover')
    return { threshold, clientNoContextTakeover: true, serverNoContextTakeover: true };
  const bits = Number(compression.replace('window=', ''));
  return { threshold, clientMaxWindowBits: bits, serverMaxWindowBits: bits };
}

const abilities = {
  async sendFragments(socket, pieces, binary) {
    for (const [i, piece] of pieces.entries()) socket.send(piece, { binary, fin: i === pieces.length - 1 });
  },
  async ping(socket, payload) {
    const pong = new Promise((resolve, reject) => {
      socket.on('pong', resolve);
      socket.on('close', () => reject(new Error('closed before a Pong')));
    });
    socket.ping(payload);
    const answer = (await pong).toString();
    if (answer !== payload) throw new Error(`a Pong with '${answer}'`);
  },
};

const { command, url, compression, args } = parseArguments();
if (command === 'version') {
  const path = new URL('./package.json', import.meta.resolve('ws'));
  report({ version: JSON.parse(readFileSync(path, 'utf8')).version });
} else {
  let extension = ''; // the library's `extensions` has no parameters
  const connect = (protocols) =>
    new WebSocket(url, protocols, { perMessageDeflate: perMessageDeflate(compression) }).on(
      'upgrade',
      ({ headers }) => {
        extension = headers['sec-websocket-extensions'] ?? '';
      },
    );
  const result = await runScenario(connect, command, args, abilities);
  report({ ...result, extension });
}

/**
 * The second opinion on requests: Node's own HTTP server (llhttp), given the bytes as a socket would give them.
 *
 * It never listens; a stream in memory stands for the socket.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';

export interface NodeRequest {
  readonly kind: 'upgrade' | 'request';
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Names and values by turns. */
  readonly rawHeaders: readonly string[];
  /** Of an upgrade: what came behind the head. */
  readonly rest: Uint8Array;
}

export type NodeAnswer =
  | NodeRequest
  | { readonly kind: 'refused'; readonly code: string }
  /** It waits for more. */
  | { readonly kind: 'waiting' };

/** What Node makes of the first request in some bytes. */
export async function askNode(bytes: Uint8Array): Promise<NodeAnswer> {
  let answer: NodeAnswer = { kind: 'waiting' };
  const settle = (first: NodeAnswer) => {
    if (answer.kind === 'waiting') answer = first;
  };
  // Whether there is a Host is judged by others.
  const server = createServer({ requireHostHeader: false });
  server.on('request', (request) => settle(read('request', request, EMPTY)));
  server.on('upgrade', (request, _socket, rest) => settle(read('upgrade', request, rest)));
  server.on('connect', (request, _socket, rest) => settle(read('upgrade', request, rest)));
  server.on('clientError', (error: NodeJS.ErrnoException) => {
    settle({ kind: 'refused', code: error.code ?? error.message });
  });
  const socket = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() });
  socket.on('error', () => {});
  server.emit('connection', socket);
  socket.push(bytes);
  await turn();
  // Behind the turn in which the stream gives its bytes.
  await turn();
  socket.destroy();
  return answer;
}

function read(kind: NodeRequest['kind'], request: IncomingMessage, rest: Uint8Array): NodeRequest {
  const { method = '', url = '', httpVersion, rawHeaders } = request;
  return { kind, method, target: url, version: `HTTP/${httpVersion}`, rawHeaders, rest };
}

const EMPTY = new Uint8Array(0);

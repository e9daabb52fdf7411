/** Right servers, and servers with one fault each that the suite has to find. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { startDaemon } from '../support/daemon.ts';
import { type Server, startFrameProxy, type Tampering } from './frame-proxy.ts';

const OPCODE = 0x0f;
const RSV = 0x70;
const CLOSE = 0x8;
const PONG = 0xa;

/** Our daemon, through the proxy. */
export async function proxiedDaemon(tampering: Tampering = {}): Promise<Server> {
  const daemon = await startDaemon(['-b', 'default', '-c', 'host=echo://']);
  const proxy = await startFrameProxy(daemon.port, tampering);
  return {
    url: proxy.url,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** Takes frames with any of the reserved bits set for ones without (§5.2). */
export function rsvIgnored(): Promise<Server> {
  return proxiedDaemon({
    fromClient: (frame) => {
      frame[0]! &= ~RSV;
      return frame;
    },
  });
}

/** Never sends a Close, not even as the answer to one (§5.5.1). */
export function closeUnanswered(): Promise<Server> {
  return proxiedDaemon({ fromServer: without(CLOSE) });
}

/** Never sends a Pong (§5.5.2). */
export function pongsDropped(): Promise<Server> {
  return proxiedDaemon({ fromServer: without(PONG) });
}

function without(opcode: number) {
  return (frame: Buffer) => ((frame[0]! & OPCODE) === opcode ? undefined : frame);
}

type Echo = (socket: WebSocket, message: Buffer, binary: boolean) => void;

const echo: Echo = (socket, message, binary) => socket.send(message, { binary });

/** An echo by the package `ws`. */
export async function wsEcho(
  options: ServerOptions = {},
  connection: () => Echo = () => echo,
): Promise<Server & { readonly server: WebSocketServer }> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  server.on('connection', (socket) => {
    const answer = connection();
    socket.on('message', (message: Buffer, binary) => answer(socket, message, binary));
    // Most of what the suite sends is wrong on purpose.
    socket.on('error', () => {});
  });
  await once(server, 'listening');
  return {
    server,
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => end(server),
  };
}

function end(server: WebSocketServer): Promise<void> {
  for (const socket of server.clients) socket.terminate();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Passes on text that is no UTF-8 (§8.1). */
export function utf8Unchecked(): Promise<Server> {
  return wsEcho({ skipUTF8Validation: true });
}

/** Messages of any length are compressed. */
const COMPRESSED: ServerOptions = { perMessageDeflate: { threshold: 0 } };

export function wsCompressed(): Promise<Server> {
  return wsEcho(COMPRESSED);
}

/** Compresses well, but of another message than the one that it was to send, by one bit, once in a hundred. */
export function compressionCorrupts(): Promise<Server> {
  return wsEcho(COMPRESSED, () => {
    let count = 0;
    return (socket, message, binary) => {
      count += 1;
      if (socket.extensions.includes('permessage-deflate') && count % 100 === 0) {
        // In text this is a character's last byte: another one, but no broken one.
        message[message.length - 1]! ^= 1;
      }
      echo(socket, message, binary);
    };
  });
}

/** Dies as its last connection, of so many, begins. */
export async function diesAt(last: number): Promise<Server> {
  let count = 0;
  const broken = await wsEcho({}, () => {
    count += 1;
    if (count === last) void end(broken.server);
    return echo;
  });
  return { url: broken.url, [Symbol.asyncDispose]: async () => {} };
}

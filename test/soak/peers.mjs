// The peers of the soak, all in its own process: echoes by TCP, UDP and a Unix socket, one that reads slowly, one that
// sends much and ends, one that resets.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { DOWN, slice } from '../load/content.mjs';

/** Bytes that the source sends before it ends: its stream is that of number 0. */
export const SOURCE_BYTES = 2 ** 20;
/** In one write. */
const PART = 2 ** 16;
/** ms that the slow one waits behind each read. */
const PAUSE = 10;

const echo = (socket) => socket.pipe(socket);

function slowEcho(socket) {
  socket.on('data', (bytes) => {
    socket.write(bytes);
    socket.pause();
    setTimeout(() => socket.resume(), PAUSE);
  });
  socket.on('end', () => socket.end());
}

function source(socket) {
  for (let at = 0; at < SOURCE_BYTES; at += PART) socket.write(slice(0, DOWN, at, PART));
  socket.end();
  socket.resume();
}

/** As soon as something has come. It sends nothing before: libuv tells of a reset right behind data as of an orderly end. */
function reset(socket) {
  socket.once('data', () => socket.resetAndDestroy());
}

async function listen(serve, where) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(where);
  await once(server, 'listening');
  return server;
}

/** @returns their addresses, as the daemon takes them. @param folder for Unix sockets */
export async function startPeers(folder) {
  const tcp = async (serve) =>
    `tcp://127.0.0.1:${(await listen(serve, { host: '127.0.0.1', port: 0 })).address().port}`;
  await listen(echo, { path: `${folder}/echo.sock` });
  const udp = createSocket('udp4', (bytes, { port, address }) => udp.send(bytes, port, address));
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  return {
    echo: await tcp(echo),
    slow: await tcp(slowEcho),
    source: await tcp(source),
    reset: await tcp(reset),
    unix: `unix://${folder}/echo.sock`,
    udp: `udp://127.0.0.1:${udp.address().port}`,
    /** Nobody listens there, nor will: a port that is free now may be another program's soon. */
    nobody: `unix://${folder}/nobody.sock`,
  };
}

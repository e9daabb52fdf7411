/** TCP servers behind the daemon, in this process: what happens to the client's bytes once they are a plain stream. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface TcpServer extends AsyncDisposable {
  /** The daemon's options for this peer. */
  readonly options: readonly string[];
  /** Bytes that it has received, over all connections. */
  received(): number;
  /** The first bytes of a client are there. */
  readonly reached: Promise<void>;
}

async function serve(session: (socket: Socket) => void): Promise<TcpServer> {
  let received = 0;
  let reach: () => void;
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // what the client sees says more than a reset
    socket.on('data', (bytes) => {
      received += bytes.length;
      reach();
    });
    session(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    options: ['-c', `host=tcp://127.0.0.1:${port}`, '-c', 'framing=binary'],
    received: () => received,
    reached,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Sends back what it gets. */
export const startEcho = () => serve((socket) => socket.pipe(socket));

/** Ends as soon as it has been sent something. */
export const startEnding = () => serve((socket) => socket.once('data', () => socket.end()));

/** Takes what it gets, and says nothing. */
export const startSilent = () => serve(() => {});

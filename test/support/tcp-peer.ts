/** TCP servers for the daemon to bridge to, run by the test itself. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { ByteStream, DEADLINE } from './byte-stream.ts';

export class TcpPeer {
  readonly #server: Server;
  readonly #waiting: ByteStream[] = [];
  readonly #accepted = new Set<ByteStream>();
  #wake: (() => void) | undefined;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      const stream = new ByteStream(socket);
      this.#accepted.add(stream);
      this.#waiting.push(stream);
      this.#wake?.();
    });
  }

  static async listen(): Promise<TcpPeer> {
    const server = createServer({ allowHalfOpen: true });
    const peer = new TcpPeer(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return peer;
  }

  get address(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next connection that the daemon made, in the order in which they came. */
  async accept(): Promise<ByteStream> {
    const last = Date.now() + DEADLINE;
    for (;;) {
      const stream = this.#waiting.shift();
      if (stream) return stream;
      const left = last - Date.now();
      if (left <= 0) throw new Error(`no connection to the peer within ${DEADLINE} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  /** Leaves alone the connections that nobody has asked for. */
  forget(): void {
    this.#waiting.length = 0;
  }

  async close(): Promise<void> {
    for (const stream of this.#accepted) stream.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/**
 * A port of 127.0.0.1 that refuses connections for as long as it is held: the local end of a connected socket, which
 * nobody else can be given and nobody listens on.
 */
export async function refusingPort(): Promise<{ port: number; release(): void }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  return {
    port: socket.localPort!,
    release() {
      socket.destroy();
      server.close();
    },
  };
}

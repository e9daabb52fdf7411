/**
 * A TCP proxy in front of a right server that changes or drops whole WebSocket frames on their way: a wrong server, with
 * one fault that is known.
 *
 * The handshake passes as it is, and so does the end of either side. Frames are cut by their length alone, so that the
 * broken ones of a fuzzing client pass, too.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** @returns what goes on instead; undefined: nothing */
export type Tamper = (frame: Buffer) => Buffer | undefined;

export interface Tampering {
  readonly fromClient?: Tamper;
  readonly fromServer?: Tamper;
}

export interface Server {
  readonly url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

const unchanged: Tamper = (frame) => frame;

export async function startFrameProxy(
  port: number,
  { fromClient = unchanged, fromServer = unchanged }: Tampering,
): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    forward(client, upstream, fromClient);
    forward(upstream, client, fromServer);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

function forward(from: Socket, to: Socket, tamper: Tamper): void {
  const cutter = new FrameCutter();
  from.on('data', (bytes: Buffer) => {
    for (const { isFrame, bytes: piece } of cutter.push(bytes)) {
      const rest = isFrame ? tamper(piece) : piece;
      if (rest !== undefined) to.write(rest);
    }
  });
  from.on('end', () => to.end());
  from.on('close', () => to.destroySoon());
  // 'close' follows.
  from.on('error', () => {});
}

class FrameCutter {
  #headDone = false;
  #rest: Buffer = Buffer.alloc(0);

  /** @returns what is complete: once the head of the handshake, then frames */
  push(bytes: Buffer): { isFrame: boolean; bytes: Buffer }[] {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const pieces: { isFrame: boolean; bytes: Buffer }[] = [];
    if (!this.#headDone) {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end < 0) return pieces;
      pieces.push({ isFrame: false, bytes: this.#take(end + 4) });
      this.#headDone = true;
    }
    for (let length = frameLength(this.#rest); length <= this.#rest.length; length = frameLength(this.#rest))
      pieces.push({ isFrame: true, bytes: this.#take(length) });
    return pieces;
  }

  #take(length: number): Buffer {
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

/** Of the frame that begins here, header and all; Infinity as long as that cannot be said. */
function frameLength(bytes: Buffer): number {
  const second = bytes[1];
  if (second === undefined) return Number.POSITIVE_INFINITY;
  const mask = second & 0x80 ? 4 : 0;
  const short = second & 0x7f;
  if (short < 126) return 2 + mask + short;
  const extended = short === 126 ? 2 : 8;
  if (bytes.length < 2 + extended) return Number.POSITIVE_INFINITY;
  const length = short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return 2 + extended + mask + length;
}

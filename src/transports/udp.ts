/** A connected UDP socket of Node's, as the datagram transport wants it. */
import type { Socket } from 'node:dgram';
import { type DatagramEvents, type DatagramSocket, oversize } from './datagram.ts';

/** RFC 768: a 16-bit length that counts the header of 8 bytes, and in IPv4 a total that counts 20 more. */
export const MAXIMUM = { 4: 65_507, 6: 65_527 } as const;

export class UdpSocket implements DatagramSocket {
  readonly maximum: number;
  readonly #socket: Socket;
  #events: DatagramEvents | undefined;
  #closed = false;

  /** @param socket connected */
  constructor(socket: Socket, family: 4 | 6) {
    this.#socket = socket;
    this.maximum = MAXIMUM[family];
  }

  listen(events: DatagramEvents): void {
    this.#events = events;
    const { address, port } = this.#socket.remoteAddress();
    this.#socket.on('message', (message, from) => {
      // Between its bind and its connect, for an instant, anybody could reach it.
      if (from.port === port && from.address === address) events.onDatagram(message);
    });
    // An ICMP answer to what was sent before: mostly ECONNREFUSED, nobody listens there.
    this.#socket.on('error', (error) => events.onError(error));
  }

  send(message: Uint8Array): void {
    this.#socket.send(message, (error) => {
      // Closing reports each message under way as cancelled.
      if (this.#closed) return;
      if (error === null) this.#events?.onSent(message.length);
      else this.#events?.onError(oversize(error, message.length, this.maximum));
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }
}

/**
 * A client that is not let in: it is told so, and what it sends is thrown away until it leaves.
 *
 * It is answered before it has asked, which costs the least and is the same for all of them. It is not closed at once:
 * what it has sent would reset the connection, and it would never read the answer.
 */
import type { Socket } from 'node:net';
import type { Fault } from './errors.ts';
import { refusalResponse } from './rfc6455/handshake.ts';
import { StreamTransport } from './transports/stream.ts';
import type { TransportHandler } from './transports/transport.ts';

/** 2 s for the answer and the client's end: whoever is turned away holds one of few descriptors. */
const PATIENCE = { closeTimeout: 2_000, stallTimeout: 2_000 };

export class TurnedAway implements TransportHandler {
  readonly #transport: StreamTransport;
  readonly #onGone: (one: TurnedAway) => void;

  constructor(socket: Socket, fault: Fault, onGone: (one: TurnedAway) => void) {
    this.#onGone = onGone;
    this.#transport = new StreamTransport(socket, PATIENCE);
    this.#transport.start(this);
    this.#transport.write(refusalResponse(fault.status, fault.message, fault.headers));
    this.#transport.end();
  }

  tick(now: number): void {
    this.#transport.tick(now);
  }

  /** At once. */
  cut(): void {
    this.#transport.destroy();
  }

  onClose(): void {
    this.#onGone(this);
  }

  onBytes(): void {}
  onMessage(): void {}
  onDrain(): void {}
  onEnd(): void {}
  onStall(): void {}
}

/**
 * The two sides of a bridge as the transports see them: each event, named for the side that it came from.
 *
 * Both sides are transports and report the same events; a class each keeps them apart without a closure per event and
 * connection.
 */
import type { DataOpcode, TransportHandler } from './transports/transport.ts';

interface ClientEvents {
  clientBytes(bytes: Uint8Array): void;
  clientDrain(): void;
  clientEnd(): void;
  clientStall(): void;
  clientClose(error: Error | undefined): void;
}

interface PeerEvents {
  peerBytes(bytes: Uint8Array): void;
  peerMessage(message: Uint8Array, opcode: DataOpcode | undefined): void;
  peerDrain(): void;
  peerEnd(): void;
  peerStall(): void;
  peerClose(error: Error | undefined): void;
}

export class ClientSide implements TransportHandler {
  readonly #bridge: ClientEvents;
  constructor(bridge: ClientEvents) {
    this.#bridge = bridge;
  }
  onBytes(bytes: Uint8Array): void {
    this.#bridge.clientBytes(bytes);
  }
  onMessage(): void {}
  onDrain(): void {
    this.#bridge.clientDrain();
  }
  onEnd(): void {
    this.#bridge.clientEnd();
  }
  onStall(): void {
    this.#bridge.clientStall();
  }
  onClose(error: Error | undefined): void {
    this.#bridge.clientClose(error);
  }
}

export class PeerSide implements TransportHandler {
  readonly #bridge: PeerEvents;
  constructor(bridge: PeerEvents) {
    this.#bridge = bridge;
  }
  onBytes(bytes: Uint8Array): void {
    this.#bridge.peerBytes(bytes);
  }
  onMessage(message: Uint8Array, opcode: DataOpcode): void {
    this.#bridge.peerMessage(message, opcode);
  }
  onDrain(): void {
    this.#bridge.peerDrain();
  }
  onEnd(): void {
    this.#bridge.peerEnd();
  }
  onStall(): void {
    this.#bridge.peerStall();
  }
  onClose(error: Error | undefined): void {
    this.#bridge.peerClose(error);
  }
}

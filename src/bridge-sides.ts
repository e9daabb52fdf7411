/**
 * The two sides of a bridge as the transports see them: each event, named for the side that it came from.
 *
 * Both sides are transports and report the same events; a class each keeps them apart without a closure per event and
 * connection. Whatever an event makes throw ends here: it is the end of that one connection.
 */
import type { DataOpcode, TransportHandler } from './transports/transport.ts';

interface Failable {
  /** Something threw that nobody foresaw. Does not throw itself. */
  crash(thrown: unknown): void;
}

interface ClientEvents extends Failable {
  clientBytes(bytes: Uint8Array): void;
  clientDrain(): void;
  clientEnd(): void;
  clientStall(): void;
  clientClose(error: Error | undefined): void;
}

interface PeerEvents extends Failable {
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
    try {
      this.#bridge.clientBytes(bytes);
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onMessage(): void {}

  onDrain(): void {
    try {
      this.#bridge.clientDrain();
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onEnd(): void {
    try {
      this.#bridge.clientEnd();
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onStall(): void {
    try {
      this.#bridge.clientStall();
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onClose(error: Error | undefined): void {
    try {
      this.#bridge.clientClose(error);
    } catch (error) {
      this.#bridge.crash(error);
    }
  }
}

export class PeerSide implements TransportHandler {
  readonly #bridge: PeerEvents;

  constructor(bridge: PeerEvents) {
    this.#bridge = bridge;
  }

  onBytes(bytes: Uint8Array): void {
    try {
      this.#bridge.peerBytes(bytes);
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onMessage(message: Uint8Array, opcode: DataOpcode | undefined): void {
    try {
      this.#bridge.peerMessage(message, opcode);
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onDrain(): void {
    try {
      this.#bridge.peerDrain();
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onEnd(): void {
    try {
      this.#bridge.peerEnd();
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onStall(): void {
    try {
      this.#bridge.peerStall();
    } catch (error) {
      this.#bridge.crash(error);
    }
  }

  onClose(error: Error | undefined): void {
    try {
      this.#bridge.peerClose(error);
    } catch (error) {
      this.#bridge.crash(error);
    }
  }
}

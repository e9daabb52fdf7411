/** Keeps what a datagram socket tells, in order, and leaves it at an error, as the transport does. */
import type { DatagramEvents, DatagramSocket } from '../../src/transports/datagram.ts';
import { until } from './sockets.ts';

export class RecordingEvents implements DatagramEvents {
  readonly received: Buffer[] = [];
  /** The sizes of what has left, in that order. */
  readonly sent: number[] = [];
  readonly errors: (Error & { readonly code?: string })[] = [];
  readonly #socket: DatagramSocket;

  constructor(socket: DatagramSocket) {
    this.#socket = socket;
    socket.listen(this);
  }

  onDatagram(message: Uint8Array): void {
    this.received.push(Buffer.from(message));
  }
  onSent(bytes: number): void {
    this.sent.push(bytes);
  }
  onError(error: Error): void {
    this.errors.push(error);
    this.#socket.close();
  }

  get texts(): string[] {
    return this.received.map(String);
  }

  /** How much it was told of any kind. */
  get count(): number {
    return this.received.length + this.sent.length + this.errors.length;
  }

  async error(): Promise<Error & { readonly code?: string }> {
    await until('an error', () => this.errors.length > 0);
    return this.errors[0]!;
  }

  async take(count: number): Promise<string[]> {
    await until(`${count} datagrams`, () => this.received.length >= count);
    return this.texts;
  }
}

/** So many turns of the event loop: in each, what sockets have for us is told. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** `echo://`: a message peer inside the daemon that sends each message back as it came. For trying out, and for Autobahn. */
import type { DataOpcode, Transport, TransportHandler } from './transport.ts';

export class EchoTransport implements Transport {
  readonly kind = 'message';
  readonly maximum = Number.POSITIVE_INFINITY;
  readonly dropped = 0;
  readonly unsent = 0;
  readonly undelivered = 0;
  #handler: TransportHandler | undefined;
  #paused = false;
  #ended = false;

  start(handler: TransportHandler): void {
    this.#handler = handler;
  }

  /** The answer is delivered before this returns, even while paused: holding it back would only move the queue here. */
  write(message: Uint8Array, opcode: DataOpcode): boolean {
    if (!this.#ended) this.#handler?.onMessage(message, opcode);
    return !this.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#handler?.onDrain();
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#ended) return;
    this.#ended = true;
    queueMicrotask(() => this.#handler?.onClose(undefined));
  }

  tick(): void {}
}

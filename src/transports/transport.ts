/** The contracts between the bridge and whatever carries bytes to and from one endpoint. */
import type { MemoryAccount } from '../memory-budget.ts';

/** RFC 6455 §5.2: 1 is text, 2 is binary. The same numbers as the engine's, which this side does not import. */
export type DataOpcode = 1 | 2;

export interface Transport {
  /** A stream has no boundaries; a message transport keeps each write whole. */
  readonly kind: 'stream' | 'message';
  /** Largest message that can be written, in bytes. Infinity for a stream. */
  readonly maximum: number;
  /** Bytes that were written and have not left yet. */
  readonly unsent: number;
  /** Bytes that were written and could not be delivered, because the endpoint broke or was destroyed before. */
  readonly undelivered: number;
  /** Messages from the endpoint that were thrown away, because they came faster than they were taken. */
  readonly dropped: number;
  /**
   * Begins to deliver to the handler. What has arrived before is not lost.
   *
   * @param memory where what waits for the endpoint counts
   */
  start(handler: TransportHandler, memory?: MemoryAccount): void;
  /**
   * Takes bytes, or one message. If they lie in a slab, whoever keeps them longer than this call copies or pins them
   * (slab-pool.ts); else they must not change any more.
   *
   * @returns false: it took these, but wants no more until `onDrain`
   */
  write(bytes: Uint8Array, opcode: DataOpcode): boolean;
  /** Stops delivering what arrives; the endpoint then feels backpressure. */
  pause(): void;
  resume(): void;
  /** Orderly: what was written still goes out, then the end. What arrives from now on is thrown away. */
  end(): void;
  /** At once. `onClose` follows. */
  destroy(): void;
  /** Called by the owner every now and then, in ms of a monotonic clock: the transport's own deadlines. */
  tick(now: number): void;
}

export interface TransportHandler {
  /** Bytes of a stream. They are the handler's own for the time of this call: they may lie in the read slab. */
  onBytes(bytes: Uint8Array): void;
  /** A whole message. Without an opcode where the endpoint's messages have no type. They may lie in a slab, as those of `write`. */
  onMessage(message: Uint8Array, opcode: DataOpcode | undefined): void;
  /** Takes bytes again after `write` returned false. */
  onDrain(): void;
  /** The endpoint is done sending, in order. */
  onEnd(): void;
  /** Written bytes have not moved for the stall timeout. The transport destroys itself after this call. */
  onStall(): void;
  /** Gone, both ways. With the error if it was not orderly. Comes once, last. */
  onClose(error: Error | undefined): void;
}

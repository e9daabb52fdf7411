/**
 * A peer of datagrams, UDP's or Unix': each message that is written is one of them, and each that comes is a message.
 *
 * Towards the peer nothing is dropped here: what the socket does not take at once waits, and once enough waits, `write`
 * says so and the client is held back. From the peer there is nobody to hold back: UDP has no such thing, and a Unix
 * peer that serves many clients with one socket would wait for the slowest of them. Therefore what comes while the
 * client takes no more is kept up to a bound, and beyond it the newest is dropped, and counted.
 */
import { Fault } from '../errors.ts';
import type { MemoryAccount } from '../memory-budget.ts';
import type { SlabPool } from '../slab-pool.ts';
import { HIGH_WATER } from './stream.ts';
import type { Transport, TransportHandler } from './transport.ts';

/** A connected socket of whatever kind. */
export interface DatagramSocket {
  /** Largest message that the system can send as one datagram, in bytes. */
  readonly maximum: number;
  /** Whom to tell. Before that, nothing is told. */
  listen(events: DatagramEvents): void;
  /** Takes a message, whatever its size. It must not change until `onSent`. */
  send(message: Uint8Array): void;
  /** At once; what has not been sent is lost. */
  close(): void;
}

export interface DatagramEvents {
  onDatagram(message: Uint8Array): void;
  /** One message, the oldest of those under way, has left. */
  onSent(bytes: number): void;
  /** The socket is of no more use. */
  onError(error: Error): void;
}

export interface DatagramLimits {
  /** Time that a message may wait for the system to take it, in ms. 0: no limit. */
  readonly stallTimeout: number;
  /** What messages may lie in that are written; they are copied out of it. */
  readonly slabs?: SlabPool | undefined;
  /** What may wait for the system before `write` says that it is enough, in bytes. @default HIGH_WATER */
  readonly queuedBytes?: number;
}

/** What a message that waits costs besides its bytes, so that empty ones are bounded, too. */
const OVERHEAD = 256;

/** Bytes from the peer may wait for a slow client: as much as a stream would have in both of its buffers. */
const BUFFERS = 2;

export class DatagramTransport implements Transport, DatagramEvents {
  readonly kind = 'message';
  readonly maximum: number;
  readonly #socket: DatagramSocket;
  readonly #limits: DatagramLimits;
  readonly #mostQueued: number;
  #memory: MemoryAccount | undefined;
  #handler: TransportHandler | undefined;
  #paused = true;
  #ending = false;
  #closed = false;
  #error: Error | undefined;
  #undelivered = 0;
  #dropped = 0;
  /** Under way to the peer. */
  #unsentBytes = 0;
  #unsentMessages = 0;
  #full = false;
  /** From the peer, while paused. */
  #inbox: Uint8Array[] = [];
  #inboxCost = 0;
  /** For `tick`: since when the same message has been the next to leave. */
  #waitingSince: number | undefined;

  constructor(socket: DatagramSocket, limits: DatagramLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#mostQueued = limits.queuedBytes ?? HIGH_WATER;
    this.maximum = socket.maximum;
    socket.listen(this);
  }

  start(handler: TransportHandler, memory?: MemoryAccount): void {
    this.#handler = handler;
    this.#memory = memory;
    if (this.#closed) queueMicrotask(() => handler.onClose(this.#error));
    else this.resume();
  }

  get unsent(): number {
    return this.#unsentBytes;
  }

  /** Bytes that were written and never left. */
  get undelivered(): number {
    return this.#undelivered;
  }

  get dropped(): number {
    return this.#dropped;
  }

  write(message: Uint8Array): boolean {
    if (this.#ending || this.#closed) return true;
    this.#unsentBytes += message.length;
    this.#unsentMessages += 1;
    this.#memory?.add(message.length + OVERHEAD);
    this.#socket.send(this.#limits.slabs?.own(message) ?? message);
    // Once full, it stays so until all has left: only that is told by onDrain.
    if (this.#unsentBytes + OVERHEAD * this.#unsentMessages >= this.#mostQueued) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    // The handler may pause again, or leave, at any message.
    while (!this.#paused) {
      const message = this.#inbox.shift();
      if (message === undefined) return;
      this.#forget(message.length);
      this.#deliver(message);
    }
  }

  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.#dropInbox();
    if (this.#unsentMessages === 0) this.#close(undefined);
  }

  destroy(): void {
    this.#close(undefined);
  }

  tick(now: number): void {
    const { stallTimeout } = this.#limits;
    if (this.#closed || this.#unsentMessages === 0 || stallTimeout === 0) return;
    this.#waitingSince ??= now;
    if (now - this.#waitingSince < stallTimeout) return;
    this.#handler?.onStall();
    this.destroy();
  }

  // ------------------------------------------------------------------------------------------ from the socket

  onDatagram(message: Uint8Array): void {
    if (this.#ending || this.#closed) return;
    if (!this.#paused && this.#inbox.length === 0) {
      this.#deliver(message);
    } else if (
      this.#inbox.length > 0 &&
      this.#inboxCost + message.length + OVERHEAD > BUFFERS * this.#mostQueued
    ) {
      // One has room whatever its size, or the largest would come through only while nothing is under way.
      this.#dropped += 1;
    } else if (this.#memory?.reserve(message.length + OVERHEAD) === false) {
      this.#dropped += 1;
    } else {
      this.#inbox.push(message);
      this.#inboxCost += message.length + OVERHEAD;
    }
  }

  onSent(bytes: number): void {
    this.#unsentBytes -= bytes;
    this.#unsentMessages -= 1;
    this.#memory?.add(-bytes - OVERHEAD);
    this.#waitingSince = undefined;
    if (this.#unsentMessages > 0 || this.#closed) return;
    if (this.#ending) {
      this.#close(undefined);
    } else if (this.#full) {
      this.#full = false;
      this.#handler?.onDrain();
    }
  }

  onError(error: Error): void {
    this.#close(error);
  }

  #deliver(message: Uint8Array): void {
    this.#handler?.onMessage(message, undefined);
  }

  #close(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    this.#undelivered = this.#unsentBytes;
    this.#dropInbox();
    this.#memory?.add(-(this.#unsentBytes + OVERHEAD * this.#unsentMessages));
    this.#memory = undefined;
    this.#socket.close();
    // Without a handler yet, `start` tells.
    const handler = this.#handler;
    if (handler !== undefined) queueMicrotask(() => handler.onClose(error));
  }

  #forget(bytes: number): void {
    this.#inboxCost -= bytes + OVERHEAD;
    this.#memory?.add(-bytes - OVERHEAD);
  }

  #dropInbox(): void {
    this.#dropped += this.#inbox.length;
    this.#memory?.add(-this.#inboxCost);
    this.#inboxCost = 0;
    this.#inbox.length = 0;
  }
}

/** What the system says of a message that is too large for one datagram, as a Fault; any other error as it is. */
export function oversize(error: Error, bytes: number, maximum: number): Error {
  if ((error as NodeJS.ErrnoException).code !== 'EMSGSIZE') return error;
  return new Fault('message-too-large', { actual: bytes, maximum }, error);
}

/**
 * The waits that the daemon grants a client: for its request, for a sign of life, for its Close.
 *
 * Backpressure must never look like a dead client. Therefore the clock of keepalive stands still while we do not read
 * from the client, and a Ping counts from when it has left our queue and while nothing is queued: a client that takes
 * its bytes slowly is the stall timeout's business. The wait for its Close begins when ours has left the queue.
 *
 * It reads no clock itself: `heard` is called for each read and must cost nothing; `tick` turns it into a time.
 */
import type { ConnectionState } from './rfc6455/connection.ts';

export interface ClientWaits {
  readonly headTimeout: number;
  readonly closeTimeout: number;
}

/** Bytes for the client that wait in our queue. */
export interface ClientQueue {
  readonly unsent: number;
}

export type ClientVerdict = 'ping' | 'head-timeout' | 'client-silent' | 'close-timeout' | undefined;

export class ClientClock {
  readonly #keepalive: number;
  readonly #waits: ClientWaits;
  #began: number | undefined;
  #heard = true;
  /** Since when nothing has come. */
  #silentSince = 0;
  /** A Ping is out, and nothing has come since. */
  #pinging = false;
  /** Since when nothing of ours has been queued, the Ping included. */
  #pingLeftAt: number | undefined;
  /** Since when our Close has left. */
  #closeLeftAt: number | undefined;
  /** Since when it could have been answered. */
  #closingSince: number | undefined;

  /** @param keepalive ms of silence before a Ping, and again before the verdict. 0: off */
  constructor(keepalive: number, waits: ClientWaits) {
    this.#keepalive = keepalive;
    this.#waits = waits;
  }

  /** Something came from the client. */
  heard(): void {
    this.#heard = true;
  }

  /**
   * What is due at the time `now`. `ping` means that a Ping is to be sent.
   *
   * @param held we do not read from the client, because its peer takes no more
   */
  tick(now: number, state: ConnectionState, queue: ClientQueue, held: boolean): ClientVerdict {
    this.#began ??= now;
    if (state === 'head') {
      const { headTimeout } = this.#waits;
      return headTimeout > 0 && now - this.#began >= headTimeout ? 'head-timeout' : undefined;
    }
    if (state === 'closing') return this.#awaitClose(now, queue, held);
    if (state === 'open' && this.#keepalive > 0) return this.#keepAlive(now, queue, held);
    return undefined;
  }

  #awaitClose(now: number, queue: ClientQueue, held: boolean): ClientVerdict {
    if (queue.unsent > 0) return undefined; // the stall timeout's business
    this.#closeLeftAt ??= now;
    const { closeTimeout } = this.#waits;
    // Its Close may lie behind what its peer has to take first. But not for ever.
    if (held) this.#closingSince = undefined;
    else this.#closingSince ??= now;
    const waited = now - (this.#closingSince ?? now);
    return waited >= closeTimeout || now - this.#closeLeftAt >= 2 * closeTimeout
      ? 'close-timeout'
      : undefined;
  }

  #keepAlive(now: number, queue: ClientQueue, held: boolean): ClientVerdict {
    if (this.#heard || held) {
      this.#heard = false;
      this.#silentSince = now;
      this.#pinging = false;
    }
    if (!this.#pinging) {
      if (now - this.#silentSince < this.#keepalive) return undefined;
      this.#pinging = true;
      this.#pingLeftAt = undefined;
      return 'ping';
    }
    if (queue.unsent > 0) this.#pingLeftAt = undefined;
    else this.#pingLeftAt ??= now;
    const waiting = this.#pingLeftAt !== undefined && now - this.#pingLeftAt >= this.#keepalive;
    return waiting ? 'client-silent' : undefined;
  }
}

/**
 * A connected stream socket, the client's as well as a peer's.
 *
 * Promises that an orderly end loses nothing: what was written goes out before the FIN, and until the other side has
 * ended too its bytes are read and thrown away, since closing a socket with unread bytes resets it and takes from the
 * other side what it has not read yet. Both waits have an end: a write that makes no progress is a stall, a side that
 * does not answer our FIN is cut after the close timeout.
 *
 * And that one socket does not keep the others waiting: of one that has a lot to be worked off no more is read in the same
 * turn of the event loop. libuv would read 32 times 64 KiB of it, which are 50 ms of work if the frames are tiny.
 */
import { channel } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { MemoryAccount } from '../memory-budget.ts';
import type { SlabPool } from '../slab-pool.ts';
import { directWrite, type SocketHandle } from './direct-write.ts';
import { SlabSocket, type SlabSocketOwner } from './slab-socket.ts';
import type { Transport, TransportHandler } from './transport.ts';

export interface StreamLimits {
  /** Time that the other side may take to answer our FIN, in ms. */
  readonly closeTimeout: number;
  /** Time that a write may stay without progress, in ms. 0: no limit. */
  readonly stallTimeout: number;
  /** Bytes that may wait in Node for the kernel before `write` says that it is enough. @default HIGH_WATER */
  readonly queuedBytes?: number;
}

/** 128 KiB: two reads of Node's, so that one can be written while the next is read. */
export const HIGH_WATER = 128 * 1024;

/**
 * What a socket has to be made with, to be wrapped here: an end of one direction is passed on, not answered by itself.
 * While it is paused an ordinary socket reads on until the mark is exceeded, by one read; and it tells of it when all is
 * written, if it was more than that. How much may wait is judged here.
 */
export const STREAM_OPTIONS = { allowHalfOpen: true, highWaterMark: 1 } as const;

/** What a write that waits in Node takes besides its bytes: 3 KB were measured with `--kernel off`. */
const PLAIN_WRITE_COST = 3 * 1024;

/** 60 s: sooner than routers forget a connection that is quiet. Ten probes at intervals of a second follow. */
const KEEP_ALIVE = 60_000;

export interface StreamSocketOptions {
  /** What it reads into. Left out: memory of its own. */
  readonly slabs?: SlabPool | undefined;
  /** Whether a peer that is gone without a word is to be found out: of use where there is a network between. */
  readonly keepAlive?: boolean;
}

/** A read of so many bytes is likely to have more behind it: 64 KiB, all that Node reads at once. */
const FULL_READ = 64 * 1024;
/** A read that takes longer to work off is the last of its turn, in ms. In bulk one takes a tenth of that. */
const LONG_READ = 0.3;

/** Where `net.connect` tells of each socket. */
const made = channel('net.client.socket');

/** A socket that is to be connected and wrapped. */
export function streamSocket({ slabs, keepAlive = false }: StreamSocketOptions): Socket {
  const options = {
    ...STREAM_OPTIONS,
    noDelay: true,
    keepAlive,
    keepAliveInitialDelay: KEEP_ALIVE,
  };
  const socket = slabs === undefined ? new Socket(options) : new SlabSocket(options, slabs, true);
  if (made.hasSubscribers) made.publish({ socket });
  return socket;
}

export class StreamTransport implements Transport, SlabSocketOwner {
  readonly kind = 'stream';
  readonly maximum = Number.POSITIVE_INFINITY;
  readonly dropped = 0;
  readonly #socket: Socket;
  /** The same, if it is one. */
  readonly #fast: SlabSocket | undefined;
  readonly #limits: StreamLimits;
  readonly #mostQueued: number;
  #memory: MemoryAccount | undefined;
  /** What of it has been taken. */
  #counted = 0;
  /** Bytes of an ordinary socket's writes that have not succeeded. */
  #underWay = 0;
  /** Writes of it since nothing waited. */
  #writes = 0;
  #handler: TransportHandler | undefined;
  #written = 0;
  /** The other side has ended. */
  #ended = false;
  /** Our side has. */
  #ending = false;
  #closed = false;
  #error: Error | undefined;
  #undelivered = 0;
  /** `write` has said that it wants no more. */
  #full = false;
  /** The handler wants no more for now. */
  #paused = false;
  /** The others have their turn. */
  #resting = false;
  /** For `tick`: how far the writes were when it last looked, and since when they have been there. */
  #progress = 0;
  #progressAt: number | undefined;

  /** @param socket connected, made with `STREAM_OPTIONS` */
  constructor(socket: Socket, limits: StreamLimits) {
    this.#socket = socket;
    this.#fast = socket instanceof SlabSocket ? socket : undefined;
    this.#limits = limits;
    this.#mostQueued = limits.queuedBytes ?? HIGH_WATER;
    if (this.#fast !== undefined) {
      this.#fast.ownedBy(this);
      return;
    }
    socket.on('error', (error) => this.onError(error));
    socket.on('end', () => this.onEnded());
    socket.on('close', () => this.onClosed());
  }

  start(handler: TransportHandler, memory?: MemoryAccount): void {
    this.#handler = handler;
    this.#memory = memory;
    if (this.#closed) {
      // It broke between the connect and now.
      queueMicrotask(() => handler.onClose(this.#error));
      return;
    }
    if (this.#ended) queueMicrotask(() => handler.onEnd());
    if (this.#fast !== undefined) {
      this.#fast.startReading();
      return;
    }
    this.#socket.on('drain', () => this.onSent());
    this.#socket.on('data', (bytes: Buffer) => this.onRead(bytes));
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.#closed) return true;
    this.#written += bytes.length;
    if (this.#fast !== undefined) this.#fast.send(bytes);
    else this.#writePlain(bytes);
    // Not the result of `write`: that says false for a large buffer even if the kernel took all of it at once.
    return this.#isFree();
  }

  /** Both buffers in one system call. */
  writeBoth(bytes: Uint8Array, more: Uint8Array): boolean {
    if (this.#ending || this.#closed) return true;
    this.#written += bytes.length + more.length;
    if (this.#fast !== undefined) {
      this.#fast.send(bytes, more);
    } else {
      this.#socket.cork();
      this.#writePlain(bytes);
      this.#writePlain(more);
      this.#socket.uncork();
    }
    return this.#isFree();
  }

  pause(): void {
    if (this.#ending) return;
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    if (!this.#resting) this.#socket.resume();
  }

  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.#progressAt = undefined;
    this.#socket.end();
    this.resume();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#ending = true;
    this.#undelivered = this.unsent;
    this.#socket.destroy();
  }

  get undelivered(): number {
    // A slab socket goes on counting what failed or came too late.
    return this.#closed && this.#fast !== undefined ? this.#fast.unsent : this.#undelivered;
  }

  /** Bytes that Node has not yet been able to hand to the kernel. */
  get unsent(): number {
    return this.#closed ? 0 : (this.#fast?.unsent ?? this.#socket.writableLength);
  }

  onError(error: Error): void {
    this.#error = error;
    // Where a write has failed, Node has forgotten by now what it and those behind it were.
    this.#undelivered = Math.max(this.unsent, this.#underWay);
  }

  onEnded(): void {
    if (this.#ending) {
      this.#ended = true;
    } else if (this.unsent > 0) {
      // If it was a reset, the write that waits sees it in the next turn.
      setImmediate(() => this.#tellEnd());
    } else if (wasReset(this.#socket)) {
      this.#socket.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    } else {
      this.#tellEnd();
    }
  }

  #tellEnd(): void {
    this.#ended = true;
    if (!this.#ending && !this.#closed && this.#error === undefined) this.#handler?.onEnd();
  }

  onClosed(): void {
    this.#closed = true;
    this.#setCounted(0, false);
    this.#handler?.onClose(this.#error);
  }

  onRead(bytes: Uint8Array): void {
    if (this.#ending) return;
    if (bytes.length < FULL_READ) {
      this.#handler?.onBytes(bytes);
      return;
    }
    const began = performance.now();
    this.#handler?.onBytes(bytes);
    if (performance.now() - began >= LONG_READ) this.#rest();
  }

  onSent(): void {
    this.#count(false);
    if (!this.#full || this.#ending) return;
    this.#full = false;
    this.#handler?.onDrain();
  }

  tick(now: number): void {
    if (this.#closed) return;
    const unsent = this.unsent;
    this.#count(false);
    if (unsent === 0 && !this.#ending) {
      // Most connections, most of the time: no more is looked at.
      this.#progressAt = undefined;
      return;
    }
    // A write of ours is in libuv's queue at once, and counts there; one of Node's may wait in Node.
    const queued = kernelQueue(this.#socket) + (this.#fast === undefined ? unsent : 0);
    const progress = this.#written - queued;
    if (this.#progressAt === undefined || progress !== this.#progress) {
      this.#progress = progress;
      this.#progressAt = now;
      return;
    }
    const waited = now - this.#progressAt;
    const { closeTimeout } = this.#limits;
    const stallTimeout = this.#patience;
    if (unsent === 0) {
      if (waited >= closeTimeout) this.destroy();
    } else if (stallTimeout > 0 && waited >= stallTimeout) {
      this.#handler?.onStall();
      this.destroy();
    }
  }

  #writePlain(bytes: Uint8Array): void {
    this.#underWay += bytes.length;
    this.#writes += 1;
    this.#socket.write(bytes, (error) => {
      if (!error) this.#underWay -= bytes.length;
    });
  }

  /** Lets others have their turn before more is read. */
  #rest(): void {
    if (this.#resting || this.#ending || this.#closed) return;
    this.#resting = true;
    this.#socket.pause();
    setImmediate(() => {
      this.#resting = false;
      if (!this.#paused && !this.#closed) this.#socket.resume();
    });
  }

  /** The stall timeout; where memory is short nobody is waited for longer than for the answer to a FIN. */
  get #patience(): number {
    const { closeTimeout, stallTimeout } = this.#limits;
    if (this.#memory?.pressed !== true) return stallTimeout;
    return stallTimeout === 0 ? closeTimeout : Math.min(stallTimeout, closeTimeout);
  }

  /** The memory that takes what waits to be sent. */
  get #cost(): number {
    if (this.#fast !== undefined) return this.#fast.cost;
    const { unsent } = this;
    if (unsent === 0) this.#writes = 0;
    return unsent + PLAIN_WRITE_COST * this.#writes;
  }

  #isFree(): boolean {
    if (this.#count(true) < this.#mostQueued) return true;
    this.#full = true;
    return false;
  }

  /**
   * Counts what waits to be sent; and what an ordinary socket has read, and hands on only when it is not paused.
   *
   * @returns the first of both
   */
  #count(asked: boolean): number {
    const cost = this.#cost;
    this.#setCounted(this.#fast === undefined ? cost + this.#socket.readableLength : cost, asked);
    return cost;
  }

  #setCounted(waiting: number, asked: boolean): void {
    if (waiting === this.#counted || this.#memory === undefined) return;
    this.#memory.add(waiting - this.#counted, asked);
    this.#counted = waiting;
  }
}

const NOTHING = new Uint8Array(0);

/**
 * Whether what looks like an end was a reset. One that comes right behind data looks the same to libuv as a FIN: it sees
 * both at once, and does not read the error any more. A write of nothing does, if none waits before it.
 */
function wasReset(socket: Socket): boolean {
  const handle = (socket as Socket & { _handle?: SocketHandle | null })._handle;
  if (directWrite === undefined || handle == null) return false;
  const result = directWrite(handle, NOTHING);
  if (typeof result !== 'number') {
    result.oncomplete = () => {};
    return false;
  }
  // A Unix socket whose other end has closed in order says EPIPE.
  return result < 0 && getSystemErrorName(result) === 'ECONNRESET';
}

/**
 * What is left of the write under way. Node counts a write as pending until all of it is out; only libuv knows of the
 * parts that the kernel has taken, and a large message to a slow reader makes progress in nothing but parts. The
 * property is Node's own, not public: where it is missing, progress shows once per write.
 */
function kernelQueue(socket: Socket): number {
  const handle = (socket as Socket & { _handle?: { writeQueueSize?: number } | null })._handle;
  return handle?.writeQueueSize ?? 0;
}

/**
 * A socket that reads into the shared read slab and writes at once: the fast way, where Node has it.
 *
 * Reads cost no buffer. In bulk, after a read that fills the read slab, the next one goes into a slab of the socket's own,
 * until one does not fill it: that can be written from where it lies. So an idle socket holds none, but where a peer's
 * last read just filled it. A write goes to the kernel before `send` returns, or is under way and pins the slab that it is read from. Both by Node's
 * own `net.Socket`, which goes on to do everything else: connect, end, errors, close. Its `write` is not to be used beside
 * `send`.
 */
import { channel } from 'node:diagnostics_channel';
import { type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { READ_BYTES, type ReadingSlab, type SlabPool } from '../slab-pool.ts';
import { directWrite, type SocketHandle } from './direct-write.ts';

/** What a write that waits takes besides its bytes: 1.4 KB were measured, of Node's and libuv's objects for it. */
const WRITE_COST = 2 * 1024;

/** 16 KiB: to copy less than that is cheaper than to keep a whole slab from others. */
const WORTH_A_SLAB = 16 * 1024;

export interface SlabSocketOwner {
  /** Bytes in the read slab: they are gone after this call. */
  onRead(bytes: Uint8Array): void;
  /** All writes that were under way are over. */
  onSent(): void;
  /** The other side has ended. */
  onEnded(): void;
  onError(error: Error): void;
  onClosed(): void;
}

/** Whether this Node has what it takes. */
export const hasSlabSockets = directWrite !== undefined && takesReadBuffer();

/** Node's documentation has `onread` only for `connect`, whose options go where these go; found out with a handle of ours. */
function takesReadBuffer(): boolean {
  const buffer = new Uint8Array(1);
  let taken: unknown;
  const handle = {
    readStart: () => 0,
    readStop: () => 0,
    close: () => {},
    useUserBuffer: (given: unknown) => {
      taken = given;
    },
  };
  try {
    new Socket({ handle, manualStart: true, onread: { buffer: () => buffer, callback: onRead } } as object);
  } catch {
    return false;
  }
  return taken === buffer;
}

export class SlabSocket extends Socket {
  readonly #slabs: SlabPool;
  /** Where the next read goes, if that may change. */
  readonly #next: { buffer: Buffer } | undefined;
  /** The same, while it is the socket's own. */
  #own: ReadingSlab | undefined;
  #owner: SlabSocketOwner | undefined;
  #unsent = 0;
  #writes = 0;
  /** Its owner looks at what was read. */
  #inRead = false;

  /** @param bulk whether what fills the read slab is to go on in a slab of the socket's own; else it is read from the shared one */
  constructor(options: SocketConstructorOpts, slabs: SlabPool, bulk: boolean) {
    const next = bulk ? { buffer: slabs.readSlab } : undefined;
    // A function is asked for a buffer when the socket is made, and then after each of its reads: what it has answered
    // is where the next one goes, whenever that is.
    const buffer = next === undefined ? slabs.readSlab : () => next.buffer;
    super({ ...options, manualStart: true, onread: { buffer, callback: onRead } } as SocketConstructorOpts);
    this.#slabs = slabs;
    this.#next = next;
    // Until its owner takes what is read, it waits in the kernel.
    this.pause();
  }

  /** Bytes of all writes that are under way, and of those that failed, each counted whole. */
  get unsent(): number {
    return this.#unsent;
  }

  /** The memory that they take. */
  get cost(): number {
    return this.#unsent + WRITE_COST * this.#writes;
  }

  get owner(): SlabSocketOwner | undefined {
    return this.#owner;
  }

  /** From now on the owner is told of all but what is read. Whoever had the socket before has seen what came before. */
  ownedBy(owner: SlabSocketOwner): void {
    this.#owner = owner;
    // Functions that all sockets share, not a closure each.
    this.on('error', onError).on('end', onEnd).on('close', onClose);
  }

  /** Begins to hand on what is read. */
  startReading(): void {
    this.resume();
  }

  /** Node's stream asks for bytes one tick after the first `resume`, whether or not `pause` has come since. */
  override read(size?: number): unknown {
    return this.isPaused() ? null : super.read(size);
  }

  /** Bytes, and more of them in the same system call. They may be read until `onSent`, which pins their slabs. */
  send(bytes: Uint8Array, more?: Uint8Array): void {
    const length = bytes.length + (more?.length ?? 0);
    const handle = (this as unknown as { _handle: SocketHandle | null })._handle;
    if (handle === null) {
      this.#unsent += length;
      return;
    }
    const first = this.#fit(bytes);
    const second = more && this.#fit(more);
    const result = directWrite!(handle, first, second);
    if (result === 0) return;
    this.#unsent += length;
    this.#writes += 1;
    if (typeof result === 'number') {
      this.destroy(writeError(result));
      return;
    }
    this.#slabs.pin(first);
    if (second !== undefined) this.#slabs.pin(second);
    result.buffer = [first, second];
    result.oncomplete = (status) => {
      this.#slabs.unpin(first);
      if (second !== undefined) this.#slabs.unpin(second);
      if (status === 0) this.#sent(length);
      else if (!this.destroyed) this.destroy(writeError(status));
    };
  }

  /**
   * Bytes that a write may read from for long. The read slab never is. Nor is a slab where there are few left; nor for a
   * little, behind a write that is under way, since this one then will be, too.
   */
  #fit(bytes: Uint8Array): Uint8Array {
    const slabs = this.#slabs;
    const copied = slabs.isShared(bytes) || slabs.scarce || (this.#unsent > 0 && bytes.length < WORTH_A_SLAB);
    return copied ? slabs.own(bytes) : bytes;
  }

  #sent(length: number): void {
    this.#unsent -= length;
    this.#writes -= 1;
    if (this.#unsent === 0 && !this.destroyed) this.#owner?.onSent();
  }

  /** So many bytes have been read to where the next read was to go. */
  received(length: number): void {
    this.#inRead = true;
    this.#owner?.onRead((this.#next?.buffer ?? this.#slabs.readSlab).subarray(0, length));
    this.#inRead = false;
    const bulk = length === READ_BYTES && !this.destroyed;
    if (bulk && this.#next !== undefined) this.#readIntoOwn(this.#next);
    else this.#readIntoShared();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    // Who looks at the bytes of a read may go on to, even if it was they that made it do this.
    if (!this.#inRead) this.#readIntoShared();
    super._destroy(error, callback);
  }

  #readIntoOwn(next: { buffer: Buffer }): void {
    if (this.#own !== undefined && !this.#slabs.isPinned(this.#own)) return;
    this.#readIntoShared();
    this.#own = this.#slabs.takeReading();
    if (this.#own !== undefined) next.buffer = this.#own.reading;
  }

  #readIntoShared(): void {
    if (this.#own === undefined) return;
    this.#slabs.releaseReading(this.#own);
    this.#own = undefined;
    this.#next!.buffer = this.#slabs.readSlab;
  }
}

/** Node calls it, too, as a method of the socket. */
function onRead(this: unknown, length: number): boolean {
  (this as SlabSocket).received(length);
  return true;
}

function onError(this: SlabSocket, error: Error): void {
  this.owner?.onError(error);
}

function onEnd(this: SlabSocket): void {
  this.owner?.onEnded();
}

function onClose(this: SlabSocket): void {
  this.owner?.onClosed();
}

function writeError(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' });
}

interface ServerHandle {
  onconnection(status: number, client: ClientHandle | undefined): void;
}

interface ClientHandle {
  setNoDelay?(on: boolean): void;
}

/** Where Node's own server tells of each socket. */
const accepted = channel('net.server.socket');

/**
 * From now on what a listening server accepts becomes slab sockets, which are handed to `onSocket` and not announced as
 * `connection`; errors are, as before. Where Node's server is not as it is known, nothing changes.
 */
export function acceptIntoSlabs(
  server: Server,
  options: SocketConstructorOpts,
  slabs: SlabPool,
  onSocket: (socket: Socket) => void,
): void {
  const handle = (server as Server & { _handle?: ServerHandle | null })._handle;
  const accept = handle?.onconnection;
  if (typeof accept !== 'function') return;
  handle!.onconnection = (status, client) => {
    if (status !== 0 || client === undefined) {
      accept.call(handle!, status, client);
      return;
    }
    const socket = new SlabSocket({ ...options, handle: client } as SocketConstructorOpts, slabs, false);
    client.setNoDelay?.(true);
    count(server, socket);
    onSocket(socket);
    if (accepted.hasSubscribers) accepted.publish({ socket });
  };
}

/** So that `getConnections` and the server's `close` know of it: the socket takes itself off when it closes. */
function count(server: Server, socket: Socket): void {
  const counted = server as Server & { _connections: number };
  counted._connections += 1;
  Object.assign(socket, { server, _server: server });
}

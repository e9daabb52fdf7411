/**
 * A socket that reads into the shared read slab and writes at once: the fast way, where Node has it.
 *
 * Reads cost no buffer, and an idle socket holds none. A write goes to the kernel before `send` returns, or is under way
 * and pins the slab that it is read from. Both by Node's own `net.Socket`, which goes on to do everything else: connect,
 * end, errors, close. Its `write` is not to be used beside `send`.
 */
import { channel } from 'node:diagnostics_channel';
import { type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { SlabPool } from '../slab-pool.ts';
import { directWrite, type SocketHandle } from './direct-write.ts';

export interface SlabSocketReader {
  /** Bytes in the read slab: they are gone after this call. */
  onRead(bytes: Uint8Array): void;
  /** All writes that were under way are over. */
  onSent(): void;
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
    new Socket({ handle, manualStart: true, onread: { buffer, callback: onRead } } as object);
  } catch {
    return false;
  }
  return taken === buffer;
}

export class SlabSocket extends Socket {
  readonly #slabs: SlabPool;
  #reader: SlabSocketReader | undefined;
  #unsent = 0;

  constructor(options: SocketConstructorOpts, slabs: SlabPool) {
    const onread = { buffer: slabs.readSlab, callback: onRead };
    super({ ...options, manualStart: true, onread } as SocketConstructorOpts);
    this.#slabs = slabs;
    // Until there is a reader, what comes waits in the kernel.
    this.pause();
  }

  /** Bytes of all writes that are under way, and of those that failed, each counted whole. */
  get unsent(): number {
    return this.#unsent;
  }

  /** Begins to read. */
  readTo(reader: SlabSocketReader): void {
    this.#reader = reader;
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
    // A write that stays under way must never read from there.
    const first = this.#slabs.isShared(bytes) ? this.#slabs.own(bytes) : bytes;
    const second = more !== undefined && this.#slabs.isShared(more) ? this.#slabs.own(more) : more;
    const result = directWrite!(handle, first, second);
    if (result === 0) return;
    this.#unsent += length;
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

  #sent(length: number): void {
    this.#unsent -= length;
    if (this.#unsent === 0 && !this.destroyed) this.#reader?.onSent();
  }

  /** So many bytes are in the read slab. */
  received(length: number): void {
    this.#reader?.onRead(this.#slabs.readSlab.subarray(0, length));
  }
}

/** Node calls it as a method of the socket. */
function onRead(this: unknown, length: number): boolean {
  (this as SlabSocket).received(length);
  return true;
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
    const socket = new SlabSocket({ ...options, handle: client } as SocketConstructorOpts, slabs);
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

/**
 * Writes to a socket without Node's stream machinery, which costs as much as the system call (docs/decisions/015).
 *
 * Node hands bytes to its own handle of a socket, which tries the system call at once. Only what the kernel does not take
 * is asynchronous and needs a request object. How the handle is called is Node's own affair and has changed once, so it
 * is found out when this is loaded, by a socket with a handle of ours; where neither form is found there is no direct
 * write. Both forms are tried on each of Node's release lines by the end-to-end suite.
 */
import { Socket } from 'node:net';

/** Node's object for a write under way. */
export interface WriteRequest {
  oncomplete: (status: number) => void;
  /** Keeps the bytes alive. */
  buffer: unknown;
}

interface RequestLike extends WriteRequest {
  getAsyncId(): number;
}

/** Node's object for an open socket. */
export interface SocketHandle {
  /** Bytes of writes under way that the kernel has not taken yet. */
  readonly writeQueueSize: number;
  writeBuffer(request: unknown, bytes: Uint8Array): unknown;
  writev(request: unknown, chunks: readonly Uint8Array[], allBuffers: true): unknown;
}

/** 0: the kernel has all of it. Below 0: libuv's number of an error. Else the write is under way. */
export type WriteResult = number | WriteRequest;

/** One write to a handle. `more` goes out behind `bytes`, in the same system call. */
export type DirectWrite = (handle: SocketHandle, bytes: Uint8Array, more?: Uint8Array) => WriteResult;

/** Undefined: this Node does it in some other way. */
export const directWrite: DirectWrite | undefined = findDirectWrite();

function findDirectWrite(): DirectWrite | undefined {
  let asked: unknown;
  const handle = {
    readStart: () => 0,
    readStop: () => 0,
    close: () => {},
    writeBuffer: (request: unknown) => {
      asked = request;
      return 0;
    },
  };
  try {
    const options = { handle, manualStart: true };
    new Socket(options as object).on('error', () => {}).write(new Uint8Array(1));
  } catch {
    return undefined;
  }
  // Node 26: asks for none, and is answered with one.
  if (asked === null) return writeWithoutRequest;
  // Node 20 to 24: hands one in.
  const Request = (asked as object | undefined)?.constructor as (new () => RequestLike) | undefined;
  const known = typeof Request === 'function' && typeof Request.prototype.getAsyncId === 'function';
  return known ? writeWithRequest(Request) : undefined;
}

function writeWithoutRequest(handle: SocketHandle, bytes: Uint8Array, more?: Uint8Array): WriteResult {
  const answer =
    more === undefined ? handle.writeBuffer(null, bytes) : handle.writev(null, [bytes, more], true);
  return answer as WriteResult;
}

/** A request that was not needed serves the next write: it has no number yet, and `getAsyncId` says -1. */
function writeWithRequest(Request: new () => RequestLike): DirectWrite {
  let request = new Request();
  return (handle, bytes, more) => {
    const used = request;
    const status =
      more === undefined ? handle.writeBuffer(used, bytes) : handle.writev(used, [bytes, more], true);
    if (used.getAsyncId() === -1) return status as number;
    request = new Request();
    return used;
  };
}

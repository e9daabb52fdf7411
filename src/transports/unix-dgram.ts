/**
 * A connected Unix datagram socket, bound to an address of its own so that the peer can answer this client and no other.
 *
 * The kernel says EAGAIN while the peer's queue is full: messages then wait here, in order, and leave when it has room.
 * So many datagrams are read per turn of the loop, so that a peer that never pauses does not keep it from the others.
 */
import { unlinkSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { Fault } from '../errors.ts';
import { systemPath, temporaryPath } from './address.ts';
import { type DatagramEvents, type DatagramSocket, oversize } from './datagram.ts';
import { type NativeDatagrams, type NativeSocket, native } from './native.ts';

/** As libuv has them. */
const READABLE = 1;
const WRITABLE = 2;

/** Datagrams that are read before the loop goes on: as many as libuv reads from a UDP socket. */
const READS_PER_TURN = 32;

/** Linux, unix_dgram_sendmsg: a message has to fit in the send buffer with this much to spare. */
const SEND_BUFFER_RESERVE = 32;

/** Linux takes at least this much of a message in single pages; only what is beyond it has to be in one piece. */
const IN_PIECES = 64 * 1024;

/**
 * Opens a socket to the peer at `path`.
 *
 * @param folder where the socket gets a path of its own. Left out: it gets an abstract name, of the kernel's choice
 * @throws an Error with the system's code if the peer cannot be reached, without one if the folder is what fails; the Error
 *   of `native` if the native part is missing
 */
export function openUnixDatagram(path: string, folder: string | undefined): DatagramSocket {
  return new UnixDatagramSocket(native(), path, folder);
}

class UnixDatagramSocket implements DatagramSocket {
  readonly maximum: number;
  readonly #native: NativeDatagrams;
  readonly #socket: NativeSocket;
  readonly #path: string | undefined;
  #events: DatagramEvents | undefined;
  #waiting: Uint8Array[] = [];
  #closed = false;

  constructor(functions: NativeDatagrams, peer: string, folder: string | undefined) {
    this.#native = functions;
    this.#path = folder === undefined ? undefined : temporaryPath(folder);
    const opened = functions.open(
      Buffer.from(systemPath(peer)),
      this.#path === undefined ? undefined : Buffer.from(this.#path),
      (events) => this.#onReady(events),
    );
    if ('error' in opened) {
      if (opened.call === 'bind') this.#removePath();
      const error = systemError(opened.call, opened.error);
      // Not by its code: the log would say that of the peer.
      throw opened.call === 'bind' && folder !== undefined ? new Error(`${folder}: ${error.message}`) : error;
    }
    this.#socket = opened.socket;
    this.maximum = opened.sendBuffer - SEND_BUFFER_RESERVE;
  }

  listen(events: DatagramEvents): void {
    this.#events = events;
    this.#watch();
  }

  send(message: Uint8Array): void {
    // Behind those that wait: datagrams are never reordered.
    if (this.#waiting.length > 0 || !this.#trySend(message)) {
      this.#waiting.push(message);
      if (this.#waiting.length === 1) this.#watch();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close(this.#socket);
    this.#removePath();
  }

  #removePath(): void {
    if (this.#path === undefined) return;
    try {
      unlinkSync(this.#path);
    } catch {
      // It was never made, or somebody has tidied up.
    }
  }

  #watch(): void {
    if (!this.#closed) this.#native.watch(this.#socket, READABLE | (this.#waiting.length > 0 ? WRITABLE : 0));
  }

  #onReady(events: number): void {
    if (events < 0) {
      // What came before is the client's still.
      this.#receive();
      if (!this.#closed) this.#events?.onError(systemError('poll', events));
      return;
    }
    if ((events & READABLE) !== 0) this.#receive();
    if ((events & WRITABLE) !== 0) this.#flush();
  }

  #receive(): void {
    for (let i = 0; i < READS_PER_TURN && !this.#closed; i += 1) {
      const message = this.#native.receive(this.#socket);
      if (typeof message === 'number') {
        if (!isAgain(message)) this.#events?.onError(systemError('recv', message));
        return;
      }
      this.#events?.onDatagram(message);
    }
  }

  #flush(): void {
    let sent = 0;
    while (!this.#closed && sent < this.#waiting.length && this.#trySend(this.#waiting[sent]!)) sent += 1;
    this.#waiting.splice(0, sent);
    this.#watch();
  }

  /** Whether the message is done with, sent or the socket's last. */
  #trySend(message: Uint8Array): boolean {
    const result = this.#native.send(this.#socket, message);
    if (isAgain(result)) return false;
    if (result === 0) this.#events?.onSent(message.length);
    else this.#events?.onError(this.#explain(systemError('send', result), message.length));
    return true;
  }

  #explain(error: NodeJS.ErrnoException, bytes: number): Error {
    // Linux, sock_alloc_send_pskb: with a large send buffer a message may need more memory in one piece than there is.
    if (error.code === 'ENOBUFS' && bytes > IN_PIECES) {
      return new Fault('message-too-large', { actual: bytes, message: error.message }, error);
    }
    return oversize(error, bytes, this.maximum);
  }
}

function isAgain(result: number): boolean {
  return result < 0 && getSystemErrorName(result) === 'EAGAIN';
}

function systemError(call: string, number: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(number);
  return Object.assign(new Error(`${call} ${code}`), { code, syscall: call });
}

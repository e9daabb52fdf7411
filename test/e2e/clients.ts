/**
 * Two WebSocket clients that share no code, `ws` and undici's, behind one interface, so that each end-to-end test
 * runs with both.
 *
 * Messages are kept from the first on, none is lost before someone asks. Every wait has a deadline, and its failure
 * says what was waited for and how the connection stood.
 */
import { WebSocket as UndiciWebSocket } from 'undici';
import { WebSocket as WsWebSocket } from 'ws';

/** For one wait, in milliseconds. It decides how long a fault takes to show, never whether a test passes. */
const DEADLINE = 45_000;

export type Message = string | Buffer;

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** The handshake did not end with 101. */
export class HandshakeError extends Error {
  readonly status: number | undefined;
  constructor(status: number | undefined, cause: string) {
    super(`the handshake failed: ${cause}`);
    this.status = status;
  }
}

/** The promise's outcome, or a failure that says `what` was waited for, with the stack of who waited. */
export async function within<T>(
  promise: Promise<T>,
  what: () => string,
  milliseconds = DEADLINE,
): Promise<T> {
  const late = new Error();
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late.message = `after ${milliseconds} ms: ${what()}`;
      reject(late);
    }, milliseconds);
  });
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer));
}

/** The half of a client that is the same for every library. */
export class Client {
  readonly protocol: string;
  readonly send: (message: string | Uint8Array) => void;
  readonly close: (code?: number, reason?: string) => void;
  readonly #inbox: Inbox;

  constructor(inbox: Inbox, socket: Pick<Client, 'protocol' | 'send' | 'close'>) {
    this.#inbox = inbox;
    this.protocol = socket.protocol;
    this.send = socket.send;
    this.close = socket.close;
  }

  /** The next message; null when the connection has ended and all its messages were taken. */
  next(): Promise<Message | null> {
    return within(this.#inbox.take(), () => `no further message (${this.#inbox.state()})`);
  }

  /** How the connection ended. */
  closed(): Promise<Closing> {
    return within(this.#inbox.closed, () => `not closed (${this.#inbox.state()})`);
  }
}

class Inbox {
  readonly closed: Promise<Closing>;
  #messages: Message[] = [];
  #received = 0;
  #closing: Closing | undefined;
  #wake: (() => void) | undefined;
  #resolveClosed: (closing: Closing) => void = () => {};

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  add(message: Message): void {
    if (this.#closing) throw new Error('the client library gave a message after the close');
    this.#messages.push(message);
    this.#received++;
    this.#wake?.();
  }

  end(closing: Closing): void {
    this.#closing = closing;
    this.#wake?.();
    this.#resolveClosed(closing);
  }

  async take(): Promise<Message | null> {
    while (this.#messages.length === 0 && !this.#closing) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift() ?? null;
  }

  state(): string {
    const end = this.#closing ? `closed with ${this.#closing.code} ${this.#closing.reason}` : 'open';
    return `${this.#received} messages so far, ${end}`;
  }
}

function connectWs(url: string, protocols: readonly string[]): Promise<Client> {
  const socket = new WsWebSocket(url, [...protocols]);
  const inbox = new Inbox();
  socket.on('message', (data, isBinary) => inbox.add(isBinary ? (data as Buffer) : data.toString()));
  socket.on('close', (code, reason) => inbox.end({ code, reason: reason.toString() }));
  return new Promise((resolve, reject) => {
    socket.on('error', (error) => reject(new HandshakeError(undefined, error.message))); // later ones show as 1006
    socket.on('unexpected-response', (request, response) => {
      reject(new HandshakeError(response.statusCode, `status ${response.statusCode}`));
      request.destroy();
    });
    socket.on('open', () =>
      resolve(
        new Client(inbox, {
          protocol: socket.protocol,
          send: (message) => socket.send(message),
          close: (code, reason) => socket.close(code, reason),
        }),
      ),
    );
  });
}

function connectUndici(url: string, protocols: readonly string[]): Promise<Client> {
  const socket = new UndiciWebSocket(url, [...protocols]);
  const inbox = new Inbox();
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('message', ({ data }) =>
    inbox.add(typeof data === 'string' ? data : Buffer.from(data)),
  );
  socket.addEventListener('close', ({ code, reason }) => inbox.end({ code, reason }));
  return new Promise((resolve, reject) => {
    socket.addEventListener('error', ({ message }) => reject(new HandshakeError(undefined, message)));
    socket.addEventListener('open', () =>
      resolve(
        new Client(inbox, {
          protocol: socket.protocol,
          send: (message) => socket.send(message),
          close: (code, reason) => socket.close(code, reason),
        }),
      ),
    );
  });
}

export interface ClientLibrary {
  readonly name: string;
  /** Whether a refused handshake shows its HTTP status; a browser's interface, which undici's is, hides it. */
  readonly tellsStatus: boolean;
  connect(url: string, protocols?: readonly string[]): Promise<Client>;
}

function library(name: string, tellsStatus: boolean, connect: typeof connectWs): ClientLibrary {
  return {
    name,
    tellsStatus,
    connect: (url, protocols = []) =>
      within(connect(url, protocols), () => `${name} is neither open nor refused`),
  };
}

export const LIBRARIES: readonly ClientLibrary[] = [
  library('ws', true, connectWs),
  library('undici', false, connectUndici),
];

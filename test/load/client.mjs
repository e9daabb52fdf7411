// A WebSocket client on a raw socket: the opening handshake, messages, Pongs, and how it ended. Nothing is kept of what
// it receives.
import { connect } from 'node:net';
import { CLOSE, closeFrame, FrameReader, frame, PING, PONG } from './frames.mjs';

const HEAD_END = Buffer.from('\r\n\r\n');
/** RFC 6455 §1.3: the nonce of the example. What it has to be answered with is other tests' business. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** The request for a target; `fields` are lines to be added. */
export function requestHead(target, fields = []) {
  const lines = [
    `GET ${target} HTTP/1.1`,
    'Host: load.example',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${KEY}`,
    'Sec-WebSocket-Version: 13',
    ...fields,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

export class Client {
  socket;
  /** Of the answer to the request. */
  status;
  /** Of the server's Close. */
  code;
  /** The server's FIN has come. */
  ended = false;
  error;
  /** Resolves with this client when the socket is closed; never rejects. */
  closed;
  #head = Buffer.alloc(0);
  #reader;
  #handlers;
  #closeSent = false;
  #opened;
  #open;

  /**
   * @param to what `net.connect` takes
   * @param handlers `data(bytes)`: payload of messages; `ping: false`: Pings are not answered
   */
  constructor(to, head, handlers = {}) {
    this.#handlers = handlers;
    this.#reader = new FrameReader({
      data: (bytes) => this.#handlers.data?.(bytes),
      control: (opcode, payload) => this.#control(opcode, payload),
    });
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
    this.socket = connect({ noDelay: true, ...to });
    this.socket.write(head);
    this.socket.on('data', (chunk) => this.#guarded(() => this.#received(chunk)));
    this.socket.on('end', () => {
      this.ended = true;
    });
    this.socket.on('error', (error) => {
      this.error ??= error;
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.#open(this.status);
        resolve(this);
      });
    });
  }

  /** The status that the request was answered with; undefined: none came. */
  get opened() {
    return this.#opened;
  }

  /** One message or other frame. False: the socket has enough for now. */
  send(opcode, parts) {
    return this.socket.write(frame(opcode, parts));
  }

  /** Begins the closing handshake. */
  close(code = 1000) {
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.socket.write(closeFrame(code));
  }

  reset() {
    this.socket.resetAndDestroy();
  }

  /** Anything that a server may not send, and anything that a handler finds wrong, ends the client. */
  #guarded(step) {
    try {
      step();
    } catch (error) {
      this.error ??= error;
      this.socket.destroy();
    }
  }

  #received(chunk) {
    if (this.status === 101) return this.#reader.push(chunk);
    if (this.status !== undefined) return undefined; // the body of a refusal
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf(HEAD_END);
    if (end < 0) return undefined;
    this.status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(this.#head.toString('latin1', 0, end))?.[1]);
    const rest = this.#head.subarray(end + HEAD_END.length);
    this.#head = undefined;
    this.#open(this.status);
    return this.status === 101 ? this.#reader.push(rest) : undefined;
  }

  #control(opcode, payload) {
    if (this.code !== undefined) throw new Error('a frame behind the Close (§5.5.1)');
    if (opcode === PING && this.#handlers.ping !== false) this.send(PONG, payload);
    if (opcode !== CLOSE) return;
    this.code = payload.length >= 2 ? payload.readUInt16BE() : 1005;
    // §5.5.1: a Close is answered with a Close, unless it is the answer.
    this.close(this.code === 1005 ? 1000 : this.code);
  }
}

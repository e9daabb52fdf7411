// The peer of the honest clients, as a process: a TCP server that compares what comes with what the client of that number
// sends, answers each request with as many bytes as it asks for, and counts.
//
//     hello    number of the client, pause in ms after each read         (two times 32 bits)
//     request  bytes of content that follow, bytes wanted as the answer  (two times 32 bits), the content
import { createServer } from 'node:net';
import { Comparison, DOWN, LONGEST, slice, UP } from './content.mjs';
import { answer } from './worker.mjs';

const PAIR = 8;

const ends = [];
/** Connections of whoever never reads: they are sent to without end, and nothing is compared. */
const FLOOD = 0xffff_ffff;

class PeerEnd {
  id;
  /** Bytes of the stream that have come, hello and heads of requests included; and bytes given to the socket. */
  got = 0;
  sent = 0;
  ended = false;
  error;
  /** Resolves when the socket is closed. */
  closed;
  #socket;
  #pair = Buffer.alloc(PAIR);
  #have = 0;
  #pause = 0;
  #content;
  /** Of the request under way. */
  #left = 0;
  #wanted = 0;

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#received(chunk));
    socket.on('end', () => {
      this.ended = true;
      socket.end();
    });
    socket.on('error', (error) => {
      this.error ??= error.message;
    });
    this.closed = new Promise((resolve) => socket.once('close', resolve));
  }

  #received(chunk) {
    this.got += chunk.length;
    try {
      this.#read(chunk);
    } catch (error) {
      this.error ??= error.message;
      this.#socket.destroy();
      return;
    }
    if (this.#pause === 0) return;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), this.#pause);
  }

  #read(chunk) {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const part = chunk.subarray(at, at + this.#left);
        this.#content.take(part);
        this.#left -= part.length;
        at += part.length;
        if (this.#left === 0) this.#answer();
      } else {
        this.#pair[this.#have] = chunk[at];
        this.#have += 1;
        at += 1;
        if (this.#have === PAIR) this.#pairRead(this.#pair.readUInt32BE(0), this.#pair.readUInt32BE(4));
      }
    }
  }

  #pairRead(first, second) {
    this.#have = 0;
    if (this.id === undefined) {
      this.id = first;
      this.#pause = second;
      this.#content = new Comparison(first, UP);
      if (first === FLOOD) this.#floodWithAnswers();
    } else {
      this.#left = first;
      this.#wanted = second;
      if (first === 0) this.#answer();
    }
  }

  #answer() {
    for (let left = this.#wanted; left > 0; ) {
      const part = slice(this.id, DOWN, this.sent, Math.min(left, LONGEST));
      this.#socket.write(part);
      this.sent += part.length;
      left -= part.length;
    }
  }

  #floodWithAnswers() {
    const more = () => {
      while (!this.#socket.destroyed && this.#socket.write(slice(0, DOWN, 0, LONGEST)));
    };
    this.#socket.on('drain', more);
    more();
  }
}

answer({
  listen: () =>
    new Promise((resolve) => {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
        ends.push(new PeerEnd(socket)),
      );
      server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => resolve(server.address().port));
    }),
  /** Of each honest client's connection: what has come and gone, when all of them are over. */
  async report() {
    await Promise.all(ends.map(({ closed }) => closed));
    return ends
      .filter(({ id }) => id !== FLOOD)
      .map(({ id, got, sent, ended, error }) => ({ id, got, sent, ended, error }));
  },
});

// Messages that an echoing peer sends back under each framing, so that all of their bytes come back.
import { slice, UP } from '../load/content.mjs';
import { BINARY, TEXT } from '../load/frames.mjs';

const RECORD = 16;

const lengthBefore = (bytes) => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const FRAMINGS = [
  { query: 'framing=auto', make: (text) => [TEXT, text] },
  { query: 'framing=binary', make: (_text, bytes) => [BINARY, bytes] },
  {
    query: 'framing=newline&framing-config=lf',
    make: (text) => [TEXT, Buffer.concat([text, Buffer.from('\n')])],
  },
  {
    query: 'framing=separator&framing-config=%3B',
    make: (text) => [TEXT, Buffer.concat([text, Buffer.from(';')])],
  },
  {
    query: `framing=fixedlength&framing-config=${RECORD}`,
    make: (_text, bytes) => [BINARY, bytes.subarray(0, bytes.length - (bytes.length % RECORD))],
  },
  { query: 'framing=dynamic32', make: (_text, bytes) => [BINARY, lengthBefore(bytes)] },
  { query: 'framing=json', make: (text) => [TEXT, Buffer.from(JSON.stringify({ text: text.toString() }))] },
];

/** Lengths at which headers, slabs or ways change. */
const LENGTHS = [1, 20, 100, 125, 126, 1000, 4000, 20_000, 65_535, 65_536, 100_000];

/** One of the framings, as the daemon is asked for it, and a maker of messages for it: `[opcode, payload]`. */
export function someFraming(random) {
  const { query, make } = random.pick(FRAMINGS);
  return {
    query,
    message(most = LENGTHS.at(-1)) {
      const length = random.pick(LENGTHS.filter((one) => one <= most)) + RECORD;
      const from = random.int(0, 1 << 20);
      return make(slice(0, UP, from, length, 'text'), slice(0, UP, from, length));
    },
  };
}

/** What is to come back: pieces in their order, however they are cut on their way. */
export class Expected {
  #pieces = [];
  /** Of the first piece, what has come of it. */
  #at = 0;
  #wake = () => {};

  add(bytes) {
    if (bytes.length > 0) this.#pieces.push(bytes);
  }

  get empty() {
    return this.#pieces.length === 0;
  }

  /** Throws at a byte that is another one. */
  take(bytes) {
    for (let at = 0; at < bytes.length; ) {
      const [piece] = this.#pieces;
      if (piece === undefined) throw new Error('more has come than was sent');
      const part = bytes.subarray(at, at + piece.length - this.#at);
      if (!part.equals(piece.subarray(this.#at, this.#at + part.length)))
        throw new Error('another byte has come');
      at += part.length;
      this.#at += part.length;
      if (this.#at === piece.length) {
        this.#pieces.shift();
        this.#at = 0;
      }
    }
    if (this.empty) this.#wake();
  }

  /** All of it has come. */
  whole() {
    return this.empty
      ? Promise.resolve()
      : new Promise((resolve) => {
          this.#wake = resolve;
        });
  }
}

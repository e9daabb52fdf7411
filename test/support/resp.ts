/**
 * A minimal Redis client: RESP2 commands out, replies in, over any channel of bytes.
 *
 * The decoder is incremental: it takes chunks cut anywhere and returns the replies that became complete. An error
 * reply is a value (`RespError`), a bulk string a Buffer, a null bulk string or array `null`. Bytes that are not
 * RESP2 throw. While a long value is incomplete nothing is scanned or copied again, so 64 MiB cost one copy.
 */

export class RespError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export type Reply = string | number | Buffer | null | RespError | Reply[];

/** One command as an array of bulk strings; strings are sent as UTF-8. */
export function encodeCommand(...args: readonly (string | number | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = typeof arg === 'object' ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(parts);
}

/** A complete value and where it ends, or how many bytes there must be before it is worth looking again. */
type Parsed = { readonly value: Reply; readonly end: number } | { readonly needed: number };

function parse(bytes: Buffer, start: number): Parsed {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd === -1) return { needed: bytes.length + 1 };
  const text = bytes.toString('utf8', start + 1, lineEnd);
  const type = String.fromCharCode(bytes[start] ?? 0);
  const afterLine = lineEnd + 2;
  if (type === '+') return { value: text, end: afterLine };
  if (type === '-') return { value: new RespError(text), end: afterLine };
  if (!/^-?\d+$/.test(text))
    throw new Error(`not a RESP2 reply: ${JSON.stringify(type + text.slice(0, 60))}`);
  const number = Number(text);
  if (type === ':') return { value: number, end: afterLine };
  if ((type === '$' || type === '*') && number === -1) return { value: null, end: afterLine };
  if (type === '$') {
    const end = afterLine + number + 2;
    if (bytes.length < end) return { needed: end };
    if (bytes.toString('latin1', end - 2, end) !== '\r\n')
      throw new Error('a bulk string does not end with CRLF');
    return { value: bytes.subarray(afterLine, end - 2), end };
  }
  if (type !== '*') throw new Error(`not a RESP2 type: ${JSON.stringify(type)}`);
  const items: Reply[] = [];
  let end = afterLine;
  while (items.length < number) {
    const item = parse(bytes, end);
    if ('needed' in item) return item;
    items.push(item.value);
    end = item.end;
  }
  return { value: items, end };
}

export class RespDecoder {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #needed = 1;

  /** Bytes that belong to no complete reply yet. */
  get pending(): number {
    return this.#size;
  }

  push(chunk: Uint8Array): Reply[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return [];
    const bytes = Buffer.concat(this.#chunks);
    const replies: Reply[] = [];
    let start = 0;
    this.#needed = 1;
    while (start < bytes.length) {
      const parsed = parse(bytes, start);
      if ('needed' in parsed) {
        this.#needed = parsed.needed - start;
        break;
      }
      replies.push(parsed.value);
      start = parsed.end;
    }
    this.#chunks = [bytes.subarray(start)];
    this.#size = bytes.length - start;
    return replies;
  }
}

/** What carries the bytes: a TCP socket, or a WebSocket through the bridge. `read` gives null at the end. */
export interface RespChannel {
  write(bytes: Buffer): void;
  read(): Promise<Uint8Array | null>;
}

export class RespClient {
  readonly #channel: RespChannel;
  readonly #decoder = new RespDecoder();
  #replies: Reply[] = [];

  constructor(channel: RespChannel) {
    this.#channel = channel;
  }

  send(bytes: Buffer): void {
    this.#channel.write(bytes);
  }

  /** The next reply, or the next push to a subscriber. */
  async reply(): Promise<Reply> {
    while (this.#replies.length === 0) {
      const chunk = await this.#channel.read();
      if (chunk === null)
        throw new Error(`the connection ended before the reply, ${this.#decoder.pending} bytes into it`);
      this.#replies = this.#decoder.push(chunk);
    }
    return this.#replies.shift() as Reply;
  }

  async replies(count: number): Promise<Reply[]> {
    const found: Reply[] = [];
    while (found.length < count) found.push(await this.reply());
    return found;
  }

  /** Sends one command and takes one reply; an error reply is thrown. */
  async command(...args: readonly (string | number | Uint8Array)[]): Promise<Reply> {
    this.send(encodeCommand(...args));
    const reply = await this.reply();
    if (reply instanceof RespError) throw new Error(`Redis answered ${args[0]} with: ${reply.message}`);
    return reply;
  }
}

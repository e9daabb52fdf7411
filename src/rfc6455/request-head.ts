/**
 * Parses the head of an HTTP/1.1 request (RFC 9112 §2–§5) as its bytes arrive.
 *
 * One state machine looks at each byte once, whatever the cuts of the reads, and fails at the first byte that no
 * request can have: what is not HTTP at all is told so at once. It is strict where leniency has made request smuggling
 * possible: bare CR and LF, NUL, folded lines, space before the colon. Most bytes lie inside of a token or a value and
 * change no state; a tight loop passes over them.
 *
 * It does not judge what the request asks for; that is handshake.ts.
 */
import { Fault } from '../errors.ts';
import { COLON, CR, isOws, isTokenByte, isValueByte, LF, SP } from './http-syntax.ts';

export interface RequestHead {
  readonly method: string;
  /** The request target as it was sent. */
  readonly target: string;
  /** For example `HTTP/1.1`. */
  readonly version: string;
  /** By lower-case name; values without surrounding white space, as Latin-1; those of repeated names joined. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface HeadLimits {
  readonly headBytes: number;
  readonly headFields: number;
}

type State =
  | 'start'
  | 'empty-line'
  | 'method'
  | 'target'
  | 'version'
  | 'line-end'
  | 'field'
  | 'name'
  | 'value-start'
  | 'value'
  | 'head-end'
  | 'done';

/** RFC 6455 §11.3 and RFC 9112 §3.2: of these a second one makes the request ambiguous. */
const SINGLE = new Set(['host', 'sec-websocket-key', 'sec-websocket-version', 'origin', 'content-length']);

const NO_BYTES = Buffer.alloc(0);

export class RequestHeadParser {
  readonly #limits: HeadLimits;
  #state: State = 'start';
  /** All bytes of the head so far: the first chunk itself while that is enough, then a buffer of our own. */
  #bytes: Buffer = NO_BYTES;
  #length = 0;
  #owned = false;
  #at = 0;
  /** Where the token or value under way began. */
  #tokenStart = 0;
  #name = '';
  #method = '';
  #target = '';
  #version = '';
  #fields = 0;
  readonly #headers = new Map<string, string>();

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /**
   * Takes the next chunk.
   *
   * @returns how many bytes of it belonged to the head, if that is now complete (see `head`); -1: more is needed
   * @throws Fault `head-malformed`, `head-too-large` or `header-repeated`
   */
  push(chunk: Uint8Array): number {
    const before = this.#length;
    this.#append(chunk);
    const end = Math.min(this.#length, this.#limits.headBytes);
    for (;;) {
      this.#passRun(end);
      if (this.#at >= end) break;
      this.#take(this.#bytes[this.#at]!);
      this.#at += 1;
      if (this.#state === 'done') return this.#at - before;
    }
    if (this.#length >= this.#limits.headBytes) {
      throw new Fault('head-too-large', { maximum: this.#limits.headBytes });
    }
    return -1;
  }

  /** Bytes of memory that the head takes so far. */
  get held(): number {
    return this.#owned ? this.#bytes.length : this.#length;
  }

  /** The parsed head, once `push` has said that it is complete. */
  get head(): RequestHead {
    return { method: this.#method, target: this.#target, version: this.#version, headers: this.#headers };
  }

  /** The method, as soon as it is known: an answer to HEAD has no body, whatever else is wrong with the request. */
  get method(): string {
    return this.#method;
  }

  #append(chunk: Uint8Array): void {
    const length = this.#length + chunk.length;
    if (this.#length === 0) {
      this.#bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    } else {
      if (!this.#owned || length > this.#bytes.length) {
        // Twice the length: a head that comes byte by byte is copied a few times, not once per byte.
        const grown = Buffer.allocUnsafe(Math.max(1024, 2 * length));
        grown.set(this.#bytes.subarray(0, this.#length));
        this.#bytes = grown;
        this.#owned = true;
      }
      this.#bytes.set(chunk, this.#length);
    }
    this.#length = length;
  }

  /** Passes over what lies inside of a token or a value, up to the byte that ends it, which `#take` then judges. */
  #passRun(end: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    switch (this.#state) {
      case 'method':
      case 'name':
        while (at < end && isTokenByte(bytes[at]!)) at += 1;
        break;
      case 'target':
      case 'version':
        while (at < end && isVisible(bytes[at]!)) at += 1;
        break;
      case 'value-start':
        while (at < end && isOws(bytes[at]!)) at += 1;
        if (at === end) break;
        this.#begin('value', at);
        while (at < end && isValueByte(bytes[at]!)) at += 1;
        break;
      case 'value':
        while (at < end && isValueByte(bytes[at]!)) at += 1;
        break;
    }
    this.#at = at;
  }

  #take(byte: number): void {
    switch (this.#state) {
      case 'start':
        // RFC 9112 §2.2: an empty line before the request line is ignored. One is enough.
        if (byte === CR) {
          this.#state = 'empty-line';
          return;
        }
        if (isTokenByte(byte)) {
          this.#begin('method', this.#at);
          return;
        }
        break;
      case 'empty-line':
        if (byte === LF) {
          this.#state = 'method';
          this.#tokenStart = this.#at + 1;
          return;
        }
        break;
      case 'method':
        if (byte === SP && this.#at > this.#tokenStart) {
          this.#method = this.#token();
          this.#begin('target');
          return;
        }
        break;
      case 'target':
        if (byte === SP && this.#at > this.#tokenStart) {
          this.#target = this.#token();
          this.#begin('version');
          return;
        }
        break;
      case 'version':
        if (byte === CR) {
          this.#version = this.#token();
          this.#state = 'line-end';
          return;
        }
        break;
      case 'line-end':
        if (byte === LF) {
          this.#state = 'field';
          return;
        }
        break;
      case 'field':
        if (byte === CR) {
          this.#state = 'head-end';
          return;
        }
        if (isTokenByte(byte)) {
          this.#fields += 1;
          if (this.#fields > this.#limits.headFields) {
            throw new Fault('head-too-large', { fields: this.#fields, maximum: this.#limits.headFields });
          }
          this.#state = 'name';
          this.#tokenStart = this.#at;
          return;
        }
        // White space here would be obs-fold (RFC 9112 §5.2).
        break;
      case 'name':
        if (byte === COLON) {
          this.#name = this.#token().toLowerCase();
          this.#state = 'value-start';
          return;
        }
        // White space before the colon (RFC 9112 §5.1) ends here too.
        break;
      case 'value':
        if (byte === CR) {
          this.#addField();
          this.#state = 'line-end';
          return;
        }
        break;
      case 'head-end':
        if (byte === LF) {
          this.#state = 'done';
          return;
        }
        break;
    }
    throw new Fault('head-malformed', { at: this.#at, byte: `0x${byte.toString(16)}`, in: this.#state });
  }

  #addField(): void {
    const name = this.#name;
    const value = this.#value();
    const earlier = this.#headers.get(name);
    if (earlier === undefined) {
      this.#headers.set(name, value);
    } else if (SINGLE.has(name)) {
      throw new Fault('header-repeated', { header: name });
    } else {
      // RFC 9110 §5.3: joined by a comma; RFC 6265 §4.2.1: cookies are separated by semicolons.
      this.#headers.set(name, `${earlier}${name === 'cookie' ? '; ' : ', '}${value}`);
    }
  }

  #begin(state: State, start = this.#at + 1): void {
    this.#state = state;
    this.#tokenStart = start;
  }

  #token(): string {
    return this.#bytes.toString('latin1', this.#tokenStart, this.#at);
  }

  /** Without the white space behind it. */
  #value(): string {
    let end = this.#at;
    while (end > this.#tokenStart && isOws(this.#bytes[end - 1]!)) end -= 1;
    return this.#bytes.toString('latin1', this.#tokenStart, end);
  }
}

function isVisible(byte: number): boolean {
  return byte > SP && byte < 0x7f;
}

/**
 * A WebSocket client that knows no better than its test: it sends the bytes it is given, and reads the server's
 * answers by the letter of RFC 6455 and RFC 9110. It shares no code with the daemon.
 *
 * What a server may never send (a mask, an RSV bit, a length that is not minimal, anything behind a Close) fails the
 * test that reads it, whatever that test is about.
 */
import { expect } from 'vitest';
import { type ByteStream, connectTo, DEADLINE, hex, show } from './byte-stream.ts';
import {
  compress,
  compressing,
  compressionAgreed,
  compressionOffer,
  decompress,
} from './compression-agreed.ts';

export { hex } from './byte-stream.ts';

/** The nonce of RFC 6455 §1.3 and the answer it must get. */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const SAMPLE_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** The masking key of the examples in §5.7. */
export const SAMPLE_MASK = hex('37fa213d');

export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

export interface Frame {
  readonly fin: boolean;
  /** RFC 7692 §6: the "Per-Message Compressed" bit. */
  readonly rsv1: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

export interface Response {
  readonly status: number;
  /** By lower-case name; repeated fields in their order. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

export interface ClientFrameOptions {
  readonly fin?: boolean;
  readonly mask?: Uint8Array;
  /** How many payload bytes the header announces; more than there are leaves the frame unfinished. */
  readonly announce?: number;
}

/** A masked frame with a minimal length, as a well-behaved client sends it (§5.2). */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string,
  { fin = true, mask = SAMPLE_MASK, announce }: ClientFrameOptions = {},
): Buffer {
  const isMessage = fin && (opcode === TEXT || opcode === BINARY) && announce === undefined;
  const compressed = compressing() && isMessage && payload.length > 0;
  const plain = Buffer.from(payload as Uint8Array);
  const data = compressed ? compress(plain) : plain;
  const length = announce ?? data.length;
  const extended = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const header = Buffer.alloc(2 + extended + 4);
  header[0] = (fin ? 0x80 : 0) | (compressed ? 0x40 : 0) | opcode;
  header[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) header.writeUInt16BE(length, 2);
  if (extended === 8) header.writeBigUInt64BE(BigInt(length), 2);
  header.set(mask, 2 + extended);
  for (let i = 0; i < data.length; i++) data[i]! ^= mask[i & 3]!;
  return Buffer.concat([header, data]);
}

/** A masked Close frame (§5.5.1). */
export function clientClose(code?: number, reason: Uint8Array | string = ''): Buffer {
  if (code === undefined) return clientFrame(CLOSE, '');
  const payload = Buffer.from([code >> 8, code & 0xff]);
  return clientFrame(CLOSE, Buffer.concat([payload, Buffer.from(reason as Uint8Array)]));
}

export interface RequestOptions {
  readonly requestLine?: string;
  /** Replaces fields of the sample request by name; null removes one. */
  readonly replace?: Readonly<Record<string, string | null>>;
  /** Lines put behind the sample request's, without CRLF. */
  readonly add?: readonly string[];
}

/** The opening handshake of §1.2, without the fields that are optional. */
export function request({
  requestLine = 'GET /chat HTTP/1.1',
  replace = {},
  add = [],
}: RequestOptions = {}): Buffer {
  const fields: Record<string, string | null> = {
    Host: 'server.example.com',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    'Sec-WebSocket-Version': '13',
    ...replace,
  };
  const lines = [requestLine];
  for (const [name, value] of Object.entries(fields)) if (value !== null) lines.push(`${name}: ${value}`);
  return Buffer.from(`${[...lines, ...add].join('\r\n')}\r\n\r\n`, 'latin1');
}

export class RawClient {
  readonly stream: ByteStream;
  #closeRead = false;

  constructor(stream: ByteStream) {
    this.stream = stream;
  }

  static async connect(address: { host: string; port: number }): Promise<RawClient> {
    return new RawClient(await connectTo(address));
  }

  /** Connects and completes the opening handshake. */
  static async open(
    address: { host: string; port: number },
    head: Buffer = request({ add: compressionOffer() }),
  ): Promise<RawClient> {
    const client = await RawClient.connect(address);
    client.send(head);
    if (compressionAgreed()) await client.readAccepted();
    else await client.expectAccepted();
    return client;
  }

  /** All of it in one write. */
  send(...parts: readonly (Uint8Array | string)[]): void {
    this.stream.write(Buffer.concat(parts.map((part) => (typeof part === 'string' ? hex(part) : part))));
  }

  async sendPieces(pieces: Iterable<Uint8Array>): Promise<void> {
    await this.stream.writePieces(pieces);
  }

  /** Reads one HTTP response; the body as long as Content-Length says, none for 101 and for HEAD. */
  async readResponse(method = 'GET'): Promise<Response> {
    const head = (await this.stream.takeThrough('\r\n\r\n', 'an HTTP response')).toString('latin1');
    const lines = head.slice(0, -4).split('\r\n');
    const statusLine = /^HTTP\/1\.1 ([1-5]\d\d) [\t\x20-\x7e]*$/.exec(lines[0] ?? '');
    if (!statusLine) throw new Error(`not a status line (RFC 9112 §4): ${JSON.stringify(lines[0])}`);
    const fields = new Map<string, string[]>();
    for (const line of lines.slice(1)) {
      const field =
        /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?[ \t]*$/.exec(
          line,
        );
      if (!field) throw new Error(`not a header field (RFC 9112 §5): ${JSON.stringify(line)}`);
      const name = field[1]!.toLowerCase();
      fields.set(name, [...(fields.get(name) ?? []), field[2] ?? '']);
    }
    const status = Number(statusLine[1]);
    const length = fields.get('content-length')?.[0] ?? '0';
    if (!/^\d+$/.test(length)) throw new Error(`not a Content-Length: ${length}`);
    const hasBody = status >= 200 && method !== 'HEAD';
    const body = hasBody ? await this.stream.take(Number(length), 'the response body') : Buffer.alloc(0);
    return { status, fields, body: body.toString('utf8') };
  }

  /** Reads a 101 and holds it to §4.2.2. */
  async expectAccepted(accept = SAMPLE_ACCEPT): Promise<Response> {
    const response = await this.readAccepted(accept);
    // Nothing was offered, or nothing that is to be taken.
    expect(response.fields.has('sec-websocket-extensions')).toBe(false);
    return response;
  }

  /** The same where an extension may be answered. */
  async readAccepted(accept = SAMPLE_ACCEPT): Promise<Response> {
    const response = await this.readResponse();
    expect(response.status, `body: ${response.body}`).toBe(101);
    expect(response.fields.get('upgrade')?.map((value) => value.toLowerCase())).toEqual(['websocket']);
    expect(response.fields.get('connection')?.map((value) => value.toLowerCase())).toEqual(['upgrade']);
    expect(response.fields.get('sec-websocket-accept')).toEqual([accept]);
    // A 101 has no body (RFC 9110 §15.2).
    expect(response.fields.has('content-length')).toBe(false);
    expect(response.fields.has('transfer-encoding')).toBe(false);
    expect(response.fields.get('sec-websocket-protocol')?.length ?? 0).toBeLessThanOrEqual(1);
    return response;
  }

  /** Reads a complete error response, and then the server's orderly end of the connection. */
  async expectRefused(status: number, method = 'GET'): Promise<Response> {
    const response = await this.readResponse(method);
    expect(response.status, `body: ${response.body}`).toBe(status);
    const only = (name: string): string => {
      const values = response.fields.get(name) ?? [];
      expect(values, `exactly one ${name} field`).toHaveLength(1);
      return values[0]!;
    };
    // RFC 9110 §5.6.7
    expect(only('date')).toMatch(
      /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/,
    );
    expect(only('content-type')).toMatch(/^text\/plain\b/);
    expect(only('connection').toLowerCase()).toBe(status === 426 ? 'upgrade, close' : 'close');
    expect(response.fields.has('transfer-encoding')).toBe(false);
    const length = Number(only('content-length'));
    if (method !== 'HEAD') expect(length).toBeGreaterThan(0);
    if (status === 405) expect(only('allow')).toBe('GET');
    if (status === 426) {
      expect(only('sec-websocket-version')).toBe('13');
      expect(only('upgrade').toLowerCase()).toBe('websocket');
    }
    await this.stream.expectEnd();
    return response;
  }

  /** Reads one frame, and fails if it is not what a server may send (§5.1, §5.2, §5.5). */
  async readFrame(deadline = DEADLINE): Promise<Frame> {
    if (this.#closeRead) throw new Error('a Close has been read: no frame may follow (§5.5.1)');
    const start = await this.stream.take(2, 'a frame', deadline);
    const [first, second] = [start[0]!, start[1]!];
    const opcode = first & 0x0f;
    const fin = (first & 0x80) !== 0;
    const broken = (rule: string): Error => new Error(`${rule}: frame starts with ${show(start)}`);
    if ((first & 0x70 & ~this.rsvAllowed(opcode)) !== 0) throw broken('RSV bits without an extension (§5.2)');
    if ((second & 0x80) !== 0) throw broken('a server must not mask (§5.1)');
    if (![0, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode)) throw broken('a reserved opcode (§5.2)');
    let length = second & 0x7f;
    if (opcode >= 8 && (length > 125 || !fin)) throw broken('a control frame long or fragmented (§5.5)');
    if (length === 126) {
      length = (await this.stream.take(2, 'a 16-bit length')).readUInt16BE();
      if (length < 126) throw broken(`a 16-bit length of ${length} is not minimal (§5.2)`);
    } else if (length === 127) {
      const wide = (await this.stream.take(8, 'a 64-bit length')).readBigUInt64BE();
      if (wide < 0x10000n) throw broken(`a 64-bit length of ${wide} is not minimal (§5.2)`);
      if (wide > BigInt(Number.MAX_SAFE_INTEGER)) throw broken(`a frame of ${wide} bytes`);
      length = Number(wide);
    }
    const payload = await this.stream.take(length, `a payload of ${length} bytes`, deadline);
    if (opcode === CLOSE) this.#closeRead = true;
    const rsv1 = (first & 0x40) !== 0;
    return { fin, rsv1, opcode, payload: compressing() && rsv1 ? decompress(payload) : payload };
  }

  /** The RSV bits that an extension allows in the first byte of a frame with this opcode. */
  protected rsvAllowed(opcode: number): number {
    return compressing() && (opcode === TEXT || opcode === BINARY) ? 0x40 : 0;
  }

  /** Reads a message that must be one unfragmented frame of this type with this payload. */
  async expectMessage(opcode: number, payload: Uint8Array | string): Promise<void> {
    const frame = await this.readFrame();
    const expected = Buffer.from(payload as Uint8Array);
    const what = `frame ${frame.opcode.toString(16)} fin=${frame.fin} with ${show(frame.payload)}`;
    expect({ opcode: frame.opcode, fin: frame.fin, length: frame.payload.length }, what).toEqual({
      opcode,
      fin: true,
      length: expected.length,
    });
    expect(frame.payload.equals(expected), `${what}, expected ${show(expected)}`).toBe(true);
  }

  async expectPong(payload: Uint8Array | string): Promise<void> {
    await this.expectMessage(PONG, payload);
  }

  /** A ping of ours and its pong: everything before it has been taken without complaint. */
  async expectOpen(): Promise<void> {
    this.send('89 84 00000000 616c6f76');
    await this.expectPong('alov');
  }

  /** Reads a Close frame and holds its payload to §5.5.1 and §7.4. */
  async readClose(): Promise<{ code: number | undefined; reason: string }> {
    const { opcode, payload } = await this.readFrame();
    expect(opcode, `expected a Close, got opcode ${opcode} with ${show(payload)}`).toBe(CLOSE);
    if (payload.length === 0) return { code: undefined, reason: '' };
    expect(payload.length, 'a Close payload of one byte').toBeGreaterThan(1);
    const reason = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload.subarray(2));
    return { code: payload.readUInt16BE(), reason };
  }

  /** The server's FIN, and then ours, as a client's TCP answers it when its program is done. */
  async expectEndAndLeave(): Promise<void> {
    await this.stream.expectEnd();
    this.stream.end();
  }

  /** The server's answer to our Close, then its FIN before ours (§7.1.1). */
  async expectCloseEcho(code: number | undefined): Promise<void> {
    expect((await this.readClose()).code).toBe(code);
    await this.stream.expectEnd();
  }

  /** A Close that the server begins; we answer it, and it ends the connection. */
  async expectClosedByServer(code: number): Promise<void> {
    expect((await this.readClose()).code).toBe(code);
    this.send(clientClose(code));
    await this.stream.expectEnd();
  }

  /**
   * The server fails the connection (§7.1.7): one Close with this code, nothing behind it, and the end of the
   * connection without any help from us.
   */
  async expectFailed(code: number): Promise<void> {
    expect((await this.readClose()).code).toBe(code);
    await this.stream.expectEnd();
  }
}

/**
 * A RawClient that offers permessage-deflate and reads what comes of it by the letter of RFC 7692: the answer, RSV1,
 * and the payloads, inflated with no more than the window that was agreed.
 */
import { expect } from 'vitest';
import { connectTo, show } from './byte-stream.ts';
import { Inflater } from './deflate.ts';
import {
  BINARY,
  CLOSE,
  type ClientFrameOptions,
  clientFrame,
  type Frame,
  PONG,
  RawClient,
  request,
  TEXT,
} from './raw-client.ts';

/** The parameters of a response (§7.1). */
export interface Agreement {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number | undefined;
  readonly clientMaxWindowBits: number | undefined;
}

export interface Message {
  readonly opcode: number;
  readonly compressed: boolean;
  /** As it came, all fragments side by side. */
  readonly payload: Buffer;
  /** Inflated, if it was compressed. */
  readonly data: Buffer;
}

/** A masked first frame with RSV1 set (§6.1). */
export function compressedFrame(
  opcode: number,
  payload: Uint8Array | string,
  options: ClientFrameOptions = {},
): Buffer {
  const frame = clientFrame(opcode, payload, options);
  frame[0]! |= 0x40;
  return frame;
}

/** One message in a frame for each piece, the first of them compressed (§6.1). */
export function compressedFragments(opcode: number, pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    pieces.map((piece, i) => {
      const fin = i === pieces.length - 1;
      return i === 0 ? compressedFrame(opcode, piece, { fin }) : clientFrame(0, piece, { fin });
    }),
  );
}

/** Reads the one element that a response may have, and holds it to §7.1 and its grammar. */
export function readAgreement(values: readonly string[]): Agreement {
  expect(values, 'one field (RFC 6455 §11.3.2)').toHaveLength(1);
  const [name, ...parameters] = values[0]!.split(/[ \t]*;[ \t]*/);
  expect(name, 'the extension that was offered, once').toBe('permessage-deflate');
  const found = new Map<string, string | undefined>();
  for (const parameter of parameters) {
    const [, key, value] =
      /^([a-z_]+)(?:=(?:"(\d+)"|(\d+)))?$/.exec(parameter)?.filter((x) => x !== undefined) ?? [];
    if (key === undefined) throw new Error(`not a parameter: ${values[0]}`);
    if (found.has(key)) throw new Error(`twice the same parameter: ${values[0]}`);
    found.set(key, value);
  }
  const flag = (key: string): boolean => {
    if (found.get(key) !== undefined) throw new Error(`${key} has no value (§7.1.1): ${values[0]}`);
    return found.delete(key);
  };
  const bits = (key: string): number | undefined => {
    const value = found.get(key);
    // §7.1.2: in a response both have a value, without leading zeros.
    if (found.delete(key) && !/^([89]|1[0-5])$/.test(value ?? ''))
      throw new Error(`${key} is not 8 to 15: ${values[0]}`);
    return value === undefined ? undefined : Number(value);
  };
  const agreement: Agreement = {
    serverNoContextTakeover: flag('server_no_context_takeover'),
    clientNoContextTakeover: flag('client_no_context_takeover'),
    serverMaxWindowBits: bits('server_max_window_bits'),
    clientMaxWindowBits: bits('client_max_window_bits'),
  };
  expect([...found.keys()], 'parameters that are not defined (§7.1)').toEqual([]);
  return agreement;
}

export class DeflateClient extends RawClient {
  #agreement: Agreement | undefined;
  #inflater: Inflater | undefined;
  /** Payloads of the pongs that came between messages. */
  readonly pongs: Buffer[] = [];

  /** Connects, and completes the opening handshake with these fields of Sec-WebSocket-Extensions. */
  static async offer(address: { host: string; port: number }, ...fields: string[]): Promise<DeflateClient> {
    const client = new DeflateClient(await connectTo(address));
    client.send(request({ add: fields.map((field) => `Sec-WebSocket-Extensions: ${field}`) }));
    const response = await client.readAccepted();
    const answer = response.fields.get('sec-websocket-extensions');
    if (answer !== undefined) {
      client.#agreement = readAgreement(answer);
      const { serverMaxWindowBits, serverNoContextTakeover } = client.#agreement;
      client.#inflater = new Inflater(serverMaxWindowBits ?? 15, !serverNoContextTakeover);
    }
    return client;
  }

  /** The same, for tests that are about nothing unless the offer is taken. */
  static async agree(
    address: { host: string; port: number },
    field = 'permessage-deflate',
  ): Promise<DeflateClient> {
    const client = await DeflateClient.offer(address, field);
    expect(client.agreement, `an answer to ${field}`).toBeDefined();
    return client;
  }

  /** What the server has answered; undefined: nothing. */
  get agreement(): Agreement | undefined {
    return this.#agreement;
  }

  protected override rsvAllowed(opcode: number): number {
    // §6: never in control frames, nor in fragments but the first.
    return this.#agreement !== undefined && (opcode === TEXT || opcode === BINARY) ? 0x40 : 0;
  }

  /** Reads one message with all its fragments. Pongs between them are put aside. */
  async readMessage(): Promise<Message> {
    const message = await this.readMessageOrClose();
    if (message.opcode === CLOSE) throw new Error(`expected a message, got a Close: ${show(message.data)}`);
    return message;
  }

  /** The same where a Close may come, with its payload as data. */
  async readMessageOrClose(): Promise<Message> {
    const { opcode, fin, rsv1, payload } = await this.#readNonPong();
    if (opcode === CLOSE) return { opcode, compressed: false, payload, data: payload };
    const what = `frame ${opcode.toString(16)} with ${show(payload)}`;
    expect([TEXT, BINARY], `expected the start of a message, got ${what}`).toContain(opcode);
    const parts = [payload];
    for (let last = fin; !last; ) {
      const next = await this.#readNonPong();
      expect(next.opcode, `a continuation: ${show(next.payload)}`).toBe(0);
      parts.push(next.payload);
      last = next.fin;
    }
    const whole = Buffer.concat(parts);
    return { opcode, compressed: rsv1, payload: whole, data: rsv1 ? this.#inflater!.message(whole) : whole };
  }

  /** Reads a message that must have this type and this content, compressed or not. */
  async expectData(opcode: number, data: Uint8Array | string): Promise<Message> {
    const message = await this.readMessage();
    const expected = Buffer.from(data as Uint8Array);
    const what = `opcode ${message.opcode}, ${show(message.data)}; expected ${show(expected)}`;
    expect(message.opcode, what).toBe(opcode);
    expect(message.data.equals(expected), what).toBe(true);
    return message;
  }

  /** Reads on until so many pongs have come, where no message may. */
  async readPongs(count: number): Promise<void> {
    while (this.pongs.length < count) {
      const { opcode, payload } = await this.readFrame();
      expect(opcode, `expected a pong, got opcode ${opcode} with ${show(payload)}`).toBe(PONG);
      this.pongs.push(payload);
    }
  }

  async #readNonPong(): Promise<Frame> {
    for (;;) {
      const frame = await this.readFrame();
      if (frame.opcode !== PONG) return frame;
      this.pongs.push(frame.payload);
    }
  }
}

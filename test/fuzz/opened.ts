/** A Connection that has been opened and is given bytes as a socket would give them; what comes out of it is written down. */

import { Connection } from '../../src/rfc6455/connection.ts';
import type {
  AcceptOptions,
  ConnectionHandler,
  Ending,
  FastPath,
} from '../../src/rfc6455/connection-handler.ts';
import { latin1 } from '../support/bytes.ts';

export const LIMITS = { headBytes: 1_200, headFields: 20, earlyBytes: 300 };

export const REQUEST = latin1(
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
);

/** Takes everything at once. */
export class Taker implements ConnectionHandler {
  readonly connection: Connection;
  readonly #accept: AcceptOptions;
  readonly messages: { readonly opcode: number; readonly payload: Buffer }[] = [];
  readonly written: Buffer[] = [];
  ending: Ending | undefined;

  constructor(accept: AcceptOptions, fast: FastPath | undefined) {
    this.#accept = accept;
    this.connection = new Connection(this, LIMITS, fast);
  }

  onRequest(): void {
    this.connection.accept(this.#accept);
  }

  write(bytes: Uint8Array, more: Uint8Array = new Uint8Array(0)): boolean {
    this.written.push(Buffer.concat([bytes, more]));
    return true;
  }

  onPayload(payload: Uint8Array, opcode: number): boolean {
    this.messages.push({ opcode, payload: Buffer.from(payload) });
    return true;
  }

  onYield(): void {}
  onReceivable(): void {}
  onSendable(): void {}

  onClosed(ending: Ending): void {
    this.ending = ending;
  }
}

/** Gives a connection what a socket has read; into the read slab, where there is one. */
export function give(connection: Connection, bytes: Uint8Array, fast: FastPath | undefined): void {
  const slab = fast?.slabs.readSlab;
  const most = slab?.length ?? bytes.length;
  for (let at = 0; at < bytes.length; at += most) {
    const piece = bytes.slice(at, at + most);
    if (slab === undefined) {
      connection.receive(piece);
      continue;
    }
    slab.set(piece);
    connection.receive(slab.subarray(0, piece.length));
    slab.fill(0xee, 0, piece.length);
  }
}

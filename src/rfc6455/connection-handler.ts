/** The contract between a connection and whoever uses it: what it tells, and what it is told when it is accepted. */
import type { Fault } from '../errors.ts';
import type { SlabPool } from '../slab-pool.ts';
import type { CloseStatus } from './close-codes.ts';
import type { OpeningRequest } from './handshake.ts';
import type { Kernel } from './kernel.ts';
import type { DataOpcode } from './opcodes.ts';
import type { Compression } from './permessage-deflate.ts';

/** Why a connection is over. */
export type Ending =
  /** The client sent a Close first, and it was echoed. */
  | { readonly by: 'client'; readonly status: CloseStatus }
  /** We sent a Close, and the client answered it. */
  | { readonly by: 'server'; readonly status: CloseStatus }
  /** The request was refused from outside, by `reject`. */
  | { readonly by: 'rejection' }
  /** The client broke a rule, or something unforeseen happened. */
  | { readonly by: 'fault'; readonly fault: Fault }
  /** The client's bytes ended without a Close. */
  | { readonly by: 'eof' };

export interface ConnectionHandler {
  /** Bytes for the client, to go out as one write: `bytes`, then `more`. False: enough, until `drained`. */
  write(bytes: Uint8Array, more?: Uint8Array): boolean;
  /** The handshake is in order. Answer by `accept` or `reject`, now or later. */
  onRequest(request: OpeningRequest): void;
  /**
   * Payload for the peer. To a stream peer any piece of the stream, and `opcode` is BINARY; else a whole message.
   * It may lie in a slab: whoever keeps it longer than this call copies or pins it (slab-pool.ts). False: enough, until
   * `resume`.
   */
  onPayload(payload: Uint8Array, opcode: DataOpcode): boolean;
  /** There is more to do than others should wait for: call `beginTurn` in the next turn of the event loop. */
  onYield(): void;
  /** Bytes from the client are taken again, after `receive` returned false. */
  onReceivable(): void;
  /** Messages are taken again, after `send` returned false. */
  onSendable(): void;
  /** Nothing will be written any more: end the TCP connection (§7.1.1: the server does so first). Comes once. */
  onClosed(ending: Ending): void;
}

/** What the fast way in and out takes; fast-path.ts makes it. */
export interface FastPath {
  readonly kernel: Kernel;
  readonly slabs: SlabPool;
}

export interface AcceptOptions {
  /** One of those that the client offered. */
  readonly subprotocol?: string | undefined;
  /** Whether the peer takes a stream of bytes or whole messages. */
  readonly peer: 'stream' | 'message';
  /** Largest message that is collected for a message peer, in bytes. */
  readonly messageBytes: number;
  /** Control frames and empty fragments that may come between two calls of `refill`. @default no limit */
  readonly controlRate?: number | undefined;
  /** Compresses, if the client offers what we can do. */
  readonly compression?: Compression | undefined;
}

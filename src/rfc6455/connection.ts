/**
 * One WebSocket, seen from the server: ties head, handshake, frames, payload and close together (RFC 6455).
 *
 * Bytes go in by `receive`, everything else comes out through the handler: bytes for the client, the request, payload.
 * It touches no socket and no timer, and nothing that a client sends makes it throw: a broken rule becomes an HTTP
 * answer or a Close frame here, and nowhere else.
 *
 *     head ──→ deciding ──→ open ──→ closing ──→ closed
 *
 * - `head`: the request is being read. `deciding`: it is complete and in order, and whoever uses this object looks for
 *   a peer; frames that come already are kept. `open`: 101 has been sent.
 * - `closing`: we have sent a Close. Of what the client sends only its Close matters; or, if we close although the peer
 *   is well, what it has sent before that is still handed on (§5.5.1: it may finish what it has begun).
 * - `closed`: nothing is sent any more, nothing that comes is obeyed. Every state can lead here at once.
 *
 * What becomes of payload on its way to the peer is inbound.ts's business, what of everything for the client outbound.ts's.
 * Where either has to wait, for its taker or for zlib, the frames behind it wait too.
 */
import { asFault, type Fault } from '../errors.ts';
import type { MemoryAccount } from '../memory-budget.ts';
import type { Slab } from '../slab-pool.ts';
import { ABNORMAL, type CloseStatus, decodeClose, encodeClose } from './close-codes.ts';
import type { AcceptOptions, ConnectionHandler, Ending, FastPath } from './connection-handler.ts';
import { FrameDecoder, type FrameSink } from './frame-decoder.ts';
import { acceptResponse, type HeaderList } from './handshake.ts';
import { Inbound, type InboundHandler } from './inbound.ts';
import { CLOSE, type ControlOpcode, type DataOpcode, PING } from './opcodes.ts';
import { Opening, type OpeningLimits } from './opening.ts';
import { Outbound, type OutboundHandler } from './outbound.ts';
import type { ConnectionCompression } from './permessage-deflate.ts';

export type ConnectionState = 'head' | 'deciding' | 'open' | 'closing' | 'closed';

/** The only changes of state there are. */
const NEXT: Readonly<Record<ConnectionState, readonly ConnectionState[]>> = {
  head: ['deciding', 'closed'],
  deciding: ['open', 'closed'],
  open: ['closing', 'closed'],
  closing: ['closed'],
  closed: [],
};

/** Close codes of faults that are the client's: §7.4.1, and 1008 for what we do not put up with. */
const RULE_BROKEN: readonly number[] = [1002, 1007, 1008, 1009];

export class Connection implements FrameSink, InboundHandler, OutboundHandler {
  readonly #handler: ConnectionHandler;
  readonly #fast: FastPath | undefined;
  readonly #memory: MemoryAccount | undefined;
  #state: ConnectionState = 'head';

  /** Until it is answered. */
  #opening: Opening | undefined;
  readonly #decoder = new FrameDecoder(this);
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  /** In `closing`: payload is still handed on. */
  #delivering = false;
  #compression: ConnectionCompression | undefined;
  /** The rest of a chunk, behind payload that has to wait. */
  #rest: Uint8Array | undefined;
  /** The client's bytes have ended, behind that. */
  #ended = false;
  /** `receive` or `resume` is at work: what they bring about is not to call them again. */
  #receiving = false;
  #lost = 0;

  /** @param memory what waits in here counts there */
  constructor(handler: ConnectionHandler, limits: OpeningLimits, fast?: FastPath, memory?: MemoryAccount) {
    this.#handler = handler;
    this.#fast = fast;
    this.#memory = memory;
    this.#opening = new Opening(limits, memory);
    this.#outbound = new Outbound(this, fast, memory);
    this.#inbound = new Inbound(this, memory);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Whether `receive` may be called. */
  get receivable(): boolean {
    if (this.#opening !== undefined) return !this.#opening.full;
    return !this.#delivers || (this.#rest === undefined && !this.#inbound.held);
  }

  /** Bytes of messages that are not whole, or not inflated yet. */
  get collected(): number {
    return this.#inbound.collected;
  }

  /** Bytes of messages for the client that were given up while they waited for zlib. */
  get unsent(): number {
    return this.#outbound.lost;
  }

  /** Bytes, of frames or out of them, that were never handed on: they had to wait, or were no whole message. */
  get lost(): number {
    return this.#lost;
  }

  /** Whether messages may be sent: else they are taken, but should wait for `onSendable`. */
  get sendable(): boolean {
    return this.#outbound.sendable;
  }

  /** What the client and we have agreed on, as the answer said it. */
  get extensions(): string | undefined {
    return this.#compression?.agreement.response;
  }

  /** Bytes that compression has saved so far, from the client and to it. */
  get saved(): { readonly up: number; readonly down: number } {
    return { up: this.#inbound.saved, down: this.#outbound.saved };
  }

  /**
   * Takes bytes from the client. They either lie in the slab that was read into, and are not looked at after this call;
   * or they are the connection's own: they are unmasked in place and handed on.
   *
   * @returns false: take no more until `onReceivable`, or `accept`
   */
  receive(chunk: Uint8Array): boolean {
    const nested = this.#begin(chunk.length);
    try {
      if (this.#opening !== undefined) this.#receiveOpening(this.#opening, this.#own(chunk));
      else if (this.#rest !== undefined) this.#keep(Buffer.concat([this.#rest, chunk]));
      else if (this.#inbound.busy) this.#keep(this.#own(chunk));
      else if (this.#state !== 'closed') this.#receiveFrames(chunk);
    } catch (error) {
      this.fail(asFault(error));
    }
    this.#finish(nested);
    // The client's bytes may have ended from within, when something of them still had to wait.
    if (this.#ended && this.#delivers && this.receivable) this.#end({ by: 'eof' });
    return this.receivable;
  }

  /** The client's side of the TCP connection has ended. What came before that is still handed on. */
  receiveEnd(): void {
    const waits = this.#delivers
      ? this.#rest !== undefined || this.#inbound.busy
      : this.#state === 'deciding' && this.#opening?.hasEarly === true;
    if (waits) this.#ended = true;
    else this.#end({ by: 'eof' });
  }

  /** The client is gone, both ways. What waits for the peer is still handed on, but nobody waits for an answer. */
  vanish(): void {
    this.#outbound.abandon();
    if (this.#delivers) this.receiveEnd();
    else this.#end({ by: 'eof' });
  }

  /** As many control frames and empty fragments may come again as `accept` was told. */
  refill(): void {
    this.#decoder.refill();
  }

  /** The turn of the event loop that `onYield` asked for. */
  beginTurn(): void {
    if (this.#state === 'closed') return;
    // First the way in, since what becomes sendable may go on with it.
    this.#inbound.beginTurn();
    this.#outbound.beginTurn();
    this.#goOn();
  }

  /** The peer takes payload again, after `onPayload` returned false. */
  resume(): void {
    this.#inbound.unblock();
    this.#goOn();
  }

  /** Answers 101, and goes on with the frames that came already. Throws a RangeError for a subprotocol not offered. */
  accept(options: AcceptOptions): void {
    const { subprotocol, peer, messageBytes, controlRate } = options;
    const opening = this.#opening!;
    const request = opening.request!;
    // §4.2.2 item 5.5: only what the client offered.
    if (subprotocol !== undefined && !request.subprotocols.includes(subprotocol)) {
      throw new RangeError(`subprotocol ${JSON.stringify(subprotocol)} was not offered`);
    }
    this.#become('open');
    this.#opening = undefined;
    if (peer === 'message') {
      this.#inbound.collect(messageBytes);
      this.#decoder.limitMessages(messageBytes);
      this.#decoder.giveEach();
    }
    if (controlRate !== undefined) this.#decoder.limitControl(controlRate);
    this.#compress(options.compression?.agree(request.extensions));
    this.#outbound.write(acceptResponse(request.key, subprotocol, this.extensions));
    const early = opening.takeEarly();
    if (early.length > 0) this.receive(early);
    if (this.#ended && this.#delivers && this.receivable) this.#end({ by: 'eof' });
  }

  /** Answers the request with an HTTP error. Throws a RangeError for headers that cannot be sent. */
  reject(status: number, text: string, headers?: HeaderList): void {
    if (this.#opening === undefined) return;
    this.#outbound.write(this.#opening.refusal(status, text, headers));
    this.#end({ by: 'rejection' });
  }

  /**
   * Sends `bytes[start, end)` as one message. They may go out later, and must not change any more, unless they lie in a
   * slab: then they are copied, or the slab is pinned. With compression they must not lie in one.
   *
   * @returns false: enough, until `onSendable`
   */
  send(opcode: DataOpcode, bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#state === 'open') this.#outbound.message(opcode, bytes, start, end);
    return this.sendable;
  }

  /**
   * Sends the messages in `bytes[start, end)` that end with `delimiter`, of one or two bytes, and are short.
   *
   * @returns where the first message begins that was not sent: `start` where there is no kernel, or compression
   */
  sendShort(
    opcode: DataOpcode,
    bytes: Uint8Array,
    start: number,
    end: number,
    delimiter: Uint8Array,
  ): number {
    return this.#state === 'open'
      ? this.#outbound.shortMessages(opcode, bytes, start, end, delimiter)
      : start;
  }

  /** Sends a Ping without payload. */
  ping(): void {
    if (this.#state === 'open') this.#outbound.ping();
  }

  /**
   * Sends a Close; the client's own ends the connection. Nothing else is sent from here on.
   *
   * @param deliver what the client sends before its Close is still handed on; until `discard`
   */
  close(code: number, reason?: string, deliver = false): void {
    if (this.#state !== 'open') return;
    const payload = encodeClose(code, reason);
    this.#delivering = deliver;
    this.#become('closing');
    this.#outbound.close(payload);
    if (!deliver) this.discard();
  }

  /** In `closing`: the peer takes nothing any more, so of what the client sends only its Close matters. */
  discard(): void {
    if (this.#state !== 'closing') return;
    this.#delivering = false;
    // Payload that had to wait is not obeyed either, and what stands behind it only if it is a Close.
    this.#lost += this.#inbound.stop();
    const rest = this.#rest;
    this.#drop();
    if (rest !== undefined) this.receive(rest);
    if (this.#ended) this.#end({ by: 'eof' });
  }

  /** Ends the connection at once because of a fault: by an HTTP error, by a Close, or silently if neither can be sent. */
  fail(fault: Fault): void {
    if (this.#opening !== undefined) {
      this.#outbound.write(this.#opening.refusal(fault.status, fault.message, fault.headers));
    } else if (this.#delivers) {
      this.#inbound.flush();
      if (fault.close !== ABNORMAL && !this.#hasSentClose()) {
        this.#become('closing');
        this.#outbound.close(encodeClose(fault.close, fault.message));
      }
    }
    this.#end({ by: 'fault', fault });
  }

  /** The client takes bytes again after `write` returned false. */
  drained(): void {
    this.#outbound.drained();
  }

  /** Until the matching `uncork`, frames are gathered to leave in one write. @param expected about how many bytes */
  cork(expected: number): void {
    this.#outbound.cork(expected);
  }

  uncork(): void {
    this.#outbound.uncork();
  }

  // ------------------------------------------------------------------------------------------ from the decoder

  onPiece(
    opcode: DataOpcode,
    bytes: Uint8Array,
    start: number,
    end: number,
    ends: boolean,
    ascii: boolean,
  ): void {
    if (!this.#delivers) return;
    if (this.#decoder.compressed) this.#inbound.takeCompressed(opcode, bytes, start, end, ends);
    else this.#inbound.take(opcode, bytes, start, end, ends, ascii);
    if (this.#inbound.held) this.#decoder.suspend();
  }

  onRun(bytes: Uint8Array, start: number, end: number): void {
    if (this.#delivers) this.#inbound.takeRun(bytes, start, end);
  }

  onControl(opcode: ControlOpcode, payload: Uint8Array): void {
    if (opcode === PING && this.#state === 'open') this.#outbound.pong(payload);
    else if (opcode === CLOSE) this.#receiveClose(decodeClose(payload));
    // §5.5.3: a Pong, asked for or not, needs no answer; that something came is all that keepalive wants to know.
  }

  // --------------------------------------------------------------------------------------- from its two halves

  onPayload(payload: Uint8Array, opcode: DataOpcode): boolean {
    return this.#handler.onPayload(payload, opcode);
  }

  onWrite(bytes: Uint8Array, more?: Uint8Array): boolean {
    return this.#handler.write(bytes, more);
  }

  onYield(): void {
    this.#handler.onYield();
  }

  onIdle(): void {
    this.#goOn();
  }

  onSendable(): void {
    this.#handler.onSendable();
  }

  onFailed(fault: Fault): void {
    this.fail(fault);
  }

  // -------------------------------------------------------------------------------------------------- the rest

  #compress(compression: ConnectionCompression | undefined): void {
    if (compression === undefined) return;
    this.#compression = compression;
    this.#decoder.allowCompression();
    this.#inbound.inflate(compression);
    this.#outbound.deflate(compression);
  }

  /** Begins a step of what the client has sent: what it brings about leaves in one write. To be ended by `finish`. */
  #begin(expected: number): boolean {
    const nested = this.#receiving;
    this.#receiving = true;
    this.#outbound.cork(expected);
    return nested;
  }

  #finish(nested: boolean): void {
    this.#outbound.uncork();
    this.#receiving = nested;
  }

  /** Goes on with what had to wait, if it need not any more. */
  #goOn(): void {
    if (this.#receiving || !this.#delivers) return;
    const nested = this.#begin(0);
    try {
      this.#inbound.goOn();
      const rest = this.#rest;
      if (rest !== undefined && !this.#inbound.held) {
        this.#keep(undefined);
        this.#receiveFrames(rest);
      }
    } catch (error) {
      this.fail(asFault(error));
    }
    this.#finish(nested);
    if (!this.#delivers || !this.receivable) return;
    if (this.#ended) this.#end({ by: 'eof' });
    else this.#handler.onReceivable();
  }

  #receiveOpening(opening: Opening, chunk: Uint8Array): void {
    const request = opening.receive(chunk);
    if (request === undefined) return;
    this.#become('deciding');
    this.#handler.onRequest(request);
  }

  /** Bytes that may be kept. */
  #own(chunk: Uint8Array): Uint8Array {
    return this.#fast === undefined ? chunk : this.#fast.slabs.own(chunk);
  }

  /** What the kernel decodes into, if it is to decode the chunk: one that lies in its memory and is not compressed. */
  #target(chunk: Uint8Array): Slab | undefined {
    const slabs = this.#fast?.slabs;
    if (slabs === undefined || this.#compression !== undefined || !slabs.holds(chunk)) return undefined;
    return slabs.take();
  }

  #receiveFrames(chunk: Uint8Array): void {
    const target = this.#target(chunk);
    if (target === undefined) {
      this.#decodeAll(this.#own(chunk));
      return;
    }
    try {
      this.#decodeAll(chunk, target);
    } catch (error) {
      // While the slab is still ours: what came before a broken rule is handed on from there.
      this.fail(asFault(error));
    } finally {
      this.#fast!.slabs.release(target);
    }
  }

  /** Decodes frames until there are no more or one has to wait; then the rest waits behind it. */
  #decodeAll(chunk: Uint8Array, target?: Slab): void {
    let rest = chunk;
    for (;;) {
      const taken =
        target === undefined
          ? this.#decoder.decode(rest)
          : this.#decoder.decodeInto(rest, target, this.#fast!.kernel);
      this.#inbound.flush();
      // Nothing taken, and nothing that has to wait: it was stopped from within.
      if (taken === rest.length || this.#state === 'closed') return;
      if (taken === 0 && !this.#inbound.held) return;
      rest = rest.subarray(taken);
      if (this.#inbound.held) {
        this.#keep(this.#own(rest));
        return;
      }
    }
  }

  #receiveClose(status: CloseStatus): void {
    // What came before the Close is delivered first; if that makes our side close, the client's Close answers ours.
    this.#inbound.flush();
    if (this.#hasSentClose()) {
      this.#end({ by: 'server', status });
      return;
    }
    // §5.5.1: answered by a Close with the same code.
    this.#become('closing');
    this.#outbound.close(encodeClose(status.code));
    this.#end({ by: 'client', status });
  }

  /** Whether payload is handed on. */
  get #delivers(): boolean {
    return this.#state === 'open' || (this.#state === 'closing' && this.#delivering);
  }

  #keep(rest: Uint8Array | undefined): void {
    this.#memory?.add((rest?.length ?? 0) - (this.#rest?.length ?? 0));
    this.#rest = rest;
  }

  /** Gives up what had to wait. */
  #drop(): void {
    this.#lost += this.#rest?.length ?? 0;
    this.#keep(undefined);
  }

  /** Also true in `closed`, where nothing may be sent either. A method, since delivering payload can change the state. */
  #hasSentClose(): boolean {
    return this.#state === 'closing' || this.#state === 'closed';
  }

  #end(ending: Ending): void {
    if (this.#state === 'closed') return;
    this.#decoder.stop();
    const lost = this.#inbound.stop();
    // Of a message that breaks a rule nothing was to be delivered any more.
    if (ending.by !== 'fault' || !RULE_BROKEN.includes(ending.fault.close)) this.#lost += lost;
    this.#lost += this.#opening?.takeEarly().length ?? 0;
    this.#opening = undefined;
    this.#drop();
    this.#become('closed');
    this.#outbound.end(() => {
      this.#compression?.release();
      this.#handler.onClosed(ending);
    });
  }

  #become(state: ConnectionState): void {
    if (!NEXT[this.#state].includes(state))
      throw new Error(`connection cannot go from ${this.#state} to ${state}`);
    this.#state = state;
  }
}

/**
 * One client and its peer: the place where the engine and the transports meet.
 *
 * Promises: the peer is connected before the 101. A side that takes no more holds the other one back, so what is queued
 * for either has a ceiling. What came before an orderly end is delivered before the end is passed on. Whatever goes
 * wrong ends this connection, and the other side is told by a code of the table in errors.ts:
 *
 *     what happens                          the client gets                   the peer gets
 *     client sends a Close                  the Close echoed, FIN             what was queued, FIN
 *     client ends or resets without one     FIN                               what was queued, FIN
 *     client breaks a rule of RFC 6455      Close 1002, 1007 or 1009, FIN     what was valid, FIN
 *     client floods with control frames     Close 1008, FIN                   what was valid, FIN
 *     client is silent after a Ping         cut                               what was queued, FIN
 *     client takes nothing for too long     cut                               what was queued, FIN
 *     no data, or open, for too long        Close 1008                        all until the client's Close, FIN
 *     peer ends                             the rest of its data, Close 1000  what was queued, FIN
 *     peer ends, and half-close = keep      the rest of its data              all until the client's Close, FIN
 *     peer resets                           Close 1011                        –
 *     peer takes nothing for too long       Close 1013                        cut
 *     framing fails / segment too large     Close 1011 / 1009                 what was queued, FIN
 *     too much waits in all connections     Close 1013, or cut                what was queued, FIN; or cut
 *     something unforeseen                  Close 1011, or cut                what was queued, FIN; or cut
 *     daemon stops                          Close 1001                        all until the client's Close, FIN
 *     client ends before the 101            –                                 early frames if there are any, FIN
 *     anything else before the 101          an HTTP error, FIN                –
 *
 * It has no timers of its own: the daemon calls `tick`.
 */
import type { Socket } from 'node:net';
import { ClientSide, PeerSide } from './bridge-sides.ts';
import { Cancellation } from './cancellation.ts';
import { ClientClock } from './client-clock.ts';
import { ConnectionLog, type Summary } from './connection-log.ts';
import { asFault, Fault, type FaultCode, isInstance } from './errors.ts';
import { LifeClock } from './life-clock.ts';
import type { Limits } from './limits.ts';
import { MemoryAccount, type MemoryBudget } from './memory-budget.ts';
import type { Counters } from './observability/counters.ts';
import type { Logger } from './observability/logger.ts';
import { Connection } from './rfc6455/connection.ts';
import type { ConnectionHandler, Ending, FastPath } from './rfc6455/connection-handler.ts';
import type { OpeningRequest } from './rfc6455/handshake.ts';
import { BINARY, type DataOpcode, TEXT } from './rfc6455/opcodes.ts';
import type { Compression } from './rfc6455/permessage-deflate.ts';
import { type Plan, planRoute, Rejection, type RoutingOptions } from './routing.ts';
import { Segmenter, type SegmentSink } from './segmenter.ts';
import { type DialOptions, dial } from './transports/dial.ts';
import { StreamTransport } from './transports/stream.ts';
import type { Transport } from './transports/transport.ts';
import { ClientRequest } from './upgrade-request.ts';

/** What all bridges of a daemon share. */
export interface BridgeServices {
  readonly routing: RoutingOptions;
  readonly dialing: DialOptions;
  readonly limits: Limits;
  /** Of all connections together. */
  readonly memory: MemoryBudget;
  /** What the end of the peer's side means. */
  readonly halfClose: 'close' | 'keep';
  /** Undefined: everything goes through the heap, and frames through the decoder in TypeScript. */
  readonly fast: FastPath | undefined;
  /** Compression for those clients that offer it; undefined: none. */
  readonly compression: Compression | undefined;
  /** Time without a byte from the client before it is sent a Ping, and from then on before it is dropped, in ms. 0: off. */
  readonly keepalive: number;
  /** What a client is called that has no address. */
  readonly clientName: string;
  readonly log: Logger;
  readonly counters: Counters;
  /** Both sides are gone. */
  readonly onFinished: (bridge: Bridge) => void;
  /** The peer takes no descriptor. */
  readonly onPeerWithin: () => void;
}

export class Bridge implements ConnectionHandler, SegmentSink {
  readonly #id: number;
  readonly #services: BridgeServices;
  readonly #log: Logger;
  readonly #remoteAddress: string;
  readonly #remotePort: number;
  readonly #story: ConnectionLog;

  readonly #client: StreamTransport;
  readonly #clientClock: ClientClock;
  /** Absent where there is nothing to look at. */
  readonly #lifeClock: LifeClock | undefined;
  readonly #memory: MemoryAccount;
  readonly #connection: Connection;
  #peer: Transport | undefined;
  #segmenter: Segmenter | undefined;
  #plan: Plan | undefined;
  /** Aborted when the peer is not wanted any more before it is there. */
  #deciding: Cancellation | undefined;

  #clientFull = false;
  /** Since when control frames count, for their limit. */
  #refilledAt = 0;
  /** While memory is short: since when nothing has been delivered, and how much had been by then. */
  #stuckSince: number | undefined;
  #deliveredBefore = 0;
  /** The next turn of the event loop was asked for, by one direction or by both: it serves both. */
  #yielding = false;
  #clientGone = false;
  #peerGone = true;

  #up = 0;
  #down = 0;
  /** Bytes from the peer that came when the client was gone, or had been told of the end. */
  #late = 0;
  /** Bytes from the peer that were no message yet when the connection ended. */
  #unframed = 0;
  /** Why this connection ends: the first reason counts, the others follow from it. */
  #why: Fault | undefined;
  #status: number | undefined;

  constructor(id: number, socket: Socket, services: BridgeServices) {
    this.#id = id;
    this.#services = services;
    this.#log = services.log;
    this.#remoteAddress = socket.remoteAddress ?? services.clientName;
    this.#remotePort = socket.remotePort ?? 0;
    this.#story = new ConnectionLog(
      id,
      services.log,
      services.counters,
      this.#remoteAddress,
      this.#remotePort,
    );
    this.#memory = new MemoryAccount(services.memory);
    this.#connection = new Connection(this, services.limits, services.fast, this.#memory);
    this.#client = new StreamTransport(socket, services.limits);
    this.#clientClock = new ClientClock(services.keepalive, services.limits);
    const { idleTimeout, lifeTimeout } = services.limits;
    this.#lifeClock = idleTimeout + lifeTimeout === 0 ? undefined : new LifeClock(services.limits);
    this.#client.start(new ClientSide(this), this.#memory);
  }

  /** Whether the peer takes no descriptor. */
  get isPeerWithin(): boolean {
    return this.#plan?.address.kind === 'echo' && this.#peer !== undefined;
  }

  /** The client's, as it counts. */
  get remoteAddress(): string {
    return this.#remoteAddress;
  }

  /** The daemon stops: no answer, or 503, or 1001 behind what is queued. */
  stop(): void {
    try {
      this.#closeWith(new Fault('stopping'));
    } catch (error) {
      this.crash(error);
    }
  }

  /** At once. */
  cut(): void {
    this.#client.destroy();
    this.#peer?.destroy();
  }

  /** Something threw that nobody foresaw: it ends this connection, with a Close if that can still be sent. */
  crash(thrown: unknown): void {
    const fault = asFault(thrown);
    const { state } = this.#connection;
    try {
      this.#closeWith(fault);
      if (state !== 'closing' && state !== 'closed') return;
      this.#noteFault(fault);
    } catch {
      // It is worse than that.
    }
    this.cut();
  }

  /** Looks at all deadlines. `now` is in ms of a monotonic clock. Does not throw. */
  tick(now: number): void {
    try {
      this.#tick(now);
    } catch (error) {
      this.crash(error);
    }
  }

  #tick(now: number): void {
    this.#client.tick(now);
    this.#peer?.tick(now);
    if (this.#peer !== undefined) this.#story.drops(this.#peer);
    if (now - this.#refilledAt >= SECOND) {
      this.#refilledAt = now;
      this.#connection.refill();
    }
    this.#checkMemory();
    if (this.#memory.pressed) this.#checkProgress(now);
    else this.#stuckSince = undefined;
    if (this.#connection.state === 'open') this.#tickOpen(now);
    const verdict = this.#clientClock.tick(
      now,
      this.#connection.state,
      this.#client,
      !this.#connection.receivable,
    );
    if (verdict === 'ping') {
      this.#connection.ping();
    } else if (verdict === 'head-timeout') {
      this.#connection.fail(new Fault(verdict));
    } else if (verdict !== undefined) {
      this.#dropClient(new Fault(verdict));
    }
  }

  /** A number that changes with each byte of data that comes, either way. */
  get #moved(): number {
    return this.#up + this.#down + this.#connection.collected + (this.#segmenter?.pending ?? 0);
  }

  /** Memory is short: who holds some, and delivers nothing, has to give it back. */
  #checkProgress(now: number): void {
    const delivered = this.#up + this.#down;
    if (this.#memory.held === 0 || this.#stuckSince === undefined || delivered !== this.#deliveredBefore) {
      this.#stuckSince = now;
      this.#deliveredBefore = delivered;
    } else if (now - this.#stuckSince >= this.#services.limits.closeTimeout) {
      this.#closeWith(new Fault('memory-full'));
    }
  }

  #tickOpen(now: number): void {
    const queued = this.#client.unsent + this.#peer!.unsent > 0;
    const verdict = this.#lifeClock?.tick(now, this.#moved, queued);
    if (verdict !== undefined) this.#closeWith(new Fault(verdict));
  }

  // ------------------------------------------------------------------------------------------ from the engine

  write(bytes: Uint8Array, more?: Uint8Array): boolean {
    if (this.#clientGone) {
      this.#late += bytes.length + (more?.length ?? 0);
      return true;
    }
    const free = more === undefined ? this.#client.write(bytes) : this.#client.writeBoth(bytes, more);
    if (!free && !this.#clientFull) {
      this.#clientFull = true;
      if (this.#connection.state === 'open') this.#peer?.pause();
    }
    return free;
  }

  onYield(): void {
    if (this.#yielding) return;
    this.#yielding = true;
    setImmediate(() => {
      this.#yielding = false;
      try {
        this.#connection.beginTurn();
      } catch (error) {
        this.crash(error);
      }
    });
  }

  onReceivable(): void {
    this.#client.resume();
  }

  onSendable(): void {
    this.#resumePeer();
  }

  onRequest(request: OpeningRequest): void {
    this.#story.asked(request.target);
    this.#connectPeer(request).catch((error) => this.crash(error));
  }

  onPayload(payload: Uint8Array, opcode: DataOpcode): boolean {
    this.#up += payload.length;
    this.#log.trace?.('to-peer', { id: this.#id, bytes: payload.length });
    const takes = this.#peer!.write(payload, opcode);
    if (!takes && this.#connection.state === 'closing') this.#peer!.resume();
    return takes;
  }

  onClosed(ending: Ending): void {
    if (ending.by === 'fault') this.#noteFault(ending.fault);
    else if (ending.by === 'client') this.#why ??= new Fault('client-closed', { code: ending.status.code });
    else if (ending.by === 'eof') this.#why ??= new Fault('client-vanished');
    this.#deciding?.abort(this.#why);
    this.#dropSegments();
    // RFC 6455 §7.1.1: the server ends the TCP connection first.
    this.#client.end();
    this.#peer?.end();
  }

  onSegment(text: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.#down += end - start;
    this.#log.trace?.('to-client', { id: this.#id, bytes: end - start, text });
    // While another thread compresses, what the peer sends would pile up; and compressing takes time that others need.
    if (!this.#connection.send(text ? TEXT : BINARY, bytes, start, end)) this.#peer?.pause();
  }

  onShortSegments(
    text: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    delimiter: Uint8Array,
  ): number {
    // Each message has a line in a log that is to have all.
    if (this.#log.trace !== undefined) return start;
    const at = this.#connection.sendShort(text ? TEXT : BINARY, bytes, start, end, delimiter);
    this.#down += at - start;
    return at;
  }

  // ------------------------------------------------------------------------------------------ from the client

  clientBytes(bytes: Uint8Array): void {
    this.#clientClock.heard();
    if (!this.#connection.receive(bytes)) this.#client.pause();
    this.#checkMemory();
  }

  clientEnd(): void {
    this.#connection.receiveEnd();
  }

  clientDrain(): void {
    this.#clientFull = false;
    this.#connection.drained();
    this.#resumePeer();
  }

  clientStall(): void {
    this.#why ??= new Fault('client-stalled');
  }

  clientClose(error: Error | undefined): void {
    this.#clientGone = true;
    if (error !== undefined) this.#why ??= new Fault('client-vanished', { message: error.message });
    this.#connection.vanish();
    // Nothing waits for it to read any more.
    this.#clientFull = false;
    this.#resumePeer();
    this.#finish();
  }

  // -------------------------------------------------------------------------------------------- from the peer

  peerBytes(bytes: Uint8Array): void {
    if (this.#connection.state !== 'open') {
      this.#late += bytes.length;
      return;
    }
    if (this.#down === 0) this.#story.greeting(this.#plan!.framingName, bytes);
    // What is compressed may have to wait for it, in another thread's hands.
    const kept = this.#connection.extensions === undefined ? bytes : this.#own(bytes);
    this.#cut(kept.length, (segmenter) => segmenter.push(kept));
    this.#checkMemory();
  }

  peerMessage(message: Uint8Array, opcode: DataOpcode | undefined): void {
    if (this.#connection.state !== 'open') {
      this.#late += message.length;
      return;
    }
    if (opcode === undefined) this.#cut(message.length, (segmenter) => segmenter.message(message));
    else this.onSegment(opcode === TEXT, message, 0, message.length);
    this.#checkMemory();
  }

  peerDrain(): void {
    this.#connection.resume();
    if (this.#connection.state === 'closing') this.#readWhileHeld();
  }

  peerEnd(): void {
    this.#cut(0, (segmenter) => segmenter.end());
    if (this.#services.halfClose === 'close') this.#closeWith(new Fault('peer-closed'));
  }

  peerStall(): void {
    this.#closeWith(new Fault('peer-stalled'));
  }

  peerClose(error: Error | undefined): void {
    this.#peerGone = true;
    if (error === undefined) this.#closeWith(new Fault('peer-closed'));
    else if (error instanceof Fault) this.#closeWith(error);
    else this.#closeWith(new Fault('peer-failed', { message: error.message }));
    // What the client still sends has nowhere to go.
    this.#connection.discard();
    if (this.#connection.receivable) this.#client.resume();
    this.#finish();
  }

  // ------------------------------------------------------------------------------------------------- the rest

  async #connectPeer(request: OpeningRequest): Promise<void> {
    const { routing, limits, dialing } = this.#services;
    const deciding = new Cancellation((error) => this.#story.fault(asFault(error, 'backend-failed')));
    this.#deciding = deciding;
    try {
      const plan = await planRoute(
        new ClientRequest(request, this.#remoteAddress, this.#remotePort),
        routing,
        deciding,
      );
      this.#plan = plan;
      this.#story.dialling(plan);
      const segmenter = new Segmenter(plan.framing, this, limits.segmentBytes, this.#memory);
      const peer = await dial(plan.address, dialing, deciding);
      if (this.#connection.state === 'deciding') this.#open(peer, plan, segmenter);
      else peer.destroy();
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#deciding = undefined;
    }
  }

  #open(peer: Transport, plan: Plan, segmenter: Segmenter): void {
    const { limits, compression } = this.#services;
    this.#peer = peer;
    this.#peerGone = false;
    this.#segmenter = segmenter;
    peer.start(new PeerSide(this), this.#memory);
    this.#clientClock.heard();
    this.#connection.accept({
      subprotocol: plan.subprotocol,
      peer: peer.kind,
      messageBytes: Math.min(limits.messageBytes, peer.maximum),
      controlRate: limits.controlRate || undefined,
      compression,
    });
    if (this.isPeerWithin) this.#services.onPeerWithin();
    this.#story.opened(plan, this.#connection.extensions);
    // Early frames may have filled the peer.
    if (this.#connection.receivable) this.#client.resume();
    else this.#client.pause();
  }

  #own(bytes: Uint8Array): Uint8Array {
    return this.#services.fast?.slabs.own(bytes) ?? bytes;
  }

  #resumePeer(): void {
    if (this.#connection.state === 'closing') return;
    if (!this.#clientFull && this.#connection.sendable) this.#peer?.resume();
  }

  /**
   * While the last of the client's bytes are delivered, what its peer sends has nowhere to go. It is read all the same
   * where the peer takes nothing: one that is not read may not read either. An echo never does.
   */
  #readWhileHeld(): void {
    if (this.#connection.receivable && !this.isPeerWithin) this.#peer?.pause();
    else this.#peer?.resume();
  }

  #refuse(error: unknown): void {
    if (!isInstance(error, Rejection)) {
      this.#closeWith(asFault(error));
    } else if (this.#connection.state === 'deciding') {
      this.#why ??= new Fault(error.code);
      this.#status = error.status;
      this.#connection.reject(error.status, error.message, error.headers);
    }
  }

  /** Lets the segmenter cut, and sends all that comes of it in one write. */
  #cut(expected: number, cut: (segmenter: Segmenter) => void): void {
    if (this.#connection.state !== 'open') return;
    this.#connection.cork(expected + (expected >> 3) + FRAME_HEADERS);
    try {
      cut(this.#segmenter!);
    } catch (error) {
      this.#closeWith(asFault(error));
    } finally {
      this.#connection.uncork();
    }
  }

  /** Ends the connection from our side, with what the table in errors.ts says for the state that it is in. */
  #closeWith(fault: Fault): void {
    const { state } = this.#connection;
    if (state === 'closing' || state === 'closed') return;
    this.#noteFault(fault);
    if (state !== 'open') {
      this.#connection.reject(fault.status, fault.message, fault.headers);
      return;
    }
    this.#dropSegments();
    const deliver = PEER_IS_WELL.has(fault.code);
    this.#connection.close(fault.close, fault.message, deliver);
    if (deliver) {
      this.#readWhileHeld();
      return;
    }
    this.#peer?.end();
    // From now on all but the client's Close is thrown away, so nothing holds it back any more.
    this.#client.resume();
  }

  /** Nothing is sent any more that could make a message of them. */
  #dropSegments(): void {
    this.#unframed += this.#segmenter?.drop() ?? 0;
  }

  /** Ends a connection that wants more memory than there is: with a Close, or at once if that is not enough. */
  #checkMemory(): void {
    if (!this.#memory.overdrawn) return;
    const fault = new Fault('memory-full');
    if (this.#services.memory.exhausted) {
      this.#noteFault(fault);
      this.cut();
    } else {
      this.#closeWith(fault);
    }
  }

  #dropClient(fault: Fault): void {
    this.#why ??= fault;
    this.#connection.fail(fault);
    this.#client.destroy();
  }

  #finish(): void {
    if (!this.#clientGone || !this.#peerGone) return;
    this.#memory.close();
    const summary: Summary = {
      plan: this.#plan,
      status: this.#status,
      carried: this.#segmenter && { up: this.#up, down: this.#down, mistyped: this.#segmenter.mistyped },
      saved: this.#connection.extensions === undefined ? undefined : this.#connection.saved,
      client: this.#client,
      peer: this.#peer,
      lost: this.#connection.lost,
      unsent: this.#connection.unsent,
      late: this.#late,
      unframed: this.#unframed,
      why: this.#why ?? new Fault('internal'),
    };
    try {
      this.#story.ended(summary);
    } finally {
      this.#services.onFinished(this);
    }
  }

  /** Takes down why the connection ends, and what it answers if it is not open yet. */
  #noteFault(fault: Fault): void {
    this.#why ??= fault;
    if (this.#segmenter === undefined) this.#status ??= fault.status;
    this.#story.fault(fault);
  }
}

/** What ends a connection although its peer is well: what the client has sent is delivered before its end is passed on. */
const PEER_IS_WELL: ReadonlySet<FaultCode> = new Set<FaultCode>(['stopping', 'idle-timeout', 'life-timeout']);

/** In ms. */
const SECOND = 1000;

/** Room for the headers of a few messages in one write; more of them make it grow. */
const FRAME_HEADERS = 16;

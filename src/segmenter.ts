/**
 * Cuts what a stream peer sends into messages, as the connection's framing says, and keeps what is not yet a message.
 *
 * While nothing is left over, the framing looks at the read itself and its messages are sent from there. Otherwise it
 * looks at the left-over bytes and the read, joined, until a message ends in the read: from there on it is the read again
 * that is cut. Where the left-over bytes are few, they are joined on a desk that all segmenters share, only to be looked
 * at; where they are many, in a buffer that grows and is given up as soon as a message was sent from it, since a large
 * message may still be on its way out of it: nothing that was sent is ever written to again.
 *
 * Each byte is joined a constant number of times, and the framing is told how far it has looked, so that a message that
 * dribbles in costs time linear in its length.
 */
import { Fault, isInstance, messageOf } from './errors.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import type { MemoryAccount } from './memory-budget.ts';
import type { Framing, MessageType } from './plugins/api.ts';
import { Utf8Slices } from './rfc6455/utf8-slices.ts';

/**
 * Where a few left-over bytes and the next read lie side by side while a framing looks at them, and at no other time: new
 * memory for each read costs several times what the copy does. Room for a read of Node's, 64 KiB, behind as much.
 */
const DESK = Buffer.allocUnsafeSlow(128 * 1024);

export interface SegmentSink {
  /** A message: `bytes[start, end)`, which will not change any more unless the read lies in a slab. */
  onSegment(text: boolean, bytes: Uint8Array, start: number, end: number): void;
  /**
   * Messages in `bytes[start, end)`, each up to and including a delimiter of one or two bytes. A sink without this gets
   * each by itself.
   *
   * @returns where the first one begins that it did not take, since it is not short, or not whole, or for no reason
   */
  onShortSegments?(
    text: boolean,
    bytes: Uint8Array,
    start: number,
    end: number,
    delimiter: Uint8Array,
  ): number;
}

/** A frame of at most so many bytes of payload has the shortest header: what `onShortSegments` takes. */
const SHORT = 125;

export class Segmenter {
  readonly #framing: Framing;
  readonly #sink: SegmentSink;
  readonly #maximum: number;
  readonly #firstType: MessageType;
  readonly #pending: GrowingBuffer;
  readonly #slices = new Utf8Slices();
  /** What ends every message, if the framing says so. */
  readonly #delimiter: Uint8Array | undefined;
  /** How many of the pending bytes the framing has seen. */
  #scanned = 0;
  /** Messages that the framing called text and that were not. */
  #mistyped = 0;

  /**
   * @param maximum most bytes that may wait for the end of a message
   * @param memory where they count
   * @throws Fault `framing-failed` if the framing has no type
   */
  constructor(framing: Framing, sink: SegmentSink, maximum: number, memory?: MemoryAccount) {
    this.#pending = new GrowingBuffer(memory);
    this.#framing = framing;
    this.#sink = sink;
    this.#maximum = maximum;
    this.#firstType = this.#type();
    const able = sink.onShortSegments !== undefined && maximum >= SHORT;
    this.#delimiter = able ? usable(this.#given('delimiter'), this.#firstType) : undefined;
  }

  /** Bytes that wait for the rest of their message. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Messages that went out as binary although the framing called them text. */
  get mistyped(): number {
    return this.#mistyped;
  }

  /**
   * Takes a read, which must not change any more unless it lies in a slab (slab-pool.ts).
   *
   * @throws Fault `framing-failed`, `segment-too-large` or `memory-full`
   */
  push(bytes: Uint8Array): void {
    const pending = this.#pending;
    const waited = pending.length;
    if (waited === 0) this.#cutRead(bytes, 0);
    else if (waited <= bytes.length && waited + bytes.length <= DESK.length) this.#cutOnDesk(bytes, waited);
    else this.#cutJoined(bytes, waited, 0);
    this.#scanned = pending.length;
    if (pending.length > this.#maximum) {
      throw new Fault('segment-too-large', { actual: pending.length, maximum: this.#maximum });
    }
  }

  /**
   * Takes a message that needs no cutting: the framing gives its type and nothing else. An empty one, in which there is
   * nothing to look at, gets the type that the framing begins with.
   */
  message(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#slices.reset();
    if (length === 0) this.#send(bytes, 0, 0, 0, this.#firstType);
    else if (this.#next(bytes, 0, length, 0, true) > 0) this.#send(bytes, 0, length, length, this.#type());
    else this.#sink.onSegment(false, bytes, 0, length);
  }

  /** The peer is done: what is left goes out, in the messages that the framing still finds and one for the rest. */
  end(): void {
    const bytes = this.#pending.take();
    const left = this.#cut(bytes, 0, bytes.length, bytes.length, true);
    if (left < bytes.length) this.#sink.onSegment(false, bytes, left, bytes.length);
  }

  /** Gives up what is no message yet. @returns how many bytes that was */
  drop(): number {
    this.#scanned = 0;
    const { pending } = this;
    this.#pending.take();
    return pending;
  }

  /** Cuts a read from `start` on, before which nothing is left over. */
  #cutRead(bytes: Uint8Array, start: number): void {
    const end = bytes.length;
    const left = this.#cut(bytes, start, end, end, false);
    if (left < end) this.#pending.append(bytes, left, end);
  }

  /** Cuts the pending bytes and a read, of which the framing is shown a copy: at most twice as long as the read is. */
  #cutOnDesk(bytes: Uint8Array, waited: number): void {
    const pending = this.#pending;
    const end = waited + bytes.length;
    const scanned = this.#scanned;
    this.#scanned = 0;
    DESK.set(pending.bytes.subarray(0, waited));
    DESK.set(bytes, waited);
    const length = this.#next(DESK.subarray(0, end), 0, end, scanned, false);
    if (length === 0) {
      pending.append(bytes, 0, bytes.length);
    } else if (length < waited) {
      this.#cutJoined(bytes, waited, length);
    } else {
      pending.append(bytes, 0, length - waited);
      this.#slices.reset();
      this.#send(pending.take(), 0, length, length, this.#type());
      this.#cutRead(bytes, length - waited);
    }
  }

  /** Cuts the pending bytes and a read, joined. @param found the length of the first message, if it is known already */
  #cutJoined(bytes: Uint8Array, waited: number, found: number): void {
    const pending = this.#pending;
    pending.append(bytes, 0, bytes.length);
    const joined = pending.bytes;
    const end = pending.length;
    this.#slices.reset();
    if (found > 0) this.#send(joined, 0, found, found, this.#type());
    const left = this.#cut(joined, found, waited, end, false);
    if (left > 0) pending.take();
    if (left >= waited) this.#cutRead(bytes, left - waited);
    else if (left > 0) pending.append(joined, left, end);
  }

  /** Sends every whole message in `bytes[start, end)` that begins before `stop`, and returns where the rest begins. */
  #cut(bytes: Uint8Array, start: number, stop: number, end: number, ended: boolean): number {
    let at = start;
    let scanned = this.#scanned;
    this.#scanned = 0;
    this.#slices.reset();
    while (at < stop) {
      if (this.#delimiter !== undefined && scanned === 0)
        at = this.#cutShort(bytes, at, stop, this.#delimiter);
      if (at === stop) break;
      const length = this.#next(bytes, at, end, scanned, ended);
      if (length === 0) break;
      this.#send(bytes, at, at + length, stop, this.#type());
      at += length;
      scanned = 0;
    }
    return at;
  }

  /** Hands on as many messages at once as the sink takes. */
  #cutShort(bytes: Uint8Array, start: number, stop: number, delimiter: Uint8Array): number {
    const text = this.#firstType !== 'binary';
    // Where all is UTF-8, each message is.
    const end = text ? this.#slices.soundTo(bytes, start, stop) : stop;
    return end > start ? this.#sink.onShortSegments!(text, bytes, start, end, delimiter) : start;
  }

  #next(bytes: Uint8Array, start: number, end: number, scanned: number, ended: boolean): number {
    let length: unknown;
    try {
      length = this.#framing.next(bytes, start, end, scanned, ended);
    } catch (error) {
      throw new Fault('framing-failed', { message: messageOf(error) }, error);
    }
    if (!isLength(length, end - start)) {
      forgetRejection(length);
      throw new Fault('framing-failed', {
        message: `next answered ${show(length)} for ${end - start} bytes`,
      });
    }
    if (length > this.#maximum)
      throw new Fault('segment-too-large', { actual: length, maximum: this.#maximum });
    return length;
  }

  #type(): MessageType {
    return this.#given('type');
  }

  #given<Name extends 'type' | 'delimiter'>(name: Name): Framing[Name] {
    try {
      return this.#framing[name];
    } catch (error) {
      throw new Fault('framing-failed', { message: `${name} threw: ${messageOf(error)}` }, error);
    }
  }

  /** @param stop behind which no more messages of `bytes` begin */
  #send(bytes: Uint8Array, start: number, end: number, stop: number, type: MessageType): void {
    if (type === 'discard') return;
    let text = false;
    if (type === 'auto' || type === 'text') {
      // RFC 6455 §5.6: what goes out as text must be UTF-8.
      text = this.#slices.isUtf8(bytes, start, end, stop);
      if (!text && type === 'text') this.#mistyped += 1;
    } else if (type !== 'binary') {
      throw new Fault('framing-failed', { message: `type is ${show(type)}` });
    }
    this.#sink.onSegment(text, bytes, start, end);
  }
}

/**
 * A delimiter that messages may be cut at without asking: of a length that the sink knows, and such that a cut behind it
 * leaves text whole.
 */
function usable(delimiter: unknown, type: MessageType): Uint8Array | undefined {
  if (!isInstance(delimiter, Uint8Array) || delimiter.length < 1 || delimiter.length > 2) return undefined;
  if (type === 'discard') return undefined;
  return type === 'binary' || delimiter.every((byte) => byte < 0x80) ? delimiter : undefined;
}

function isLength(length: unknown, available: number): length is number {
  return typeof length === 'number' && Number.isInteger(length) && length >= 0 && length <= available;
}

/** A value with its type, in a few words: a number is not the text of one. */
function show(value: unknown): string {
  return typeof value === 'number' || value === undefined || value === null
    ? String(value)
    : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value} (${messageOf(value)})`;
}

/** An `async next` is answered with an error here; what becomes of its promise must not end the daemon. */
function forgetRejection(answer: unknown): void {
  if (isInstance(answer, Promise)) answer.catch(() => {});
}

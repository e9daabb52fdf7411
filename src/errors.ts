/**
 * Every way in which a connection can end before its time, as a value with a stable code.
 *
 * One table maps each code to what goes on the wire: the HTTP status before the upgrade, the close code after it, and
 * a short text that is safe to show to anyone. What only the operator may see (addresses, system errors, a plugin's
 * message) travels in `details` and in `cause`, and never leaves the log. docs/errors.md lists the same codes; a test
 * compares the two.
 */

interface Answer {
  /** HTTP status if the connection is not upgraded yet. */
  readonly status: number;
  /** Close code (RFC 6455 §7.4) if it is. 1006 stands for "no Close frame is possible or useful". */
  readonly close: number;
  /** Sent as response body or close reason: names the broken rule or the side that failed, nothing internal. */
  readonly text: string;
  /** For a client that is refused: after how many seconds it may be worth another try (RFC 9110 §10.2.3). */
  readonly retry?: number;
}

const answer = (status: number, close: number, text: string, retry?: number): Answer =>
  retry === undefined ? { status, close, text } : { status, close, text, retry };

/** Rules of RFC 6455 §4 and RFC 9112 that a request head can break. */
const HEAD = {
  'head-malformed': answer(400, 1002, 'malformed HTTP request'),
  'head-too-large': answer(431, 1002, 'request head too large'),
  'head-timeout': answer(408, 1002, 'request head not received in time'),
  'version-http': answer(400, 1002, 'HTTP/1.1 is required'),
  'target-invalid': answer(400, 1002, 'invalid request target'),
  'host-missing': answer(400, 1002, 'Host header missing'),
  'header-repeated': answer(400, 1002, 'header must not be repeated'),
  'body-refused': answer(400, 1002, 'a request body is not accepted'),
  'method-refused': answer(405, 1002, 'only GET is accepted'),
  'upgrade-required': answer(426, 1002, 'this is a WebSocket endpoint'),
  'version-unsupported': answer(426, 1002, 'only WebSocket version 13 is supported'),
  'key-invalid': answer(400, 1002, 'Sec-WebSocket-Key must be 16 bytes in base64'),
  'subprotocols-malformed': answer(400, 1002, 'malformed Sec-WebSocket-Protocol'),
  'extensions-malformed': answer(400, 1002, 'malformed Sec-WebSocket-Extensions'),
} as const;

/** Rules of RFC 6455 §5 to §8 that a frame can break. */
const FRAME = {
  'rsv-set': answer(400, 1002, 'reserved bits set'),
  'opcode-reserved': answer(400, 1002, 'reserved opcode'),
  'mask-missing': answer(400, 1002, 'frame not masked'),
  'length-not-minimal': answer(400, 1002, 'payload length not minimal'),
  'length-invalid': answer(400, 1002, 'payload length has its top bit set'),
  'frame-too-large': answer(400, 1009, 'frame too large'),
  'message-too-large': answer(400, 1009, 'message too large'),
  'control-too-long': answer(400, 1002, 'control frame over 125 bytes'),
  'control-fragmented': answer(400, 1002, 'fragmented control frame'),
  'continuation-unexpected': answer(400, 1002, 'continuation without a message'),
  'message-interrupted': answer(400, 1002, 'new message inside a fragmented one'),
  'close-malformed': answer(400, 1002, 'malformed Close payload'),
  'close-code-invalid': answer(400, 1002, 'invalid close code'),
  'inflate-failed': answer(400, 1007, 'compressed data is corrupt'),
  'text-not-utf8': answer(400, 1007, 'text is not valid UTF-8'),
} as const;

/** Choosing and reaching the peer. */
const ROUTE = {
  'route-none': answer(404, 1011, 'nothing is served here'),
  'route-refused': answer(403, 1011, 'refused'),
  'route-invalid': answer(500, 1011, 'internal error'),
  'backend-failed': answer(500, 1011, 'internal error'),
  'backend-timeout': answer(504, 1011, 'no route in time'),
  'dial-failed': answer(502, 1011, 'peer unreachable'),
  'dial-timeout': answer(504, 1011, 'peer did not answer in time'),
} as const;

/** Bounds of limits.ts that the daemon has reached, or that one client has. */
const LIMITS = {
  'connections-full': answer(503, 1013, 'too many connections', 5),
  'address-full': answer(429, 1013, 'too many connections from one address', 5),
  'address-rate': answer(429, 1013, 'too many new connections from one address', 1),
  overloaded: answer(503, 1013, 'overloaded', 5),
  'memory-full': answer(503, 1013, 'too much data is waiting', 5),
  'descriptors-full': answer(503, 1013, 'too many connections', 5),
  'control-rate': answer(400, 1008, 'too many control frames or empty fragments'),
  'idle-timeout': answer(408, 1008, 'no data for too long'),
  'life-timeout': answer(408, 1008, 'open for too long'),
} as const;

/** The life of a bridged connection. */
const BRIDGE = {
  'peer-closed': answer(502, 1000, 'peer closed'),
  'peer-failed': answer(502, 1011, 'peer failed'),
  'peer-stalled': answer(504, 1013, 'peer takes no more data'),
  'framing-failed': answer(500, 1011, 'peer data could not be framed'),
  'segment-too-large': answer(500, 1009, 'message from peer too large'),
  'client-closed': answer(400, 1000, 'client closed'),
  'client-vanished': answer(400, 1006, 'client vanished'),
  'client-silent': answer(408, 1006, 'client did not answer a Ping'),
  'client-stalled': answer(408, 1006, 'client takes no more data'),
  'close-timeout': answer(408, 1006, 'client did not answer a Close'),
  stopping: answer(503, 1001, 'server shutting down', 5),
  internal: answer(500, 1011, 'internal error'),
} as const;

const ANSWERS = { ...HEAD, ...FRAME, ...ROUTE, ...LIMITS, ...BRIDGE };

export type FaultCode = keyof typeof ANSWERS;

/** Every code with its answer, in the order of a connection's life. */
export const FAULTS: Readonly<Record<FaultCode, Answer>> = ANSWERS;

/** What a plugin, or a line of a target file, has done wrong: whoever runs the daemon will want to know. */
export const PLUGIN_FAULTS: readonly FaultCode[] = [
  'route-invalid',
  'backend-failed',
  'backend-timeout',
  'framing-failed',
];

/** Where in the code it was matters for these alone; the others name a rule or a side, and end connections every day. */
const TRACED: ReadonlySet<FaultCode> = new Set<FaultCode>(['internal', ...PLUGIN_FAULTS]);

/** The numbers and names that matter to a person who reads the log; never sent to client or peer. */
export type FaultDetails = Readonly<Record<string, string | number | undefined>>;

/**
 * A rule was broken or a side failed. Carries the code; the table says what the wire is told.
 *
 * Only the codes that the log shows with a stack have one: to write it down costs 6 µs, the rest 0.5 µs.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly details: FaultDetails;

  constructor(code: FaultCode, details: FaultDetails = {}, cause?: unknown) {
    const { stackTraceLimit } = Error;
    // By `Reflect`, since to assign would throw in a program that has frozen its built-ins.
    if (!TRACED.has(code)) Reflect.set(Error, 'stackTraceLimit', 0);
    super(FAULTS[code].text, cause === undefined ? undefined : { cause });
    Reflect.set(Error, 'stackTraceLimit', stackTraceLimit);
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return FAULTS[this.code].status;
  }

  get close(): number {
    return FAULTS[this.code].close;
  }

  /** What an HTTP answer has besides status and text. */
  get headers(): readonly (readonly [string, string])[] {
    const { retry } = FAULTS[this.code];
    return retry === undefined ? [] : [['Retry-After', String(retry)]];
  }
}

/** Anything thrown, as a Fault: one of ours stays what it is, the unforeseen becomes `internal` (or `code`). */
export function asFault(thrown: unknown, code: FaultCode = 'internal'): Fault {
  return isInstance(thrown, Fault) ? thrown : new Fault(code, { message: messageOf(thrown) }, thrown);
}

/** The message of anything that was thrown, also of what is not an Error. */
export function messageOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown);
  } catch {
    return 'something that cannot be shown was thrown';
  }
}

/** `instanceof` for what a stranger threw or answered: a Proxy may throw when it is asked for its prototype. */
export function isInstance<T>(value: unknown, type: abstract new (...parts: never[]) => T): value is T {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}

/** The stack of an error, or what else there is to be said of it. */
export function stackOf(thrown: unknown): string {
  try {
    return isInstance(thrown, Error) ? String(thrown.stack) : messageOf(thrown);
  } catch {
    return messageOf(thrown);
  }
}

/**
 * What the log and the counters are told of one connection: that it is open, what is odd about it, and in one line how it ended.
 *
 * The fields of the last line are for scripts, too: docs/errors.md says what `why` means. What the client sent is logged
 * without what looks like a secret in it; what a plugin says is logged as it is.
 */
import { type Fault, type FaultDetails, PLUGIN_FAULTS, stackOf } from './errors.ts';
import type { Counters } from './observability/counters.ts';
import { type Logger, MAX_VALUE } from './observability/logger.ts';
import { redactSubprotocols, redactTarget } from './observability/redact.ts';
import type { Plan } from './routing.ts';
import { formatAddress, formatEndpoint } from './transports/address.ts';
import type { Transport } from './transports/transport.ts';

/** How a connection ended, and what it carried if it was ever open. */
export interface Summary {
  readonly plan: Plan | undefined;
  /** The HTTP status that it was refused with. */
  readonly status: number | undefined;
  /** Undefined: it was never open. */
  readonly carried: { readonly up: number; readonly down: number; readonly mistyped: number } | undefined;
  /** Bytes that compression kept off the wire. Undefined: there was none. */
  readonly saved: { readonly up: number; readonly down: number } | undefined;
  readonly client: Transport;
  readonly peer: Transport | undefined;
  /** Bytes from the client that had to wait for the peer and were never handed on. */
  readonly lost: number;
  /** Bytes for the client that were given up before they were written. */
  readonly unsent: number;
  /** Bytes from the peer that came when the client was gone, or had been told of the end. */
  readonly late: number;
  /** Bytes from the peer that were still no message. */
  readonly unframed: number;
  readonly why: Fault;
}

export class ConnectionLog {
  readonly #id: number;
  readonly #log: Logger;
  readonly #counters: Counters;
  readonly #client: string;
  readonly #began = performance.now();
  /** As it is logged. */
  #target: string | undefined;
  #dropping = false;

  /** @param remotePort 0: there is none, as behind a Unix socket */
  constructor(id: number, log: Logger, counters: Counters, remoteAddress: string, remotePort: number) {
    this.#id = id;
    this.#log = log;
    this.#counters = counters;
    this.#client = remotePort === 0 ? remoteAddress : formatEndpoint(remoteAddress, remotePort);
  }

  dialling({ address, notice }: Plan): void {
    if (notice !== undefined) this.#log.warn?.(notice, { id: this.#id });
    this.#log.debug?.('dialling', { id: this.#id, peer: formatAddress(address) });
  }

  /** @param extensions as the client was answered */
  /** What the client wants: as much of it as is logged, and nothing that it is a part of, since it is kept. */
  asked(target: string): void {
    const shown = redactTarget(target.slice(0, MOST_LOOKED_AT)).slice(0, MAX_VALUE + 1);
    this.#target = Buffer.from(shown, 'latin1').toString('latin1');
  }

  opened({ address, framingName, subprotocol }: Plan, extensions: string | undefined): void {
    this.#counters.add('opened');
    this.#log.info?.('open', {
      id: this.#id,
      client: this.#client,
      target: this.#target,
      peer: formatAddress(address),
      framing: framingName,
      subprotocol: subprotocol && redactSubprotocols(subprotocol),
      extensions,
    });
  }

  /** The stack of what nobody foresaw, and at level debug that of a plugin's failure. */
  fault(fault: Fault): void {
    const { code, cause } = fault;
    const stack = () => stackOf(cause === undefined ? fault : cause);
    if (code === 'internal') this.#log.error('internal', { id: this.#id, stack: stack() });
    else if (PLUGIN_FAULTS.includes(code)) this.#log.debug?.(code, { id: this.#id, stack: stack() });
  }

  /** noVNC waits for ever if the server's greeting, which is ASCII, comes as text: it has cost people hours. */
  greeting(framingName: string, bytes: Uint8Array): void {
    if (framingName !== 'auto' || !startsWith(bytes, 'RFB ')) return;
    this.#log.warn?.('the peer speaks VNC, whose clients need binary messages: set framing = binary', {
      id: this.#id,
    });
  }

  /** Said once, when it begins; how many it were stands in the line that tells of the connection's end. */
  drops(peer: Transport): void {
    if (this.#dropping || peer.dropped === 0) return;
    this.#dropping = true;
    this.#log.warn?.('the client is slower than its peer: datagrams are dropped', { id: this.#id });
  }

  ended(summary: Summary): void {
    this.#count(summary);
    const { plan, status, carried, saved, client, peer, lost, unsent, late, unframed, why } = summary;
    const log = PLUGIN_FAULTS.includes(why.code) ? this.#log.warn : this.#log.info;
    log?.(carried === undefined ? 'refused' : 'closed', {
      id: this.#id,
      client: this.#client,
      target: this.#target,
      peer: plan === undefined ? undefined : formatAddress(plan.address),
      ...(carried === undefined
        ? { status }
        : {
            framing: plan?.framingName,
            up: carried.up,
            down: carried.down,
            mistyped: carried.mistyped || undefined,
            'saved-up': saved?.up,
            'saved-down': saved?.down,
          }),
      dropped: peer?.dropped || undefined,
      'undelivered-up': (peer?.undelivered ?? 0) + lost || undefined,
      'undelivered-down': client.undelivered + unsent || undefined,
      unframed: unframed || undefined,
      late: late || undefined,
      ms: Math.round(performance.now() - this.#began),
      why: why.code,
      ...withoutSecrets(why),
    });
  }

  #count({ carried, client, peer, lost, unsent, late, unframed, why }: Summary): void {
    const counters = this.#counters;
    counters.ended(carried === undefined ? 'refused' : 'closed', why.code);
    counters.add('bytes-up', carried?.up ?? 0);
    counters.add('bytes-down', carried?.down ?? 0);
    counters.add('undelivered-up', (peer?.undelivered ?? 0) + lost);
    counters.add('undelivered-down', client.undelivered + unsent);
    counters.add('unframed', unframed);
    counters.add('late', late);
    counters.add('datagrams-dropped', peer?.dropped ?? 0);
  }
}

/** Two rules of the request head have details that are the client's own words. */
function withoutSecrets({ code, details }: Fault): FaultDetails {
  const { target, value } = details;
  if (code === 'target-invalid') return { ...details, target: redactTarget(String(target)) };
  if (code === 'subprotocols-malformed') return { ...details, value: redactSubprotocols(String(value)) };
  return details;
}

/** Of a request target: what is redacted is longer than what is left of it. */
const MOST_LOOKED_AT = 4 * MAX_VALUE;

function startsWith(bytes: Uint8Array, text: string): boolean {
  return bytes.length >= text.length && Buffer.from(text).every((byte, i) => bytes[i] === byte);
}

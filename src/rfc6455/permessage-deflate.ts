/**
 * The extension permessage-deflate (RFC 7692): which of a client's offers is taken, and what follows from it.
 *
 * An offer that has anything in it that we do not know or cannot honour is passed over as a whole (§5.1, §7.1), and the
 * next one is looked at. The work itself is done in inflater.ts and deflater.ts.
 */
import type { DeflateRaw, InflateRaw } from 'node:zlib';
import { type DeflateHandler, Deflater } from './deflater.ts';
import type { ExtensionOffer, ExtensionParameter } from './extensions.ts';
import { type InflateHandler, Inflater } from './inflater.ts';
import { IdleStreams } from './zlib-stream.ts';

export interface CompressionOptions {
  /** 1, fast, to 9, small. */
  readonly level: number;
  /** Largest LZ77 window that we agree to, in either direction, 9 to 15. */
  readonly windowBits: number;
  /** Whether our messages may refer to those before; costs a compressor for each connection. */
  readonly serverTakeover: boolean;
  /** Whether the client's may. */
  readonly clientTakeover: boolean;
  /** Messages shorter than this go out uncompressed. In bytes, at least 1. */
  readonly threshold: number;
  /** Most connections at a time; those beyond it go on uncompressed. */
  readonly connections: number;
  /** Whether small work is done in this thread. @default if Node lets us */
  readonly sync?: boolean;
}

/** What one connection has agreed on. */
export interface Agreement {
  readonly serverTakeover: boolean;
  readonly clientTakeover: boolean;
  readonly serverWindowBits: number;
  readonly clientWindowBits: number;
  /** The value of the answer's Sec-WebSocket-Extensions. */
  readonly response: string;
}

const NAME = 'permessage-deflate';
/** §7.1.2: the window where nothing else is agreed on. */
const MOST_BITS = 15;

/** Compression for all connections of a daemon: what they may agree on, what they share, and how many there are. */
export class Compression {
  readonly #options: CompressionOptions;
  readonly #inflates = new IdleStreams<InflateRaw>();
  readonly #deflates = new IdleStreams<DeflateRaw>();
  #connections = 0;

  constructor(options: CompressionOptions) {
    this.#options = options;
  }

  /** Connections that are compressed now. */
  get connections(): number {
    return this.#connections;
  }

  /** Takes the first offer that can be honoured. Undefined: there is none, or there are too many connections. */
  agree(offers: readonly ExtensionOffer[]): ConnectionCompression | undefined {
    if (this.#connections >= this.#options.connections) return undefined;
    const agreement = negotiate(offers, this.#options);
    if (agreement === undefined) return undefined;
    this.#connections += 1;
    return new ConnectionCompression(agreement, this.#options, this.#inflates, this.#deflates, () => {
      this.#connections -= 1;
    });
  }
}

/** Compression of one connection. */
export class ConnectionCompression {
  readonly agreement: Agreement;
  readonly #options: CompressionOptions;
  readonly #inflates: IdleStreams<InflateRaw>;
  readonly #deflates: IdleStreams<DeflateRaw>;
  #release: (() => void) | undefined;

  constructor(
    agreement: Agreement,
    options: CompressionOptions,
    inflates: IdleStreams<InflateRaw>,
    deflates: IdleStreams<DeflateRaw>,
    release: () => void,
  ) {
    this.agreement = agreement;
    this.#options = options;
    this.#inflates = inflates;
    this.#deflates = deflates;
    this.#release = release;
  }

  get threshold(): number {
    return this.#options.threshold;
  }

  inflater(handler: InflateHandler): Inflater {
    const { clientWindowBits: windowBits, clientTakeover: takeover } = this.agreement;
    return new Inflater({ windowBits, takeover, idle: this.#inflates, ...this.#thread() }, handler);
  }

  deflater(handler: DeflateHandler): Deflater {
    const { serverWindowBits: windowBits, serverTakeover: takeover } = this.agreement;
    const { level } = this.#options;
    return new Deflater({ windowBits, takeover, level, idle: this.#deflates, ...this.#thread() }, handler);
  }

  /** The connection is over, and counts no more. */
  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #thread(): { sync?: boolean } {
    const { sync } = this.#options;
    return sync === undefined ? {} : { sync };
  }
}

/** What we answer to the first offer that we can honour (§7.1). */
export function negotiate(
  offers: readonly ExtensionOffer[],
  options: CompressionOptions,
): Agreement | undefined {
  for (const { name, parameters } of offers) {
    const offer = name === NAME ? readOffer(parameters) : undefined;
    if (offer !== undefined) return settle(offer, options);
  }
  return undefined;
}

/** An offer's parameters. Of a window: its bits, or that they are left to us (true). */
interface Offer {
  server_no_context_takeover?: true;
  client_no_context_takeover?: true;
  server_max_window_bits?: number;
  client_max_window_bits?: number | true;
}

/** Undefined: the offer has to be declined (§7.1: an unknown parameter, a wrong value, a parameter that comes twice). */
function readOffer(parameters: readonly ExtensionParameter[]): Offer | undefined {
  const offer: Offer = {};
  for (const { name, value } of parameters) {
    if (Object.hasOwn(offer, name)) return undefined;
    const bits = value === undefined ? undefined : windowBits(value);
    if (name === 'server_no_context_takeover' || name === 'client_no_context_takeover') {
      if (value !== undefined) return undefined;
      offer[name] = true;
    } else if (name === 'server_max_window_bits') {
      // §7.1.2.1: always with a value.
      if (bits === undefined) return undefined;
      offer[name] = bits;
    } else if (name === 'client_max_window_bits') {
      // §7.1.2.2: with a value or without.
      if (value !== undefined && bits === undefined) return undefined;
      offer[name] = bits ?? true;
    } else {
      return undefined;
    }
  }
  return offer;
}

/** §7.1.2: 8 to 15, in decimal and without leading zeros. */
function windowBits(value: string): number | undefined {
  return /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : undefined;
}

function settle(offer: Offer, options: CompressionOptions): Agreement {
  const serverTakeover = options.serverTakeover && !offer.server_no_context_takeover;
  // §7.1.1.2: a client that offers it will not refer back, whatever we answer.
  const clientTakeover = options.clientTakeover && !offer.client_no_context_takeover;
  const serverWindowBits = Math.min(options.windowBits, offer.server_max_window_bits ?? MOST_BITS);
  const asked = offer.client_max_window_bits;
  // §7.1.2.2: only who offers it can be told to.
  const clientWindowBits =
    asked === undefined ? MOST_BITS : Math.min(options.windowBits, asked === true ? MOST_BITS : asked);
  const answer = [NAME];
  if (!serverTakeover) answer.push('server_no_context_takeover');
  if (!clientTakeover) answer.push('client_no_context_takeover');
  // §7.1.2.1: who asks for it is to have it confirmed.
  if (serverWindowBits < MOST_BITS || offer.server_max_window_bits !== undefined)
    answer.push(`server_max_window_bits=${serverWindowBits}`);
  if (clientWindowBits < MOST_BITS) answer.push(`client_max_window_bits=${clientWindowBits}`);
  return { serverTakeover, clientTakeover, serverWindowBits, clientWindowBits, response: answer.join('; ') };
}

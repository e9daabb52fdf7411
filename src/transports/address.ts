/**
 * Peer addresses: `tcp://host:port`, `echo://` and the schemes that later versions will dial.
 *
 * Parsing answers one question, "what was meant", and throws an error whose message tells a person what is wrong; it
 * looks nothing up.
 */
import { isIPv6 } from 'node:net';

export type PeerAddress =
  /** `host` is a name or an IP address, without brackets. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** The peer inside the daemon that sends each message back. */
  | { readonly kind: 'echo' };

/** Schemes that are understood, and why they are refused. */
const NOT_YET: Readonly<Record<string, string>> = {
  udp: 'udp:// peers are not supported by this version',
  unix: 'unix:// peers are not supported by this version',
  'unix-dgram': 'unix-dgram:// peers are not supported by this version',
  fifotx: 'fifotx:// was never implemented, here or in the C daemon',
  fiforx: 'fiforx:// was never implemented, here or in the C daemon',
};

export interface PortChoice {
  /** Wins over a port in the address. */
  readonly port?: number | string | undefined;
  /** Stands in where neither names one. */
  readonly defaultPort?: number | undefined;
}

/**
 * Reads a peer address. Without a scheme it is taken as TCP.
 *
 * @throws Error that says what is wrong with the text
 */
export function parseAddress(text: string, ports: PortChoice = {}): PeerAddress {
  const schemeEnd = text.indexOf('://');
  const scheme = schemeEnd < 0 ? 'tcp' : text.slice(0, schemeEnd).toLowerCase();
  const rest = schemeEnd < 0 ? text : text.slice(schemeEnd + 3);
  if (scheme === 'echo') {
    if (rest !== '') throw new Error(`${quote(text)}: echo:// has nothing behind it`);
    return { kind: 'echo' };
  }
  const refused = Object.hasOwn(NOT_YET, scheme) ? NOT_YET[scheme] : undefined;
  if (refused !== undefined) throw new Error(`${quote(text)}: ${refused}; use tcp:// or echo://`);
  if (scheme !== 'tcp')
    throw new Error(`${quote(text)}: unknown scheme ${quote(scheme)}; use tcp:// or echo://`);
  const { host, port: given } = splitHost(text, rest);
  const written = given === undefined ? undefined : parsePort(given, text);
  const chosen = typeof ports.port === 'string' ? parsePort(ports.port) : ports.port;
  const port = chosen ?? written ?? ports.defaultPort;
  if (port === undefined) throw new Error(`${quote(text)}: no port; write tcp://host:port`);
  return { kind: 'tcp', host, port };
}

/** The address as a person would write it. */
export function formatAddress(address: PeerAddress): string {
  return address.kind === 'echo' ? 'echo://' : `tcp://${formatEndpoint(address.host, address.port)}`;
}

/** `host:port`, with an IPv6 address in brackets. */
export function formatEndpoint(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A port of a peer: 1 to 65535, decimal. Throws an Error that quotes `where` it stood. */
export function parsePort(text: string, where = text): number {
  const port = parseDecimal(text);
  if (port === undefined || port < 1 || port > 65535) {
    throw new Error(`${quote(where)}: a port is a number from 1 to 65535, not ${quote(text)}`);
  }
  return port;
}

/** A run of at most nine decimal digits, as a number; undefined for anything else. */
export function parseDecimal(text: string): number | undefined {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined;
}

function splitHost(text: string, rest: string): { host: string; port: string | undefined } {
  if (rest.startsWith('[')) {
    const close = rest.indexOf(']');
    const host = rest.slice(1, Math.max(1, close));
    const behind = rest.slice(close + 1);
    if (close < 0 || !isIPv6(host))
      throw new Error(`${quote(text)}: brackets hold an IPv6 address, as in tcp://[::1]:80`);
    if (behind === '') return { host, port: undefined };
    if (!behind.startsWith(':')) throw new Error(`${quote(text)}: after "]" comes ":" and a port`);
    return { host, port: behind.slice(1) };
  }
  if (isIPv6(rest)) return { host: rest, port: undefined };
  const colon = rest.indexOf(':');
  const host = colon < 0 ? rest : rest.slice(0, colon);
  if (host === '') throw new Error(`${quote(text)}: no host; write tcp://host:port`);
  if (!isHostName(host)) throw new Error(`${quote(text)}: ${quote(host)} is not a host name`);
  return { host, port: colon < 0 ? undefined : rest.slice(colon + 1) };
}

/** Lenient where resolvers are (underscores, a final dot), but nothing that belongs to another part of an address. */
function isHostName(host: string): boolean {
  return host.length <= 253 && /^[A-Za-z0-9._\u0080-\uffff-]+$/.test(host);
}

function quote(text: string): string {
  return JSON.stringify(text);
}

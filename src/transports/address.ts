/**
 * Peer addresses: what a person writes, read and printed.
 *
 *     tcp://host:port    udp://[::1]:port    unix:///run/app.sock    unix://@abstract    unix-dgram:///run/log    echo://
 *
 * Parsing answers one question, "what was meant", and throws an error whose message tells a person what is wrong; it
 * reaches nothing but the system's list of services.
 */
import { randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { servicePort } from './services.ts';

export type PeerAddress =
  /** `host` is a name or an IP address, without brackets. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'udp'; readonly host: string; readonly port: number }
  /** `path` is a file's, or behind an `@` a name in Linux's abstract namespace. */
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'unix-dgram'; readonly path: string }
  /** The peer inside the daemon that sends each message back. */
  | { readonly kind: 'echo' };

const KINDS = 'use tcp://, udp://, unix://, unix-dgram:// or echo://';

/** Schemes that are understood, and refused. */
const NEVER: readonly string[] = ['fifotx', 'fiforx'];

export interface PortChoice {
  /** A number or the name of a service. Wins over a port in the address. */
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
  switch (scheme) {
    case 'tcp':
    case 'udp':
      return { kind: scheme, ...parseEndpoint(text, rest, scheme, ports) };
    case 'unix':
    case 'unix-dgram':
      return { kind: scheme, path: checkSocketPath(rest, text) };
    case 'echo':
      if (rest !== '') throw new Error(`${quote(text)}: echo:// has nothing behind it`);
      return { kind: 'echo' };
    default:
      if (NEVER.includes(scheme))
        throw new Error(
          `${quote(text)}: ${scheme}:// was never implemented, here or in the C daemon; ${KINDS}`,
        );
      throw new Error(`${quote(text)}: unknown scheme ${quote(scheme)}; ${KINDS}`);
  }
}

/** Whether an address names its scheme, or is taken as TCP. */
export function hasScheme(text: string): boolean {
  return text.includes('://');
}

/** The address as a person would write it. */
export function formatAddress(address: PeerAddress): string {
  switch (address.kind) {
    case 'tcp':
    case 'udp':
      return `${address.kind}://${formatEndpoint(address.host, address.port)}`;
    case 'unix':
    case 'unix-dgram':
      return `${address.kind}://${address.path}`;
    case 'echo':
      return 'echo://';
  }
}

/** `host:port`, with an IPv6 address in brackets. */
export function formatEndpoint(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A port of a peer: 1 to 65535, decimal, or a service's name. Throws an Error that quotes `where` it stood. */
export function parsePort(text: string, protocol: 'tcp' | 'udp', where?: string): number {
  const prefix = where === undefined ? '' : `${quote(where)}: `;
  const number = parseDecimal(text);
  if (number !== undefined && number >= 1 && number <= 65535) return number;
  if (isServiceName(text)) {
    const port = servicePort(text, protocol);
    if (port !== undefined) return port;
    const known = `no ${protocol.toUpperCase()} service is called ${quote(text)}`;
    throw new Error(`${prefix}${known}; a port is a number from 1 to 65535, or a name of /etc/services`);
  }
  throw new Error(`${prefix}a port is a number from 1 to 65535, not ${quote(text)}`);
}

/** RFC 6335 §5.1: letters, digits and hyphens, with a letter among them. Two looks, since one would take the square of the length. */
function isServiceName(text: string): boolean {
  return /^[A-Za-z0-9-]+$/.test(text) && /[A-Za-z]/.test(text);
}

/** A run of at most nine decimal digits, as a number; undefined for anything else. */
export function parseDecimal(text: string): number | undefined {
  return /^[0-9]{1,9}$/.test(text) ? Number(text) : undefined;
}

/** `sun_path` of `sockaddr_un` with the NUL at its end: 108 bytes on Linux, 104 elsewhere. What is longer gets cut by some systems. */
export const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103;

/** A path that a Unix socket can have. Throws an Error that quotes `where` it stood. */
export function checkSocketPath(path: string, where: string): string {
  const length = Buffer.byteLength(path);
  if (path === '' || path === '@') throw new Error(`${quote(where)}: no path; write unix:///run/app.sock`);
  if (path.includes('\0')) throw new Error(`${quote(where)}: a path has no NUL in it`);
  if (length > MAX_SOCKET_PATH) {
    throw new Error(
      `${quote(where)}: the path of a Unix socket has at most ${MAX_SOCKET_PATH} bytes, not ${length}`,
    );
  }
  if (path.startsWith('@') && process.platform !== 'linux') {
    throw new Error(
      `${quote(where)}: only Linux has abstract sockets; for a file of that name write ./${path}`,
    );
  }
  return path;
}

/** A path in `folder` for a socket of ours: short, since the paths of sockets are, and not to be guessed. */
export function temporaryPath(folder: string): string {
  return join(folder, `ws-${randomBytes(6).toString('hex')}`);
}

/** What the system wants: the name of an abstract socket follows a NUL. */
export function systemPath(path: string): string {
  return path.startsWith('@') ? `\0${path.slice(1)}` : path;
}

function parseEndpoint(
  text: string,
  rest: string,
  protocol: 'tcp' | 'udp',
  ports: PortChoice,
): { host: string; port: number } {
  const { host, port: given } = splitHost(text, rest, protocol);
  // Read even if it does not count: what is no port may be the rest of a broken IPv6 address.
  const written = given === undefined ? undefined : parsePort(given, protocol, text);
  const chosen = typeof ports.port === 'string' ? parsePort(ports.port, protocol) : ports.port;
  const port = chosen ?? written ?? ports.defaultPort;
  if (port === undefined) throw new Error(`${quote(text)}: no port; write ${protocol}://host:port`);
  return { host, port };
}

function splitHost(text: string, rest: string, scheme: string): { host: string; port: string | undefined } {
  if (rest.startsWith('[')) {
    const close = rest.indexOf(']');
    const host = rest.slice(1, Math.max(1, close));
    const behind = rest.slice(close + 1);
    if (close < 0 || !isIPv6(host))
      throw new Error(`${quote(text)}: brackets hold an IPv6 address, as in ${scheme}://[::1]:80`);
    refuseZoneWithPort(host, text, scheme);
    if (behind === '') return { host, port: undefined };
    if (!behind.startsWith(':')) throw new Error(`${quote(text)}: after "]" comes ":" and a port`);
    return { host, port: behind.slice(1) };
  }
  if (isIPv6(rest)) {
    refuseZoneWithPort(rest, text, scheme);
    return { host: rest, port: undefined };
  }
  const colon = rest.indexOf(':');
  const host = colon < 0 ? rest : rest.slice(0, colon);
  if (host === '') throw new Error(`${quote(text)}: no host; write ${scheme}://host:port`);
  if (!isHostName(host)) throw new Error(`${quote(text)}: ${quote(host)} is not a host name`);
  return { host, port: colon < 0 ? undefined : rest.slice(colon + 1) };
}

/** To Node the zone is all that follows the `%`, a port, too. */
function refuseZoneWithPort(host: string, text: string, scheme: string): void {
  if (/%.*:/.test(host))
    throw new Error(`${quote(text)}: with a zone and a port it is written ${scheme}://[fe80::1%eth0]:80`);
}

/** Lenient where resolvers are (underscores, a final dot), but nothing that belongs to another part of an address. */
function isHostName(host: string): boolean {
  return host.length <= 253 && /^[A-Za-z0-9._\u0080-\uffff-]+$/.test(host);
}

function quote(text: string): string {
  return JSON.stringify(text);
}

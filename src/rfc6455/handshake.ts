/**
 * The server's side of the opening handshake (RFC 6455 §4.2): judges a parsed request head, and writes the answers.
 *
 * `checkRequest` throws a Fault whose code says which rule was broken. The responses are complete: a client that does
 * not speak WebSocket can show them to its user.
 */
import * as crypto from 'node:crypto';
import { Fault } from '../errors.ts';
import { type ExtensionOffer, parseExtensions } from './extensions.ts';
import { isAuthority, isFieldValue, isToken, listElements, listIncludes } from './http-syntax.ts';
import type { RequestHead } from './request-head.ts';

/** What a client asked for, when all of it is in order. */
export interface OpeningRequest {
  /** Path and query, as sent: `/vnc?token=a%20b`. An absolute-form target is reduced to these. */
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Sec-WebSocket-Key, as sent. */
  readonly key: string;
  /** In the client's order and spelling. */
  readonly subprotocols: readonly string[];
  readonly extensions: readonly ExtensionOffer[];
}

/** Header fields of an answer, in order. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** §1.3: what the key is joined with before it is hashed. */
const KEY_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** §4.2.1: the checks of an opening handshake, in the order in which a client would want to hear of them. */
export function checkRequest(head: RequestHead): OpeningRequest {
  checkVersion(head.version);
  // §4.2.1 item 1: the method must be GET.
  if (head.method !== 'GET') throw new Fault('method-refused', { method: head.method });
  if (!head.headers.has('host')) throw new Fault('host-missing');
  const { target, authority } = checkTarget(head.target);
  // RFC 9112 §3.2.2: the authority of an absolute-form target stands in for the Host header.
  const headers = authority === undefined ? head.headers : new Map(head.headers).set('host', authority);
  // A body would be taken for frames: whoever sends one means something else.
  if (headers.has('transfer-encoding')) throw new Fault('body-refused', { header: 'transfer-encoding' });
  const length = headers.get('content-length');
  if (length !== undefined && length !== '0') throw new Fault('body-refused', { header: 'content-length' });
  // §4.2.1 items 3 and 4.
  if (!listIncludes(headers.get('upgrade'), 'websocket'))
    throw new Fault('upgrade-required', { missing: 'upgrade' });
  if (!listIncludes(headers.get('connection'), 'upgrade')) {
    throw new Fault('upgrade-required', { missing: 'connection' });
  }
  // §4.2.1 item 6, §4.4: another version is told which one we speak.
  const version = headers.get('sec-websocket-version');
  if (version !== '13') throw new Fault('version-unsupported', { version });
  // §4.2.1 item 5.
  const key = headers.get('sec-websocket-key');
  if (key === undefined || !isKey(key)) throw new Fault('key-invalid');
  const extensions = headers.get('sec-websocket-extensions');
  return {
    target,
    headers,
    key,
    subprotocols: parseSubprotocols(headers.get('sec-websocket-protocol')),
    // §9.1: what does not conform to the grammar fails the connection, even where we take no extension.
    extensions: extensions === undefined ? [] : parseExtensions(extensions),
  };
}

/** §4.2.1 item 1: HTTP/1.1 or higher; a higher major version has another wire format. */
function checkVersion(version: string): void {
  const wellFormed = version.length === 8 && version.startsWith('HTTP/') && version[6] === '.';
  if (!wellFormed || !isDigit(version[5]!) || !isDigit(version[7]!))
    throw new Fault('head-malformed', { version });
  if (version[5] !== '1' || version[7] === '0') throw new Fault('version-http', { version });
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9';
}

/** RFC 9112 §3.2: origin-form, or absolute-form reduced to it. §3 of RFC 6455: a fragment has no place in either. */
function checkTarget(target: string): { target: string; authority?: string } {
  if (target.includes('#')) throw new Fault('target-invalid', { target });
  if (target.startsWith('/')) return { target };
  const schemeEnd = target.indexOf('://');
  const scheme = target.slice(0, Math.max(0, schemeEnd)).toLowerCase();
  if (!['http', 'https', 'ws', 'wss'].includes(scheme)) throw new Fault('target-invalid', { target });
  const rest = target.slice(schemeEnd + 3);
  const slash = rest.indexOf('/');
  const query = rest.indexOf('?');
  const pathStart = Math.min(slash < 0 ? rest.length : slash, query < 0 ? rest.length : query);
  const authority = rest.slice(0, pathStart);
  if (!isAuthority(authority)) throw new Fault('target-invalid', { target });
  const path = rest.slice(pathStart);
  return { target: path.startsWith('/') ? path : `/${path}`, authority };
}

/** Base64 of exactly 16 bytes: 22 characters of the alphabet and two of padding. */
function isKey(key: string): boolean {
  if (key.length !== 24 || !key.endsWith('==')) return false;
  for (let i = 0; i < 22; i += 1) {
    const char = key[i]!;
    const inAlphabet =
      (char >= 'A' && char <= 'Z') ||
      (char >= 'a' && char <= 'z') ||
      isDigit(char) ||
      char === '+' ||
      char === '/';
    if (!inAlphabet) return false;
  }
  return true;
}

/** §4.1 item 10: one or more tokens, all different. */
function parseSubprotocols(value: string | undefined): string[] {
  if (value === undefined) return [];
  const subprotocols = listElements(value);
  const valid = subprotocols.length > 0 && subprotocols.every(isToken);
  if (!valid || new Set(subprotocols).size !== subprotocols.length)
    throw new Fault('subprotocols-malformed', { value });
  return subprotocols;
}

/** §4.2.2 item 5.4: the base64 of the SHA-1 of key and GUID. */
export function acceptKey(key: string): string {
  return sha1(key + KEY_GUID);
}

/** Node 20.12 and later do it in one call, in a third of the time. */
const sha1: (text: string) => string =
  crypto.hash === undefined
    ? (text) => crypto.createHash('sha1').update(text).digest('base64')
    : (text) => crypto.hash('sha1', text, 'base64');

/** The 101 of §4.2.2, with the chosen subprotocol and the agreed extensions if there are any. */
export function acceptResponse(
  key: string,
  subprotocol: string | undefined,
  extensions?: string,
): Uint8Array {
  const protocol = subprotocol === undefined ? '' : `Sec-WebSocket-Protocol: ${subprotocol}\r\n`;
  const agreed = extensions === undefined ? '' : `Sec-WebSocket-Extensions: ${extensions}\r\n`;
  const response =
    'HTTP/1.1 101 Switching Protocols\r\n' +
    'Upgrade: websocket\r\n' +
    'Connection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${acceptKey(key)}\r\n` +
    `${protocol}${agreed}\r\n`;
  return Buffer.from(response, 'latin1');
}

/** Reason phrases of the statuses that we and plugins answer with. For others the phrase stays empty, as RFC 9112 §4 allows. */
const REASON_PHRASES: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  410: 'Gone',
  421: 'Misdirected Request',
  426: 'Upgrade Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

/** Headers that a status does not go without. */
const STATUS_HEADERS: Readonly<Record<number, HeaderList>> = {
  // RFC 9110 §15.5.6.
  405: [['Allow', 'GET']],
  // RFC 9110 §15.5.22; RFC 6455 §4.2.2 item 4 and §4.4 for the version.
  426: [
    ['Sec-WebSocket-Version', '13'],
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade, close'],
  ],
};

/**
 * A complete answer to a request that is not upgraded.
 *
 * @param text one line for a person, without a line end
 * @param headers further fields. Throws a RangeError for a field that cannot be sent as it is
 * @param withBody false: the answer to a HEAD request, which has the header fields of a body but not the body
 */
export function refusalResponse(
  status: number,
  text: string,
  headers: HeaderList = [],
  withBody = true,
): Uint8Array {
  for (const [name, value] of headers) {
    if (!isToken(name) || !isFieldValue(value))
      throw new RangeError(`header ${JSON.stringify(name)} cannot be sent`);
  }
  const body = Buffer.from(`${text}\n`, 'utf8');
  const fields: (readonly [string, string])[] = [
    ['Date', new Date().toUTCString()],
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(body.length)],
    ...(STATUS_HEADERS[status] ?? []),
    ...headers,
  ];
  if (status !== 426) fields.push(['Connection', 'close']);
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = Buffer.from(`HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? ''}\r\n${lines}\r\n`, 'latin1');
  return withBody ? Buffer.concat([head, body]) : head;
}

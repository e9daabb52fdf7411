/**
 * What a backend is asked with: the opening request in the form that plugin authors want. Query and cookies are parsed
 * when a backend looks at them, since most do not.
 */
import type { UpgradeRequest } from './plugins/api.ts';
import type { OpeningRequest } from './rfc6455/handshake.ts';
import { trimOws } from './rfc6455/http-syntax.ts';

const NONE: readonly string[] = Object.freeze([]);

export class ClientRequest implements UpgradeRequest {
  readonly target: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly subprotocols: readonly string[];
  readonly remoteAddress: string;
  readonly remotePort: number;
  #cookies: ReadonlyMap<string, string> | undefined;

  constructor(
    request: Pick<OpeningRequest, 'target' | 'headers' | 'subprotocols'>,
    remoteAddress: string,
    remotePort: number,
  ) {
    this.target = request.target;
    this.headers = request.headers;
    // What the answer is checked against is not the plugin's to change.
    this.subprotocols = request.subprotocols.length === 0 ? NONE : Object.freeze([...request.subprotocols]);
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  get path(): string {
    const mark = this.target.indexOf('?');
    return mark < 0 ? this.target : this.target.slice(0, mark);
  }

  get query(): URLSearchParams {
    // It takes off one question mark itself, so it must get the one of the target: in `/a??b` the second is a name's.
    return new URLSearchParams(this.target.slice(this.path.length));
  }

  get cookies(): ReadonlyMap<string, string> {
    this.#cookies ??= parseCookies(this.headers.get('cookie') ?? '');
    return this.#cookies;
  }
}

/**
 * RFC 6265 §4.2.1: pairs between semicolons. As servers do, it takes what the grammar is too strict for: any or no
 * space around a pair, any character in a value (quotes are a part of it), an empty value. A piece without `=` or
 * without a name is none. Of a name that stands twice the first counts: §5.4 has browsers send the longer path first.
 *
 * Spaces and tabs are all that is trimmed: 0xA0, white space to JavaScript, is the last byte of an `à` in UTF-8.
 */
export function parseCookies(header: string): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const piece of header.split(';')) {
    const equals = piece.indexOf('=');
    const name = trimOws(piece.slice(0, Math.max(0, equals)));
    if (name !== '' && !cookies.has(name)) cookies.set(name, trimOws(piece.slice(equals + 1)));
  }
  return cookies;
}

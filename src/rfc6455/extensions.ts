/**
 * The grammar of Sec-WebSocket-Extensions (RFC 6455 §9.1), by hand and without regular expressions, in one pass.
 *
 *     extension-list  = 1#extension
 *     extension       = extension-token *( ";" extension-param )
 *     extension-param = token [ "=" (token | quoted-string) ]
 *
 * A quoted value must, unquoted, be a token as well.
 */
import { Fault } from '../errors.ts';
import { isOws, isToken, isTokenByte } from './http-syntax.ts';

export interface ExtensionParameter {
  readonly name: string;
  readonly value: string | undefined;
}

export interface ExtensionOffer {
  readonly name: string;
  readonly parameters: readonly ExtensionParameter[];
}

/** Reads the offers in their order. Throws a Fault `extensions-malformed` for what breaks the grammar. */
export function parseExtensions(value: string): ExtensionOffer[] {
  const scanner = new Scanner(value);
  const offers: ExtensionOffer[] = [];
  for (;;) {
    // RFC 9110 §5.6.1.2: a recipient ignores empty list elements.
    while (scanner.skip(',')) {}
    if (scanner.atEnd) break;
    const name = scanner.token();
    const parameters: ExtensionParameter[] = [];
    while (scanner.skip(';')) {
      const parameter = scanner.token();
      parameters.push({ name: parameter, value: scanner.skip('=') ? scanner.value() : undefined });
    }
    offers.push({ name, parameters });
    if (!scanner.atEnd && !scanner.skip(',')) scanner.refuse();
  }
  if (offers.length === 0) scanner.refuse();
  return offers;
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#skipOws();
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  skip(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    this.#skipOws();
    return true;
  }

  token(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && isTokenByte(this.#text.charCodeAt(this.#at))) this.#at += 1;
    if (this.#at === start) this.refuse();
    const token = this.#text.slice(start, this.#at);
    this.#skipOws();
    return token;
  }

  value(): string {
    return this.#text[this.#at] === '"' ? this.#quoted() : this.token();
  }

  refuse(): never {
    throw new Fault('extensions-malformed', { at: this.#at });
  }

  #quoted(): string {
    let value = '';
    for (this.#at += 1; this.#text[this.#at] !== '"'; this.#at += 1) {
      if (this.#text[this.#at] === '\\') this.#at += 1;
      if (this.#at >= this.#text.length) this.refuse();
      value += this.#text[this.#at];
    }
    if (!isToken(value)) this.refuse();
    this.#at += 1;
    this.#skipOws();
    return value;
  }

  #skipOws(): void {
    while (this.#at < this.#text.length && isOws(this.#text.charCodeAt(this.#at))) this.#at += 1;
  }
}

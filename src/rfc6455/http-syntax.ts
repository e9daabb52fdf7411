/** The few pieces of HTTP grammar (RFC 9110 §5.6) that a request head and its list headers are made of. */

const TOKEN_PUNCTUATION = "!#$%&'*+-.^_`|~";

/** §5.6.2: 1 for each byte that may stand in a token. */
const TOKEN = new Uint8Array(256);
for (let byte = 0; byte < 128; byte += 1) {
  const char = String.fromCharCode(byte);
  if (isAlphanumeric(char) || TOKEN_PUNCTUATION.includes(char)) TOKEN[byte] = 1;
}

export const CR = 0x0d;
export const LF = 0x0a;
export const SP = 0x20;
export const HTAB = 0x09;
export const COLON = 0x3a;

/** Whether a byte may stand in a token: a method, a header name, a subprotocol. */
export function isTokenByte(byte: number): boolean {
  return TOKEN[byte] === 1;
}

/** Whether a byte may stand in a field value (§5.5): anything visible, spaces, tabs, and obs-text. */
export function isValueByte(byte: number): boolean {
  return (byte >= SP && byte !== 0x7f) || byte === HTAB;
}

/** Whether a string is one whole token. */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

/** Whether a string can be sent as a field value as it is: no control characters, so no CR or LF, and Latin-1 only. */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code > 0xff || !isValueByte(code)) return false;
  }
  return true;
}

/** The elements of a comma-separated list, without the white space around them and without empty ones (§5.6.1.2). */
export function listElements(value: string): string[] {
  const elements: string[] = [];
  for (const element of value.split(',')) {
    const trimmed = trimOws(element);
    if (trimmed !== '') elements.push(trimmed);
  }
  return elements;
}

/** Whether a list names a token, in any case. */
export function listIncludes(value: string | undefined, token: string): boolean {
  if (value === undefined) return false;
  // Most lists have one element. One of the token's length is the token or does not have it.
  if (value.length === token.length) return value.toLowerCase() === token;
  return listElements(value).some((element) => element.toLowerCase() === token);
}

/** Without leading and trailing optional white space (§5.6.3), which is spaces and tabs alone. */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOws(text.charCodeAt(start))) start += 1;
  while (end > start && isOws(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

export function isOws(code: number): boolean {
  return code === SP || code === HTAB;
}

/** RFC 3986 §3.2 without user information, which no request has: a host name, an address, a port. */
export function isAuthority(text: string): boolean {
  for (const char of text) if (!isAlphanumeric(char) && !AUTHORITY_SIGNS.includes(char)) return false;
  return text !== '';
}

const AUTHORITY_SIGNS = "-._~!$&'()*+,;=%:[]";

function isAlphanumeric(char: string): boolean {
  return (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || (char >= '0' && char <= '9');
}

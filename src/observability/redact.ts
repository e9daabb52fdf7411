/**
 * What must not stand in a log although somebody sent it: passwords, tokens, sessions, by the names they go by.
 *
 * A name is all there is to go by: a secret under a name that nobody would guess, or in the path of a target, is not
 * found. When in doubt a value is left out. Each function is one or a few passes over its text, whatever that is.
 */

/** Stands in the place of the value. */
export const REDACTED = '[redacted]';

/** Wherever in a name they stand: `access_token`, `X-Api-Key`, `PHPSESSID`, `oauth2-authorization`. */
const STEM =
  /token|secret|passw|passphrase|credential|authoriz|authenti|session|sessid|signature|cookie|bearer|apikey|jwt/;

/** As a whole word of a name only: `key` and `api-key`, but not `keyboard`. */
const WORDS: ReadonlySet<string> = new Set(['auth', 'key', 'pass', 'pwd', 'sid', 'sig', 'hmac', 'otp']);

/** In a query these are secrets as well (OAuth, CAS); in a header or in the log they are numbers. */
const QUERY_WORDS: ReadonlySet<string> = new Set([...WORDS, 'code', 'ticket', 'assertion']);

/** Whether a header, a cookie or a field of the log is named like a secret: `Authorization`, `Set-Cookie`, `x-api-key`. */
export function isSecretName(name: string): boolean {
  return soundsSecret(name, WORDS);
}

/**
 * A request target, without the values of parameters that are named like secrets, in the query, in the path
 * (`/a;token=…`) or in a URL that is a parameter itself, and without `user:password@`.
 */
export function redactTarget(target: string): string {
  // The targets of most clients.
  if (!/[=@%]|eyJ/.test(target)) return target;
  return redactUrl(target, NESTED);
}

/** Subprotocols, separated by commas. Some clients have nowhere else to put a token; ordinary names are short. */
export function redactSubprotocols(list: string): string {
  return list
    .split(',')
    .map((name) => (isSubprotocolSecret(name.trim()) ? REDACTED : name))
    .join(',');
}

/** Longer than all that IANA has registered. */
const MAX_SUBPROTOCOL = 64;

function isSubprotocolSecret(name: string): boolean {
  return name.length > MAX_SUBPROTOCOL || isJwt(name) || isSecretName(name);
}

/** How deep a URL may stand as a parameter in another one. What lies deeper is left out as a whole. */
const NESTED = 3;

/** What parts the pieces of a URL, all of them `name`, `name=value` or `user:password@host`. */
const SEPARATORS = '/?#;&';

/** The value of a secret has no end before these: it may hold the other separators. */
const PATH_ENDS = '/?#';
const QUERY_ENDS = '&';

function redactUrl(url: string, depth: number): string {
  let done = '';
  let ends = PATH_ENDS;
  for (let from = 0; from <= url.length; ) {
    let to = find(url, SEPARATORS, from);
    const piece = url.slice(from, to);
    const valueAt = piece.indexOf('=') + 1;
    if (valueAt > 0 && soundsSecret(decode(piece.slice(0, valueAt)), QUERY_WORDS)) {
      to = find(url, ends, from + valueAt);
      done += piece.slice(0, valueAt) + (to > from + valueAt ? REDACTED : '');
    } else if (mayHaveUser(url, from) && piece.lastIndexOf('@') > 0) {
      done += REDACTED + piece.slice(piece.lastIndexOf('@'));
    } else {
      done += redactValue(piece, valueAt, depth);
    }
    if (url[to] === '?' || url[to] === '#') ends = QUERY_ENDS;
    done += url.slice(to, to + 1);
    from = to + 1;
  }
  return done;
}

/** Behind `//`; or at the beginning, if it is `user:…@`: `user@…` is as likely an address to write to. */
function mayHaveUser(url: string, from: number): boolean {
  if (from > 0) return url.startsWith('//', from - 2);
  const colon = find(url, `:@${SEPARATORS}`, 0);
  return url[colon] === ':';
}

/** A value may be a URL with parameters of its own, in percent-encoding. */
function redactValue(piece: string, at: number, depth: number): string {
  const value = piece.slice(at);
  const plain = decode(value);
  const isSecret =
    isJwt(value) || (plain !== value && (depth === 0 || redactUrl(plain, depth - 1) !== plain));
  return isSecret ? piece.slice(0, at) + REDACTED : piece;
}

/** Where the first of some characters is, from a place on; the end if there is none. */
function find(text: string, chars: string, from: number): number {
  let at = from;
  while (at < text.length && !chars.includes(text[at]!)) at += 1;
  return at;
}

/** `eyJ…` is how `{"` begins in Base64: the header of a JSON Web Token, which has three parts. */
function isJwt(text: string): boolean {
  return text.startsWith('eyJ') && text.split('.', 3).length === 3;
}

/** By letters only, in any case: `a[access_token]`, `accessToken` and `key1` have the words that one reads in them. */
function soundsSecret(name: string, words: ReadonlySet<string>): boolean {
  const letters = name.replaceAll(/[^A-Za-z]+/g, '').toLowerCase();
  // Each of the words that count has three.
  if (letters.length < 3) return false;
  if (STEM.test(letters)) return true;
  const parted = name.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return parted.split(/[^a-z]/).some((word) => words.has(word));
}

/** Percent-encoding of ASCII undone. What is none stays as it is. */
function decode(text: string): string {
  if (!text.includes('%')) return text;
  return text.replaceAll(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/**
 * The expressions of the backend `file`: from what a client sent to the name of a target file.
 *
 * An expression is literal text with variables: `%endpoint%`, `%cookie:NAME%`, `%header:NAME%`. `%%` is a percent sign.
 * It is read once, into the segments of a path, and what a client sends only ever fills a part of a segment: its
 * slashes become underscores, and a segment that means a folder (`.`, `..`) is none. So no name leads out of the folder
 * that it counts from, as far as names go; links are target-folder.ts's.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { optionError, type UpgradeRequest } from '../api.ts';

/** What an expression can look at. */
export type Source = Pick<UpgradeRequest, 'target' | 'cookies' | 'headers'>;

/** The name of a target file, relative to the folder; undefined: the client did not send what it takes. */
export type Expression = (source: Source) => string | undefined;

/** Latin-1, as the client sent it; undefined: it did not. */
type Variable = (source: Source) => string | undefined;
type Segment = readonly (string | Variable)[];

/** RFC 9110 §5.6.2. A name that can never come would be a silent mistake. */
const HEADER_NAME = /^[!#$&'*+\-.^_`|~0-9A-Za-z]+$/;
/** As lenient as the parser of cookies is, but visible ASCII. */
const COOKIE_NAME = /^[\x21-\x3a\x3c\x3e-\x7e]+$/;

const KNOWN = '%endpoint%, %cookie:NAME%, %header:NAME%, and %% for a percent sign';

/** @throws an error of the option `expression` that says what is wrong with the text */
export function parseExpression(text: string): Expression {
  const refuse = (what: string) => optionError('expression', `${JSON.stringify(text)}: ${what}`);
  if (text.includes('\0')) throw refuse('a file name holds no NUL');
  const all = splitSegments(text, refuse);
  if (isNothing(all.at(-1)!)) throw refuse('it names no file');
  if (all.some(isUp)) throw refuse('".." would lead out of the folder');
  const segments = all.filter((segment) => !isNothing(segment));
  return (source) => {
    const names: string[] = [];
    for (const segment of segments) {
      const name = fill(segment, source);
      if (name === undefined) return undefined;
      names.push(name);
    }
    return names.join('/');
  };
}

function splitSegments(text: string, refuse: (what: string) => Error): Segment[] {
  const segments: (string | Variable)[][] = [[]];
  // Left to right, so that `%cookie:a%%cookie:b%` is two variables and no percent sign.
  for (const [token] of text.matchAll(/%[^%]*%?|\/|[^%/]+/g)) {
    if (token === '/') segments.push([]);
    else segments.at(-1)!.push(token.startsWith('%') ? readPercent(token, refuse) : token);
  }
  return segments;
}

function readPercent(token: string, refuse: (what: string) => Error): string | Variable {
  if (token === '%%') return '%';
  if (!token.endsWith('%') || token === '%') throw refuse(`"${token}" has no closing %; there are ${KNOWN}`);
  const colon = token.indexOf(':');
  const kind = colon < 0 ? token.slice(1, -1) : token.slice(1, colon);
  const name = colon < 0 ? undefined : token.slice(colon + 1, -1);
  if (kind === 'endpoint' && name === undefined) return endpoint;
  if (kind === 'cookie' && name !== undefined) {
    if (!COOKIE_NAME.test(name)) throw refuse(`"${token}" does not name a cookie`);
    return ({ cookies }) => cookies.get(name);
  }
  if (kind === 'header' && name !== undefined) {
    if (!HEADER_NAME.test(name)) throw refuse(`"${token}" does not name a header`);
    const lower = name.toLowerCase();
    return ({ headers }) => headers.get(lower);
  }
  throw refuse(`unknown variable "${token}"; there are ${KNOWN}`);
}

/** The target with its query, without the first slash and one at the end, not decoded. */
function endpoint({ target }: Source): string {
  return target.slice(target.startsWith('/') ? 1 : 0).replace(/\/$/, '');
}

/** Text alone that the file system passes over: `a//b` and `a/./b` are `a/b`, `/a` is `a`. */
function isNothing(segment: Segment): boolean {
  const text = literal(segment);
  return text === '' || text === '.';
}

function isUp(segment: Segment): boolean {
  return literal(segment) === '..';
}

/** A segment without variables, as text. */
function literal(segment: Segment): string | undefined {
  return segment.every((part) => typeof part === 'string') ? segment.join('') : undefined;
}

function fill(segment: Segment, source: Source): string | undefined {
  let name = '';
  for (const part of segment) {
    const text = typeof part === 'string' ? part : clean(part(source));
    if (text === undefined) return undefined;
    name += text;
  }
  // Cannot be while no value is dots alone; looked at all the same, since this is what the promise above rests on.
  return isDots(name) ? undefined : name;
}

/** A value as a part of a file name; undefined if it cannot be one, which counts as if it had not been sent. */
function clean(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  // Headers are Latin-1 strings for bytes, and file names are bytes: the same ones, if a string can hold them.
  const bytes = Buffer.from(value, 'latin1');
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8').replaceAll('/', '_');
  return text === '' || text.includes('\0') || isDots(text) ? undefined : text;
}

function isDots(text: string): boolean {
  return text === '.' || text === '..';
}

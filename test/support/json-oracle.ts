/**
 * What the framing `json` makes of a whole stream, found in another way: by trying every prefix with JSON.parse.
 *
 * A prefix is alive if JSON.parse takes it together with one of some endings: those that end every token that there is,
 * and the brackets that are open. For short streams only, since it tries hundreds of texts for each byte.
 */
import type { Message } from './framed.ts';

const LITERALS = ['true', 'false', 'null'].flatMap((word) => [1, 2, 3, 4].map((at) => word.slice(at)));
const STRINGS = ['"', 'n"', 'u0000"', '0"', '00"', '000"', '0000"'];
const VALUES = ['', '0', ...LITERALS, ...STRINGS];
const ENDINGS = [...VALUES, ...STRINGS.map((rest) => `${rest}:0`), ':0', '"":0'];

/** The messages of a stream (Latin-1), for a limit that is never reached. */
export function expectedOf(stream: string): Message[] {
  const messages: Message[] = [];
  let rest = stream;
  while (rest !== '') {
    const [type, length] = first(rest);
    const message = rest.slice(0, length);
    const utf8 = Buffer.from(message, 'latin1');
    const isText = type === 'text' && Buffer.from(utf8.toString()).equals(utf8);
    messages.push([isText ? 'text' : 'binary', message]);
    rest = rest.slice(length);
  }
  return messages;
}

function first(stream: string): readonly [type: 'text' | 'binary', length: number] {
  for (let length = 1; length <= stream.length; length += 1) {
    const prefix = stream.slice(0, length);
    const before = stream.slice(0, length - 1);
    const isNumber = /^[ \t\r\n]*-?[0-9]/.test(prefix);
    if (isNumber && parses(before) && /[ \t\r\n{["]$/.test(prefix)) return ['text', length - 1];
    if (!isNumber && parses(prefix)) return ['text', length];
    if (!isAlive(prefix)) {
      const lineFeed = stream.indexOf('\n', length - 1);
      return ['binary', lineFeed === -1 ? stream.length : lineFeed + 1];
    }
  }
  return [parses(stream) ? 'text' : 'binary', stream.length];
}

function isAlive(prefix: string): boolean {
  const open: string[] = [];
  for (const [bracket] of prefix.replace(/"(?:[^"\\]|\\[\s\S])*(?:"|\\?$)/g, '').matchAll(/[{}[\]]/g)) {
    if (bracket === '{') open.unshift('}');
    else if (bracket === '[') open.unshift(']');
    else open.shift();
  }
  return ENDINGS.some((ending) => parses(prefix + ending + open.join('')));
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * `separator`: each message reaches up to and including the bytes that the configuration names. Binary.
 *
 * The configuration is taken as UTF-8, with `\r \t \n \0 \f \\ \xHH` for what is hard to write. Empty: there is no
 * separator, and each read is a message.
 */
import { defineFraming } from '../api.ts';
import { through } from './delimiter.ts';
import { takeAll } from './whole-read.ts';

// The search may cost as many steps per byte as the separator is long, so a peer could make use of a long one. The
// longest that are met with, the boundaries of MIME, have 76 bytes with what belongs to them (RFC 2046 §5.1.1).
const LONGEST = 255;

const ESCAPES: Readonly<Record<string, string>> = {
  r: '\r',
  t: '\t',
  n: '\n',
  0: '\0',
  f: '\f',
  '\\': '\\',
};

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'separator',
  configure(config) {
    if (config === undefined) {
      throw new Error('it needs a configuration: the bytes that end a message, for example \\r\\n');
    }
    const separator = parseSeparator(config);
    if (separator.length === 0) return () => ({ type: 'binary', next: takeAll });
    if (separator.length > LONGEST) {
      throw new Error(`a separator of ${separator.length} bytes is too long: at most ${LONGEST} are taken`);
    }
    const next = through(separator);
    return ({ maximum }) => {
      if (separator.length > maximum) {
        throw new Error(
          `a separator of ${separator.length} bytes cannot end a message: none is longer than ${maximum} bytes`,
        );
      }
      return separator.length > 2 ? { type: 'binary', next } : { type: 'binary', next, delimiter: separator };
    };
  },
});

function parseSeparator(config: string): Buffer {
  const pieces: Buffer[] = [];
  // An escape, cut off or not, or what stands before the next one.
  for (const [piece] of config.matchAll(/\\(?:x.{0,2}|.|$)|[^\\]+/gsu)) {
    pieces.push(piece.startsWith('\\') ? parseEscape(piece) : Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

function parseEscape(text: string): Buffer {
  if (/^\\x[0-9a-f]{2}$/i.test(text)) return Buffer.from(text.slice(2), 'hex');
  const bytes = ESCAPES[text.slice(1)];
  if (bytes !== undefined) return Buffer.from(bytes);
  const shown = text === '\\' ? 'a backslash at the end' : JSON.stringify(text).replaceAll('\\\\', '\\');
  throw new Error(
    `${shown} is no escape: expected one of \\r \\t \\n \\0 \\f \\\\ or \\xHH with two hexadecimal digits`,
  );
}

/**
 * `newline`: each message is a line with its end, text if it is valid UTF-8, else binary.
 *
 * The last line may lack its end: it goes out when the peer is done, by the same rule of type.
 */
import { defineFraming } from '../api.ts';
import { through } from './delimiter.ts';

const LINE_ENDS: Readonly<Record<string, string>> = { crlf: '\r\n', lfcr: '\n\r', lf: '\n', cr: '\r' };

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'newline',
  configure(config) {
    const name = (config || 'crlf').toLowerCase();
    if (!Object.hasOwn(LINE_ENDS, name)) {
      throw new Error(
        `${JSON.stringify(config)} is no end of a line: expected ${Object.keys(LINE_ENDS).join(', ')}`,
      );
    }
    const delimiter = Buffer.from(LINE_ENDS[name]!);
    const find = through(delimiter);
    return () => ({
      type: 'auto',
      delimiter,
      next: (buffer, start, end, scanned, ended) =>
        find(buffer, start, end, scanned, ended) || (ended ? end - start : 0),
    });
  },
});

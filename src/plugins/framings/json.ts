/**
 * `json`: each message is one JSON value, with the white space before it. Text.
 *
 * A value that breaks the grammar goes out as one binary message, from its first byte through the first line feed at or
 * behind the byte that broke it (or the end of the stream, or as many bytes as a message may have), and the next value
 * is looked for behind that. What is left of a value at the end of the stream is binary, too. Every byte of the stream
 * is in exactly one message.
 */
import { defineFraming, type Framing, type MessageType } from '../api.ts';
import { upTo } from './delimiter.ts';
import { JsonScanner } from './json-scanner.ts';
import { refuseConfig } from './whole-read.ts';

const LINE_FEED = 0x0a;

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'json',
  configure(config) {
    refuseConfig(config);
    return ({ maximum }) => new JsonFraming(maximum);
  },
});

class JsonFraming implements Framing {
  type: MessageType = 'text';
  readonly #maximum: number;
  readonly #scanner = new JsonScanner();
  /** The value is broken, and the line feed is looked for. */
  #broken = false;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  next(buffer: Uint8Array, start: number, end: number, scanned: number, ended: boolean): number {
    if (scanned === 0) {
      this.#scanner.reset();
      this.#broken = false;
    }
    let at = start + scanned;
    if (!this.#broken) {
      // Not further than it takes to see that there is too much, so that the cuts of the network make no difference:
      // a value that breaks only behind that is too large, whether it came in one read or in many.
      at = this.#scanner.scan(buffer, at, Math.min(end, start + this.#maximum + 1));
      const { verdict } = this.#scanner;
      if (verdict !== 'broken') {
        const whole = verdict === 'whole' || (ended && this.#scanner.wholeAtEnd);
        this.type = whole ? 'text' : 'binary';
        return whole ? at - start : 0;
      }
      this.#broken = true;
      this.type = 'binary';
    }
    return this.#throughLine(buffer, start, at, end, ended);
  }

  /** The length of a broken message: through the first line feed from `at` on. */
  #throughLine(buffer: Uint8Array, start: number, at: number, end: number, ended: boolean): number {
    const most = Math.min(end, start + this.#maximum);
    const found = upTo(buffer, most).indexOf(LINE_FEED, at);
    if (found !== -1) return found + 1 - start;
    return ended || end - start >= this.#maximum ? most - start : 0;
  }
}

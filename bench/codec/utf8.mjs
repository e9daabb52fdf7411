/** Text from a client: whole messages, one behind the other as they lie in a read. */
import { Utf8Validator } from '../../dist/src/rfc6455/utf8.js';
import { KIB, text } from './inputs.mjs';

const RUN = 256 * KIB;

export function utf8() {
  return ['ASCII', 'mixed', 'CJK'].flatMap((kind) =>
    [16, 64, 125, KIB, 16 * KIB, 64 * KIB].map((size) => {
      const message = text(kind, size);
      const items = Math.round(RUN / size);
      const stream = Buffer.alloc(items * message.length, message);
      const validator = new Utf8Validator();
      const run = () => {
        let valid = 0;
        for (let at = 0; at < stream.length; at += message.length) {
          if (validator.push(stream, at, at + message.length) && validator.complete) valid += 1;
        }
        return valid;
      };
      const verify = () => {
        const spoilt = Buffer.from(message);
        spoilt[spoilt.length - 2] = 0xff;
        if (new Utf8Validator().push(spoilt, 0, spoilt.length))
          throw new Error(`utf8, ${kind}: 0xff was taken`);
      };
      const name = `Utf8Validator, ${kind}`;
      const bytes = stream.length;
      return { part: 'utf8', name, size, item: 'message', items, bytes, run, expected: items, verify };
    }),
  );
}

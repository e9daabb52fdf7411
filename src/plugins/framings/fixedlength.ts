/** `fixedlength`: each message has the configured number of bytes. Binary. */
import { defineFraming } from '../api.ts';
import { parseInteger } from './integer.ts';

export default defineFraming({
  apiVersion: 1,
  kind: 'framing',
  name: 'fixedlength',
  configure(config) {
    if (config === undefined || config.trim() === '') {
      throw new Error('it needs a configuration: the length of a message in bytes, for example 32');
    }
    const length = parseInteger(config);
    if (length === undefined || length < 1) {
      throw new Error(
        `${JSON.stringify(config)} is no length: expected a whole number of bytes from 1 on (decimal, 0x… hexadecimal or 0… octal)`,
      );
    }
    return ({ maximum }) => {
      if (length > maximum) {
        throw new Error(`a length of ${length} bytes is too much: a message has at most ${maximum}`);
      }
      return {
        type: 'binary',
        next: (_buffer, start, end) => (end - start >= length ? length : 0),
      };
    };
  },
});

// A framing in TypeScript: each message stands behind its length, a big-endian number of as many bytes as the
// configuration says. Only the types are ours; nothing is imported when this runs.
import type { FramingPlugin } from 'websocksy/plugin';

export default {
  apiVersion: 1,
  kind: 'framing',
  name: 'length-prefixed',
  configure(config = '4') {
    const size = Number(config);
    if (![1, 2, 4].includes(size)) throw new Error('expected 1, 2 or 4, the bytes of a length');
    return ({ maximum }) => ({
      type: 'binary',
      next(buffer, start, end) {
        if (end - start < size) return 0;
        let length = size;
        for (let i = 0; i < size; i += 1) length += buffer[start + i]! * 256 ** (size - 1 - i);
        if (length > maximum) throw new Error(`a message of ${length} bytes, where ${maximum} are allowed`);
        return length <= end - start ? length : 0;
      },
    });
  },
} satisfies FramingPlugin;

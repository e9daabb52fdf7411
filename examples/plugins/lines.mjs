// A framing: each line from the peer, its line feed included, is one message.
const LINE_FEED = 0x0a;

export default {
  apiVersion: 1,
  kind: 'framing',
  name: 'lines',
  configure: () => () => ({
    type: 'auto', // text where the bytes are UTF-8, else binary
    next(buffer, start, end, scanned) {
      for (let at = start + scanned; at < end; at += 1) if (buffer[at] === LINE_FEED) return at + 1 - start;
      return 0; // no whole line yet
    },
  }),
};

// A framing: each MQTT control packet from the broker is one binary message. A packet is a byte with its type, its
// Remaining Length (seven bits in each of one to four bytes, the low ones first, the top bit set on all but the last),
// and that many bytes. The length is near the front, so no call looks at more than five bytes.

export default {
  apiVersion: 1,
  kind: 'framing',
  name: 'mqtt-packets',
  configure: () => () => ({
    type: 'binary',
    next(buffer, start, end) {
      let remaining = 0;
      for (let size = 1; size <= 4; size += 1) {
        if (start + size >= end) return 0; // not even the length is here
        const byte = buffer[start + size];
        remaining += (byte & 0x7f) * 128 ** (size - 1);
        if (byte < 0x80) {
          const length = 1 + size + remaining;
          return length <= end - start ? length : 0;
        }
      }
      throw new Error('Remaining Length is longer than four bytes');
    },
  }),
};

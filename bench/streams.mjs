// What a peer says, for the load: one period of a stream, a whole number of messages of the same size, each framing's in
// its own form. The load repeats it, and compares every byte with it.

/** Bytes of a period where messages are small: enough to be different from a bridge's buffers in size. */
const PERIOD = 15 * 65_536;

/** How many messages of a size make a period; never a single one, so that one that is lost or doubled shows. */
const countOf = (size) => Math.max(3, Math.floor(PERIOD / size));

/** Printable ASCII, the same in every run, without the bytes that end messages or strings. */
function printable(length, seed) {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = 0x30 + ((state >>> 24) % 0x2a); // 0 to Y
  }
  return bytes;
}

/** A period of messages, each made by `write(message, index)` out of printable bytes of its own. */
function period(size, write = () => {}) {
  const stream = printable(countOf(size) * size, 1);
  for (let i = 0; i < countOf(size); i += 1) write(stream.subarray(i * size, (i + 1) * size), i);
  return stream;
}

/** Text with a line feed as the last byte of every `size`. */
export const lines = (size) => period(size, (message) => message.write('\n', size - 1));

export const separated = (size) => period(size, (message) => message.writeUInt8(3, size - 1));

/** A length of 32 bits in network order, then so many bytes. */
export const prefixed = (size) => period(size, (message) => message.writeUInt32BE(size - 4, 0));

/** An element of an array, and the least that a last one and the array's end take. */
const ELEMENT = '{"n":12,"x":"y"},'.length;
const LAST = '""]'.length;

/** JSON arrays of small objects; the last element is a string that fills up. */
export const json = (size) =>
  period(size, (message) => {
    message.write('[', 0);
    let at = 1;
    for (let i = 0; size - at >= ELEMENT + LAST; i += 1)
      at += message.write(`{"n":${10 + (i % 90)},"x":"y"},`, at);
    message.write('"', at);
    message.write('"]', size - 2);
  });

/** Bytes of any kind: for the framings that do not look at them. */
export function bytes(size) {
  const stream = Buffer.allocUnsafe(countOf(size) * size);
  let state = 7;
  for (let i = 0; i < stream.length; i += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    stream[i] = state >>> 24;
  }
  return stream;
}

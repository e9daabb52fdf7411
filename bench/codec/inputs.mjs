/** What the cases are fed with: the same bytes in every run of the program, and like what is met with. */

export const KIB = 1024;
export const MIB = 1024 * KIB;
/** What Node reads from a socket at most. */
export const READ = 64 * KIB;
/** Payload sizes; 125 B is the longest with a header of two bytes and a key. */
export const SIZES = [16, 64, 125, KIB, 16 * KIB, 64 * KIB, MIB];

/** A generator of numbers below n, the same ones for the same seed. */
export function numbers(seed) {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

export function randomBytes(length, seed = 1) {
  const random = numbers(seed);
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let i = 0; i < length; i += 1) bytes[i] = random(256);
  return bytes;
}

/** A line of a log, as JSON without its line end, of about 200 bytes. */
export function record(i) {
  return JSON.stringify({
    time: `2024-05-01T12:00:${String(i % 60).padStart(2, '0')}.123Z`,
    level: 'info',
    id: i * 7919,
    ok: i % 3 === 0,
    ratio: i / 7,
    message: `request ${i} of "somebody" was answered by a server that has a long name`,
    tags: ['a', 'b', null],
  });
}

/** Records with an end each, as many as fit into `length` bytes. */
export function records(length, end) {
  const lines = [];
  for (let i = 0, used = 0; ; i += 1) {
    const line = Buffer.from(`${record(i)}${end}`);
    used += line.length;
    if (used > length) return Buffer.concat(lines);
    lines.push(line);
  }
}

const SENTENCES = {
  ASCII: 'The server has answered: 200 OK, 1,024 bytes in 12 ms; nothing else is to be said. ',
  mixed: 'Zürich grüßt Kraków: «ça va», naïve façade – 25 € für drei Äpfel, ok? 👍 plain words follow here. ',
  CJK: '本日は晴天なり。通信の試験をしています。網絡連接正常,消息已經送達。한국어도 있습니다。',
};

/** Text of at most `length` bytes of UTF-8, less by no more than 3: it ends with a whole character. */
export function text(kind, length) {
  const bytes = Buffer.alloc(length, Buffer.from(SENTENCES[kind]));
  let last = length - 1;
  while ((bytes[last] & 0xc0) === 0x80) last -= 1;
  const lead = bytes[last];
  const end = last + (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
  return bytes.subarray(0, end <= length ? end : last);
}

/** A client's frame (RFC 6455 §5.2), whole and masked. */
export function clientFrame(opcode, payload, key) {
  const frame = Buffer.concat([header(opcode, payload.length, 0x80), key, payload]);
  const start = frame.length - payload.length;
  for (let i = 0; i < payload.length; i += 1) frame[start + i] ^= key[i & 3];
  return frame;
}

/** The header of a server's frame. */
export function serverHeader(opcode, length) {
  return header(opcode, length, 0);
}

function header(opcode, length, mask) {
  const short = length < 126 ? length : length < 0x1_0000 ? 126 : 127;
  const bytes = Buffer.alloc(short < 126 ? 2 : short === 126 ? 4 : 10);
  bytes[0] = 0x80 | opcode;
  bytes[1] = mask | short;
  if (short === 126) bytes.writeUInt16BE(length, 2);
  if (short === 127) bytes.writeBigUInt64BE(BigInt(length), 2);
  return bytes;
}

/** A stream in the pieces in which a socket would hand it on, each with memory of its own. */
export function reads(stream, size = READ) {
  const pieces = [];
  for (let at = 0; at < stream.length; at += size) {
    const end = Math.min(stream.length, at + size);
    const piece = Buffer.allocUnsafeSlow(end - at);
    stream.copy(piece, 0, at, end);
    pieces.push(piece);
  }
  return pieces;
}

/** Throws unless two runs of bytes are the same. */
export function assertSame(actual, expected, what) {
  if (Buffer.compare(actual, expected) !== 0)
    throw new Error(
      `${what}: ${actual.length} bytes came out that differ from the ${expected.length} expected`,
    );
}

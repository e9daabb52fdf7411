/** The streams that the load sends as a peer: a whole number of messages of one size, in the form of a framing. */
import { expect, test } from 'vitest';

const streams = await import(new URL('../../bench/streams.mjs', import.meta.url).href);

const SIZES = [16, 64, 256, 1024, 65_536, 1_048_576];

/** The messages of a stream, cut by their size alone. */
function messagesOf(kind: string, size: number): Buffer[] {
  const stream: Buffer = streams[kind](size);
  expect(stream.length % size).toBe(0);
  expect(stream.length / size).toBeGreaterThanOrEqual(3);
  return Array.from({ length: stream.length / size }, (_, i) => stream.subarray(i * size, (i + 1) * size));
}

/** Those that are not as they should be. */
const wrong = (messages: Buffer[], isRight: (message: Buffer) => boolean) =>
  messages.filter((message) => !isRight(message));

test.each(SIZES)('lines of %i bytes are ASCII with one line feed each, at their end', (size) => {
  const isLine = (message: Buffer) => /^[ -~]*\n$/.test(message.toString('latin1'));
  expect(wrong(messagesOf('lines', size), isLine)).toEqual([]);
});

test.each(SIZES)('separated messages of %i bytes have one separator each, at their end', (size) => {
  expect(wrong(messagesOf('separated', size), (message) => message.indexOf(3) === size - 1)).toEqual([]);
});

test.each(SIZES)('prefixed messages of %i bytes say how many bytes follow', (size) => {
  expect(wrong(messagesOf('prefixed', size), (message) => message.readUInt32BE(0) === size - 4)).toEqual([]);
});

test.each(SIZES)(
  'JSON messages of %i bytes are an array each, of objects as far as there is room',
  (size) => {
    const objects = Math.floor((size - 4) / 17);
    const isArray = (message: Buffer) => {
      const value = JSON.parse(message.toString('latin1'));
      return value.length === objects + 1 && value.slice(0, objects).every((one: object) => 'n' in one);
    };
    expect(wrong(messagesOf('json', size), isArray)).toEqual([]);
  },
);

test('neighbours differ, so that one that is lost or doubled shows', () => {
  for (const kind of ['lines', 'separated', 'prefixed', 'json', 'bytes']) {
    const [one, two] = messagesOf(kind, 64) as [Buffer, Buffer];
    expect(one.equals(two)).toBe(false);
  }
});

/**
 * Frames from a client: the decoder alone, and with all of the connection around it, on their way to a stream peer.
 *
 * A stream of frames comes in reads of 64 KiB, so that frames and headers are cut as on a socket. Payload is unmasked
 * where it lies: before each run the reads are filled anew, which is not timed.
 */
import { Connection } from '../../dist/src/rfc6455/connection.js';
import { FrameDecoder } from '../../dist/src/rfc6455/frame-decoder.js';
import { unmask } from '../../dist/src/rfc6455/mask.js';
import { BINARY, TEXT } from '../../dist/src/rfc6455/opcodes.js';
import { browserHead } from './handshake.mjs';
import { assertSame, clientFrame, KIB, MIB, numbers, randomBytes, reads, SIZES, text } from './inputs.mjs';

/** Bytes of payload in a run. */
const RUN = MIB;
/** Frames in a run where each has a read of its own, as from clients that wait for answers. */
const LONE = 2048;

export function decoder() {
  const cases = [];
  for (const size of SIZES) {
    const items = Math.max(1, Math.round(RUN / size));
    const binary = streamOf(framesOf(BINARY, randomBytes(size), items));
    const ascii = streamOf(framesOf(TEXT, text('ASCII', size), items));
    cases.push(
      caseOf('FrameDecoder, binary', binary, decodeAlone),
      caseOf('Connection to a stream peer, binary', binary, decodeConnected),
      caseOf('Connection to a stream peer, text', ascii, decodeConnected),
    );
    if (size > KIB) continue;
    const lone = framesOf(BINARY, randomBytes(size), LONE);
    cases.push(caseOf('Connection to a stream peer, binary, a frame per read', lone, decodeConnected));
  }
  return cases;
}

export function mask() {
  return SIZES.map((size) => {
    const payload = randomBytes(size);
    const items = Math.max(1, Math.round(RUN / size));
    const key = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
    const bytes = Buffer.allocUnsafeSlow(items * size);
    const word = key.readInt32LE();
    // Masked twice is as it was, so nothing has to be prepared.
    const run = () => {
      let count = 0;
      for (let at = 0; at < bytes.length; at += size) {
        unmask(bytes, at, at + size, word);
        count += 1;
      }
      return count;
    };
    const verify = () => {
      bytes.fill(payload);
      const expected = clientFrame(BINARY, payload, key).subarray(-size);
      run();
      for (let at = 0; at < bytes.length; at += size)
        assertSame(bytes.subarray(at, at + size), expected, 'unmask');
      run();
      assertSame(bytes.subarray(-size), payload, 'unmask twice');
    };
    const expected = items;
    return {
      part: 'mask',
      name: 'unmask',
      size,
      item: 'message',
      items,
      bytes: bytes.length,
      run,
      expected,
      verify,
    };
  });
}

/** Frames, each with a key of its own. */
function framesOf(opcode, payload, items) {
  const random = numbers(payload.length);
  const key = () => Buffer.from([random(256), random(256), random(256), random(256)]);
  const masked = Array.from({ length: items }, () => clientFrame(opcode, payload, key()));
  return { size: payload.length, items, payload, masked };
}

/** The same frames one behind the other, in full reads. */
function streamOf({ masked, ...frames }) {
  return { ...frames, masked: reads(Buffer.concat(masked)) };
}

function caseOf(name, { size, items, payload, masked }, decodeWith) {
  const chunks = masked.map((chunk) => Buffer.allocUnsafeSlow(chunk.length));
  const sink = new CountingSink();
  const decode = decodeWith(sink);
  const prepare = () => {
    for (let i = 0; i < chunks.length; i += 1) chunks[i].set(masked[i]);
  };
  const run = () => {
    sink.bytes = 0;
    for (let i = 0; i < chunks.length; i += 1) decode(chunks[i]);
    return sink.bytes;
  };
  const verify = () => {
    prepare();
    sink.kept = [];
    run();
    assertSame(Buffer.concat(sink.kept), Buffer.alloc(items * size, payload), name);
    sink.kept = undefined;
  };
  const bytes = items * size;
  return {
    part: 'decoder',
    name,
    size,
    item: 'message',
    items,
    bytes,
    prepare,
    run,
    expected: bytes,
    verify,
  };
}

/** Takes payload from either, and counts it. One class, as in the daemon, so that V8 sees one kind of sink. */
class CountingSink {
  bytes = 0;
  kept;

  take(bytes, start, end) {
    this.bytes += end - start;
    if (this.kept !== undefined) this.kept.push(Buffer.from(bytes.subarray(start, end)));
  }
}

function decodeAlone(sink) {
  const frames = new FrameDecoder({
    onPiece: (_opcode, bytes, start, end) => sink.take(bytes, start, end),
    onControl: () => {},
  });
  return (chunk) => frames.decode(chunk);
}

function decodeConnected(sink) {
  const connection = new Connection(
    {
      write: () => true,
      onRequest: () => {},
      onPayload: (payload) => {
        sink.take(payload, 0, payload.length);
        return true;
      },
      onYield: () => {},
      onReceivable: () => {},
      onSendable: () => {},
      onClosed: () => {},
    },
    { headBytes: 16_384, headFields: 100, earlyBytes: 65_536 },
  );
  connection.receive(browserHead(0));
  connection.accept({ peer: 'stream', messageBytes: MIB });
  return (chunk) => connection.receive(chunk);
}

/** permessage-deflate in this thread: messages of text, with context takeover and without. */
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { Deflater } from '../../dist/src/rfc6455/deflater.js';
import { Inflater } from '../../dist/src/rfc6455/inflater.js';
import { IdleStreams } from '../../dist/src/rfc6455/zlib-stream.js';
import { assertSame, KIB, records } from './inputs.mjs';

const RUN = 64 * KIB;
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);

export function deflate() {
  return [100, KIB, 16 * KIB].flatMap((size) =>
    [true, false].flatMap((takeover) => {
      const stream = records(RUN, '\n');
      const messages = [];
      for (let at = 0; at + size <= stream.length; at += size) messages.push(stream.subarray(at, at + size));
      return [deflating(messages, size, takeover), inflating(messages, size, takeover)];
    }),
  );
}

function deflating(messages, size, takeover) {
  const deflater = makeDeflater(takeover);
  const run = () => {
    let bytes = 0;
    for (let i = 0; i < messages.length; i += 1) bytes += deflater.deflate(messages[i], 0, size).length;
    return bytes;
  };
  const verify = () => {
    const deflated = deflateAll(messages, takeover);
    if (takeover) {
      const whole = Buffer.concat(deflated.flatMap((payload) => [payload, TAIL]));
      assertSame(inflate(whole), Buffer.concat(messages), 'Deflater');
    } else {
      for (const [i, payload] of deflated.entries())
        assertSame(inflate(Buffer.concat([payload, TAIL])), messages[i], 'Deflater');
    }
  };
  return caseOf('Deflater', messages, size, takeover, { run, verify });
}

function inflating(messages, size, takeover) {
  const payloads = takeover ? deflateAll(messages, true) : messages.map(deflateOne);
  const sink = new CountingSink();
  const inflater = new Inflater({ windowBits: 15, takeover, idle: new IdleStreams(), sync: true }, sink);
  const run = () => {
    sink.bytes = 0;
    for (let i = 0; i < payloads.length; i += 1) {
      inflater.beginTurn();
      inflater.push(payloads[i], 0, payloads[i].length, true);
    }
    return sink.bytes;
  };
  const verify = () => {
    sink.kept = [];
    run();
    assertSame(Buffer.concat(sink.kept), Buffer.concat(messages), 'Inflater');
    sink.kept = undefined;
  };
  const expected = messages.length * size;
  return caseOf('Inflater', messages, size, takeover, { run, verify, expected });
}

function caseOf(name, messages, size, takeover, rest) {
  const items = messages.length;
  const full = `${name}, ${takeover ? 'takeover' : 'no takeover'}`;
  return { part: 'deflate', name: full, size, item: 'message', items, bytes: items * size, ...rest };
}

function makeDeflater(takeover) {
  const handler = { onDeflated: () => {}, onFailed: () => {} };
  return new Deflater({ windowBits: 15, takeover, level: 6, idle: new IdleStreams(), sync: true }, handler);
}

function deflateAll(messages, takeover) {
  const deflater = makeDeflater(takeover);
  return messages.map((message) => Buffer.from(deflater.deflate(message, 0, message.length)));
}

const deflateOne = (message) =>
  deflateRawSync(message, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
const inflate = (bytes) => inflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });

class CountingSink {
  bytes = 0;
  kept;

  onInflated(bytes, start, end) {
    this.bytes += end - start;
    if (this.kept !== undefined) this.kept.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  }
  onYield() {}
  onIdle() {}
  onFailed() {}
}

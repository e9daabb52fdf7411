/** Messages for a client: headers and payload side by side, in one write for each read from the peer. */
import { FrameBatch } from '../../dist/src/rfc6455/frame-batch.js';
import { BINARY } from '../../dist/src/rfc6455/opcodes.js';
import { assertSame, MIB, READ, randomBytes, SIZES, serverHeader } from './inputs.mjs';

export function encoder() {
  return SIZES.map((size) => {
    // What one read brings: messages that lie one behind the other, or one that is larger than a read.
    const perRead = Math.max(1, Math.floor(READ / size));
    const read = randomBytes(perRead * size);
    const flushes = Math.max(1, Math.round(MIB / read.length));
    const items = perRead * flushes;
    const writer = new CountingWriter();
    const batch = new FrameBatch(writer);
    const run = () => {
      writer.bytes = 0;
      for (let flush = 0; flush < flushes; flush += 1) {
        for (let at = 0; at < read.length; at += size)
          batch.add(BINARY, read, at, at + size, read.length + 16);
        batch.flush();
      }
      return writer.bytes;
    };
    const header = serverHeader(BINARY, size);
    const verify = () => {
      writer.kept = [];
      run();
      const frames = [];
      for (let i = 0; i < items; i += 1) {
        const at = (i % perRead) * size;
        frames.push(header, read.subarray(at, at + size));
      }
      assertSame(Buffer.concat(writer.kept), Buffer.concat(frames), 'encoder');
      writer.kept = undefined;
    };
    const expected = items * (header.length + size);
    const bytes = items * size;
    return {
      part: 'encoder',
      name: 'FrameBatch',
      size,
      item: 'message',
      items,
      bytes,
      run,
      expected,
      verify,
    };
  });
}

class CountingWriter {
  bytes = 0;
  kept;

  write(bytes, more) {
    this.bytes += bytes.length + (more?.length ?? 0);
    if (this.kept !== undefined) this.kept.push(bytes, more ?? Buffer.alloc(0));
  }
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fault, type FaultCode } from '../../src/errors.ts';
import { FrameDecoder, type FrameSink } from '../../src/rfc6455/frame-decoder.ts';
import { clientFrame, concat, counting, hex, hexOf } from '../support/bytes.ts';
import { eachCut, SEED, SEEDED } from '../support/cuts.ts';

/** What only `decodeInto` hands on; kernel.test.ts sees to that. */
const onRun = (): void => expect.unreachable('a run');

/**
 * What a decoder said, independent of the cuts: payload that nothing stands between is one line.
 *
 *     part 1 4865        payload of an unfinished text
 *     whole 1 6c6c6f     the end of one
 *     control 9 …        a control frame
 */
class Events {
  readonly lines: string[] = [];
  #opcode = 0;
  #payload = '';

  payload(opcode: number, bytes: Uint8Array, ends: boolean): void {
    this.#opcode = opcode;
    this.#payload += hexOf(bytes);
    if (ends) this.#flush('whole');
  }

  control(opcode: number, payload: Uint8Array): void {
    this.end();
    this.lines.push(`control ${opcode} ${hexOf(payload)}`);
  }

  end(): void {
    if (this.#payload !== '') this.#flush('part');
  }

  #flush(kind: string): void {
    this.lines.push(`${kind} ${this.#opcode} ${this.#payload}`);
    this.#payload = '';
  }
}

interface Outcome {
  readonly lines: readonly string[];
  readonly fault: FaultCode | undefined;
  /** How many bytes had been given when the fault came. */
  readonly given: number;
}

function decode(pieces: readonly Uint8Array[], maxMessage?: number): Outcome {
  const events = new Events();
  const decoder = new FrameDecoder({
    onPiece: (opcode, bytes, start, end, ends) => events.payload(opcode, bytes.subarray(start, end), ends),
    onRun,
    onControl: (opcode, payload) => events.control(opcode, payload),
  });
  if (maxMessage !== undefined) decoder.limitMessages(maxMessage);
  let given = 0;
  let fault: FaultCode | undefined;
  try {
    for (const piece of pieces) {
      given += piece.length;
      decoder.decode(piece);
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    fault = error.code;
  }
  events.end();
  return { lines: events.lines, fault, given };
}

/** A whole input read by the picture in §5.2, each rule where its bytes are first there. Nothing is kept for speed. */
function reference(bytes: Uint8Array, maxMessage = Number.POSITIVE_INFINITY): Outcome {
  const events = new Events();
  const done = (fault: FaultCode | undefined, given: number): Outcome => {
    events.end();
    return { lines: events.lines, fault, given };
  };
  let message = 0;
  let messageLength = 0;
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at]!;
    const fin = first >= 0x80;
    const opcode = first % 16;
    if (Math.floor(first / 16) % 8 !== 0) return done('rsv-set', at + 1);
    if (![0, 1, 2, 8, 9, 10].includes(opcode)) return done('opcode-reserved', at + 1);
    if (opcode >= 8 && !fin) return done('control-fragmented', at + 1);
    if (opcode === 0 && message === 0) return done('continuation-unexpected', at + 1);
    if ((opcode === 1 || opcode === 2) && message !== 0) return done('message-interrupted', at + 1);
    if (opcode === 1 || opcode === 2) {
      message = opcode;
      messageLength = 0;
    }
    if (at + 1 >= bytes.length) break;
    const second = bytes[at + 1]!;
    if (second < 0x80) return done('mask-missing', at + 2);
    const short = second - 0x80;
    if (opcode >= 8 && short > 125) return done('control-too-long', at + 2);
    const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
    const lengthEnd = at + 2 + extended;
    if (lengthEnd > bytes.length) break;
    let length = BigInt(short);
    if (extended > 0) length = BigInt(`0x${hexOf(bytes.subarray(at + 2, lengthEnd))}`);
    if (length >= 2n ** 63n) return done('length-invalid', lengthEnd);
    if (length >= 2n ** 53n) return done('frame-too-large', lengthEnd);
    if (extended === 2 && length < 126n) return done('length-not-minimal', lengthEnd);
    if (extended === 8 && length < 65_536n) return done('length-not-minimal', lengthEnd);
    if (opcode < 8) messageLength += Number(length);
    if (messageLength > maxMessage) return done('message-too-large', lengthEnd);
    const payloadStart = lengthEnd + 4;
    if (payloadStart > bytes.length) break;
    const key = bytes.subarray(lengthEnd, payloadStart);
    const payload = bytes.slice(payloadStart, payloadStart + Number(length));
    for (let i = 0; i < payload.length; i += 1) payload[i] = payload[i]! ^ key[i % 4]!;
    const complete = payload.length === Number(length);
    if (opcode < 8) events.payload(message, payload, complete && fin);
    else if (complete) events.control(opcode, payload);
    if (opcode < 8 && complete && fin) message = 0;
    at = payloadStart + Number(length);
  }
  return done(undefined, bytes.length);
}

/** Holds the decoder to the reference under every cut; byte by byte also to the byte with which the fault comes. */
function expectLikeReference(bytes: Uint8Array, maxMessage?: number): void {
  const { lines, fault, given } = reference(bytes, maxMessage);
  eachCut(bytes, (pieces) => {
    const seen = decode(pieces, maxMessage);
    expect(seen.fault).toBe(fault);
    expect(seen.lines).toEqual(lines);
  });
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  expect(decode(single, maxMessage).given).toBe(given);
}

/** Decodes literal bytes under every cut, which must not make a difference. */
function decodeHex(digits: string, maxMessage?: number): readonly string[] {
  const bytes = hex(digits);
  expectLikeReference(bytes, maxMessage);
  const { lines, fault } = decode([bytes], maxMessage);
  return fault === undefined ? lines : [...lines, fault];
}

describe('frames', () => {
  test('§5.7: the masked text Hello', () => {
    expect(decodeHex('81 85 37fa213d 7f9f4d5158')).toEqual(['whole 1 48656c6c6f']);
  });

  test('§5.7: the same as a fragmented one', () => {
    expect(decodeHex('01 83 37fa213d 7f9f4d  80 82 3d21fa37 514e')).toEqual(['whole 1 48656c6c6f']);
  });

  test('§5.7: the masked Pong Hello', () => {
    expect(decodeHex('8a 85 37fa213d 7f9f4d5158')).toEqual(['control 10 48656c6c6f']);
  });

  test('§5.4: control frames stand in the middle of a fragmented message', () => {
    expect(
      decodeHex('02 81 00000000 01  89 80 00000000  00 80 00000000  8a 81 00000000 ff  80 81 00000000 02'),
    ).toEqual(['part 2 01', 'control 9 ', 'control 10 ff', 'whole 2 02']);
  });

  test('§5.4: the type is that of the first fragment, and a new message may have the other one', () => {
    expect(decodeHex('01 80 00000000  80 81 00000000 61  82 81 00000000 62')).toEqual([
      'whole 1 61',
      'whole 2 62',
    ]);
  });

  test('§5.2: empty messages and empty fragments', () => {
    expect(
      decodeHex('81 80 01020304  82 80 01020304  01 80 01020304  00 80 01020304  80 80 01020304'),
    ).toEqual(['whole 1 ', 'whole 2 ', 'whole 1 ']);
  });

  test('§5.5: a control frame of 125 bytes', () => {
    expect(decodeHex(`89 fd 00000000 ${'ab'.repeat(125)}`)).toEqual([`control 9 ${'ab'.repeat(125)}`]);
  });

  test.for([125, 126, 127, 128, 255, 256, 300, 65_535, 65_536, 70_001])(
    '§5.2: a message of %i bytes in the shortest length that holds it',
    (length) => {
      const payload = counting(length);
      const header = length < 126 ? hex('82 fd') : length < 65_536 ? hex('82 fe') : hex('82 ff');
      const frame = clientFrame({ opcode: 2, payload });
      expect(hexOf(frame.subarray(0, 2))).toBe(hexOf(header));
      eachCut(concat(frame, hex('89 80 00000000')), (pieces) => {
        expect(decode(pieces).lines).toEqual([`whole 2 ${hexOf(payload)}`, 'control 9 ']);
      });
    },
  );

  test('§5.2: a length of 2^53 - 1 is taken, since it is still exact', () => {
    expect(decodeHex('82 ff 001fffffffffffff 00000000 01')).toEqual(['part 2 01']);
  });

  test('§5.3: each frame has its own key, and the phase begins anew', () => {
    expect(decodeHex('02 81 01020304 01  00 82 ff00ff00 ff00  80 85 00ff00ff 00ff00ff00')).toEqual([
      'whole 2 0000000000000000',
    ]);
  });
});

describe('broken rules', () => {
  const broken: readonly (readonly [rule: string, digits: string, seen: readonly string[]])[] = [
    ['§5.2: RSV1 is set', 'c1', ['rsv-set']],
    ['§5.2: RSV2 is set', 'a1', ['rsv-set']],
    ['§5.2: RSV3 is set', '91', ['rsv-set']],
    ['§5.2: RSV1 is set in a continuation', '01 80 00000000 c0', ['rsv-set']],
    ['§5.2: RSV3 is set in a control frame', '99', ['rsv-set']],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
      (opcode) =>
        [`§5.2: opcode ${opcode} is reserved`, `8${opcode.toString(16)}`, ['opcode-reserved']] as const,
    ),
    ['§5.5: a Close is fragmented', '08', ['control-fragmented']],
    ['§5.5: a Ping is fragmented', '09', ['control-fragmented']],
    ['§5.5: a Pong is fragmented', '0a', ['control-fragmented']],
    ['§5.4: a continuation without a message', '80', ['continuation-unexpected']],
    ['§5.4: an unfinished continuation without a message', '00', ['continuation-unexpected']],
    [
      '§5.4: a continuation behind a whole message',
      '82 80 00000000 80',
      ['whole 2 ', 'continuation-unexpected'],
    ],
    [
      '§5.4: a continuation behind the last fragment',
      '02 80 00000000 80 80 00000000 80',
      ['whole 2 ', 'continuation-unexpected'],
    ],
    ['§5.4: a text inside a fragmented text', '01 80 00000000 81', ['message-interrupted']],
    ['§5.4: a binary inside a fragmented text', '01 81 00000000 61 02', ['part 1 61', 'message-interrupted']],
    [
      '§5.4: a text behind a Ping inside a fragmented one',
      '01 80 00000000 89 80 00000000 01',
      ['control 9 ', 'message-interrupted'],
    ],
    ['§5.1: a text is not masked', '81 05', ['mask-missing']],
    ['§5.1: an empty text is not masked', '81 00', ['mask-missing']],
    ['§5.1: a Close is not masked', '88 00', ['mask-missing']],
    ['§5.1: a continuation is not masked', '02 80 00000000 80 01', ['mask-missing']],
    ['§5.5: a Ping of 126 bytes', '89 fe', ['control-too-long']],
    ['§5.5: a Close with a length of 64 bits', '88 ff', ['control-too-long']],
    ['§5.2: 125 in 16 bits', '82 fe 007d', ['length-not-minimal']],
    ['§5.2: 0 in 16 bits', '82 fe 0000', ['length-not-minimal']],
    ['§5.2: 65535 in 64 bits', '82 ff 000000000000ffff', ['length-not-minimal']],
    ['§5.2: 0 in 64 bits', '82 ff 0000000000000000', ['length-not-minimal']],
    ['§5.2: the top bit of the length is set', '82 ff 8000000000000000', ['length-invalid']],
    ['§5.2: all bits of the length are set', '82 ff ffffffffffffffff', ['length-invalid']],
    ['§10.4: a frame of 2^53 bytes', '82 ff 0020000000000000', ['frame-too-large']],
    ['§10.4: a frame of 2^63 - 1 bytes', '82 ff 7fffffffffffffff', ['frame-too-large']],
  ];
  test.for(broken)('%s', ([, digits, seen]) => {
    // With nothing behind the byte that breaks the rule, and with more than a header.
    expect(decodeHex(digits)).toEqual(seen);
    expect(decodeHex(`${digits} 00000000 00000000 00000000 00000000`)).toEqual(seen);
    // Behind another frame.
    expect(decodeHex(`8a 80 00000000 ${digits}`)).toEqual(['control 10 ', ...seen]);
  });

  test('§7.1.7: nothing is decoded behind the fault in the same chunk', () => {
    expect(decodeHex('82 81 00000000 01  81 05  82 81 00000000 02')).toEqual(['whole 2 01', 'mask-missing']);
  });

  test('§7.1.7: nothing is decoded after a fault, whatever is given', () => {
    for (const digits of ['c1', '81 05', '89 fe', '82 fe 0000', '82 ff 8000000000000000']) {
      const { sink, lines } = recorder();
      const decoder = new FrameDecoder(sink);
      expect(() => decoder.decode(hex(digits))).toThrow(Fault);
      decoder.decode(hex('82 80 00000000  82 81 00000000 02  89 80 00000000'));
      expect(lines).toEqual([]);
    }
  });
});

describe('the message limit', () => {
  test('§10.4: a message of exactly the limit passes', () => {
    expect(decodeHex('82 83 00000000 010203', 3)).toEqual(['whole 2 010203']);
  });

  test('§10.4: one byte more is refused from its header alone', () => {
    expect(decodeHex('82 84', 3)).toEqual(['message-too-large']);
    expect(decodeHex('82 fe 007e', 125)).toEqual(['message-too-large']);
    expect(decodeHex('82 ff 0000000000010000', 65_535)).toEqual(['message-too-large']);
  });

  test('§10.4: fragments count together, and are refused from the header of the one too much', () => {
    expect(decodeHex('02 82 00000000 0102  00 81 00000000 03  80 81', 3)).toEqual([
      'part 2 010203',
      'message-too-large',
    ]);
    expect(decodeHex('02 82 00000000 0102  00 81 00000000 03  80 80 00000000', 3)).toEqual([
      'whole 2 010203',
    ]);
  });

  test('§10.4: the next message counts from nothing', () => {
    expect(decodeHex('82 83 00000000 010203  82 83 00000000 040506', 3)).toEqual([
      'whole 2 010203',
      'whole 2 040506',
    ]);
  });

  test('§10.4: control frames do not count', () => {
    expect(decodeHex('02 83 00000000 010203  89 84 00000000 04050607  80 80 00000000', 3)).toEqual([
      'part 2 010203',
      'control 9 04050607',
      'whole 2 ',
    ]);
  });

  test('a limit of 0 lets empty messages through', () => {
    expect(decodeHex('82 80 00000000  82 81', 0)).toEqual(['whole 2 ', 'message-too-large']);
  });
});

function recorder(): { sink: FrameSink; lines: string[] } {
  const lines: string[] = [];
  const sink: FrameSink = {
    onPiece: (opcode, bytes, start, end, ends) =>
      lines.push(`${opcode} ${hexOf(bytes.subarray(start, end))}${ends ? ' end' : ''}`),
    onRun,
    onControl: (opcode, payload) => lines.push(`${opcode} ${hexOf(payload)}`),
  };
  return { sink, lines };
}

describe('how it hands on', () => {
  test('data comes in one piece for each chunk that holds some, where it lies', () => {
    const seen: { bytes: Uint8Array; start: number; end: number }[] = [];
    const decoder = new FrameDecoder({
      onPiece: (_opcode, bytes, start, end) => seen.push({ bytes, start, end }),
      onRun,
      onControl: () => {},
    });
    const first = hex('82 84 01020304 00 00');
    const second = hex('07 00 82 81 00000000 05');
    decoder.decode(first);
    decoder.decode(second);
    expect(seen.map(({ start, end }) => [start, end])).toEqual([
      [6, 8],
      [0, 2],
      [8, 9],
    ]);
    expect(seen.map(({ bytes }) => bytes)).toEqual([first, second, second]);
    expect(seen[0]!.bytes).toBe(first);
    expect(hexOf(first)).toBe('8284010203040102');
  });

  test('unmasking touches the payload, and no byte beside it', () => {
    const memory = hex('aaaaaa 82 82 ffffffff 0000 82 81 ffffffff 00 aaaaaa');
    new FrameDecoder(recorder().sink).decode(memory.subarray(3, -3));
    expect(hexOf(memory)).toBe('aaaaaa 82 82 ffffffff ffff 82 81 ffffffff ff aaaaaa'.replaceAll(' ', ''));
  });

  test('each piece comes with whether all of it is ASCII, whatever the message', () => {
    const seen: boolean[] = [];
    const decoder = new FrameDecoder({
      onPiece: (_opcode, _bytes, _start, _end, _ends, ascii) => seen.push(ascii),
      onRun,
      onControl: () => {},
    });
    decoder.decode(hex('01 82 ffffffff 8080  00 82 ffffffff 807f  00 80 ffffffff  80 81 00000000 7f'));
    decoder.decode(hex('82 82 00000000 80'));
    decoder.decode(hex('00'));
    expect(seen).toEqual([true, false, true, true, false, true]);
  });

  test('an empty last fragment ends its message with an empty piece', () => {
    const { sink, lines } = recorder();
    const decoder = new FrameDecoder(sink);
    decoder.decode(hex('01 81 00000000 61'));
    decoder.decode(hex('80 80 00000000'));
    expect(lines).toEqual(['1 61', '1  end']);
  });

  test('a header without payload bytes behind it says nothing yet', () => {
    const { sink, lines } = recorder();
    const decoder = new FrameDecoder(sink);
    decoder.decode(hex('81 81 00000000'));
    expect(lines).toEqual([]);
    decoder.decode(hex('61'));
    expect(lines).toEqual(['1 61 end']);
  });

  test('the payload of a control frame is a copy', () => {
    let kept: Uint8Array = new Uint8Array(0);
    const decoder = new FrameDecoder({
      onPiece: () => {},
      onRun,
      onControl: (_opcode, payload) => (kept = payload),
    });
    const chunk = hex('89 82 00000000 0102');
    decoder.decode(chunk);
    chunk.fill(0xff);
    expect(hexOf(kept)).toBe('0102');
  });

  test('chunks without a byte are harmless', () => {
    const { sink, lines } = recorder();
    const decoder = new FrameDecoder(sink);
    for (const byte of hex('81 82 00000000 6162 89 80 00000000')) {
      decoder.decode(new Uint8Array(0));
      decoder.decode(Uint8Array.of(byte));
      decoder.decode(new Uint8Array(0));
    }
    expect(lines).toEqual(['1 61', '1 62 end', '9 ']);
  });
});

describe('stop', () => {
  test('§5.5.1: has effect at once, also from within a callback', () => {
    const lines: string[] = [];
    const decoder = new FrameDecoder({
      onPiece: (_opcode, bytes, start, end) => lines.push(hexOf(bytes.subarray(start, end))),
      onRun,
      onControl: () => {
        lines.push('close');
        decoder.stop();
      },
    });
    decoder.decode(hex('82 81 00000000 01  88 80 00000000  82 81 00000000 02  c1'));
    decoder.decode(hex('82 81 00000000 03'));
    expect(lines).toEqual(['01', 'close']);
  });

  test('from within a piece of payload it keeps what follows from being judged', () => {
    const lines: string[] = [];
    const decoder = new FrameDecoder({
      onPiece: () => {
        lines.push('payload');
        decoder.stop();
      },
      onRun,
      onControl: () => lines.push('control'),
    });
    decoder.decode(hex('82 81 00000000 01  c1'));
    expect(lines).toEqual(['payload']);
  });
});

describe('with compression (RFC 7692 §6)', () => {
  /** What a decoder says; `deflated` or `plain` before each piece. */
  function decodeBoth(digits: string, maxMessage?: number): string[] {
    let first: string[] | undefined;
    eachCut(hex(digits), (pieces) => {
      const lines: string[] = [];
      let line = '';
      const decoder: FrameDecoder = new FrameDecoder({
        onPiece: (opcode, bytes, start, end, ends) => {
          if (line === '') line = `${decoder.compressed ? 'deflated' : 'plain'} ${opcode} `;
          line += hexOf(bytes.subarray(start, end));
          if (!ends) return;
          lines.push(line);
          line = '';
        },
        onRun,
        onControl: (opcode) => lines.push(`control ${opcode}`),
      });
      decoder.allowCompression();
      if (maxMessage !== undefined) decoder.limitMessages(maxMessage);
      try {
        for (const piece of pieces) expect(decoder.decode(piece)).toBe(piece.length);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        lines.push(error.code);
      }
      first ??= lines;
      expect(lines).toEqual(first);
    });
    return first!;
  }

  test('RSV1 on the first frame marks the message; without it the message is as it was', () => {
    expect(decodeBoth('c1 81 00000000 01  81 81 00000000 02  c2 81 00000000 03  82 80 00000000')).toEqual([
      'deflated 1 01',
      'plain 1 02',
      'deflated 2 03',
      'plain 2 ',
    ]);
  });

  test('§6.1: all fragments of a marked message are compressed, whatever stands between them', () => {
    expect(
      decodeBoth('41 81 00000000 01  89 80 00000000  00 81 00000000 02  8a 80 00000000  80 81 00000000 03'),
    ).toEqual(['control 9', 'control 10', 'deflated 1 010203']);
    expect(decodeBoth('01 81 00000000 01  80 81 00000000 02  c1 80 00000000')).toEqual([
      'plain 1 0102',
      'deflated 1 ',
    ]);
  });

  const broken: readonly (readonly [rule: string, digits: string, code: string])[] = [
    ['§6.1: RSV1 on a last fragment', '41 80 00000000  c0', 'rsv-set'],
    ['§6.1: RSV1 on a fragment in the middle', '41 80 00000000  40', 'rsv-set'],
    ['§6.1: RSV1 on a fragment of an uncompressed message', '01 80 00000000  c0', 'rsv-set'],
    ['§6.1: RSV1 on a Ping', 'c9', 'rsv-set'],
    ['§6.1: RSV1 on a Pong', 'ca', 'rsv-set'],
    ['§6.1: RSV1 on a Close', 'c8', 'rsv-set'],
    ['RSV1 with a reserved opcode', 'c3', 'rsv-set'],
    ['RSV2', 'a1', 'rsv-set'],
    ['RSV3', '91', 'rsv-set'],
    ['RSV1 and RSV2', 'e1', 'rsv-set'],
    ['RSV1 and RSV3', 'd2', 'rsv-set'],
    ['all three', 'f1', 'rsv-set'],
    ['a compressed message inside a fragmented one', '01 80 00000000  c1', 'message-interrupted'],
    ['a reserved opcode', '83', 'opcode-reserved'],
    ['an unmasked compressed message', 'c1 01', 'mask-missing'],
    ['a compressed frame of 2^53 bytes', 'c2 ff 0020000000000000', 'frame-too-large'],
  ];
  test.for(broken)('%s is refused', ([, digits, code]) => {
    expect(decodeBoth(digits).at(-1)).toBe(code);
    expect(decodeBoth(`82 81 00000000 01 ${digits} 00000000 00000000 00000000`)).toContain(code);
  });

  test('before it is allowed, RSV1 is refused', () => {
    expect(decodeHex('c1')).toEqual(['rsv-set']);
  });

  test('§10.4: the limit is not judged by the frames of a compressed message, and by those of others it is', () => {
    expect(decodeBoth('c2 84 00000000 01020304', 3)).toEqual(['deflated 2 01020304']);
    expect(decodeBoth('42 83 00000000 010203  80 83 00000000 040506', 3)).toEqual([
      'deflated 2 010203040506',
    ]);
    expect(decodeBoth('c2 84 00000000 01020304  82 84', 3)).toEqual([
      'deflated 2 01020304',
      'message-too-large',
    ]);
    expect(decodeBoth('02 83 00000000 010203  80 81', 3)).toEqual(['message-too-large']);
  });
});

describe('suspend', () => {
  function suspending(at: number): { decoder: FrameDecoder; lines: string[] } {
    const lines: string[] = [];
    const seen = (line: string): void => {
      lines.push(line);
      if (lines.length === at) decoder.suspend();
    };
    const decoder: FrameDecoder = new FrameDecoder({
      onPiece: (opcode, bytes, start, end, ends) =>
        seen(`${opcode} ${hexOf(bytes.subarray(start, end))}${ends ? ' end' : ''}`),
      onRun,
      onControl: (opcode, payload) => seen(`${opcode} ${hexOf(payload)}`),
    });
    return { decoder, lines };
  }

  const chunk = '82 81 00000000 01  89 80 00000000  02 82 00000000 0203  80 80 00000000  82 81 00000000 04';

  test('the rest of a chunk is not looked at, and decode says how much it has taken', () => {
    const whole = ['2 01 end', '9 ', '2 0203', '2  end', '2 04 end'];
    const ends = [7, 13, 21, 27, 34];
    for (let at = 1; at <= whole.length; at += 1) {
      const { decoder, lines } = suspending(at);
      const bytes = hex(chunk);
      const taken = decoder.decode(bytes);
      expect(taken).toBe(ends[at - 1]);
      expect(lines).toEqual(whole.slice(0, at));
      // The rest is as it came, and is taken by the next call.
      expect(decoder.decode(bytes.subarray(taken))).toBe(bytes.length - taken);
      expect(lines).toEqual(whole);
    }
  });

  test('in the middle of a frame, the frame goes on with the next chunk', () => {
    const { decoder, lines } = suspending(1);
    expect(decoder.decode(hex('82 82 00000000 01'))).toBe(7);
    expect(decoder.decode(hex('02'))).toBe(1);
    expect(lines).toEqual(['2 01', '2 02 end']);
  });

  test('what breaks a rule behind it is not judged before it is taken', () => {
    const { decoder } = suspending(1);
    const bytes = hex('82 81 00000000 01  81 05');
    expect(decoder.decode(bytes)).toBe(7);
    expect(() => decoder.decode(bytes.subarray(7))).toThrow(Fault);
  });

  test('nothing is taken behind stop', () => {
    const { decoder } = suspending(0);
    decoder.stop();
    expect(decoder.decode(hex('82 80 00000000'))).toBe(0);
  });
});

describe('against a naive decoder of whole inputs', () => {
  const key = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const size = fc.oneof(
    { weight: 6, arbitrary: fc.nat(20) },
    { weight: 2, arbitrary: fc.integer({ min: 120, max: 130 }) },
    { weight: 1, arbitrary: fc.integer({ min: 180, max: 700 }) },
  );
  const payload = size.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  const control = fc
    .record({ opcode: fc.constantFrom(8, 9, 10), payload: fc.uint8Array({ maxLength: 125 }), key })
    .map((parts) => clientFrame(parts));
  const fragment = fc.record({ payload, key, before: fc.array(control, { maxLength: 1 }) });
  const message = fc
    .record({ opcode: fc.constantFrom(1, 2), fragments: fc.array(fragment, { minLength: 1, maxLength: 4 }) })
    .map(({ opcode, fragments }) =>
      fragments.flatMap(({ payload, key, before }, i) => [
        ...(i === 0 ? [] : before),
        clientFrame({ opcode: i === 0 ? opcode : 0, fin: i === fragments.length - 1, payload, key }),
      ]),
    );
  const frames = fc
    .array(
      fc.oneof(
        message,
        control.map((frame) => [frame]),
      ),
      { maxLength: 5 },
    )
    .map((list) => list.flat());
  const limit = fc.option(fc.nat(800), { nil: undefined });

  test(`§5: random sequences of valid frames, the message limit aside (TEST_SEED=${SEED})`, () => {
    fc.assert(
      fc.property(frames, limit, (list, maxMessage) => {
        expectLikeReference(concat(...list), maxMessage);
        expect(reference(concat(...list)).fault).toBeUndefined();
      }),
      { ...SEEDED, numRuns: 60 },
    );
  });

  test(`§5: the same with bits turned in headers, and frames left out or doubled (TEST_SEED=${SEED})`, () => {
    const change = fc.record({
      frame: fc.nat(),
      kind: fc.constantFrom('first byte', 'second byte', 'any header byte', 'drop', 'double', 'cut'),
      at: fc.nat(13),
      bit: fc.nat(7),
    });
    const faults = new Set<string | undefined>();
    fc.assert(
      fc.property(
        frames,
        fc.array(change, { minLength: 1, maxLength: 2 }),
        limit,
        (list, changes, maxMessage) => {
          const mutated = list.map((frame) => frame.slice());
          for (const { frame, kind, at, bit } of changes) {
            if (mutated.length === 0) break;
            const index = frame % mutated.length;
            const target = mutated[index]!;
            const place =
              kind === 'first byte' ? 0 : kind === 'second byte' ? 1 : Math.min(at, target.length - 1);
            if (kind === 'drop') mutated.splice(index, 1);
            else if (kind === 'double') mutated.splice(index, 0, target.slice());
            else if (kind === 'cut') mutated.splice(index, 1, target.slice(0, place));
            else if (target.length > place) target[place] = target[place]! ^ (1 << bit);
          }
          const bytes = concat(...mutated);
          faults.add(reference(bytes, maxMessage).fault);
          expectLikeReference(bytes, maxMessage);
        },
      ),
      { ...SEEDED, numRuns: 150 },
    );
    // Else the property would say little.
    expect(faults.size).toBeGreaterThan(6);
  });

  test(`§5: random bytes (TEST_SEED=${SEED})`, () => {
    const likely = fc.constantFrom(
      0x00,
      0x01,
      0x02,
      0x80,
      0x81,
      0x82,
      0x83,
      0x88,
      0x89,
      0xfe,
      0xff,
      0x7e,
      0x7d,
      0xfd,
    );
    const bytes = fc.array(fc.oneof({ weight: 5, arbitrary: likely }, fc.nat(255)), { maxLength: 40 });
    fc.assert(
      fc.property(bytes, limit, (list, maxMessage) => {
        expectLikeReference(Uint8Array.from(list), maxMessage);
      }),
      { ...SEEDED, numRuns: 300 },
    );
  });
});

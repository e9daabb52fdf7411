import { createDeflateRaw, createInflateRaw } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { parseExtensions } from '../../src/rfc6455/extensions.ts';
import {
  Compression,
  type CompressionOptions,
  type ConnectionCompression,
  negotiate,
} from '../../src/rfc6455/permessage-deflate.ts';
import { hex, hexOf, utf8 } from '../support/bytes.ts';
import { inflateAll } from '../support/deflated.ts';
import { Random } from '../support/randomness.ts';

const OPTIONS: CompressionOptions = {
  level: 6,
  windowBits: 15,
  serverTakeover: true,
  clientTakeover: true,
  threshold: 64,
  connections: 10,
};

/** What is answered to the value of a client's Sec-WebSocket-Extensions. */
function answer(offers: string, options: Partial<CompressionOptions> = {}): string | undefined {
  return negotiate(parseExtensions(offers), { ...OPTIONS, ...options })?.response;
}

const P = 'permessage-deflate';

describe('the answer to an offer (RFC 7692 §7.1)', () => {
  const table: readonly (readonly [offer: string, answer: string | undefined])[] = [
    [P, P],
    // §7.1.1.1, §7.1.1.2
    [`${P}; server_no_context_takeover`, `${P}; server_no_context_takeover`],
    [`${P}; client_no_context_takeover`, `${P}; client_no_context_takeover`],
    [
      `${P}; client_no_context_takeover; server_no_context_takeover`,
      `${P}; server_no_context_takeover; client_no_context_takeover`,
    ],
    [`${P}; server_no_context_takeover=1`, undefined],
    [`${P}; client_no_context_takeover=true`, undefined],
    [`${P}; server_no_context_takeover=15`, undefined],
    [`${P}; client_no_context_takeover="8"`, undefined],
    // §7.1.2.1
    [`${P}; server_max_window_bits=8`, `${P}; server_max_window_bits=8`],
    [`${P}; server_max_window_bits=9`, `${P}; server_max_window_bits=9`],
    [`${P}; server_max_window_bits=10`, `${P}; server_max_window_bits=10`],
    [`${P}; server_max_window_bits=14`, `${P}; server_max_window_bits=14`],
    [`${P}; server_max_window_bits=15`, `${P}; server_max_window_bits=15`],
    [`${P}; server_max_window_bits="12"`, `${P}; server_max_window_bits=12`],
    [`${P}; server_max_window_bits`, undefined],
    // §7.1.2.2
    [`${P}; client_max_window_bits`, P],
    [`${P}; client_max_window_bits=15`, P],
    [`${P}; client_max_window_bits=14`, `${P}; client_max_window_bits=14`],
    [`${P}; client_max_window_bits=8`, `${P}; client_max_window_bits=8`],
    [
      `${P}; client_max_window_bits=9; server_max_window_bits=10`,
      `${P}; server_max_window_bits=10; client_max_window_bits=9`,
    ],
    // §7.1.2: 8 to 15, without leading zeros
    ...[
      '0',
      '1',
      '7',
      '16',
      '08',
      '015',
      '8.0',
      '0x8',
      '1e1',
      '-8',
      '8a',
      'a8',
      '99',
      '115',
      '150',
      'true',
    ].flatMap(
      (bits) =>
        [
          [`${P}; server_max_window_bits=${bits}`, undefined],
          [`${P}; client_max_window_bits=${bits}`, undefined],
        ] as const,
    ),
    // §7.1: a parameter that comes twice, or that is not known
    [`${P}; server_no_context_takeover; server_no_context_takeover`, undefined],
    [`${P}; client_no_context_takeover; client_no_context_takeover`, undefined],
    [`${P}; server_max_window_bits=9; server_max_window_bits=9`, undefined],
    [`${P}; client_max_window_bits; client_max_window_bits=9`, undefined],
    [`${P}; client_max_window_bits=9; client_max_window_bits`, undefined],
    [`${P}; server_max_window_bits=9; server_max_window_bits=10`, undefined],
    [`${P}; mystery`, undefined],
    [`${P}; server_no_context_takeover; mystery=1`, undefined],
    [`${P}; Server_No_Context_Takeover`, undefined],
    [`${P}; __proto__`, undefined],
    [`${P}; constructor`, undefined],
    [`${P}; hasOwnProperty; hasOwnProperty`, undefined],
    // Others
    ['x-webkit-deflate-frame', undefined],
    ['permessage-deflate-2', undefined],
    ['permessage-bzip2; client_max_window_bits', undefined],
    ['deflate', undefined],
    // §5.1: the first that can be honoured
    [`mystery, ${P}`, P],
    [`${P}; mystery, ${P}; server_no_context_takeover, ${P}`, `${P}; server_no_context_takeover`],
    [`${P}; server_max_window_bits=10, ${P}`, `${P}; server_max_window_bits=10`],
    [`${P}, ${P}; server_max_window_bits=10`, P],
    [`${P}; client_max_window_bits=7, ${P}; client_max_window_bits`, P],
    [
      `${P}; server_max_window_bits, x; y=1, ${P}; client_no_context_takeover`,
      `${P}; client_no_context_takeover`,
    ],
    [`${P}; mystery, ${P}; server_max_window_bits=16`, undefined],
  ];
  test.for(table)('%s → %s', ([offer, expected]) => {
    expect(answer(offer)).toBe(expected);
  });

  test('without an offer there is none', () => {
    expect(negotiate([], OPTIONS)).toBeUndefined();
  });

  const own: readonly (readonly [options: Partial<CompressionOptions>, offer: string, answer: string])[] = [
    [{ serverTakeover: false }, P, `${P}; server_no_context_takeover`],
    [{ clientTakeover: false }, P, `${P}; client_no_context_takeover`],
    [{ serverTakeover: false }, `${P}; server_no_context_takeover`, `${P}; server_no_context_takeover`],
    [
      { serverTakeover: false, clientTakeover: false },
      P,
      `${P}; server_no_context_takeover; client_no_context_takeover`,
    ],
    [{ windowBits: 10 }, P, `${P}; server_max_window_bits=10`],
    [{ windowBits: 10 }, `${P}; server_max_window_bits=12`, `${P}; server_max_window_bits=10`],
    [{ windowBits: 10 }, `${P}; server_max_window_bits=9`, `${P}; server_max_window_bits=9`],
    [
      { windowBits: 10 },
      `${P}; client_max_window_bits`,
      `${P}; server_max_window_bits=10; client_max_window_bits=10`,
    ],
    [
      { windowBits: 10 },
      `${P}; client_max_window_bits=12`,
      `${P}; server_max_window_bits=10; client_max_window_bits=10`,
    ],
    [
      { windowBits: 10 },
      `${P}; client_max_window_bits=9`,
      `${P}; server_max_window_bits=10; client_max_window_bits=9`,
    ],
    [{ windowBits: 15 }, `${P}; client_max_window_bits`, P],
  ];
  test.for(own)('with %o: %s → %s', ([options, offer, expected]) => {
    expect(answer(offer, options)).toBe(expected);
  });

  test('§7.1.2.2: a client that did not offer it may use the whole window, however small ours is', () => {
    expect(negotiate(parseExtensions(P), { ...OPTIONS, windowBits: 9 })).toMatchObject({
      clientWindowBits: 15,
      serverWindowBits: 9,
    });
  });

  test('what is answered is what is done', () => {
    const offer = `${P}; client_max_window_bits=11; server_max_window_bits=12; server_no_context_takeover`;
    expect(negotiate(parseExtensions(offer), OPTIONS)).toEqual({
      serverTakeover: false,
      clientTakeover: true,
      serverWindowBits: 12,
      clientWindowBits: 11,
      response: `${P}; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=11`,
    });
    expect(negotiate(parseExtensions(`${P}; client_no_context_takeover`), OPTIONS)).toMatchObject({
      serverTakeover: true,
      clientTakeover: false,
    });
  });
});

describe('the bound on connections', () => {
  const offers = parseExtensions(P);

  test('those beyond it are not compressed, until one is released, which counts once', () => {
    const compression = new Compression({ ...OPTIONS, connections: 2 });
    const one = compression.agree(offers)!;
    const two = compression.agree(offers)!;
    expect(compression.connections).toBe(2);
    expect(compression.agree(offers)).toBeUndefined();
    expect(compression.connections).toBe(2);
    one.release();
    one.release();
    expect(compression.connections).toBe(1);
    expect(compression.agree(offers)).toBeDefined();
    expect(compression.agree(offers)).toBeUndefined();
    two.release();
    expect(compression.connections).toBe(1);
  });

  test('what is not agreed on does not count', () => {
    const compression = new Compression({ ...OPTIONS, connections: 1 });
    expect(compression.agree([])).toBeUndefined();
    expect(compression.agree(parseExtensions(`${P}; mystery`))).toBeUndefined();
    expect(compression.connections).toBe(0);
    expect(compression.agree(offers)).toBeDefined();
  });

  test('of none there are none', () => {
    expect(new Compression({ ...OPTIONS, connections: 0 }).agree(offers)).toBeUndefined();
  });
});

describe('the compression of a connection', () => {
  function deflateWith(connection: ConnectionCompression, bytes: Uint8Array): Uint8Array | undefined {
    const deflater = connection.deflater({ onDeflated: () => {}, onFailed: () => {} });
    deflater.deflate(bytes, 0, bytes.length);
    return deflater.deflate(bytes, 0, bytes.length);
  }

  function inflateWith(connection: ConnectionCompression, ...messages: readonly Uint8Array[]): string[] {
    const seen: string[] = [];
    const inflater = connection.inflater({
      onInflated: (bytes, start, end) => {
        if (end > start) seen.push(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
        return true;
      },
      onYield: () => {},
      onIdle: () => {},
      onFailed: () => {},
    });
    for (const message of messages) inflater.push(message, 0, message.length, true);
    return seen;
  }

  const agree = (offer: string, options: Partial<CompressionOptions> = {}): ConnectionCompression =>
    new Compression({ ...OPTIONS, ...options }).agree(parseExtensions(offer))!;

  test('the threshold is the one of the options', () => {
    expect(agree(P, { threshold: 7 }).threshold).toBe(7);
  });

  test('takeover is obeyed in our messages', () => {
    expect(hexOf(deflateWith(agree(P), utf8('Hello'))!)).toBe('f200110000');
    expect(hexOf(deflateWith(agree(`${P}; server_no_context_takeover`), utf8('Hello'))!)).toBe(
      'f248cdc9c90700',
    );
    expect(hexOf(deflateWith(agree(`${P}; client_no_context_takeover`), utf8('Hello'))!)).toBe('f200110000');
  });

  test('takeover is obeyed in the client’s', () => {
    const messages = [hex('f2 48 cd c9 c9 07 00'), hex('f2 00 11 00 00')];
    expect(inflateWith(agree(P), ...messages)).toEqual(['Hello', 'Hello']);
    expect(inflateWith(agree(`${P}; server_no_context_takeover`), ...messages)).toEqual(['Hello', 'Hello']);
    expect(() => inflateWith(agree(`${P}; client_no_context_takeover`), ...messages)).toThrow('corrupt');
  });

  test('the window is obeyed in either direction, and the level', () => {
    const unit = new Random(1).bytes(600);
    const twice = Buffer.concat([unit, unit]);
    const small = agree(`${P}; server_max_window_bits=8; client_max_window_bits=15`);
    const deflater = small.deflater({ onDeflated: () => {}, onFailed: () => {} });
    const deflated = Buffer.from(deflater.deflate(twice, 0, twice.length)!);
    expect(deflated.length).toBeGreaterThan(1_100);
    expect(inflateAll([deflated], 8).equals(twice)).toBe(true);
    const large = agree(`${P}; client_max_window_bits=8`).deflater({
      onDeflated: () => {},
      onFailed: () => {},
    });
    const messages = [unit, unit].map((bytes) => Buffer.from(large.deflate(bytes, 0, bytes.length)!));
    expect(messages[1]!.length).toBeLessThan(50);
    expect(inflateWith(small, ...messages).join('')).toBe(twice.toString('latin1'));
    expect(() => inflateWith(agree(`${P}; client_max_window_bits=8`), ...messages)).toThrow('corrupt');
  });

  test('the level is obeyed', () => {
    const text = Buffer.alloc(2_000, 'ab');
    const lengths = [1, 9].map((level) => deflateWith(agree(P, { level }), text)!.length);
    expect(deflateWith(agree(P, { level: 0 }), text)!.length).toBeGreaterThan(2_000);
    expect(Math.max(...lengths)).toBeLessThan(100);
  });

  test('which thread works is obeyed', () => {
    expect(deflateWith(agree(P, { sync: true }), utf8('Hello'))).toBeDefined();
    const inAnother = agree(P, { sync: false });
    const deflater = inAnother.deflater({ onDeflated: () => {}, onFailed: () => {} });
    expect(deflater.deflate(utf8('Hello'), 0, 5)).toBeUndefined();
    deflater.close();
    expect(inflateWith(inAnother, hex('f2 48 cd c9 c9 07 00'))).toEqual([]);
  });

  test('idle streams are shared by the connections of one daemon', () => {
    const compression = new Compression(OPTIONS);
    const offers = parseExtensions(`${P}; client_no_context_takeover; server_no_context_takeover`);
    const inflates = vi.spyOn(Object.getPrototypeOf(createInflateRaw()), 'reset');
    const deflates = vi.spyOn(Object.getPrototypeOf(createDeflateRaw()), 'reset');
    for (let i = 0; i < 50; i += 1) {
      const connection = compression.agree(offers)!;
      expect(inflateWith(connection, hex('f2 48 cd c9 c9 07 00'))).toEqual(['Hello']);
      expect(hexOf(deflateWith(connection, utf8('Hello'))!)).toBe('f248cdc9c90700');
      connection.release();
    }
    expect(compression.connections).toBe(0);
    expect(inflates).toHaveBeenCalledTimes(50);
    expect(deflates).toHaveBeenCalledTimes(100);
    expect(new Set([...inflates.mock.contexts, ...deflates.mock.contexts]).size).toBe(2);
    vi.restoreAllMocks();
    expect(inflates).toHaveBeenCalledTimes(50);
    expect(deflates).toHaveBeenCalledTimes(100);
    expect(new Set([...inflates.mock.contexts, ...deflates.mock.contexts]).size).toBe(2);
    vi.restoreAllMocks();
  });
});

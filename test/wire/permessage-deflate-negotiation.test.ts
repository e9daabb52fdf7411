/** What is offered and what is answered: RFC 7692 §5 and §7.1 on the grammar of RFC 6455 §9.1, by the built daemon. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { Deflater } from '../support/deflate.ts';
import { type Agreement, compressedFrame, DeflateClient } from '../support/deflate-client.ts';
import { Random, SEED } from '../support/randomness.ts';
import { BINARY, hex, RawClient, request, TEXT } from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

/** "Hello" as one compressed block (§7.2.3.1), masked with zeros. */
const COMPRESSED_HELLO = hex('c1 87 00000000 f248cdc9c90700');
/** "Hello" as RFC 6455 §5.7 has it. */
const PLAIN_HELLO = hex('81 85 37fa213d 7f9f4d5158');

const MATCH_32768 = hex('1abdff1f00'); // a block with one match: 258 bytes from 32,768 bytes before

let off: Daemon;
let on: Daemon;
let none: Daemon;
let server: Daemon;
let client: Daemon;
let small: Daemon;

function start(...options: string[]): Promise<Daemon> {
  return startDaemon(['-c', 'host=echo://', ...options]);
}

beforeAll(async () => {
  const compressing = ['--compression', 'on', '--compression-threshold', '1'];
  [off, on, none, server, client, small] = await Promise.all([
    start(),
    start(...compressing),
    start(...compressing, '--compression-takeover', 'none'),
    start(...compressing, '--compression-takeover', 'server'),
    start(...compressing, '--compression-takeover', 'client'),
    start(...compressing, '--compression-window-bits', '10'),
  ]);
});
afterAll(() => Promise.all([off, on, none, server, client, small].map((daemon) => daemon?.stop('SIGKILL'))));

/** Offers it, and sees that the connection then works as it was answered. */
async function answerTo(daemon: Daemon, ...fields: string[]): Promise<Agreement | undefined> {
  const opened = await DeflateClient.offer(daemon, ...fields);
  const { agreement } = opened;
  opened.send(PLAIN_HELLO);
  await opened.expectData(TEXT, 'Hello');
  opened.send(COMPRESSED_HELLO);
  if (agreement === undefined) await opened.expectFailed(1002);
  else await opened.expectData(TEXT, 'Hello');
  opened.stream.end();
  return agreement;
}

async function refuses(daemon: Daemon, ...fields: string[]): Promise<void> {
  const refused = await RawClient.connect(daemon);
  refused.send(request({ add: fields.map((field) => `Sec-WebSocket-Extensions: ${field}`) }));
  await refused.expectRefused(400);
  refused.stream.end();
}

describe.concurrent('without --compression on', () => {
  test.each([
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; server_max_window_bits=10; server_no_context_takeover, permessage-deflate',
  ])('§5: %j is not answered, and RSV1 fails the connection (RFC 6455 §5.2)', async (offer) => {
    expect(await answerTo(off, offer)).toBeUndefined();
  });
});

describe.concurrent('with it', () => {
  test('§5: no offer gets no answer, and RSV1 fails the connection (RFC 6455 §5.2)', async () => {
    expect(await answerTo(on)).toBeUndefined();
  });

  test('§7.1: the plain offer gets an answer without client_max_window_bits', async () => {
    expect(await answerTo(on, 'permessage-deflate')).toMatchObject({
      serverNoContextTakeover: false,
      clientMaxWindowBits: undefined,
    });
  });

  test.each([
    'foo',
    'foo; bar=1, baz',
    'x-webkit-deflate-frame',
    'deflate-frame',
    'permessage-bzip2',
    'permessage-compress; method=deflate',
    'permessage-deflate-2',
    'permessage-deflat',
    'x-permessage-deflate',
    'toString, constructor, __proto__',
  ])('RFC 6455 §9.1: %j is not ours and not answered', async (offer) => {
    expect(await answerTo(on, offer)).toBeUndefined();
    expect(await answerTo(on, `${offer}, permessage-deflate`)).toBeDefined();
  });

  // RFC 6455 says where it compares without regard to case (§4.2.1 items 3 and 4); extension tokens are not named there.
  test.each(['Permessage-Deflate', 'PERMESSAGE-DEFLATE'])(
    'RFC 6455 §9.1: %j is another token',
    async (offer) => {
      expect(await answerTo(on, offer)).toBeUndefined();
    },
  );
});

describe.concurrent('an offer that is to be taken', () => {
  test.each([
    'permessage-deflate; server_no_context_takeover',
    'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    'permessage-deflate;client_max_window_bits;server_no_context_takeover',
    'permessage-deflate; server_max_window_bits=12; server_no_context_takeover',
  ])('§7.1.1.1: %j is answered with server_no_context_takeover', async (offer) => {
    expect(await answerTo(on, offer)).toMatchObject({ serverNoContextTakeover: true });
  });

  test('§7.1.1.2: client_no_context_takeover is a hint, which changes nothing else', async () => {
    expect(await answerTo(on, 'permessage-deflate; client_no_context_takeover')).toMatchObject({
      serverNoContextTakeover: false,
      clientMaxWindowBits: undefined,
    });
  });

  test.each([9, 10, 11, 12, 13, 14, 15])(
    '§7.1.2.1: server_max_window_bits=%i is answered with at most that',
    async (bits) => {
      const agreement = await answerTo(on, `permessage-deflate; server_max_window_bits=${bits}`);
      expect(agreement?.serverMaxWindowBits).toBeLessThanOrEqual(bits);
      expect(agreement?.clientMaxWindowBits).toBeUndefined();
    },
  );

  test('§7.1.2.1: server_max_window_bits=8 is answered with 8, or declined for the next offer', async () => {
    const agreement = await answerTo(on, 'permessage-deflate; server_max_window_bits=8');
    if (agreement !== undefined) expect(agreement.serverMaxWindowBits).toBe(8);
    else {
      const next = await answerTo(on, 'permessage-deflate; server_max_window_bits=8, permessage-deflate');
      expect(next).toMatchObject({ serverNoContextTakeover: false });
    }
  });

  test('§7.1.2.2: client_max_window_bits may be offered without a value', async () => {
    expect(await answerTo(on, 'permessage-deflate; client_max_window_bits')).toBeDefined();
  });

  test.each([8, 9, 10, 11, 12, 13, 14, 15])(
    '§7.1.2.2: client_max_window_bits=%i is answered with at most that, or without',
    async (bits) => {
      const agreement = await answerTo(on, `permessage-deflate; client_max_window_bits=${bits}`);
      expect(agreement).toBeDefined();
      expect(agreement?.clientMaxWindowBits ?? bits).toBeLessThanOrEqual(bits);
    },
  );

  test('§7.1.3: all four parameters at once', async () => {
    const agreement = await answerTo(
      on,
      'permessage-deflate; client_max_window_bits=12; server_max_window_bits=10' +
        '; client_no_context_takeover; server_no_context_takeover',
    );
    expect(agreement).toMatchObject({ serverNoContextTakeover: true });
    expect(agreement?.serverMaxWindowBits).toBeLessThanOrEqual(10);
    expect(agreement?.clientMaxWindowBits ?? 12).toBeLessThanOrEqual(12);
  });

  test.each([
    'permessage-deflate; server_max_window_bits="10"',
    'permessage-deflate; server_max_window_bits="1\\0"',
    'permessage-deflate;server_max_window_bits=10',
    ' permessage-deflate\t;  server_max_window_bits = "10" ',
    ', ,permessage-deflate;server_max_window_bits=10,,',
  ])('RFC 6455 §9.1: %j is written in another way', async (offer) => {
    expect((await answerTo(on, offer))?.serverMaxWindowBits).toBeLessThanOrEqual(10);
  });
});

describe.concurrent('an offer that is declined for the next one', () => {
  const undefinedOnes = [
    'foo',
    'foo=1',
    'max_window_bits=10',
    'no_context_takeover',
    'Server_No_Context_Takeover',
    'SERVER_MAX_WINDOW_BITS=10',
    'toString',
    '__proto__',
    'constructor=10',
    'server_max_window_bits=10; foo',
    'foo; server_max_window_bits=10',
  ];
  const wrongValues = [
    'server_no_context_takeover=1',
    'server_no_context_takeover=true',
    'server_no_context_takeover=15',
    'server_no_context_takeover="10"',
    'client_no_context_takeover=1',
    'client_no_context_takeover=0',
    'server_max_window_bits',
    ...['server_max_window_bits', 'client_max_window_bits'].flatMap((name) =>
      [
        '0',
        '1',
        '7',
        '16',
        '08',
        '010',
        '0015',
        '"08"',
        '"7"',
        '"16"',
        '+10',
        '-10',
        '10.0',
        '1e1',
        '0xa',
        '1_0',
        'ten',
        'true',
        '100',
        '4294967306',
        '99999999999999999999',
      ].map((value) => `${name}=${value}`),
    ),
  ];
  const twice = [
    'server_no_context_takeover; server_no_context_takeover',
    'client_no_context_takeover; client_no_context_takeover',
    'server_max_window_bits=10; server_max_window_bits=10',
    'server_max_window_bits=10; server_max_window_bits=12',
    'client_max_window_bits; client_max_window_bits',
    'client_max_window_bits; client_max_window_bits=10',
    'client_max_window_bits=10; server_no_context_takeover; client_max_window_bits=10',
  ];

  async function isDeclined(parameters: string): Promise<void> {
    const offer = `permessage-deflate; ${parameters}`;
    expect(await answerTo(on, offer)).toBeUndefined();
    const next = await answerTo(on, `${offer}, permessage-deflate; server_no_context_takeover`);
    // Of the next one, and nothing of the first.
    expect(next).toMatchObject({ serverNoContextTakeover: true, clientMaxWindowBits: undefined });
    expect(next?.serverMaxWindowBits ?? 15).toBe(15);
  }

  test.each(undefinedOnes)('§7.1: %j has a parameter that is not defined', isDeclined);
  test.each(wrongValues)('§7.1: %j has a value that is not valid', isDeclined);
  test.each(twice)('§7.1: %j has a parameter twice', isDeclined);
});

describe.concurrent('a list of offers', () => {
  test('RFC 6455 §9.1: is answered by its first that can be taken', async () => {
    const first = await answerTo(
      on,
      'permessage-deflate; server_max_window_bits=10, permessage-deflate; server_no_context_takeover',
    );
    expect(first).toMatchObject({ serverNoContextTakeover: false });
    expect(first?.serverMaxWindowBits).toBeLessThanOrEqual(10);
    const second = await answerTo(
      on,
      'permessage-deflate; server_no_context_takeover, permessage-deflate; server_max_window_bits=10',
    );
    expect(second).toMatchObject({ serverNoContextTakeover: true });
    expect(second?.serverMaxWindowBits ?? 15).toBe(15);
  });

  test('§5: is answered once, though every offer could be taken', async () => {
    // The reader of answers takes no second element.
    expect(await answerTo(on, Array(5).fill('permessage-deflate').join(', '))).toBeDefined();
  });

  test('§5: gets over many that are declined', async () => {
    const declined = Array(300).fill('permessage-deflate; x=1').join(', ');
    expect(await answerTo(on, `${declined}, permessage-deflate`)).toBeDefined();
    expect(await answerTo(on, declined)).toBeUndefined();
  });

  test('RFC 6455 §9.1: may be split over several fields', async () => {
    expect(
      await answerTo(
        on,
        'foo; bar',
        'permessage-deflate; server_max_window_bits=7',
        'permessage-deflate; server_no_context_takeover, baz',
        'permessage-deflate',
      ),
    ).toMatchObject({ serverNoContextTakeover: true });
    expect(await answerTo(off, 'foo', 'permessage-deflate')).toBeUndefined();
  });

  test('RFC 6455 §9.1: has other extensions before, between and behind', async () => {
    const offer =
      'x-webkit-deflate-frame, permessage-deflate; foo, bar; x="1", permessage-deflate; server_no_context_takeover, baz';
    expect(await answerTo(on, offer)).toMatchObject({ serverNoContextTakeover: true });
  });

  test('RFC 6455 §9.1: the answer stands beside a subprotocol', async () => {
    const opened = await RawClient.connect(on);
    opened.send(
      request({ add: ['Sec-WebSocket-Protocol: chat', 'Sec-WebSocket-Extensions: permessage-deflate'] }),
    );
    const { fields } = await opened.readAccepted();
    expect(fields.get('sec-websocket-extensions')).toHaveLength(1);
    opened.stream.end();
  });

  test('§7.2.2: a compressed message may stand in the same write as the request', async () => {
    const opened = await RawClient.connect(on);
    opened.send(request({ add: ['Sec-WebSocket-Extensions: permessage-deflate'] }), COMPRESSED_HELLO);
    await opened.readAccepted();
    // Its first byte says enough: a text message, compressed or not.
    expect([0x81, 0xc1]).toContain((await opened.stream.take(1))[0]);
    opened.stream.end();
  });
});

describe.concurrent('400 for a list that breaks the grammar (RFC 6455 §9.1), compression on or off', () => {
  test.each([
    ';',
    'permessage-deflate;',
    'permessage-deflate;;server_no_context_takeover',
    'permessage-deflate; =10',
    'permessage-deflate=10',
    'permessage-deflate server_no_context_takeover',
    'permessage-deflate; server_max_window_bits=',
    'permessage-deflate; server_max_window_bits=, permessage-deflate',
    'permessage-deflate; client_max_window_bits=""',
    'permessage-deflate; client_max_window_bits="1 0"',
    'permessage-deflate; client_max_window_bits="10',
    'permessage-deflate; client_max_window_bits="10"0',
    'permessage-deflate; client_max_window_bits=10 12',
    "permessage-deflate; client_max_window_bits='10', permessage-deflate; a/b",
    'permessage-deflate, foo;;bar',
    'permessage-deflate, "foo"',
  ])('%j', async (value) => {
    await refuses(on, value);
    await refuses(off, value);
  });

  test('that is split over several fields', async () => {
    await refuses(on, 'permessage-deflate', 'foo; ;');
    await refuses(off, 'permessage-deflate', 'foo; ;');
  });
});

describe.concurrent('with --compression-takeover', () => {
  test.each([
    ['none', true, true],
    ['server', false, true],
    ['client', true, false],
    ['both', false, false],
  ] as const)('%s', async (takeover, serverNoContextTakeover, clientNoContextTakeover) => {
    const daemon = { none, server, client, both: on }[takeover];
    // §7.1.1.1, §7.1.1.2: either may be answered though it was not offered.
    expect(await answerTo(daemon, 'permessage-deflate')).toMatchObject({
      serverNoContextTakeover,
      clientNoContextTakeover,
      clientMaxWindowBits: undefined,
    });
  });

  test.each(['none', 'server', 'client', 'both'] as const)(
    '%s, server_no_context_takeover is answered if it is offered (§7.1.1.1)',
    async (takeover) => {
      const daemon = { none, server, client, both: on }[takeover];
      expect(await answerTo(daemon, 'permessage-deflate; server_no_context_takeover')).toMatchObject({
        serverNoContextTakeover: true,
      });
    },
  );
});

describe.concurrent('with --compression-window-bits 10', () => {
  test.each([
    ['client_max_window_bits', 10, 10],
    ['client_max_window_bits=15', 10, 10],
    ['client_max_window_bits=9', 10, 9],
    ['server_max_window_bits=15; client_max_window_bits', 10, 10],
    ['server_max_window_bits=10; client_max_window_bits', 10, 10],
    ['server_max_window_bits=9; client_max_window_bits=10', 9, 10],
  ])('§7.1.2: %s is answered with at most 10 for each', async (parameters, serverMost, clientMost) => {
    const agreement = await answerTo(small, `permessage-deflate; ${parameters}`);
    expect(agreement?.serverMaxWindowBits).toBeLessThanOrEqual(serverMost);
    expect(agreement?.clientMaxWindowBits).toBeLessThanOrEqual(clientMost);
  });

  test('§7.1.2.2: a client that did not offer client_max_window_bits is not held to it', async () => {
    const opened = await DeflateClient.offer(small, 'permessage-deflate');
    if (opened.agreement === undefined) return; // declined, since it cannot be limited
    expect(opened.agreement.clientMaxWindowBits).toBeUndefined();
    const data = new Random(SEED).bytes(32_768);
    opened.send(compressedFrame(BINARY, new Deflater().message(data)), compressedFrame(BINARY, MATCH_32768));
    await opened.expectData(BINARY, data);
    await opened.expectData(BINARY, data.subarray(0, 258));
    opened.stream.end();
  });

  test('§5: the next offer is taken, if the first does not let the client be limited', async () => {
    const offer = 'permessage-deflate, permessage-deflate; client_max_window_bits';
    expect(await answerTo(small, offer)).toBeDefined();
  });
});

test('at the end the daemons run and echo', async () => {
  for (const daemon of [off, on, none, server, client, small]) await expectStillEchoing(daemon);
});

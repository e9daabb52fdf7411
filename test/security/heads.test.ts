/**
 * Published weaknesses in how servers read a request head: each form of request smuggling that Node's server has had,
 * heads that crash, stall or occupy the one who parses them. docs/security.md names the advisories.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseExtensions } from '../../src/rfc6455/extensions.ts';
import { listElements } from '../../src/rfc6455/http-syntax.ts';
import { parseCookies } from '../../src/upgrade-request.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { serve } from '../support/in-process.ts';
import { RawClient, type RequestOptions, request, TEXT } from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';
import { MIB } from '../support/ws-wire.ts';

let echo: Daemon;
beforeAll(async () => {
  echo = await startDaemon(['-c', 'host=echo://', '-c', 'protocol=*', '--compression', 'on']);
});
afterAll(async () => {
  await echo?.stop('SIGKILL');
});

/** What another request looks like that an attacker hides behind the first one. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: internal\r\n\r\n';

/** Everything that the daemon says to these bytes until it ends the connection. */
async function answerTo(...bytes: (Buffer | string)[]): Promise<string> {
  const client = await RawClient.connect(echo);
  client.stream.write(Buffer.concat(bytes.map((each) => Buffer.from(each as string, 'latin1'))));
  const answer = (await client.stream.rest()).toString('latin1');
  client.stream.end();
  return answer;
}

/** A single HTTP answer with this status, then the end: nothing behind the first request was taken for another one. */
function expectOneAnswer(answer: string, status: number): void {
  expect(answer.match(/HTTP\/1\.1 \d{3}/g)).toEqual([`HTTP/1.1 ${status}`]);
}

describe('no second request is found behind the first one', () => {
  const field = (...add: string[]): RequestOptions => ({ add });
  const cases: [string, RequestOptions, string][] = [
    [
      'a Transfer-Encoding that is not quite chunked',
      field('Transfer-Encoding: chunkedchunked'),
      '0\r\n\r\n',
    ],
    [
      'two Transfer-Encoding fields, the last one unknown',
      field('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
      '0\r\n\r\n',
    ],
    ['a Transfer-Encoding on two lines', field('Transfer-Encoding:', ' chunked'), '0\r\n\r\n'],
    [
      'Content-Length and Transfer-Encoding',
      field('Content-Length: 0', 'Transfer-Encoding: chunked'),
      '0\r\n\r\n',
    ],
    ['two lengths', field('Content-Length: 0', 'Content-Length: 0'), ''],
    ['two lengths in one field', field('Content-Length: 0, 0'), ''],
    ['a length with a sign', field('Content-Length: +0'), ''],
    ['a length of nothing', field('Content-Length:'), ''],
    ['chunk extensions without end', field('Transfer-Encoding: chunked'), `5;${'x'.repeat(70_000)}\r\n`],
    // Of these the fields alone harm nobody: who takes the form for another one answers 101.
    ['a field on two lines', field('X: y', ' z'), ''],
    ['a field on two lines, folded by a tab', field('X: y', '\tz'), ''],
    ['a space before a colon', field('X : y'), ''],
    ['a space before a name', field(' X: y'), ''],
    ['a field that ends in a bare LF', field('X: y\nZ: z'), ''],
    ['a field that ends in a bare CR', field('X: y\rZ: z'), ''],
    ['a bare CR before a name', field('X: y\r\n\rZ: z'), ''],
  ];

  test.each(cases)('%s', async (_, options, body) => {
    expectOneAnswer(await answerTo(request(options), body, SMUGGLED), 400);
  });

  test('a request that is refused, with a good one in the same write', async () => {
    expectOneAnswer(await answerTo(request({ replace: { Upgrade: null } }), request()), 426);
  });

  test('an upgrade, whose next bytes are frames and nothing else', async () => {
    const answer = await answerTo(request(), SMUGGLED);
    expectOneAnswer(answer, 101);
    // 0x47, the "G" of GET, has a reserved bit set.
    expect(answer.endsWith('\r\n\r\n\x88\x13\x03\xeareserved bits set')).toBe(true);
  });

  test('an upgrade with a body, which an intermediary would take off', async () => {
    const body = `${request().toString('latin1')}`;
    expectOneAnswer(await answerTo(request({ add: [`Content-Length: ${body.length}`] }), body), 400);
  });
});

describe('a head with more in it than anybody needs', () => {
  test('2000 short header fields are refused, not crashed on', async () => {
    const add = Array.from({ length: 2_000 }, (_, i) => `${i.toString(36).padStart(2, '0')}:`);
    expect(request({ add }).length).toBeLessThan(16 * 1_024);
    expectOneAnswer(await answerTo(request({ add })), 431);
  });

  test('a header field of megabytes is refused at 16 KiB', async () => {
    const client = await RawClient.connect(echo);
    client.stream.write(request({ add: [`X-Long: ${'x'.repeat(8 * MIB)}`] }));
    await client.expectRefused(431);
    client.stream.destroy();
  });

  test('thousands of subprotocols, all different', async () => {
    const names = Array.from({ length: 3_000 }, (_, i) => i.toString(36));
    const client = await RawClient.open(
      echo,
      request({ add: [`Sec-WebSocket-Protocol: ${names.join(', ')}`] }),
    );
    await client.expectOpen();
    client.stream.end();
  });

  test('thousands of extensions, with the one that we take behind them', async () => {
    const offers = Array.from({ length: 3_000 }, (_, i) => i.toString(36));
    const field = `Sec-WebSocket-Extensions: ${offers.join(', ')}, permessage-deflate`;
    const client = await RawClient.connect(echo);
    client.send(request({ add: [field] }));
    const { fields } = await client.readAccepted();
    expect(fields.get('sec-websocket-extensions')).toEqual(['permessage-deflate']);
    client.stream.end();
  });

  test('thousands of parameters of the extension that we take decline it', async () => {
    const parameters = Array.from({ length: 3_000 }, (_, i) => `;${i.toString(36)}`).join('');
    const client = await RawClient.open(
      echo,
      request({ add: [`Sec-WebSocket-Extensions: permessage-deflate${parameters}`] }),
    );
    await client.expectOpen();
    client.stream.end();
  });

  test('thousands of cookies, which a backend looks at', async () => {
    const seen: number[] = [];
    const served = await serve({
      backend: {
        query: async ({ cookies }) => {
          seen.push(cookies.size);
          return { peer: 'echo://' };
        },
      },
    });
    const cookies = Array.from({ length: 2_500 }, (_, i) => `${i.toString(36)}=1`).join(';');
    const client = await served.connect();
    client.send(request({ add: [`Cookie: ${cookies}`] }));
    await client.expectAccepted();
    expect(seen).toEqual([2_500]);
    client.stream.end();
  });
});

describe('a head that takes other parsers seconds', () => {
  test.each([
    ['a subprotocol before 15,000 spaces', `Sec-WebSocket-Protocol: b${' '.repeat(15_000)}x`],
    ['a quoted value that does not end', `Sec-WebSocket-Extensions: a; b="${'\\c'.repeat(7_500)}`],
    ['an extension before 15,000 tabs', `Sec-WebSocket-Extensions: a${'\t'.repeat(15_000)}b`],
    ['15,000 commas and no extension', `Sec-WebSocket-Extensions: ${','.repeat(15_000)}`],
  ])('%s', async (_, field) => {
    expectOneAnswer(await answerTo(request({ add: [field] })), 400);
  });

  // No clock: what took time in the square of its length would not end within the time that a test has.
  test.each<[string, (text: string) => unknown, string]>([
    ['a list', listElements, `b${' '.repeat(MIB)}x`],
    ['a list of nothing', listElements, ', '.repeat(MIB / 2)],
    ['cookies', (text) => parseCookies(text).size, `${' '.repeat(MIB)}=;`],
    ['cookies of nothing', (text) => parseCookies(text).size, '=;'.repeat(MIB / 2)],
    ['extensions of nothing', (text) => expect(() => parseExtensions(text)).toThrow(), ','.repeat(MIB)],
    [
      'an open quote',
      (text) => expect(() => parseExtensions(text)).toThrow(),
      `a; b="${'\\c'.repeat(MIB / 2)}`,
    ],
    ['parameters', (text) => parseExtensions(text).length, `a${'; b'.repeat(MIB / 4)}`],
  ])('1 MiB given to the parser of %s', (_, parse, text) => {
    parse(text);
  });

  test('15,000 bytes of it, one at a time', async () => {
    const client = await RawClient.connect(echo);
    const head = request({ add: [`X-Long: ${'x'.repeat(15_000)}`] });
    for (const byte of head) client.stream.write(Buffer.from([byte]));
    await client.expectAccepted();
    await client.expectOpen();
    client.stream.end();
  });
});

describe('a head that is never complete', () => {
  test.each([
    ['nothing at all', ''],
    ['half a head', 'GET / HTTP/1.1\r\nHost: x\r\nX: '],
  ])('%s ends when its time is over', async (_, start) => {
    const served = await serve({ limits: { headTimeout: 300 } });
    const client = await served.connect();
    client.stream.write(start);
    await client.expectRefused(408);
    client.stream.end();
    expect(await served.ended()).toMatchObject({ why: 'head-timeout' });
  });

  test('a byte now and then does not put its end off', async () => {
    const served = await serve({ limits: { headTimeout: 300 } });
    const client = await served.connect();
    client.stream.write('GET / HTTP/1.1\r\nX: ');
    while (client.stream.ending === 'open') {
      client.stream.write('x');
      await sleep(20);
    }
    expect((await client.readResponse()).status).toBe(408);
    client.stream.end();
  });

  test('hundreds of them keep nobody else from being served', async () => {
    const slow = await Promise.all(Array.from({ length: 300 }, () => RawClient.connect(echo)));
    for (const client of slow) client.stream.write('GET / HTTP/1.1\r\nHost: x\r\nX: ');
    const client = await RawClient.open(echo, request());
    client.send('81 85 37fa213d 7f9f4d5158');
    await client.expectMessage(TEXT, 'Hello');
    client.stream.end();
    for (const each of slow) each.stream.destroy();
  });
});

test('the daemon lives, serves, and met nothing unforeseen', async () => {
  await expectStillEchoing(echo);
});

/**
 * What stands in our answers: nothing of the client's or of a backend's that could end a line of the head, begin
 * another field, or a second answer.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, Refusal, UpgradeRequest } from '../../src/plugins/api.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { serve } from '../support/in-process.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { expectStillEchoing } from '../support/still-serving.ts';

let echo: Daemon;
beforeAll(async () => {
  echo = await startDaemon(['-c', 'host=echo://', '-c', 'protocol=*', '--compression', 'on']);
});
afterAll(async () => {
  await echo?.stop('SIGKILL');
});

/** Ends of a line, and what some program on the way may take for one: encoded, in Latin-1, cut down to eight bits. */
const LINE_ENDS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n ',
  '%0d%0a',
  '%0D%0A%20',
  '\\r\\n',
  '\x85',
  '\x0b',
  '\0',
  '\xc4\x8d\xc4\x8a',
];

/** Where a client may put them. */
const PLACES: readonly (readonly [string, (text: string) => Buffer])[] = [
  ['the target', (text) => request({ requestLine: `GET /${text} HTTP/1.1` })],
  ['the method', (text) => request({ requestLine: `GET${text} /chat HTTP/1.1` })],
  ['the version', (text) => request({ requestLine: `GET /chat HTTP/1.1${text}` })],
  ['the Host', (text) => request({ replace: { Host: `x${text}` } })],
  ['the Origin', (text) => request({ add: [`Origin: http://x${text}`] })],
  ['the key', (text) => request({ replace: { 'Sec-WebSocket-Key': `dGhlIHNhbXBsZSBub25jZQ==${text}` } })],
  ['the version of WebSocket', (text) => request({ replace: { 'Sec-WebSocket-Version': `8${text}` } })],
  ['a subprotocol', (text) => request({ add: [`Sec-WebSocket-Protocol: chat${text}`] })],
  ['an extension', (text) => request({ add: [`Sec-WebSocket-Extensions: permessage-deflate${text}`] })],
  [
    "an extension's parameter",
    (text) =>
      request({
        add: [`Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="10${text}"`],
      }),
  ],
  ['a cookie', (text) => request({ add: [`Cookie: a=b${text}`] })],
];

/** The fields that an answer may have. */
const OURS = [
  'upgrade',
  'connection',
  'sec-websocket-accept',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'sec-websocket-version',
  'date',
  'content-type',
  'content-length',
  'allow',
];

describe.each(LINE_ENDS.map((end) => [JSON.stringify(end), end]))('with %s in it', (_shown, end) => {
  test.each(PLACES)('%s adds nothing to the answer', async (_, head) => {
    const client = await RawClient.connect(echo);
    // Whatever it takes this for, it ends: frames, or a second request.
    client.stream.write(head(`${end}Injected: yes`));
    client.stream.end();
    const answer = (await client.stream.rest()).toString('latin1');
    const [lines, ...bodies] = answer.split('\r\n\r\n');
    const [status, ...fields] = lines!.split('\r\n');
    expect(status).toMatch(/^HTTP\/1\.1 (101 Switching Protocols|4\d\d [A-Z][A-Za-z ]+)$/);
    for (const field of fields)
      expect(OURS).toContain(/^([A-Za-z-]+): [\x21-\x7e][\x20-\x7e]*$/.exec(field)?.[1]?.toLowerCase());
    // A token is the one thing that comes back, and only where it is one.
    const echoed = fields.filter((field) => field.toLowerCase().includes('injected'));
    expect(echoed).toEqual([]);
    expect(bodies.join('').toLowerCase()).not.toContain('injected');
    client.stream.destroy();
  });
});

/** What a daemon says whose backend answers like this. */
async function refusedBy(answer: (request: UpgradeRequest) => unknown, target = '/'): Promise<string> {
  const backend = { query: async (asked: UpgradeRequest) => answer(asked) } as Backend;
  const served = await serve({ backend });
  const client = await served.connect();
  client.send(request({ requestLine: `GET ${target} HTTP/1.1`, add: ['Sec-WebSocket-Protocol: chat'] }));
  const said = (await client.stream.rest()).toString('latin1');
  client.stream.end();
  await served.ended();
  return said;
}

// Cut down to eight bits, these two are CR and LF, and these four spell a second field.
const WIDE = '\u010d\u010a\u0158: y';

describe('a refusal of a backend', () => {
  test.each([
    ['CRLF in a value', [['Location', '/\r\nInjected: yes']]],
    ['a bare LF in a value', [['Location', '/\nInjected: yes']]],
    ['a bare CR in a value', [['Location', '/\rInjected: yes']]],
    ['NUL in a value', [['Location', '/\0Injected: yes']]],
    ['characters over Latin-1 in a value', [['Location', `/${WIDE}`]]],
    ['CRLF in a name', [['X\r\nInjected', 'yes']]],
    ['a colon in a name', [['Injected: yes\r\nX', 'y']]],
    ['characters over Latin-1 in a name', [[`X${WIDE}`, 'y']]],
    ['a second length', [['Content-Length', '0']]],
    ['a second coding', [['Transfer-Encoding', 'chunked']]],
  ])('with %s is a 500 without it', async (_, headers) => {
    const said = await refusedBy(() => ({ status: 302, headers }) as unknown as Refusal);
    expect(said).toMatch(/^HTTP\/1\.1 500 /);
    expect(said.toLowerCase()).not.toMatch(/injected|location|transfer-encoding/);
    expect(said.match(/content-length/gi)).toHaveLength(1);
  });

  test('that repeats what the client has encoded is a 500 without it', async () => {
    const said = await refusedBy(
      ({ query }) => ({ status: 302, headers: [['Location', `/login?next=${query.get('next')}`]] }),
      '/?next=%0d%0aInjected:%20yes',
    );
    expect(said).toMatch(/^HTTP\/1\.1 500 /);
    expect(said.toLowerCase()).not.toContain('injected');
  });

  test('has its reason in the body alone, on one line', async () => {
    const said = await refusedBy(() => ({
      status: 403,
      reason: 'one\r\nInjected: yes\r\n\r\nHTTP/1.1 200 OK',
    }));
    const [head, body, ...more] = said.split('\r\n\r\n');
    expect(more).toEqual([]);
    expect(head!.toLowerCase()).not.toContain('injected');
    expect(body).toBe('one Injected: yes HTTP/1.1 200 OK\n');
  });

  test('with a length that its reason has in bytes, not in characters', async () => {
    const said = await refusedBy(() => ({ status: 403, reason: '€'.repeat(10) }));
    expect(said).toContain('Content-Length: 31\r\n');
    expect(said.split('\r\n\r\n')[1]).toHaveLength(31);
  });
});

test.each([
  ['that was not offered', 'other'],
  ['with a line end', 'chat\r\nInjected: yes'],
  ['of characters over Latin-1', WIDE],
  ['of two', 'chat, other'],
])('a subprotocol %s from a backend is a 500 without it', async (_, subprotocol) => {
  const said = await refusedBy(() => ({ peer: 'echo://', subprotocol }));
  expect(said).toMatch(/^HTTP\/1\.1 500 /);
  expect(said.toLowerCase()).not.toMatch(/injected|sec-websocket-protocol/);
});

test('the daemon lives, serves, and met nothing unforeseen', async () => {
  await expectStillEchoing(echo);
});

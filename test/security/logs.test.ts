/**
 * What a client can bring into the log, at its most talkative level: nothing that it keeps secret in a header field, and
 * nothing that ends a line or drives a terminal.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { until } from '../support/in-process.ts';
import { clientFrame, RawClient, type RequestOptions, request, TEXT } from '../support/raw-client.ts';

let echo: Daemon;
beforeAll(async () => {
  echo = await startDaemon(['-c', 'host=echo://', '-c', 'protocol=*', '--log-level', 'trace']);
});
afterAll(async () => {
  await echo?.stop('SIGKILL');
});

const SECRET = 's3cr3t-5b1e';
const SECRETS = [
  `Cookie: session=${SECRET}`,
  `Authorization: Bearer ${SECRET}`,
  `Proxy-Authorization: Basic ${SECRET}`,
  `X-Api-Key: ${SECRET}`,
];

/** Sends it, and returns when the log has told of its end. */
async function send(...parts: Buffer[]): Promise<void> {
  const ends = () => echo.output().match(/ (closed|refused) id=/g)?.length ?? 0;
  const before = ends();
  const client = await RawClient.connect(echo);
  client.stream.write(Buffer.concat(parts));
  client.stream.end();
  await client.stream.rest();
  await until('the line that tells of the end', () => ends() > before);
}

test.each<[string, RequestOptions, Buffer[]]>([
  ['a connection', {}, [clientFrame(TEXT, SECRET)]],
  ['a connection that breaks a rule', {}, [clientFrame(TEXT, Buffer.from(`${SECRET}\xff`, 'latin1'))]],
  ['a request without a key', { replace: { 'Sec-WebSocket-Key': null } }, []],
  ['a request that is no upgrade', { replace: { Upgrade: null } }, []],
  ['a request with a body', { add: ['Content-Length: 9'] }, [Buffer.from(SECRET)]],
  ['a request with a field that is malformed', { add: [`Cookie : ${SECRET}`] }, []],
  [
    'a request with a field too much',
    { add: Array.from({ length: 100 }, (_, i) => `X-${i}: ${SECRET}`) },
    [],
  ],
  ['a request that is too long', { add: [`X: ${SECRET.repeat(2_000)}`] }, []],
  ['a request with two hosts', { add: [`Host: ${SECRET}`] }, []],
])('no header field and no payload of %s is in the log', async (_, options, parts) => {
  await send(request({ ...options, add: [...SECRETS, ...(options.add ?? [])] }), ...parts);
  expect(echo.output()).not.toContain(SECRET);
});

test('what a client says in its own words stands on one line, with nothing that a terminal obeys', async () => {
  // C1 controls, one of which begins a sequence of a terminal's as ESC [ does; the ends of lines of Unicode, in UTF-8.
  const hostile = Buffer.from('\x9b31m\x85\xc2\x9b\xe2\x80\xa8\xe2\x80\xae', 'latin1').toString('latin1');
  await send(request({ add: [`Sec-WebSocket-Protocol: forged${hostile} 2026-01-01T00:00:00.000Z error x`] }));
  await send(request({ replace: { 'Sec-WebSocket-Version': `forged${hostile}` } }));
  await send(request({ requestLine: 'GET /forged%0a2026-01-01T00:00:00.000Z%20error%20x HTTP/1.1' }));
  const lines = echo.output().trimEnd().split('\n');
  expect(lines.filter((line) => line.includes('forged')).length).toBeGreaterThanOrEqual(3);
  for (const line of lines) {
    expect(line).toMatch(/^2\d{3}-\d\d-\d\dT[\d:.]+Z (error|warn|info|debug|trace) +\S/);
    expect([...line].filter((char) => char < ' ' || (char > '~' && char < '\xa1'))).toEqual([]);
    expect(line).not.toMatch(/[\u2028-\u202e]/);
  }
});

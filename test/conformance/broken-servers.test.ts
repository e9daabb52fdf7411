/**
 * The runner proves that it can fail: each server with one fault comes out red for the cases that are about it, and for
 * no other, where the same cases are green with the right server that it was made from.
 */
import { describe, expect, test } from 'vitest';
import type { Server } from './frame-proxy.ts';
import { runConformance } from './runner.ts';
import {
  closeUnanswered,
  compressionCorrupts,
  diesAt,
  pongsDropped,
  proxiedDaemon,
  rsvIgnored,
  utf8Unchecked,
  wsCompressed,
  wsEcho,
} from './servers.ts';

interface Fault {
  readonly cases: string;
  readonly right: () => Promise<Server>;
  readonly broken: () => Promise<Server>;
  /** Each red case with what wstest says of it: behavior, behavior of the close. */
  readonly red: Readonly<Record<string, readonly [string, string]>>;
}

const each = (ids: readonly string[], result: readonly [string, string]) =>
  Object.fromEntries(ids.map((id) => [id, result]));

/** A few cases that have nothing to do with the fault are among them, and stay green. */
const FAULTS: [string, Fault][] = [
  [
    'text that is no UTF-8 passes',
    {
      cases: '1.1.2,6.1,6.2,6.3,6.6.1,6.6.2,6.8,6.10,7.5.1',
      right: () => wsEcho(),
      broken: utf8Unchecked,
      red: {
        ...each(
          ['6.3.1', '6.3.2', '6.6.1', '6.8.1', '6.8.2', '6.10.1', '6.10.2', '6.10.3'],
          ['FAILED', 'FAILED'],
        ),
        // The same in the reason of a Close.
        '7.5.1': ['FAILED', 'WRONG CODE'],
      },
    },
  ],
  [
    'reserved bits are ignored',
    {
      cases: '1.1.2,2.2,3.1,3.2,3.3,3.4,3.5,3.6',
      right: proxiedDaemon,
      broken: rsvIgnored,
      red: each(['3.1', '3.2', '3.3', '3.4', '3.5', '3.6'], ['FAILED', 'FAILED']),
    },
  ],
  [
    'a Close is not answered',
    {
      // 7.3.2 is a Close of one byte: the connection may end without another.
      cases: '1.1.2,4.1.1,7.1.1,7.3.1,7.3.2,7.3.3,7.7.1',
      right: proxiedDaemon,
      broken: closeUnanswered,
      red: each(['1.1.2', '7.1.1', '7.3.1', '7.3.3', '7.7.1'], ['OK', 'UNCLEAN']),
    },
  ],
  [
    'no Pong is sent',
    {
      // 2.5 is a Ping that is too long, 2.7 a Pong that nobody asked for, 5.6 a Ping between two fragments.
      cases: '1.1.2,2.1,2.4,2.5,2.7,2.10,5.5,5.6',
      right: proxiedDaemon,
      broken: pongsDropped,
      red: each(['2.1', '2.4', '2.10', '5.6'], ['FAILED', 'OK']),
    },
  ],
  [
    'compression corrupts one message in a hundred',
    {
      cases: '1.1.2,12.1.1,13.1.2',
      right: wsCompressed,
      broken: compressionCorrupts,
      red: each(['12.1.1', '13.1.2'], ['FAILED', 'OK']),
    },
  ],
];

describe.each(FAULTS)('%s', (_what, { cases, right, broken, red }) => {
  test('the right server is green', async () => {
    await using server = await right();
    const { status, output, json } = await runConformance(['--url', server.url, '--cases', cases]);
    expect({ status, failed: json?.failed }, output).toEqual({ status: 0, failed: 0 });
    expect(output).toMatch(/\n\d+ passed, 0 failed\n$/);
  });

  test('the broken one is red for the right cases', async () => {
    await using server = await broken();
    const found = await runConformance(['--url', server.url, '--cases', cases]);
    const results = Object.fromEntries(
      found.red.map((id) => [id, [found.json?.cases[id]?.behavior, found.json?.cases[id]?.behaviorClose]]),
    );
    expect(results, found.output).toEqual(red);
    expect(found.status).toBe(1);
    expect(found.json?.problems).toEqual([]);
  });
});

test('a server that dies half way fails the case that it was at, and all that could not run any more', async () => {
  await using server = await diesAt(20);
  const { status, json, red, output } = await runConformance(['--url', server.url, '--cases', '1,2']);
  const notRun = ['2.5', '2.6', '2.7', '2.8', '2.9', '2.10', '2.11'];
  expect(red, output).toEqual(['2.4', ...notRun]);
  expect(json?.cases['2.4']?.behavior).toBe('FAILED');
  expect(notRun.map((id) => json?.cases[id]?.behavior)).toEqual(notRun.map(() => null));
  expect(json?.problems).toEqual([expect.stringMatching(/^Connection to ws:.* failed .*, at case 2\.4$/)]);
  expect(status).toBe(1);
  expect(output).toMatch(/\n19 passed, 9 failed\n$/);
});

test('a server that is not there fails every case', async () => {
  const server = await wsEcho();
  await server[Symbol.asyncDispose]();
  const { status, json, red } = await runConformance(['--url', server.url, '--cases', '1.1.*']);
  expect({ status, red: red.length, passed: json?.passed }).toEqual({ status: 1, red: 8, passed: 0 });
  expect(json?.problems).toEqual([expect.stringContaining('before the first case')]);
});

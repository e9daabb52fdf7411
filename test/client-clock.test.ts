/** The client's clock at made-up times: `T` is the keepalive, and every tick says what time it is. */
import { describe, expect, test } from 'vitest';
import { ClientClock } from '../src/client-clock.ts';

const T = 30_000;
const HEAD = 10_000;
const CLOSE = 5_000;
const EMPTY = { unsent: 0 };

function clock(keepalive = T, waits = {}): ClientClock {
  return new ClientClock(keepalive, { headTimeout: HEAD, closeTimeout: CLOSE, ...waits });
}

/** An open connection that is looked at for the first time at `at`. */
function open(at = 0, keepalive = T): ClientClock {
  const result = clock(keepalive);
  expect(result.tick(at, 'open', EMPTY, false)).toBeUndefined();
  return result;
}

describe('the wait for the request head', () => {
  test('ends with head-timeout once the time is up, counted from the first look', () => {
    const c = clock();
    expect(c.tick(1_000, 'head', EMPTY, false)).toBeUndefined();
    expect(c.tick(1_000 + HEAD - 1, 'head', EMPTY, false)).toBeUndefined();
    expect(c.tick(1_000 + HEAD, 'head', EMPTY, false)).toBe('head-timeout');
  });

  test('is not drawn out by a client that dribbles', () => {
    const c = clock();
    for (let now = 0; now < HEAD; now += 1_000) {
      c.heard();
      expect(c.tick(now, 'head', EMPTY, false)).toBeUndefined();
    }
    c.heard();
    expect(c.tick(HEAD, 'head', EMPTY, false)).toBe('head-timeout');
  });

  test('has no end with 0', () => {
    const c = clock(T, { headTimeout: 0 });
    c.tick(0, 'head', EMPTY, false);
    expect(c.tick(1e9, 'head', EMPTY, false)).toBeUndefined();
  });

  test('is over when the head is there: choosing and dialling the peer have clocks of their own', () => {
    const c = clock();
    c.tick(0, 'head', EMPTY, false);
    expect(c.tick(10 * T, 'deciding', EMPTY, false)).toBeUndefined();
  });
});

describe('keepalive', () => {
  test('asks for a Ping after the time without a byte, not before', () => {
    const c = open();
    expect(c.tick(T - 1, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(T, 'open', EMPTY, false)).toBe('ping');
  });

  test('begins when the connection opens, however long the peer took to reach', () => {
    const c = clock();
    c.tick(0, 'head', EMPTY, false);
    c.tick(9 * T, 'deciding', EMPTY, false);
    expect(c.tick(10 * T, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(11 * T - 1, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(11 * T, 'open', EMPTY, false)).toBe('ping');
  });

  test('starts anew with any byte', () => {
    const c = open();
    c.tick(T - 1, 'open', EMPTY, false);
    c.heard();
    expect(c.tick(T, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(2 * T - 1, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(2 * T, 'open', EMPTY, false)).toBe('ping');
  });

  test('gives the client another such time to answer the Ping, then finds it silent', () => {
    const c = open();
    expect(c.tick(T, 'open', EMPTY, false)).toBe('ping');
    expect(c.tick(T + 100, 'open', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(2 * T + 99, 'open', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(2 * T + 100, 'open', { unsent: 0 }, false)).toBe('client-silent');
  });

  test('takes any byte for an answer to the Ping, and then waits for the next silence', () => {
    const c = open();
    c.tick(T, 'open', EMPTY, false);
    const queue = { unsent: 0 };
    c.tick(T + 100, 'open', queue, false);
    c.heard();
    expect(c.tick(2 * T + 100, 'open', queue, false)).toBeUndefined();
    expect(c.tick(3 * T + 99, 'open', queue, false)).toBeUndefined();
    expect(c.tick(3 * T + 100, 'open', queue, false)).toBe('ping');
    expect(c.tick(3 * T + 200, 'open', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(4 * T + 200, 'open', { unsent: 0 }, false)).toBe('client-silent');
  });

  test('asks once: while the Ping is out there is no second one', () => {
    const c = open();
    expect(c.tick(T, 'open', EMPTY, false)).toBe('ping');
    for (let now = T + 250; now < 2 * T; now += 250)
      expect(c.tick(now, 'open', { unsent: 0 }, false)).toBeUndefined();
  });

  test('stands still while the client is not read, however long', () => {
    const c = open();
    for (let now = 0; now <= 10 * T; now += T / 2) expect(c.tick(now, 'open', EMPTY, true)).toBeUndefined();
    expect(c.tick(11 * T - 1, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(11 * T, 'open', EMPTY, false)).toBe('ping');
  });

  test('forgets a Ping that is out when the client is not read any more: its answer could not be seen', () => {
    const c = open();
    c.tick(T, 'open', EMPTY, false);
    const queue = { unsent: 0 };
    c.tick(T + 1, 'open', queue, false);
    expect(c.tick(1.5 * T, 'open', queue, true)).toBeUndefined();
    expect(c.tick(2.5 * T - 1, 'open', queue, false)).toBeUndefined();
    expect(c.tick(2.5 * T, 'open', queue, false)).toBe('ping');
  });

  test('does not count a Ping that is still queued', () => {
    const c = open();
    expect(c.tick(T, 'open', { unsent: 1000 }, false)).toBe('ping');
    expect(c.tick(10 * T, 'open', { unsent: 1002 }, false)).toBeUndefined();
    expect(c.tick(20 * T, 'open', { unsent: 1 }, false)).toBeUndefined();
    // Now it has left; from here on the client has its time.
    expect(c.tick(30 * T, 'open', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(31 * T - 1, 'open', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(31 * T, 'open', { unsent: 0 }, false)).toBe('client-silent');
  });

  test('stands still while anything is queued behind the Ping: a slow client is not a dead one', () => {
    const c = open();
    c.tick(T, 'open', EMPTY, false);
    expect(c.tick(1.5 * T, 'open', EMPTY, false)).toBeUndefined();
    for (let now = 2 * T; now < 20 * T; now += T) {
      expect(c.tick(now, 'open', { unsent: 1000 }, false)).toBeUndefined();
    }
    expect(c.tick(20 * T, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(21 * T - 1, 'open', EMPTY, false)).toBeUndefined();
    expect(c.tick(21 * T, 'open', EMPTY, false)).toBe('client-silent');
  });

  test('never asks and never judges with 0', () => {
    const c = open(0, 0);
    for (let now = 0; now <= 100 * T; now += T) expect(c.tick(now, 'open', EMPTY, false)).toBeUndefined();
  });
});

describe('the wait for the client’s Close', () => {
  test('begins when our own has left the queue', () => {
    const c = open();
    expect(c.tick(0, 'closing', { unsent: 100 }, false)).toBeUndefined();
    expect(c.tick(100 * CLOSE, 'closing', { unsent: 1 }, false)).toBeUndefined();
    expect(c.tick(200 * CLOSE, 'closing', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(201 * CLOSE - 1, 'closing', { unsent: 0 }, false)).toBeUndefined();
    expect(c.tick(201 * CLOSE, 'closing', { unsent: 0 }, false)).toBe('close-timeout');
  });

  test('is not drawn out by what the client still sends', () => {
    const c = open();
    c.tick(0, 'closing', EMPTY, false);
    c.heard();
    expect(c.tick(CLOSE - 1, 'closing', EMPTY, false)).toBeUndefined();
    c.heard();
    expect(c.tick(CLOSE, 'closing', EMPTY, false)).toBe('close-timeout');
  });

  test('begins anew when its peer has taken what stands before it', () => {
    const c = open();
    c.tick(0, 'closing', EMPTY, false);
    expect(c.tick(CLOSE - 2, 'closing', EMPTY, true)).toBeUndefined();
    expect(c.tick(CLOSE - 1, 'closing', EMPTY, false)).toBeUndefined();
    expect(c.tick(2 * CLOSE - 2, 'closing', EMPTY, false)).toBeUndefined();
    expect(c.tick(2 * CLOSE - 1, 'closing', EMPTY, false)).toBe('close-timeout');
  });

  test('has an end, however slowly its peer takes what stands before it', () => {
    const c = open();
    c.tick(0, 'closing', EMPTY, true);
    expect(c.tick(2 * CLOSE - 1, 'closing', EMPTY, true)).toBeUndefined();
    expect(c.tick(2 * CLOSE, 'closing', EMPTY, true)).toBe('close-timeout');
  });

  test('needs no Ping', () => {
    const c = clock(1, { closeTimeout: 1_000_000 });
    c.tick(0, 'open', EMPTY, false);
    expect(c.tick(500_000, 'closing', EMPTY, false)).toBeUndefined();
  });

  test('is over when the connection is', () => {
    const c = open();
    c.tick(0, 'closing', EMPTY, false);
    expect(c.tick(10 * CLOSE, 'closed', EMPTY, false)).toBeUndefined();
    expect(c.tick(100 * T, 'closed', EMPTY, false)).toBeUndefined();
  });
});

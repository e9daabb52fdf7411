/** The opening handshake as it arrives; what it may say is tested with handshake.ts, what follows from it with connection.ts. */
import { describe, expect, test } from 'vitest';
import { Opening } from '../../src/rfc6455/opening.ts';
import { concat, latin1 } from '../support/bytes.ts';
import { eachCut } from '../support/cuts.ts';

const REQUEST =
  ' / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

const fresh = (earlyBytes = 8) => new Opening({ headBytes: 1_000, headFields: 10, earlyBytes });

describe('an opening', () => {
  test('gives the request once, when it is complete, and keeps what stands behind it, whatever the cuts', () => {
    eachCut(concat(latin1(`GET${REQUEST}`), latin1('early')), (pieces) => {
      const opening = fresh();
      const requests = pieces
        .map((piece) => opening.receive(piece))
        .filter((request) => request !== undefined);
      expect(requests.map(({ target }) => target)).toEqual(['/']);
      expect(opening.request).toBe(requests[0]);
      expect(Buffer.from(opening.takeEarly()).toString()).toBe('early');
    });
  });

  test('is full with so many early bytes, and keeps what comes all the same', () => {
    const opening = fresh(3);
    opening.receive(latin1(`GET${REQUEST}ab`));
    expect(opening.full).toBe(false);
    opening.receive(latin1('c'));
    expect(opening.full).toBe(true);
    opening.receive(latin1('d'));
    expect(Buffer.from(opening.takeEarly()).toString()).toBe('abcd');
  });

  test.each([
    ['GET', true],
    ['HEAD', false],
  ])('%s is refused with a body: %s', (method, withBody) => {
    const opening = fresh();
    try {
      opening.receive(latin1(method + REQUEST));
    } catch {
      // HEAD is none that is taken.
    }
    const response = Buffer.from(opening.refusal(404, 'not here')).toString();
    expect(response).toContain('\r\nContent-Length: 9\r\n');
    expect(response.endsWith('\r\n\r\nnot here\n')).toBe(withBody);
  });
});

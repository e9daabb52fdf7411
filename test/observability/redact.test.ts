/** What looks like a secret does not get into the log. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSecretName, redactSubprotocols, redactTarget } from '../../src/observability/redact.ts';

const R = '[redacted]';

describe('a name', () => {
  test.each([
    'Authorization',
    'Proxy-Authorization',
    'Cookie',
    'Set-Cookie',
    'cookie2',
    'X-Api-Key',
    'x_api_key2',
    'apiKey',
    'ApiKEY',
    'X-Auth-Token',
    'access_token',
    'csrfToken',
    'client_secret',
    'password',
    'Passwd',
    'pwd',
    'pass',
    'auth',
    'jwt',
    'sig',
    'X-Amz-Signature',
    'PHPSESSID',
    'JSESSIONID',
    'connect.sid',
    'session[id]',
    'credentials',
    'Sec-WebSocket-Key',
    'WWW-Authenticate',
  ])('%s is that of a secret', (name) => {
    expect(isSecretName(name)).toBe(true);
  });

  test.each([
    '',
    'id',
    'code',
    'client',
    'target',
    'peer',
    'framing',
    'subprotocol',
    'extensions',
    'up',
    'mistyped',
    'undelivered-down',
    'why',
    'message',
    'errors',
    'stack',
    'at',
    'backend',
    'limit',
    'more',
    'lines',
    'author',
    'keyboard',
    'monkey',
    'passenger',
    'design',
    'host',
    'user-agent',
    'sec-websocket-version',
  ])('%j is not', (name) => {
    expect(isSecretName(name)).toBe(false);
  });
});

describe('a target', () => {
  test.each([
    ['/', '/'],
    ['/vnc/7?user=alice&x=a%20b', '/vnc/7?user=alice&x=a%20b'],
    ['/?token=abc', `/?token=${R}`],
    ['/?TOKEN=abc&x=1', `/?TOKEN=${R}&x=1`],
    ['/?x=1&access_token=abc', `/?x=1&access_token=${R}`],
    ['/?id_token=a&refresh_token=b', `/?id_token=${R}&refresh_token=${R}`],
    ['/?%74oken=abc', `/?%74oken=${R}`],
    ['/?a[token]=abc', `/?a[token]=${R}`],
    ['/?a%5Btoken%5D=abc', `/?a%5Btoken%5D=${R}`],
    ['/?x-api-key=abc', `/?x-api-key=${R}`],
    ['/?apikey=a&api_key=b&key=c', `/?apikey=${R}&api_key=${R}&key=${R}`],
    ['/?code=abc&state=1', `/?code=${R}&state=1`],
    ['/?ticket=ST-1', `/?ticket=${R}`],
    ['/?sig=a&signature=b&sid=c&session=d', `/?sig=${R}&signature=${R}&sid=${R}&session=${R}`],
    ['/?token=', '/?token='],
    ['/?token', '/?token'],
    ['/?token=a=b==', `/?token=${R}`],
    ['/?token=ab/cd?e;f&x=1', `/?token=${R}&x=1`],
    ['/?x=1;token=abc;y=2', `/?x=1;token=${R}`],
    ['/?/x=1/token=ab/c', `/?/x=1/token=${R}`],
    ['/#/x?token=ab/c', `/#/x?token=${R}`],
    ['/?x=1&&token=abc', `/?x=1&&token=${R}`],
    ['/?x?token=abc', `/?x?token=${R}`],
    ['/?+token+=abc', `/?+token+=${R}`],
    ['/?token%3Dabc', `/?${R}`],
    ['/a;token=abc/b;v=1?x=1', `/a;token=${R}/b;v=1?x=1`],
    ['/token=abc/b', `/token=${R}/b`],
    ['/a&token=abc/b', `/a&token=${R}/b`],
    ['/a%3Btoken%3Dabc/b', `/${R}/b`],
    ['/#access_token=abc', `/#access_token=${R}`],
    ['/?back=/b?token=abc', `/?back=/b?token=${R}`],
    ['/?back=https%3A%2F%2Fx%2F%3Ftoken%3Dabc&x=1', `/?back=${R}&x=1`],
    ['/?back=https%3A%2F%2Fx%2F%3Fuser%3Dabc&x=1', '/?back=https%3A%2F%2Fx%2F%3Fuser%3Dabc&x=1'],
    ['/?back=%252F%253Ftoken%253Dabc', `/?back=${R}`],
    ['/?back=https://u:p@host/', `/?back=https://${R}@host/`],
    ['/?back=https%3A%2F%2Fu:p@host/', `/?back=${R}/`],
    ['/?back=https://host/', '/?back=https://host/'],
    ['http://user:pass@host/a?x=1', `http://${R}@host/a?x=1`],
    ['http://us@er:pass@host:80', `http://${R}@host:80`],
    ['user:pass@host:443', `${R}@host:443`],
    ['//user:pass@host/a', `//${R}@host/a`],
    ['/proxy/http://user:pass@host/', `/proxy/http://${R}@host/`],
    ['/users/@alice', '/users/@alice'],
    ['/?mail=alice@example.org', '/?mail=alice@example.org'],
    ['/?mail=alice%40example.org', '/?mail=alice%40example.org'],
    ['/ws/eyJhbGciOiJub25lIn0.eyJhIjoxfQ.abc', `/ws/${R}`],
    ['/?x=eyJhbGciOiJub25lIn0.eyJhIjoxfQ.', `/?x=${R}`],
    ['/eyJ.png', '/eyJ.png'],
    ['/%', '/%'],
    ['/?%=%zz&x=%4', '/?%=%zz&x=%4'],
    ['/?__proto__=1&constructor=2', '/?__proto__=1&constructor=2'],
    ['/é?ü=1', '/é?ü=1'],
  ])('%s is logged as %s', (target, logged) => {
    expect(redactTarget(target)).toBe(logged);
  });

  const NAMES = [
    'token',
    'access_token',
    'id_token',
    'refresh_token',
    'api_key',
    'apikey',
    'key',
    'secret',
    'password',
    'passwd',
    'pwd',
    'auth',
    'authorization',
    'jwt',
    'sig',
    'signature',
    'session',
    'sid',
    'code',
    'ticket',
    'credential',
    'x-api-key',
    'a[token]',
  ];

  /** Each character in either case, as it is or in percent-encoding. */
  const spelled = fc.constantFrom(...NAMES).chain((name) =>
    fc.array(fc.nat(3), { minLength: name.length, maxLength: name.length }).map((ways) =>
      [...name]
        .map((char, i) => {
          const cased = ways[i]! & 1 && i === 0 ? char.toUpperCase() : char;
          return ways[i]! & 2 ? `%${cased.charCodeAt(0).toString(16)}` : cased;
        })
        .join(''),
    ),
  );
  const SECRET = 'S3CR3Tvalue';
  const harmless = fc.constantFrom(
    'x=1',
    'y',
    '',
    'name=alice',
    'z=%20',
    'a=b=c',
    'redirect=/home',
    '%',
    '?',
  );
  const pieces = fc.array(harmless, { maxLength: 4 });

  test('has none of these parameters, wherever it stands and however it is spelled', () => {
    fc.assert(
      fc.property(spelled, pieces, pieces, fc.constantFrom('?', ';', '/'), (name, before, after, at) => {
        const list = [...before, `${name}=${SECRET}`, ...after];
        const target = at === '?' ? `/a?${list.join('&')}` : `/a${at}${list.join(at)}?b=c`;
        const logged = redactTarget(target);
        expect(logged).not.toContain(SECRET);
        expect(logged).toContain(`${name}=${R}`);
      }),
      { numRuns: 1000 },
    );
  });

  test('has none in a URL that is a parameter', () => {
    fc.assert(
      fc.property(spelled, pieces, fc.integer({ min: 0, max: 6 }), (name, before, depth) => {
        let url = `https://x/?${[...before, `${name}=${SECRET}`].join('&')}`;
        for (let i = 0; i < depth; i += 1) url = `https://x/?back=${encodeURIComponent(url)}`;
        expect(redactTarget(url)).not.toContain(SECRET);
      }),
    );
  });

  test('without one stays as it is', () => {
    fc.assert(
      fc.property(pieces, pieces, (path, query) => {
        const target = `/${path.map((piece) => piece.replaceAll('?', '')).join(';')}?${query.join('&')}`;
        expect(redactTarget(target)).toBe(target);
      }),
    );
  });

  test('whatever it is, is taken, and says the same when it is taken again', () => {
    const part = fc.constantFrom(
      '/',
      '//',
      '?',
      '&',
      ';',
      '#',
      '=',
      '@',
      ':',
      '%',
      '%3d',
      '%25',
      'token',
      'x',
      'eyJ',
      '.',
    );
    const odd = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(part, { maxLength: 30 }).map((all) => all.join('')),
    );
    fc.assert(
      fc.property(odd, (target) => {
        const logged = redactTarget(target);
        expect(redactTarget(logged)).toBe(logged);
      }),
      { numRuns: 2000 },
    );
  });

  // What takes a time that grows with the square of the length does not come to its end: 10^11 steps and more.
  test.each([
    'a',
    '=',
    '%',
    '%25',
    '&',
    ';',
    '?',
    '/',
    '//',
    '@',
    ':@',
    'aA',
    'eyJ.',
    '?token',
    'x=//',
    '%2525',
    '[',
    '-',
  ])('of many %j is read in passes over it', (piece) => {
    for (const start of ['/', '/?x=', 'http://'])
      expect(redactTarget(start + piece.repeat(400_000 / piece.length))).toBeTypeOf('string');
  });
});

describe('subprotocols', () => {
  test.each([
    ['binary', 'binary'],
    ['binary, base64', 'binary, base64'],
    ['v1.example.org,mqtt', 'v1.example.org,mqtt'],
    ['base64url.bearer.authorization.k8s.io.c2VjcmV0, base64.binary', `${R}, base64.binary`],
    ['eyJhbGciOiJub25lIn0.eyJhIjoxfQ.abc', R],
    ['x'.repeat(64), 'x'.repeat(64)],
    ['x'.repeat(65), R],
    ['', ''],
  ])('%s are logged as %s', (list, logged) => {
    expect(redactSubprotocols(list)).toBe(logged);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatAddress,
  formatEndpoint,
  type PeerAddress,
  parseAddress,
  parseDecimal,
  parsePort,
} from '../../src/transports/address.ts';

function refusal(text: string, ports = {}): string {
  try {
    parseAddress(text, ports);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    return (error as Error).message;
  }
  throw new Error(`expected ${JSON.stringify(text)} to be refused`);
}

describe('a TCP address', () => {
  test.each([
    ['tcp://localhost:5900', 'localhost', 5900],
    ['TCP://Example.ORG:80', 'Example.ORG', 80],
    ['localhost:5900', 'localhost', 5900],
    ['192.0.2.7:1', '192.0.2.7', 1],
    ['tcp://[::1]:5900', '::1', 5900],
    ['[2001:db8::1]:65535', '2001:db8::1', 65535],
    ['tcp://[::ffff:192.0.2.1]:80', '::ffff:192.0.2.1', 80],
    ['tcp://[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
    ['tcp://under_score.example.:80', 'under_score.example.', 80],
    ['tcp://gr\u00fcn.example:80', 'gr\u00fcn.example', 80],
    ['tcp://host:00080', 'host', 80],
    ['tcp://1and1:443', '1and1', 443],
  ])('%s is %s, port %i', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ kind: 'tcp', host, port });
  });

  test.each(['tcp://host', 'host', 'tcp://::1', '::1', '[::1]', 'tcp://[2001:db8::1]'])(
    '%s takes its port from the default',
    (text) => {
      expect(parseAddress(text, { defaultPort: 5900 })).toMatchObject({ port: 5900 });
      expect(refusal(text)).toMatch(/no port/);
    },
  );

  test('prefers the explicit port to the one in the text, and that one to the default', () => {
    expect(parseAddress('tcp://host:1', { port: 2, defaultPort: 3 })).toMatchObject({ port: 2 });
    expect(parseAddress('tcp://host', { port: 2, defaultPort: 3 })).toMatchObject({ port: 2 });
    expect(parseAddress('tcp://host:1', { defaultPort: 3 })).toMatchObject({ port: 1 });
    expect(parseAddress('tcp://[::1]:1', { port: 2 })).toEqual({ kind: 'tcp', host: '::1', port: 2 });
  });

  test('takes a bare IPv6 address for a host without a port', () => {
    expect(parseAddress('tcp://::1', { port: 2 })).toEqual({ kind: 'tcp', host: '::1', port: 2 });
    expect(parseAddress('tcp://2001:db8::5900', { defaultPort: 3 })).toEqual({
      kind: 'tcp',
      host: '2001:db8::5900',
      port: 3,
    });
  });
});

describe('an echo address', () => {
  test.each(['echo://', 'ECHO://'])('%s is the peer inside the daemon', (text) => {
    expect(parseAddress(text)).toEqual({ kind: 'echo' });
    expect(parseAddress(text, { port: 1, defaultPort: 2 })).toEqual({ kind: 'echo' });
  });
});

describe('a refusal names the text and says what to do', () => {
  test.each([
    ['echo://host', /nothing behind it/],
    ['echo://host:80', /nothing behind it/],
    ['fifotx:///x', /fifotx:\/\/ was never implemented.*use tcp:\/\/, .* or echo:\/\//],
    ['fiforx:///x', /fiforx:\/\/ was never implemented.*use tcp:\/\/, .* or echo:\/\//],
    ['http://host:80', /unknown scheme "http"; use tcp:\/\/, .* or echo:\/\//],
    ['ws://host:80', /unknown scheme "ws"/],
    ['://host:80', /unknown scheme ""/],
    ['constructor://host:80', /unknown scheme "constructor"/],
    ['__proto__://host:80', /unknown scheme "__proto__"/],
    [' tcp://host:80', /unknown scheme " tcp"/],
    ['', /no host; write tcp:\/\/host:port/],
    ['tcp://', /no host; write tcp:\/\/host:port/],
    ['tcp://:80', /no host; write tcp:\/\/host:port/],
    ['tcp://host', /no port; write tcp:\/\/host:port/],
    ['tcp://host:', /a port is a number from 1 to 65535, not ""/],
    ['tcp://host:0', /a port is a number from 1 to 65535, not "0"/],
    ['tcp://host:65536', /a port is a number from 1 to 65535, not "65536"/],
    ['tcp://host:1e3', /no TCP service is called "1e3"/],
    ['tcp://host:0x50', /no TCP service is called "0x50"/],
    ['tcp://host:-1', /not "-1"/],
    ['tcp://host:+80', /not "\+80"/],
    ['tcp://host:80.0', /not "80.0"/],
    ['tcp://host: 80', /not " 80"/],
    ['tcp://host:80/', /not "80\/"/],
    ['tcp://host:not-a-service', /no TCP service is called "not-a-service"/],
    ['tcp://host:1234567890123456789', /a port is a number/],
    ['tcp://host:\u0661', /a port is a number/],
    ['tcp://a:b:80', /a port is a number/],
    ['tcp://2001:db8:::1', /a port is a number/],
    ['tcp://user@host:80', /"user@host" is not a host name/],
    ['tcp://host/path:80', /"host\/path" is not a host name/],
    ['tcp://ho st:80', /"ho st" is not a host name/],
    ['tcp://ho\0st:80', /is not a host name/],
    ['tcp://ho\nst:80', /is not a host name/],
    ['tcp://host?x:80', /is not a host name/],
    ['tcp://*:80', /"\*" is not a host name/],
    [`tcp://${'a'.repeat(254)}:80`, /is not a host name/],
    ['tcp://[::1', /brackets hold an IPv6 address, as in tcp:\/\/\[::1\]:80/],
    ['tcp://[', /brackets hold an IPv6 address/],
    ['tcp://[]:80', /brackets hold an IPv6 address/],
    ['tcp://[127.0.0.1]:80', /brackets hold an IPv6 address/],
    ['tcp://[localhost]:80', /brackets hold an IPv6 address/],
    ['tcp://[::1]80', /after "\]" comes ":" and a port/],
    ['tcp://[::1]:', /a port is a number/],
    ['tcp://[::1]:x', /a port is a number/],
    ['tcp://[::1]:80:90', /a port is a number/],
    ['tcp://[[::1]]:80', /brackets hold an IPv6 address/],
    ['tcp://::1]:80', /./],
  ])('%j', (text, message) => {
    const said = refusal(text);
    expect(said.startsWith(`${JSON.stringify(text)}: `)).toBe(true);
    expect(said).toMatch(message);
    expect(said).not.toMatch(/[\n\0]/);
  });

  test('even where an explicit port stands in for the one that is wrong', () => {
    // Taken as it is, this one would dial the host "2001", which is 0.0.7.209 to the resolver.
    expect(refusal('tcp://2001:db8:::1', { port: 80 })).toMatch(/2001:db8:::1/);
    expect(refusal('tcp://host:not-a-service', { port: 80 })).toMatch(/not-a-service/);
  });
});

describe('printing', () => {
  test.each([
    [{ kind: 'echo' }, 'echo://'],
    [{ kind: 'tcp', host: 'localhost', port: 5900 }, 'tcp://localhost:5900'],
    [{ kind: 'tcp', host: '::1', port: 80 }, 'tcp://[::1]:80'],
  ] as const)('%j is %s', (address, text) => {
    expect(formatAddress(address)).toBe(text);
  });

  test('an endpoint has brackets around IPv6 alone', () => {
    expect(formatEndpoint('127.0.0.1', 80)).toBe('127.0.0.1:80');
    expect(formatEndpoint('::', 8001)).toBe('[::]:8001');
    expect(formatEndpoint('unknown', 0)).toBe('unknown:0');
  });

  const label = fc.string({ unit: fc.constantFrom(...'abcXYZ019_-\u00fc'), minLength: 1, maxLength: 20 });
  const host = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.')),
  );
  const address: fc.Arbitrary<PeerAddress> = fc.oneof(
    fc.constant({ kind: 'echo' as const }),
    fc.record({ kind: fc.constant('tcp' as const), host, port: fc.integer({ min: 1, max: 65535 }) }),
  );

  test('and reading again gives the same address', () => {
    fc.assert(
      fc.property(address, (given) => {
        expect(parseAddress(formatAddress(given))).toEqual(given);
        expect(parseAddress(formatAddress(given).replace(/^tcp:\/\//, ''))).toEqual(given);
      }),
    );
  });

  test('any text is either refused by an Error or read, and then printing it reads the same', () => {
    const piece = fc.constantFrom('tcp://', 'echo://', '[', ']', ':', '::1', '80', 'a', '.', '%', '/', ' ');
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
    );
    fc.assert(
      fc.property(text, fc.option(fc.constant(7)), (given, defaultPort) => {
        let read: PeerAddress;
        try {
          read = parseAddress(given, { defaultPort: defaultPort ?? undefined });
        } catch (error) {
          expect((error as Error).message.startsWith(JSON.stringify(given))).toBe(true);
          return;
        }
        expect(parseAddress(formatAddress(read))).toEqual(read);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('numbers', () => {
  test.each([
    ['0', 0],
    ['007', 7],
    ['999999999', 999_999_999],
    ['1000000000', undefined],
    ['', undefined],
    ['-1', undefined],
    ['1.0', undefined],
    ['1e2', undefined],
    ['0x1', undefined],
    [' 1', undefined],
    ['1\n', undefined],
    ['\u0661', undefined],
  ])('%j is the decimal %s', (text, value) => {
    expect(parseDecimal(text)).toBe(value);
  });

  test('a port alone is quoted in its refusal', () => {
    expect(parsePort('65535', 'tcp')).toBe(65535);
    expect(() => parsePort('65536', 'tcp')).toThrow('a port is a number from 1 to 65535, not "65536"');
    expect(() => parsePort('0', 'udp', 'host:0')).toThrow(
      '"host:0": a port is a number from 1 to 65535, not "0"',
    );
  });
});

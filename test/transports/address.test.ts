import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  checkSocketPath,
  formatAddress,
  formatEndpoint,
  hasScheme,
  MAX_SOCKET_PATH,
  type PeerAddress,
  parseAddress,
  parseDecimal,
  parsePort,
  systemPath,
  temporaryPath,
} from '../../src/transports/address.ts';

const linux = process.platform === 'linux';

// The list of services of this machine would decide otherwise.
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  readFileSync: () =>
    'both 1001/tcp\nboth 2002/udp\nonly-tcp 1003/tcp alias\nonly-udp 2004/udp\nmqtt 1005/tcp\n9pfs 1006/tcp\n',
}));

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
    [`tcp://${'a'.repeat(253)}:80`, 'a'.repeat(253), 80],
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

describe('a UDP address', () => {
  test.each([
    ['udp://localhost:53', 'localhost', 53],
    ['UDP://127.0.0.1:65535', '127.0.0.1', 65535],
    ['udp://[::1]:1', '::1', 1],
    ['udp://[fe80::1%eth0]:53', 'fe80::1%eth0', 53],
    ['udp://[fe80::1%2]:53', 'fe80::1%2', 53],
  ])('%s is %s, port %i', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ kind: 'udp', host, port });
  });

  test('takes its port as one of TCP does', () => {
    expect(parseAddress('udp://host', { defaultPort: 3 })).toEqual({ kind: 'udp', host: 'host', port: 3 });
    expect(parseAddress('udp://host:1', { port: 2, defaultPort: 3 })).toMatchObject({ port: 2 });
    expect(parseAddress('udp://fe80::1%eth0', { port: 2 })).toMatchObject({ host: 'fe80::1%eth0', port: 2 });
  });
});

describe('a service in place of a port', () => {
  test('is the one of the protocol', () => {
    expect(parseAddress('tcp://host:both')).toMatchObject({ port: 1001 });
    expect(parseAddress('udp://host:both')).toMatchObject({ port: 2002 });
    expect(parseAddress('host:both')).toMatchObject({ port: 1001 });
    expect(parseAddress('host:alias')).toMatchObject({ port: 1003 });
    expect(parseAddress('host:9pfs')).toMatchObject({ port: 1006 });
    expect(parseAddress('udp://[::1]:only-udp')).toMatchObject({ port: 2004 });
  });

  test('is no other protocol’s', () => {
    expect(refusal('udp://host:only-tcp')).toMatch(
      /: no UDP service is called "only-tcp"; a port is a number/,
    );
    expect(refusal('tcp://host:only-udp')).toMatch(
      /: no TCP service is called "only-udp"; a port is a number/,
    );
  });

  test('set by itself is the one of the protocol, too', () => {
    expect(parseAddress('tcp://host', { port: 'both' })).toMatchObject({ port: 1001 });
    expect(parseAddress('udp://host:9', { port: 'both' })).toMatchObject({ port: 2002 });
    expect(refusal('udp://host', { port: 'only-tcp' })).toMatch(/^no UDP service is called "only-tcp"/);
  });

  test('is what the system says, and a common one where the system says nothing', () => {
    expect(parsePort('mqtt', 'tcp')).toBe(1005);
    expect(parsePort('mqtt', 'udp')).toBe(1883);
    expect(parsePort('syslog', 'udp')).toBe(514);
    expect(() => parsePort('syslog', 'tcp')).toThrow(/no TCP service is called "syslog"/);
  });

  test.each(['both ', 'bo_th', 'both/tcp', '-1', '--', 'böth', '1.5', '+1'])(
    '%j is not even looked up',
    (text) => {
      expect(() => parsePort(text, 'tcp')).toThrow(
        `a port is a number from 1 to 65535, not ${JSON.stringify(text)}`,
      );
    },
  );
});

describe.each(['unix', 'unix-dgram'] as const)('a %s:// address', (kind) => {
  test.each([
    '/run/app.sock',
    'app.sock',
    './app.sock',
    '../run/app.sock',
    './@name',
    '/run/@name',
    '/run/with space',
    '/run/grün\u{1f600}',
    '/run/a:80',
    '//',
    'tcp://host:80',
    '[::1]:80',
    '%41?x#y',
    ' ',
  ])('has the path %j as it is written', (path) => {
    expect(parseAddress(`${kind}://${path}`)).toEqual({ kind, path });
    expect(parseAddress(`${kind.toUpperCase()}://${path}`)).toEqual({ kind, path });
  });

  test('has no port, whatever is set', () => {
    expect(parseAddress(`${kind}:///run/a`, { port: 1, defaultPort: 2 })).toEqual({ kind, path: '/run/a' });
    expect(parseAddress(`${kind}:///run/a`, { port: 'no-such-service' })).toEqual({ kind, path: '/run/a' });
  });

  test.runIf(linux)('may be an abstract name: what follows an "@"', () => {
    expect(parseAddress(`${kind}://@name`)).toEqual({ kind, path: '@name' });
    expect(parseAddress(`${kind}://@@`)).toEqual({ kind, path: '@@' });
    expect(parseAddress(`${kind}://@/`)).toEqual({ kind, path: '@/' });
  });

  test.each(['', '@'])('is refused with the path %j: it names nothing', (path) => {
    expect(refusal(`${kind}://${path}`)).toBe(`"${kind}://${path}": no path; write unix:///run/app.sock`);
  });

  test.each(['\0', '\0name', '/run/a\0', '@a\0b'])('is refused with a NUL in it: %j', (path) => {
    expect(refusal(`${kind}://${path}`)).toBe(
      `${JSON.stringify(`${kind}://${path}`)}: a path has no NUL in it`,
    );
  });

  test('is one word with its scheme', () => {
    expect(refusal('unixdgram:///x')).toMatch(/unknown scheme "unixdgram"/);
    expect(refusal('unix-stream:///x')).toMatch(/unknown scheme "unix-stream"/);
  });
});

describe('the path of a Unix socket', () => {
  test('has what sockaddr_un holds besides the NUL at its end', () => {
    expect(MAX_SOCKET_PATH).toBe(linux ? 107 : 103);
  });

  test.each([
    ['ASCII', 'x', 1],
    ['two bytes a character', 'ü', 2],
    ['three', '€', 3],
    ['four', '\u{1f600}', 4],
  ])('is counted in bytes: %s', (_what, character, size) => {
    const full = '/'.repeat(MAX_SOCKET_PATH % size) + character.repeat(Math.floor(MAX_SOCKET_PATH / size));
    expect(Buffer.byteLength(full)).toBe(MAX_SOCKET_PATH);
    expect(checkSocketPath(full, 'here')).toBe(full);
    expect(parseAddress(`unix://${full}`)).toEqual({ kind: 'unix', path: full });
    for (const more of ['/', character]) {
      expect(() => checkSocketPath(full + more, 'here')).toThrow(
        `"here": the path of a Unix socket has at most ${MAX_SOCKET_PATH} bytes, not ${MAX_SOCKET_PATH + Buffer.byteLength(more)}`,
      );
    }
  });

  test.runIf(linux)('counts the "@" of an abstract name, which is a NUL to the system', () => {
    expect(checkSocketPath(`@${'x'.repeat(106)}`, 'here')).toHaveLength(107);
    expect(() => checkSocketPath(`@${'x'.repeat(107)}`, 'here')).toThrow(/at most 107 bytes, not 108/);
  });

  test('elsewhere has 103 bytes, and is never an abstract name', async () => {
    const { platform } = process;
    onTestFinished(() => {
      Object.defineProperty(process, 'platform', { value: platform });
    });
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    vi.resetModules();
    const elsewhere = await import('../../src/transports/address.ts');
    const full = 'x'.repeat(103);
    expect(elsewhere.checkSocketPath(full, 'here')).toBe(full);
    expect(() => elsewhere.checkSocketPath(`${full}x`, 'here')).toThrow(/at most 103 bytes, not 104/);
    expect(elsewhere.checkSocketPath('./@name', 'here')).toBe('./@name');
    expect(() => elsewhere.checkSocketPath('@name', 'here')).toThrow(
      '"here": only Linux has abstract sockets; for a file of that name write ./@name',
    );
  });

  test('is to the system what it is to us, but for the "@" of an abstract name', () => {
    expect(systemPath('@name')).toBe('\0name');
    expect(systemPath('@@')).toBe('\0@');
    for (const path of ['/run/a', './@name', 'a@b', '/@']) expect(systemPath(path)).toBe(path);
  });

  test('that is ours is short, in its folder, and never the same', () => {
    expect(temporaryPath('/run/app')).toMatch(/^\/run\/app\/ws-[0-9a-f]{12}$/);
    expect(temporaryPath('/run/app/')).toMatch(/^\/run\/app\/ws-[0-9a-f]{12}$/);
    expect(temporaryPath('.')).toMatch(/^ws-[0-9a-f]{12}$/);
    expect(new Set(Array.from({ length: 1_000 }, () => temporaryPath('/run'))).size).toBe(1_000);
  });
});

describe('a scheme', () => {
  test.each(['tcp://host:80', 'unix://', 'x://y', '://', 'host://'])('is there in %s', (text) => {
    expect(hasScheme(text)).toBe(true);
  });

  test.each(['host:80', '[::1]:80', '/run/app.sock', 'tcp:/host', 'tcp:', '//host', ''])(
    'is not there in %j',
    (text) => {
      expect(hasScheme(text)).toBe(false);
    },
  );
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
    ['udp://fe80::1%eth0:53', /is written udp:\/\/\[fe80::1%eth0\]:80/],
    ['udp://[fe80::1%eth0:53]', /is written udp:\/\/\[fe80::1%eth0\]:80/],
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
    [{ kind: 'udp', host: 'localhost', port: 53 }, 'udp://localhost:53'],
    [{ kind: 'udp', host: 'fe80::1%eth0', port: 53 }, 'udp://[fe80::1%eth0]:53'],
    [{ kind: 'unix', path: '/run/app.sock' }, 'unix:///run/app.sock'],
    [{ kind: 'unix', path: 'app.sock' }, 'unix://app.sock'],
    [{ kind: 'unix-dgram', path: '@name' }, 'unix-dgram://@name'],
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
    fc
      .tuple(
        fc.ipV6(),
        label.filter((zone) => /^[a-z0-9]+$/i.test(zone)),
      )
      .map(([ip, zone]) => `${ip}%${zone}`),
    fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.')),
  );
  const path = fc
    .oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ minLength: MAX_SOCKET_PATH - 5, maxLength: MAX_SOCKET_PATH }),
    )
    .map((text) => (linux ? text : `./${text}`))
    .filter((text) => {
      const fits = Buffer.byteLength(text) <= MAX_SOCKET_PATH;
      return fits && text !== '' && text !== '@' && !text.includes('\0');
    });
  const address: fc.Arbitrary<PeerAddress> = fc.oneof(
    fc.constant({ kind: 'echo' as const }),
    fc.record({
      kind: fc.constantFrom('tcp' as const, 'udp' as const),
      host,
      port: fc.integer({ min: 1, max: 65535 }),
    }),
    fc.record({ kind: fc.constantFrom('unix' as const, 'unix-dgram' as const), path }),
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
    const schemes = ['tcp://', 'udp://', 'unix://', 'unix-dgram://', 'echo://'];
    const marks = ['[', ']', ':', '::1', '80', 'a', '.', '%', '/', ' ', '@', '\0', 'both', 'x'.repeat(50)];
    const piece = fc.constantFrom(...schemes, ...marks);
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
    expect(parsePort('1', 'tcp')).toBe(1);
    expect(() => parsePort('none', 'udp')).toThrow(
      'no UDP service is called "none"; a port is a number from 1 to 65535, or a name of /etc/services',
    );
    expect(() => parsePort('65536', 'tcp')).toThrow('a port is a number from 1 to 65535, not "65536"');
    expect(() => parsePort('0', 'udp', 'host:0')).toThrow(
      '"host:0": a port is a number from 1 to 65535, not "0"',
    );
  });
});

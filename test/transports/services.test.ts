import { describe, expect, test } from 'vitest';
import { parseServices, registeredPort, servicePort } from '../../src/transports/services.ts';

describe('a list of services', () => {
  test('gives each name its port, by protocol, aliases included', () => {
    const ports = parseServices('http\t\t80/tcp\twww www-http # World Wide Web\nsyslog 514/udp\n');
    expect([...ports]).toEqual([
      ['http/tcp', 80],
      ['www/tcp', 80],
      ['www-http/tcp', 80],
      ['syslog/udp', 514],
    ]);
  });

  test('takes the first entry of a name', () => {
    expect(parseServices('a 1/tcp\na 2/tcp\nb 3/tcp a\n').get('a/tcp')).toBe(1);
  });

  test.each([
    '',
    '# http 80/tcp',
    'http',
    'http 80',
    'http tcp/80',
    'http 0/tcp',
    'http 65536/tcp',
    'http -1/tcp',
    'http 80/',
  ])('passes over %j', (line) => {
    expect(parseServices(`${line}\nssh 22/tcp`)).toEqual(new Map([['ssh/tcp', 22]]));
  });

  test('may end its lines with CR LF, and take the highest port', () => {
    expect(parseServices('a 65535/tcp\r\nb 1/udp\r\n')).toEqual(
      new Map([
        ['a/tcp', 65535],
        ['b/udp', 1],
      ]),
    );
  });
});

describe('a name', () => {
  test('is known without the system: names that people bridge to', () => {
    expect(servicePort('rfb', 'tcp')).toBe(5900);
    expect(registeredPort('mqtt', 'tcp')).toBe(1883);
    expect(registeredPort('domain', 'udp')).toBe(53);
  });

  test('means what it means for its protocol: 514 of TCP is not syslog', () => {
    expect(registeredPort('syslog', 'udp')).toBe(514);
    expect(registeredPort('syslog', 'tcp')).toBeUndefined();
  });

  test.each(['no-such-service', 'HTTP', 'constructor', '__proto__', 'toString'])('%s is nobody', (name) => {
    expect(servicePort(name, 'tcp')).toBeUndefined();
    expect(servicePort(name, 'udp')).toBeUndefined();
  });
});

import { describe, expect, onTestFinished, test, vi } from 'vitest';
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

  test('of these has the port that everybody uses, for TCP and UDP alike', () => {
    const ports = {
      ssh: 22,
      telnet: 23,
      smtp: 25,
      domain: 53,
      http: 80,
      pop3: 110,
      ntp: 123,
      imap: 143,
      ldap: 389,
      https: 443,
      mqtt: 1883,
      mysql: 3306,
      sip: 5060,
      'xmpp-client': 5222,
      postgresql: 5432,
      amqp: 5672,
      rfb: 5900,
      redis: 6379,
      ircd: 6667,
      'secure-mqtt': 8883,
    };
    for (const [name, port] of Object.entries(ports)) {
      expect([name, registeredPort(name, 'tcp')]).toEqual([name, port]);
      expect([name, registeredPort(name, 'udp')]).toEqual([name, port]);
    }
  });

  test('is looked up in the list of the system, which is read once, or not there at all', async () => {
    onTestFinished(() => {
      vi.doUnmock('node:fs');
      vi.resetModules();
    });
    const readFileSync = vi.fn(() => 'http 8/tcp\n');
    const afresh = () => {
      vi.resetModules();
      vi.doMock('node:fs', () => ({ readFileSync }));
      return import('../../src/transports/services.ts');
    };
    const present = await afresh();
    expect(readFileSync).not.toHaveBeenCalled();
    expect(present.servicePort('http', 'tcp')).toBe(8);
    expect(present.servicePort('http', 'udp')).toBe(80);
    expect(present.servicePort('nobody', 'udp')).toBeUndefined();
    expect(readFileSync.mock.calls).toEqual([['/etc/services', 'latin1']]);
    readFileSync.mockImplementation(() => {
      throw new Error('ENOENT');
    });
    const absent = await afresh();
    expect(absent.servicePort('http', 'tcp')).toBe(80);
    expect(absent.servicePort('nobody', 'tcp')).toBeUndefined();
    expect(readFileSync).toHaveBeenCalledTimes(2);
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

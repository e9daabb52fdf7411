/**
 * Names of services to ports, as `getservbyname` has them: from the system's own list, and where that has no such name
 * (minimal containers have no list at all) from a few that people bridge to.
 */
import { readFileSync } from 'node:fs';

export type Protocol = 'tcp' | 'udp';

/** Ports as IANA has registered them, or as everybody uses them, for TCP and UDP alike. */
const REGISTERED: Readonly<Record<string, number>> = {
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

/** 514 of TCP is another service. */
const REGISTERED_UDP: Readonly<Record<string, number>> = { syslog: 514 };

/** The system's list, by `name/protocol`. Read when a name is first asked for, and once: it does not change. */
let known: ReadonlyMap<string, number> | undefined;

/** The port of a service, or undefined if it is known by nobody. Names are case-sensitive, as they are to the system. */
export function servicePort(name: string, protocol: Protocol): number | undefined {
  known ??= parseServices(readList());
  return known.get(`${name}/${protocol}`) ?? registeredPort(name, protocol);
}

/** What is known without the system's list. */
export function registeredPort(name: string, protocol: Protocol): number | undefined {
  if (Object.hasOwn(REGISTERED, name)) return REGISTERED[name];
  return protocol === 'udp' && Object.hasOwn(REGISTERED_UDP, name) ? REGISTERED_UDP[name] : undefined;
}

/** services(5): `name port/protocol alias… # comment`. What is not of that form is passed over. */
export function parseServices(text: string): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, where, ...aliases] = line.split('#', 1)[0]!.trim().split(/\s+/);
    const found = /^([0-9]{1,5})\/([a-z]+)$/.exec(where ?? '');
    const port = Number(found?.[1]);
    if (!(port >= 1 && port <= 65535)) continue;
    for (const each of [name, ...aliases]) {
      const key = `${each}/${found![2]}`;
      if (!ports.has(key)) ports.set(key, port);
    }
  }
  return ports;
}

function readList(): string {
  try {
    return readFileSync('/etc/services', 'latin1');
  } catch {
    return '';
  }
}

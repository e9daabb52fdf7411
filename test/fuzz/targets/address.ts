/** Peer addresses: what is read can be printed and read again, and nothing but a plain error with a message is thrown. */
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import {
  formatAddress,
  type PeerAddress,
  type PortChoice,
  parseAddress,
} from '../../../src/transports/address.ts';
import { insist, insistSame, latin1Of, type Target } from '../target.ts';

/** As a plugin or the configuration gives them. */
const PORTS: readonly PortChoice[] = [
  {},
  { port: 80 },
  { port: '5900' },
  { port: 'http' },
  { defaultPort: 7 },
];

function parse(text: string, ports: PortChoice): PeerAddress | undefined {
  try {
    return parseAddress(text, ports);
  } catch (error) {
    insistPlain(error);
    return undefined;
  }
}

/** What tells a person what is wrong: an Error and no kind of it, such as a TypeError. */
export function insistPlain(error: unknown): void {
  const plain = error instanceof Error && Object.getPrototypeOf(error) === Error.prototype;
  if (!plain) throw error;
  insist(error.message !== '', 'an error without a message');
  insist(!/[\r\n]/.test(error.message), `not one line: ${JSON.stringify(error.message)}`);
}

function judge(address: PeerAddress): void {
  switch (address.kind) {
    case 'tcp':
    case 'udp': {
      const { host, port } = address;
      insist(Number.isInteger(port) && port >= 1 && port <= 65_535, `the port ${port}`);
      insist(isIPv6(host) || /^[^\t\r\n /:@[\]?#%\\]+$/.test(host), `the host ${JSON.stringify(host)}`);
      return;
    }
    case 'unix':
    case 'unix-dgram':
      insist(address.path !== '' && address.path !== '@', 'an empty path');
      insist(!address.path.includes('\0'), 'a NUL in a path');
      insist(Buffer.byteLength(address.path) <= 107, `a path of ${Buffer.byteLength(address.path)} bytes`);
      return;
    case 'echo':
  }
}

const PARTS = [
  'tcp://',
  'udp://',
  'unix://',
  'unix-dgram://',
  'echo://',
  'fifotx://',
  'TCP://',
  'localhost',
  'a.example',
  '127.0.0.1',
  '[::1]',
  '::1',
  'fe80::1%eth0',
  '[fe80::1%lo]',
  '1:2:3:4:5:6:7:8',
  '[1:2:3:4:5:6:7:8]',
  ':80',
  ':http',
  ':0',
  ':65536',
  ':',
  '/run/a.sock',
  '@name',
  '\0',
  '%',
  '/',
  '://',
  '_',
  'é',
  ' ',
];

export const address: Target = {
  name: 'address',
  about: 'peer addresses: parse, format and parse again come to the same',
  inputs: fc
    .array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...PARTS) },
        fc.string({ unit: 'binary', maxLength: 4 }),
      ),
      {
        maxLength: 5,
      },
    )
    .map((parts) => new Uint8Array(Buffer.from(parts.join(''), 'utf8'))),
  words: PARTS.map((part) => Buffer.from(part, 'utf8').toString('latin1')),
  run(input) {
    for (const text of [Buffer.from(input).toString('utf8'), latin1Of(input)]) {
      for (const ports of PORTS) {
        const first = parse(text, ports);
        if (first === undefined) continue;
        judge(first);
        const written = formatAddress(first);
        insistSame(parse(written, {}), first, `${written} is read as`);
      }
    }
  },
};

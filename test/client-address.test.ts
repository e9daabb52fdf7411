import { describe, expect, test } from 'vitest';
import { clientNetwork } from '../src/client-address.ts';
import { Random, SEED } from './support/randomness.ts';

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:db8:1::2', '2001:db8:1:0::/64'],
  ['2001:db8::', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['::5:6:7:8:9', '0:0:0:5::/64'],
  ['1::5:6:7:8:9', '1:0:0:5::/64'],
  ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
  ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
])('%s counts as %s', (address, network) => {
  expect(clientNetwork(address)).toBe(network);
});

test('IPv4 within IPv6, as a listener on all addresses sees it, is the same client as by IPv4', () => {
  expect(clientNetwork('::ffff:203.0.113.9')).toBe('203.0.113.9');
});

describe('of two IPv6 addresses', () => {
  test('those that share their first 64 bits are one client', () => {
    expect(clientNetwork('2001:db8:0:1::1')).toBe(clientNetwork('2001:db8:0:1:ffff:ffff:ffff:fffe'));
  });

  test('those that differ in the 64th bit are two', () => {
    expect(clientNetwork('2001:db8::1')).not.toBe(clientNetwork('2001:db8:0:1::1'));
  });
});

/** The first 64 bits as a number, found by another way: each field in its place, the two colons filled in by the right end. */
function upperHalf(address: string): bigint {
  const fields = new Array<bigint>(8).fill(0n);
  const [left = '', right] = address.split('::');
  const parse = (text: string) => (text === '' ? [] : text.split(':').map((field) => BigInt(`0x${field}`)));
  parse(left).forEach((field, i) => {
    fields[i] = field;
  });
  parse(right ?? '')
    .reverse()
    .forEach((field, i) => {
      fields[7 - i] = field;
    });
  return fields.slice(0, 4).reduce((sum, field) => (sum << 16n) | field, 0n);
}

/** RFC 5952, as the system writes it: the URL parser of Node writes addresses so. */
function written(fields: readonly number[]): string {
  return new URL(`http://[${fields.map((field) => field.toString(16)).join(':')}]/`).hostname.slice(1, -1);
}

test(`the network is what the first 64 bits say, wherever zeros are left out (TEST_SEED=${SEED})`, () => {
  const random = new Random(SEED);
  const seen = new Map<string, bigint>();
  for (let i = 0; i < 5_000; i += 1) {
    // Few values, so that runs of zeros and equal networks come up.
    const address = written(Array.from({ length: 8 }, () => random.pick([0, 0, 0, 1, 0xab, 0xffff])));
    const network = clientNetwork(address);
    const bits = upperHalf(address);
    expect(upperHalf(network.replace('/64', '')), address).toBe(bits);
    // Two names of one network would be two clients.
    expect(seen.get(network) ?? bits, address).toBe(bits);
    seen.set(network, bits);
  }
  expect(new Set(seen.values()).size).toBe(seen.size);
});

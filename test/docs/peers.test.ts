/** The numbers of docs/peers.md against those of the code. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { MAX_SOCKET_PATH, parseAddress } from '../../src/transports/address.ts';
import { MAX_ATTEMPTS } from '../../src/transports/race.ts';
import { HIGH_WATER } from '../../src/transports/stream.ts';
import { MAXIMUM } from '../../src/transports/udp.ts';

const page = readFileSync(new URL('../../docs/peers.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');

test.each([
  ['the largest datagram over IPv4', `over IPv4 | ${MAXIMUM[4].toLocaleString('en')} bytes`],
  ['the largest datagram over IPv6', `over IPv6 | ${MAXIMUM[6].toLocaleString('en')} bytes`],
  ['what may wait for a peer', `when ${HIGH_WATER / 1024} KiB wait`],
  ['what may wait for a slow client', `up to ${(2 * HIGH_WATER) / 1024} KiB are kept`],
  ['how many addresses are tried', `${MAX_ATTEMPTS} addresses`],
  ['the time of a dial', `within ${DEFAULT_LIMITS.dialTimeout / 1000} s`],
])('says %s', (_what, said) => {
  expect(page).toContain(said);
});

test.runIf(process.platform === 'linux')('says how long a path may be', () => {
  expect(page).toContain(`${MAX_SOCKET_PATH} bytes`);
});

test.each(['tcp', 'udp', 'unix', 'unix-dgram', 'echo'])('has a row for %s://', (scheme) => {
  const rest = scheme === 'echo' ? '' : scheme.startsWith('unix') ? '/x' : 'x:1';
  expect(parseAddress(`${scheme}://${rest}`).kind).toBe(scheme);
  expect(page).toMatch(new RegExp(`\\| \`${scheme}://`));
});

/** Which clients count as one: those of an IPv4 address, and those of an IPv6 network of 64 bits, which is what one household has. */

const MAPPED = '::ffff:';

/** @param address as Node writes it, RFC 5952: lower case, no leading zeros, one `::` at most */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address;
  if (address.startsWith(MAPPED) && address.includes('.')) return address.slice(MAPPED.length);
  const [head = '', tail] = address.split('%', 1)[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length;
    while (groups.length + behind < 8) groups.push('0');
    if (groups.length < 4) groups.push(...tail.split(':'));
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}

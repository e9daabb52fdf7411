/**
 * Names to addresses, so that a resolver that hangs harms only those who need it.
 *
 * `dns.lookup` cannot be cancelled, and Node runs only two slow ones at a time. Therefore literals and `localhost`
 * never reach it, one look-up per name serves all who wait, and its result, or its failure, is kept for a few seconds.
 */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';

/** Addresses in the order in which they are to be tried. A plain value where nobody has to wait. */
export type Resolver = (host: string) => readonly string[] | Promise<readonly string[]>;

/** A copy of what a resolver has answered, which whoever embeds the daemon may have made. @throws TypeError */
export function checkAddresses(found: readonly string[]): string[] {
  const addresses: unknown[] = Array.isArray(found) ? [...found] : [undefined];
  if (addresses.every((each): each is string => typeof each === 'string' && each !== '')) return addresses;
  throw new TypeError('the resolver answered no list of addresses');
}

export interface ResolverOptions {
  /** The system's look-up: all addresses of a name. */
  readonly lookup?: (host: string) => Promise<readonly string[]>;
  /** A monotonic clock, in ms. */
  readonly now?: () => number;
}

/** 5 s: a burst of connections costs one look-up, and a changed record is noticed soon. */
const KEEP_SUCCESS = 5_000;
/** 1 s: a name that fails is not asked for at every connection, but a repair shows at once. */
const KEEP_FAILURE = 1_000;
/** Names kept at the same time: file backends may name many peers; beyond it the oldest goes. */
const MAX_NAMES = 1_000;

/** RFC 6761 §6.3: always loopback. IPv4 first, since servers that listen on one family alone mostly chose that one. */
const LOCALHOST: readonly string[] = ['127.0.0.1', '::1'];

interface Entry {
  /** The outcome, or the look-up that is under way. */
  result: readonly string[] | Promise<readonly string[]>;
  /** When it is forgotten; infinite while the look-up is under way. */
  expires: number;
}

export function createResolver(options: ResolverOptions = {}): Resolver {
  const ask = options.lookup ?? lookupAll;
  const now = options.now ?? (() => performance.now());
  const names = new Map<string, Entry>();

  function begin(name: string): Promise<readonly string[]> {
    const result = ask(name).then(interleaveFamilies);
    const entry: Entry = { result, expires: Number.POSITIVE_INFINITY };
    names.set(name, entry);
    result.then(
      (addresses) => {
        entry.result = addresses;
        entry.expires = now() + KEEP_SUCCESS;
      },
      () => {
        entry.expires = now() + KEEP_FAILURE;
      },
    );
    return result;
  }

  return (host) => {
    if (isIP(host) !== 0) return [host];
    const name = host.toLowerCase();
    if (name === 'localhost' || name === 'localhost.') return LOCALHOST;
    const known = names.get(name);
    if (known !== undefined && now() < known.expires) return known.result;
    names.delete(name);
    if (names.size >= MAX_NAMES) names.delete(names.keys().next().value!);
    return begin(name);
  };
}

/** RFC 8305 §4: families take turns, beginning with that of the first address, so that one dead family costs one attempt. */
export function interleaveFamilies(addresses: readonly string[]): readonly string[] {
  const family = isIP(addresses[0] ?? '');
  const first = addresses.filter((address) => isIP(address) === family);
  const second = addresses.filter((address) => isIP(address) !== family);
  const mixed: string[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i += 1) {
    if (i < first.length) mixed.push(first[i]!);
    if (i < second.length) mixed.push(second[i]!);
  }
  return mixed;
}

function lookupAll(host: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error, found) => {
      if (error) reject(error);
      else resolve(found.map(({ address }) => address));
    });
  });
}

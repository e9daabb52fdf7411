/**
 * The options of `[limits]`: one for each bound of limits.ts, in the units that people write.
 *
 * Their names differ from those of `[core]`, so that on the command line and in the environment they need no prefix.
 */
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { OptionSpec } from './options.ts';
import { quote } from './settings.ts';

export interface LimitSpec extends Omit<OptionSpec<number>, 'flags'> {
  /** The bound that it sets. */
  readonly bound: keyof Limits;
  /** What 0 means; undefined: it is refused. */
  readonly zero: string | undefined;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DAY = 86_400;

/** Units of a size: those of 1024. */
const UNITS = { '': 1, K: KIB, M: MIB, G: GIB } as const;

const OFF = 'no limit';

export const LIMIT_OPTIONS = {
  'head-bytes': bytes('headBytes', 256, MIB, 'longest request head'),
  'head-fields': count('headFields', 1, 1000, 'most header fields of a request'),
  'head-time': seconds('headTimeout', 'time from the accept to the whole request head', OFF),
  'early-bytes': bytes('earlyBytes', KIB, MIB, 'frames taken before the peer is connected'),
  'max-message': bytes('messageBytes', 125, GIB, 'longest message to a peer of messages'),
  'max-segment': bytes('segmentBytes', 125, GIB, 'longest message that a framing may find'),
  'max-queued': bytes('queuedBytes', 16 * KIB, GIB, 'waiting for one side before the other is not read'),
  'max-buffered': bytes(
    'bufferedBytes',
    MIB,
    1024 * GIB,
    'waiting in all connections together',
    'a quarter of the memory',
  ),
  'max-connections': count(
    'connections',
    1,
    10_000_000,
    'connections at a time',
    'as many as the open files allow',
  ),
  'max-connections-per-address': count(
    'addressConnections',
    1,
    10_000_000,
    'the same from one address, of IPv6 from a /64',
    OFF,
  ),
  'connection-rate': count('addressRate', 1, 1_000_000, 'new connections per second from one address', OFF),
  'connection-burst': count(
    'addressBurst',
    1,
    1_000_000,
    'how many of them may come at once',
    'one second’s worth',
  ),
  'control-rate': count(
    'controlRate',
    1,
    10_000_000,
    'control frames and empty fragments per second from one client',
    OFF,
  ),
  'query-time': seconds('queryTimeout', 'time for a backend to choose the peer', OFF),
  'dial-time': seconds('dialTimeout', 'time to connect to the peer'),
  'close-time': seconds('closeTimeout', 'time to answer a Close or the end of the connection'),
  'stall-time': seconds('stallTimeout', 'time without progress of what is written to either side', OFF),
  'idle-time': seconds('idleTimeout', 'time without data either way', OFF),
  'life-time': seconds('lifeTimeout', 'time that a connection may be open', OFF),
  'max-lag': seconds('lag', 'delay of the whole daemon at which new connections are refused', OFF),
} as const satisfies Readonly<Record<string, LimitSpec>>;

export type LimitName = keyof typeof LIMIT_OPTIONS;

/** The bounds, as the daemon has them, from the options' values. */
export function limitsOf(values: Readonly<Record<LimitName, number>>): Limits {
  const limits: { -readonly [K in keyof Limits]: number } = { ...DEFAULT_LIMITS };
  for (const [name, { bound }] of Object.entries(LIMIT_OPTIONS)) limits[bound] = values[name as LimitName];
  return limits;
}

function count(bound: keyof Limits, minimum: number, maximum: number, text: string, zero?: string) {
  return spec(bound, 'N', text, zero, String, (value) => {
    const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : Number.NaN;
    return inside(number, minimum, maximum, zero) ? number : refuse('number', minimum, maximum, zero, value);
  });
}

function bytes(bound: keyof Limits, minimum: number, maximum: number, text: string, zero?: string) {
  return spec(bound, 'BYTES', text, zero, formatBytes, (value) => {
    const [, digits, unit] = /^([0-9]{1,13})([KMG]?)$/.exec(value) ?? [];
    const number = digits === undefined ? Number.NaN : Number(digits) * UNITS[unit as keyof typeof UNITS];
    if (inside(number, minimum, maximum, zero)) return number;
    return refuse(
      'number of bytes, as in 64K or 16M,',
      formatBytes(minimum),
      formatBytes(maximum),
      zero,
      value,
    );
  });
}

function seconds(bound: keyof Limits, text: string, zero?: string) {
  const format = (milliseconds: number) => String(milliseconds / 1000);
  return spec(bound, 'SECONDS', text, zero, format, (value) => {
    const number = /^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(value) ? Number(value) : Number.NaN;
    if (inside(number, 0.001, DAY, zero)) return Math.round(number * 1000);
    return refuse('number of seconds', '0.001', DAY, zero, value);
  });
}

/** A size in the largest unit in which it is a whole number. */
export function formatBytes(size: number): string {
  if (size === 0) return '0';
  const unit = (['G', 'M', 'K'] as const).find((each) => size % UNITS[each] === 0);
  return unit === undefined ? String(size) : `${size / UNITS[unit]}${unit}`;
}

function inside(value: number, minimum: number, maximum: number, zero: string | undefined): boolean {
  return (value >= minimum && value <= maximum) || (value === 0 && zero !== undefined);
}

function refuse(
  what: string,
  minimum: number | string,
  maximum: number | string,
  zero: string | undefined,
  value: string,
): never {
  const none = zero === undefined ? '' : `, or 0 (${zero})`;
  throw new Error(`expected a ${what} from ${minimum} to ${maximum}${none}, not ${quote(value)}`);
}

function spec(
  bound: keyof Limits,
  placeholder: string,
  text: string,
  zero: string | undefined,
  format: (value: number) => string,
  parse: (text: string) => number,
): LimitSpec {
  return {
    bound,
    zero,
    placeholder,
    default: DEFAULT_LIMITS[bound],
    defaultText: format(DEFAULT_LIMITS[bound]),
    description: zero === undefined ? text : `${text}; 0: ${zero}`,
    parse,
  };
}

/**
 * Sec-WebSocket-Extensions: the grammar against a regular expression of RFC 6455 §9.1, with reads of the text counted, and what
 * permessage-deflate answers against what RFC 7692 §7.1 lets a client accept.
 */
import fc from 'fast-check';
import { type ExtensionOffer, parseExtensions } from '../../../src/rfc6455/extensions.ts';
import { type CompressionOptions, negotiate } from '../../../src/rfc6455/permessage-deflate.ts';
import { latin1 } from '../../support/bytes.ts';
import type { Random } from '../../support/randomness.ts';
import { codeOf, insist, latin1Of, randomOf, type Target } from '../target.ts';

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
/** A quoted value is a token when it is unquoted. */
const PARAMETER = `${TOKEN}+(?:[ \\t]*=[ \\t]*(?:${TOKEN}+|"(?:\\\\?${TOKEN})+"))?`;
const EXTENSION = `${TOKEN}+(?:[ \\t]*;[ \\t]*${PARAMETER})*`;
const LIST = new RegExp(`^(?:[ \\t]*,)*[ \\t]*${EXTENSION}(?:[ \\t]*,(?:[ \\t]*${EXTENSION})?)*[ \\t]*$`);

function parse(text: string): ExtensionOffer[] | undefined {
  let offers: ExtensionOffer[] | undefined;
  codeOf(['extensions-malformed'], () => {
    offers = parseExtensions(text);
  });
  return offers;
}

/** A text that counts how often it is looked at; a slice counts for as many characters as it has. */
function counted(text: string, count: (characters: number) => void): string {
  const proxy = new Proxy(Object(text) as object, {
    get: (_, name) => {
      if (name === 'slice')
        return (start: number, end: number) => {
          count(end - start);
          return text.slice(start, end);
        };
      count(1);
      const value: unknown = Reflect.get(Object(text), name);
      return typeof value === 'function' ? value.bind(text) : value;
    },
  });
  return proxy as unknown as string;
}

/** Looks for each character, at most: its code, its bounds, a few delimiters. */
const LOOKS = 12;

function insistLinear(text: string): void {
  let looks = 0;
  parse(counted(text, (characters) => (looks += characters)));
  insist(looks <= LOOKS * (text.length + 2), `${looks} looks at ${text.length} characters`);
}

function someOptions(random: Random): CompressionOptions {
  return {
    level: 6,
    windowBits: random.int(9, 15),
    serverTakeover: random.int(0, 1) === 0,
    clientTakeover: random.int(0, 1) === 0,
    threshold: 1,
    connections: 1,
  };
}

type Parameters = ReadonlyMap<string, string | undefined>;

/** The parameters of an offer that has nothing in it but what §7.1 knows; undefined: it has. */
function known({ name, parameters }: ExtensionOffer): Parameters | undefined {
  const map = new Map(parameters.map((parameter) => [parameter.name, parameter.value]));
  if (name !== 'permessage-deflate' || map.size !== parameters.length) return undefined;
  for (const [parameter, value] of map) {
    if (/^(?:server|client)_no_context_takeover$/.test(parameter) && value === undefined) continue;
    if (/^(?:server|client)_max_window_bits$/.test(parameter) && BITS.includes(value ?? '')) continue;
    if (parameter === 'client_max_window_bits' && value === undefined) continue;
    return undefined;
  }
  return map;
}

const BITS = ['8', '9', '10', '11', '12', '13', '14', '15'];

/** §7.1: whether a client that has made this offer may accept this answer. */
function mayAccept(offer: Parameters, answer: Parameters): boolean {
  const asked = offer.get('server_max_window_bits');
  const server = answer.get('server_max_window_bits');
  // §7.1.2.1: what was asked for is confirmed, and not by more.
  if (asked !== undefined && !(Number(server) <= Number(asked))) return false;
  if (server !== undefined && !BITS.includes(server)) return false;
  // §7.1.1.1.
  if (offer.has('server_no_context_takeover') && !answer.has('server_no_context_takeover')) return false;
  // §7.1.2.2: only where it was offered, and not by more than was offered.
  if (!answer.has('client_max_window_bits')) return true;
  const client = answer.get('client_max_window_bits');
  const most = offer.get('client_max_window_bits') ?? '15';
  return offer.has('client_max_window_bits') && BITS.includes(client ?? '') && Number(client) <= Number(most);
}

function judgeNegotiation(offers: readonly ExtensionOffer[], options: CompressionOptions): void {
  const agreement = negotiate(offers, options);
  const good = offers.map(known).filter((offer) => offer !== undefined);
  insist(
    (agreement === undefined) === (good.length === 0),
    `${good.length} offers are good: ${agreement?.response}`,
  );
  if (agreement === undefined) return;
  const { response } = agreement;
  const [answer, ...more] = parseExtensions(response);
  insist(more.length === 0, `answers ${response}`);
  const parameters = known(answer!);
  insist(parameters !== undefined, `answers ${response}`);
  insist(mayAccept(good[0]!, parameters), `no client may accept ${response}`);
  const { serverWindowBits, clientWindowBits, serverTakeover, clientTakeover } = agreement;
  // What follows from the answer is what we do.
  const window = (side: string) => Number(parameters.get(`${side}_max_window_bits`) ?? 15);
  const fits =
    serverWindowBits === window('server') &&
    clientWindowBits === window('client') &&
    serverTakeover === !parameters.has('server_no_context_takeover') &&
    // §7.1.1.2: a client that says it will not refer back does not, whatever is answered.
    clientTakeover === !parameters.has('client_no_context_takeover');
  insist(fits, `${response} is not ${JSON.stringify(agreement)}`);
}

const WORDS = [
  'permessage-deflate',
  'server_no_context_takeover',
  'client_no_context_takeover',
  'server_max_window_bits',
  'client_max_window_bits',
  ...BITS.map((bits) => `=${bits}`),
  '="10"',
  '="1\\5"',
  '=08',
  '=16',
  'x-other',
  '__proto__',
  'constructor',
];
const PUNCTUATION = [';', '; ', ',', ', ', '=', '"', '\\', ' ', '\t', ';;', ',,'];

const PARAMETERS = fc.array(
  fc
    .tuple(fc.constantFrom(...WORDS.slice(1, 5)), fc.constantFrom('', '', ...WORDS.slice(5, 16)))
    .map((p) => p.join('')),
  { maxLength: 4 },
);
const OFFERS = fc
  .array(
    fc
      .tuple(fc.constantFrom(WORDS[0]!, WORDS[0]!, 'x-other'), PARAMETERS)
      .map(([name, all]) => [name, ...all].join('; ')),
    { minLength: 1, maxLength: 3 },
  )
  .map((offers) => offers.join(', '));
const SALAD = fc
  .array(fc.oneof(fc.constantFrom(...WORDS), fc.constantFrom(...PUNCTUATION), fc.string({ maxLength: 2 })), {
    maxLength: 12,
  })
  .map((parts) => parts.join(''));

export const extensions: Target = {
  name: 'extensions',
  about: 'extension grammar, its time counted, and the answers of permessage-deflate',
  inputs: fc.oneof(OFFERS, OFFERS, SALAD).map(latin1),
  words: [...WORDS, ...PUNCTUATION],
  run(input) {
    const text = latin1Of(input.subarray(0, 2_000));
    const offers = parse(text);
    insist(
      (offers !== undefined) === LIST.test(text),
      `${offers === undefined ? 'refuses' : 'takes'} what is not so`,
    );
    insistLinear(text);
    insistLinear(text.repeat(4));
    if (offers === undefined) return;
    insist(offers.length > 0, 'takes a list without an element');
    for (let rounds = 0; rounds < 3; rounds += 1) judgeNegotiation(offers, someOptions(randomOf(input)));
  },
};

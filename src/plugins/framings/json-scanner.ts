/**
 * Finds where a JSON value ends (RFC 8259), byte by byte, and notices the first byte that no JSON value can have there.
 *
 * It is fed pieces of any size, looks at each byte once, keeps only its state and one bit for each open object or
 * array, and does not recurse. Bytes above 0x7f are taken in strings as they are: whether a message is valid UTF-8 is
 * judged by the segmenter, of the whole message.
 *
 * Objects, arrays, strings, `true`, `false` and `null` are whole at their last byte. A number has none that can be
 * known: at the top level it is whole before white space, before the beginning of an object, array or string, and at
 * the end of the stream. Any other byte that cannot go on with it breaks it, so that a line like `12:30 hello` is one
 * broken value, and not the number 12 and a broken rest.
 *
 * One table holds the grammar: of a state and a byte the next state, or one of the few steps that need the nesting.
 */

/** What a scan came to: the value goes on behind the piece, ends, or is broken. */
export type Verdict = 'more' | 'whole' | 'broken';

// States. In a string (of which the scan skips what is plain), behind its backslash, and before so many digits of \u:
const KEY_STRING = 0;
const STRING = 1;
const KEY_ESCAPE = 2;
const ESCAPE = 3;
const KEY_HEX = 4; // to 7
const HEX = 8; // to 11
// Between tokens: what may come next.
const VALUE = 12;
const FIRST_ELEMENT = 13;
const FIRST_KEY = 14;
const KEY = 15;
const COLON = 16;
const AFTER_VALUE = 17;
// In a number: behind its minus, a leading zero, digits, the point, digits behind it, `e`, its sign, its digits.
const MINUS = 18;
const ZERO = 19;
const INTEGER = 20;
const POINT = 21;
const FRACTION = 22;
const EXPONENT = 23;
const EXPONENT_SIGN = 24;
const POWER = 25;
// In a literal: behind its first letter, its second one, …
const TRUE = 26; // to 28
const FALSE = 29; // to 32
const NULL = 33; // to 35

// Steps that need to know what the value stands in.
const STEPS = 36;
const OPEN_OBJECT = 36;
const OPEN_ARRAY = 37;
const CLOSE_OBJECT = 38;
const CLOSE_ARRAY = 39;
const COMMA = 40;
/** With the byte at hand, a quote or the last letter of a literal. */
const VALUE_ENDS = 41;
/** Before the byte at hand, which is then looked at for what it is. */
const NUMBER_ENDS = 42;
const BREAKS = 43;

/** At `state << 8 | byte`. */
const NEXT = grammar();

/** In bytes, a bit a level: 511 levels, more than any sensible document has. */
const SMALL_NESTING = 64;

export class JsonScanner {
  #state = VALUE;
  #depth = 0;
  /** A bit for each level from 1 to depth: set for an object. */
  #objects = new Uint8Array(SMALL_NESTING);
  #verdict: Verdict = 'more';

  /** Of the last scan. */
  get verdict(): Verdict {
    return this.#verdict;
  }

  /** Whether the value would be whole if the stream ended here: a number may be. */
  get wholeAtEnd(): boolean {
    return this.#depth === 0 && NEXT[(this.#state << 8) | 0x20] === NUMBER_ENDS;
  }

  /** Begins a new value. */
  reset(): void {
    this.#state = VALUE;
    this.#depth = 0;
    // A message that was nested deeply does not cost its connection memory for good.
    if (this.#objects.length > SMALL_NESTING) this.#objects = new Uint8Array(SMALL_NESTING);
  }

  /**
   * Goes on with `bytes[from, end)`.
   *
   * @returns by verdict `more`: `end`; `whole`: behind the last byte of the value; `broken`: at the byte that broke it
   */
  scan(bytes: Uint8Array, from: number, end: number): number {
    let state = this.#state;
    let at = from;
    while (at < end) {
      if (state <= STRING) {
        at = skipPlain(bytes, at, end);
        if (at === end) break;
      }
      const byte = bytes[at]!;
      const next = NEXT[(state << 8) | byte]!;
      if (next < STEPS) {
        state = next;
      } else if (next === NUMBER_ENDS) {
        if (this.#depth === 0) return this.#conclude(endsNumber(byte) ? 'whole' : 'broken', at);
        state = AFTER_VALUE;
        continue;
      } else {
        state = this.#step(next);
        if (state === BREAKS) return this.#conclude('broken', at);
        if (state === AFTER_VALUE && this.#depth === 0) return this.#conclude('whole', at + 1);
      }
      at += 1;
    }
    this.#state = state;
    return this.#conclude('more', at);
  }

  #conclude(verdict: Verdict, at: number): number {
    this.#verdict = verdict;
    return at;
  }

  /** The state behind a step. */
  #step(step: number): number {
    switch (step) {
      case OPEN_OBJECT:
        this.#open(true);
        return FIRST_KEY;
      case OPEN_ARRAY:
        this.#open(false);
        return FIRST_ELEMENT;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        if (this.#inObject() !== (step === CLOSE_OBJECT)) return BREAKS;
        this.#depth -= 1;
        return AFTER_VALUE;
      case COMMA:
        return this.#inObject() ? KEY : VALUE;
      case VALUE_ENDS:
        return AFTER_VALUE;
      default:
        return BREAKS;
    }
  }

  #open(object: boolean): void {
    this.#depth += 1;
    const at = this.#depth >> 3;
    if (at === this.#objects.length) {
      const grown = new Uint8Array(2 * at);
      grown.set(this.#objects);
      this.#objects = grown;
    }
    const bit = 1 << (this.#depth & 7);
    if (object) this.#objects[at]! |= bit;
    else this.#objects[at]! &= ~bit;
  }

  #inObject(): boolean {
    return (this.#objects[this.#depth >> 3]! & (1 << (this.#depth & 7))) !== 0;
  }
}

/** RFC 8259 §7: the first byte from `at` on that is not plain in a string: a quote, a backslash, or a control character. */
function skipPlain(bytes: Uint8Array, at: number, end: number): number {
  let here = at;
  while (here < end) {
    const byte = bytes[here]!;
    if (byte === 0x22 || byte === 0x5c || byte < 0x20) break;
    here += 1;
  }
  return here;
}

/** Whether a number at the top level is whole before this byte: white space, or one of `{["`. */
function endsNumber(byte: number): boolean {
  const next = NEXT[(VALUE << 8) | byte]!;
  return next === VALUE || next === OPEN_OBJECT || next === OPEN_ARRAY || next === STRING;
}

function grammar(): Uint8Array {
  const table = new Uint8Array(STEPS << 8).fill(BREAKS);
  const on = (state: number, bytes: string, next: number): void => {
    for (const byte of Buffer.from(bytes, 'latin1')) table[(state << 8) | byte] = next;
  };
  const literal = (state: number, [first, ...rest]: string): void => {
    for (const value of [VALUE, FIRST_ELEMENT]) on(value, first!, state);
    rest.forEach((letter, i) => {
      on(state + i, letter, i === rest.length - 1 ? VALUE_ENDS : state + i + 1);
    });
  };
  const string = (state: number, escaped: number, hex: number, end: number): void => {
    // §7: control characters have to be escaped. What is plain is skipped before the table is asked.
    on(state, '"', end);
    on(state, '\\', escaped);
    on(escaped, '"\\/bfnrt', state);
    on(escaped, 'u', hex + 3);
    for (let left = 0; left < 4; left += 1) {
      on(hex + left, '0123456789abcdefABCDEF', left === 0 ? state : hex + left - 1);
    }
  };

  // §2: white space may stand before and behind each token.
  for (const state of [VALUE, FIRST_ELEMENT, FIRST_KEY, KEY, COLON, AFTER_VALUE]) on(state, ' \t\n\r', state);
  for (const state of [VALUE, FIRST_ELEMENT]) {
    on(state, '{', OPEN_OBJECT);
    on(state, '[', OPEN_ARRAY);
    on(state, '"', STRING);
    on(state, '-', MINUS);
    on(state, '0', ZERO);
    on(state, '123456789', INTEGER);
  }
  literal(TRUE, 'true');
  literal(FALSE, 'false');
  literal(NULL, 'null');
  on(FIRST_ELEMENT, ']', CLOSE_ARRAY);
  on(FIRST_KEY, '}', CLOSE_OBJECT);
  for (const state of [FIRST_KEY, KEY]) on(state, '"', KEY_STRING);
  on(COLON, ':', VALUE);
  on(AFTER_VALUE, ',', COMMA);
  on(AFTER_VALUE, '}', CLOSE_OBJECT);
  on(AFTER_VALUE, ']', CLOSE_ARRAY);
  string(KEY_STRING, KEY_ESCAPE, KEY_HEX, COLON);
  string(STRING, ESCAPE, HEX, VALUE_ENDS);

  // §6: [ minus ] int [ frac ] [ exp ], without leading zeros.
  for (const state of [ZERO, INTEGER, FRACTION, POWER]) table.fill(NUMBER_ENDS, state << 8, (state + 1) << 8);
  on(MINUS, '0', ZERO);
  on(MINUS, '123456789', INTEGER);
  for (const state of [ZERO, INTEGER]) on(state, '.', POINT);
  for (const state of [ZERO, INTEGER, FRACTION]) on(state, 'eE', EXPONENT);
  on(EXPONENT, '+-', EXPONENT_SIGN);
  for (const [state, next] of [
    [INTEGER, INTEGER],
    [POINT, FRACTION],
    [FRACTION, FRACTION],
    [EXPONENT, POWER],
    [EXPONENT_SIGN, POWER],
    [POWER, POWER],
  ] as const) {
    on(state, '0123456789', next);
  }
  return table;
}

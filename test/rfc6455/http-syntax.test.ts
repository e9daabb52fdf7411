/** The grammar of RFC 9110 §5.6, byte by byte against the lists in the standard. */
import { describe, expect, test } from 'vitest';
import {
  isFieldValue,
  isOws,
  isToken,
  isTokenByte,
  isValueByte,
  listElements,
  listIncludes,
  trimOws,
} from '../../src/rfc6455/http-syntax.ts';

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);

/** Every byte for which `predicate` holds, as Latin-1. */
function accepted(predicate: (byte: number) => boolean): string {
  return BYTES.filter(predicate)
    .map((byte) => String.fromCharCode(byte))
    .join('');
}

describe('bytes', () => {
  test('RFC 9110 §5.6.2: token bytes are letters, digits and fifteen others, nothing else', () => {
    expect(accepted(isTokenByte)).toBe(
      "!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~",
    );
  });

  test('RFC 9110 §5.5: value bytes are tab, space, visible characters and 80 to FF', () => {
    const controls = BYTES.filter((byte) => !isValueByte(byte));
    expect(controls).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
      29, 30, 31, 127,
    ]);
  });

  test('RFC 9110 §5.6.3: optional white space is space and tab, nothing else', () => {
    expect(accepted(isOws)).toBe('\t ');
  });
});

describe('isToken', () => {
  test.for(['a', '!', '~', 'chat', 'v10.stomp', "!#$%&'*+-.^_`|~09AZaz"])('takes %j', (text) => {
    expect(isToken(text)).toBe(true);
  });

  test.for([
    '',
    ' ',
    'a b',
    'a,b',
    'a;b',
    'a=b',
    '"a"',
    'a/b',
    'a\0',
    'a\x7f',
    'ä',
    'a\u0161',
    '\u{1f600}',
    'a\n',
  ])('refuses %j', (text) => {
    expect(isToken(text)).toBe(false);
  });
});

describe('isFieldValue', () => {
  test.for(['', 'a', 'a b\tc', 'text/plain; charset="utf-8"', 'ä\xff\x80'])('takes %j', (text) => {
    expect(isFieldValue(text)).toBe(true);
  });

  test.for(['a\rb', 'a\nb', 'a\r\nSet-Cookie: x', 'a\0', 'a\x7f', 'a\x1b', '\u0100', '\u010a', '\u{1f600}'])(
    'refuses %j',
    (text) => {
      expect(isFieldValue(text)).toBe(false);
    },
  );
});

describe('lists', () => {
  test('RFC 9110 §5.6.1.2: elements come without white space around them, and empty ones are left out', () => {
    expect(listElements('a, b ,\tc\t,, ,d')).toEqual(['a', 'b', 'c', 'd']);
    expect(listElements('')).toEqual([]);
    expect(listElements(' , ,\t')).toEqual([]);
  });

  test('an element keeps what stands inside it', () => {
    expect(listElements(' a b ,c')).toEqual(['a b', 'c']);
  });

  test('a token is found in any case and place', () => {
    expect(listIncludes('keep-alive, UpGrAdE', 'upgrade')).toBe(true);
    expect(listIncludes('upgrade', 'upgrade')).toBe(true);
    expect(listIncludes('Upgrade', 'upgrade')).toBe(true);
    expect(listIncludes('\tUpgrade ,', 'upgrade')).toBe(true);
  });

  test('a token is not found inside another, nor where there is no list', () => {
    expect(listIncludes('upgrades, no-upgrade, upgrade/1', 'upgrade')).toBe(false);
    expect(listIncludes('up,rade', 'upgrade')).toBe(false);
    expect(listIncludes('upgrad,', 'upgrade')).toBe(false);
    expect(listIncludes('', 'upgrade')).toBe(false);
    expect(listIncludes(undefined, 'upgrade')).toBe(false);
  });
});

describe('trimOws', () => {
  test('takes spaces and tabs from both ends, and nothing else', () => {
    expect(trimOws(' \t a \t b\t ')).toBe('a \t b');
    expect(trimOws('\u00a0a\v')).toBe('\u00a0a\v');
    expect(trimOws(' \t ')).toBe('');
    expect(trimOws('')).toBe('');
  });
});

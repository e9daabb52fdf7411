import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/errors.ts';
import {
  ABNORMAL,
  decodeClose,
  encodeClose,
  GOING_AWAY,
  isValidCloseCode,
  NO_STATUS,
  NORMAL,
} from '../../src/rfc6455/close-codes.ts';
import { concat, hex, hexOf, utf8 } from '../support/bytes.ts';

function faultOf(payload: Uint8Array): string {
  try {
    decodeClose(payload);
  } catch (error) {
    if (error instanceof Fault) return `${error.code} ${error.close}`;
    throw error;
  }
  return 'none';
}

test('§7.4.1, §7.1.5: the named codes have the values of the standard', () => {
  expect([NORMAL, GOING_AWAY, NO_STATUS, ABNORMAL]).toEqual([1000, 1001, 1005, 1006]);
});

test('§7.4: of all codes exactly 1000–1003, 1007–1014 and 3000–4999 may stand in a Close frame', () => {
  const ranges: string[] = [];
  let from = -1;
  for (let code = 0; code <= 65_536; code += 1) {
    if (isValidCloseCode(code)) {
      if (from < 0) from = code;
    } else if (from >= 0) {
      ranges.push(`${from}-${code - 1}`);
      from = -1;
    }
  }
  expect(ranges).toEqual(['1000-1003', '1007-1014', '3000-4999']);
});

describe('encodeClose', () => {
  test('§5.5.1: begins with the code in network byte order', () => {
    expect(hexOf(encodeClose(1000))).toBe('03e8');
    expect(hexOf(encodeClose(1001, 'bye'))).toBe('03e9627965');
    expect(hexOf(encodeClose(4999, 'ä'))).toBe('1387c3a4');
  });

  test('§7.4.1: 1005 is never written, it makes an empty payload', () => {
    expect(hexOf(encodeClose(1005))).toBe('');
    expect(hexOf(encodeClose(1005, 'reason'))).toBe('');
  });

  test.for([0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_535, 66_536, -1, Number.NaN])(
    '§7.4: refuses to write %d',
    (code) => {
      expect(() => encodeClose(code)).toThrow(RangeError);
    },
  );

  test('§5.5: a reason of 123 bytes is written whole', () => {
    expect(hexOf(encodeClose(1000, 'r'.repeat(123)))).toBe(`03e8${'72'.repeat(123)}`);
  });

  test('§5.5: a longer reason is cut at 123 bytes', () => {
    expect(hexOf(encodeClose(1000, 'r'.repeat(124)))).toBe(`03e8${'72'.repeat(123)}`);
  });

  test('§5.5.1: a reason is never cut through a character', () => {
    // The character begins at byte 120 to 123 and has two to four bytes.
    for (const char of ['ä', '€', '😀']) {
      for (let before = 118; before <= 124; before += 1) {
        const reason = `${'r'.repeat(before)}${char}${'t'.repeat(9)}`;
        const size = utf8(char).length;
        const kept =
          before + size <= 123 ? `${'r'.repeat(before)}${char}` : 'r'.repeat(Math.min(before, 123));
        const payload = encodeClose(1011, reason);
        const text = new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2));
        expect(payload.length).toBeLessThanOrEqual(125);
        expect(text.replace(/t+$/, '')).toBe(kept);
        if (before + size <= 123) expect(payload.length).toBe(125);
      }
    }
  });

  test('§5.5.1: half a surrogate pair does not make the reason invalid UTF-8', () => {
    expect(hexOf(encodeClose(1000, '\ud800'))).toBe('03e8efbfbd');
  });
});

describe('decodeClose', () => {
  test('§7.1.5: an empty payload is 1005', () => {
    expect(decodeClose(hex(''))).toEqual({ code: 1005, reason: '' });
  });

  test('§5.5.1: a payload of one byte is malformed', () => {
    expect(faultOf(hex('03'))).toBe('close-malformed 1002');
    expect(faultOf(hex('00'))).toBe('close-malformed 1002');
  });

  test('§5.5.1: reads the code in network byte order, and the reason', () => {
    expect(decodeClose(hex('03e8'))).toEqual({ code: 1000, reason: '' });
    expect(decodeClose(hex('0fa0 c3a4 efbbbf'))).toEqual({ code: 4000, reason: 'ä\ufeff' });
  });

  test('§7.1.6: reads a reason that lies in the middle of other memory', () => {
    expect(decodeClose(hex('ffff 03e8 6869 ffff').subarray(2, 6))).toEqual({ code: 1000, reason: 'hi' });
  });

  test('§7.1.6: reads a reason of 123 bytes that begins with a byte order mark', () => {
    const reason = `\ufeff${'x'.repeat(120)}`;
    expect(decodeClose(concat(hex('03e8'), utf8(reason)))).toEqual({ code: 1000, reason });
  });

  test.for([
    [0, '0000'],
    [999, '03e7'],
    [1004, '03ec'],
    [1005, '03ed'],
    [1006, '03ee'],
    [1015, '03f7'],
    [1016, '03f8'],
    [2999, '0bb7'],
    [5000, '1388'],
    [65_535, 'ffff'],
  ] as const)('§7.4: a received %i is a protocol error', ([, payload]) => {
    expect(faultOf(hex(payload))).toBe('close-code-invalid 1002');
  });

  test.for([
    [1000, '03e8'],
    [1003, '03eb'],
    [1007, '03ef'],
    [1014, '03f6'],
    [3000, '0bb8'],
    [4999, '1387'],
  ] as const)('§7.4: a received %i is taken', ([code, payload]) => {
    expect(decodeClose(hex(payload))).toEqual({ code, reason: '' });
  });

  test.for(['80', 'c3', 'c0af', 'eda080', 'f4908080', 'ff', '61e282'])(
    '§8.1: a reason of %s is not UTF-8 and fails with 1007',
    (reason) => {
      expect(faultOf(hex(`03e8 ${reason}`))).toBe('text-not-utf8 1007');
    },
  );

  test('§7.4: an invalid code is told before an invalid reason', () => {
    expect(faultOf(hex('03ec ff'))).toBe('close-code-invalid 1002');
  });
});

import { expect, test } from 'vitest';
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  isControl,
  isReserved,
  PING,
  PONG,
  TEXT,
} from '../../src/rfc6455/opcodes.ts';

const OPCODES = Array.from({ length: 16 }, (_, opcode) => opcode);

test('§5.2: the six opcodes have the values of the standard', () => {
  expect([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG]).toEqual([0x0, 0x1, 0x2, 0x8, 0x9, 0xa]);
});

test('§5.5: the control opcodes are those from 8 to F', () => {
  expect(OPCODES.filter(isControl)).toEqual([8, 9, 10, 11, 12, 13, 14, 15]);
});

test('§5.2: 3 to 7 and B to F are reserved', () => {
  expect(OPCODES.filter(isReserved)).toEqual([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]);
});

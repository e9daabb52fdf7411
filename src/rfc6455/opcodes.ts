/** Opcodes of RFC 6455 §5.2, and what can be said of one without looking further. */

export const CONTINUATION = 0x0;
export const TEXT = 0x1;
export const BINARY = 0x2;
export const CLOSE = 0x8;
export const PING = 0x9;
export const PONG = 0xa;

/** The opcode of a whole message. */
export type DataOpcode = typeof TEXT | typeof BINARY;
export type ControlOpcode = typeof CLOSE | typeof PING | typeof PONG;

/** §5.5: control frames are those whose opcode has its highest bit set. */
export function isControl(opcode: number): boolean {
  return (opcode & 0x8) !== 0;
}

/** §5.2: 3 to 7 and B to F are reserved. */
export function isReserved(opcode: number): boolean {
  return (opcode & 0x7) > 2;
}

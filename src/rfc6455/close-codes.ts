/**
 * Close codes and the payload of a Close frame (RFC 6455 §5.5.1, §7.4).
 *
 * Promises that nothing invalid is ever encoded: a code that must not be on the wire is refused, and a reason is cut at
 * 123 bytes on a character boundary.
 */
import { isUtf8 } from 'node:buffer';
import { Fault } from '../errors.ts';

export const NORMAL = 1000;
export const GOING_AWAY = 1001;
/** §7.1.5: stands for a Close without a code. Never sent. */
export const NO_STATUS = 1005;
/** §7.1.5: stands for a connection that ended without a Close. Never sent. */
export const ABNORMAL = 1006;

/** §5.5: a control frame's 125 bytes, less the two of the code. */
const MAX_REASON = 123;

/** What a Close frame says. `code` is 1005 where it says nothing. */
export interface CloseStatus {
  readonly code: number;
  readonly reason: string;
}

/**
 * Whether a code may stand in a Close frame.
 *
 * §7.4.1 with the registry of §11.7: 1004 is reserved, 1005, 1006 and 1015 must never be sent, 1012 to 1014 were
 * registered later. §7.4.2: 0–999 are not used, 1016–2999 are reserved, 3000–4999 belong to libraries and applications.
 */
export function isValidCloseCode(code: number): boolean {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/** The payload of a Close frame. 1005 makes an empty one. Throws a RangeError for a code that must not be sent. */
export function encodeClose(code: number, reason = ''): Uint8Array {
  if (code === NO_STATUS) return new Uint8Array(0);
  if (!isValidCloseCode(code)) throw new RangeError(`close code ${code} must not be sent`);
  const text = Buffer.from(reason, 'utf8');
  let end = Math.min(text.length, MAX_REASON);
  // A cut in the middle of a character would make the reason invalid UTF-8: step back to a character's first byte.
  if (end < text.length) while (end > 0 && (text[end]! & 0xc0) === 0x80) end -= 1;
  const payload = new Uint8Array(2 + end);
  payload[0] = code >> 8;
  payload[1] = code & 0xff;
  payload.set(text.subarray(0, end), 2);
  return payload;
}

/** Reads the payload of a received Close frame. Throws a Fault for what §5.5.1 and §7.4 forbid. */
export function decodeClose(payload: Uint8Array): CloseStatus {
  if (payload.length === 0) return { code: NO_STATUS, reason: '' };
  // §5.5.1: if there is a body, its first two bytes are the code.
  if (payload.length === 1) throw new Fault('close-malformed', { length: 1 });
  const code = (payload[0]! << 8) | payload[1]!;
  if (!isValidCloseCode(code)) throw new Fault('close-code-invalid', { code });
  const reason = payload.subarray(2);
  if (!isUtf8(reason)) throw new Fault('text-not-utf8', { where: 'close reason' });
  return { code, reason: Buffer.from(reason.buffer, reason.byteOffset, reason.length).toString('utf8') };
}

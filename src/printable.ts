/**
 * Outside text where a person reads it: no character in it may end a line, drive a terminal, or reorder what is shown.
 */

/**
 * Without control characters (C0, DEL, C1), line separators, the controls of text direction, and halves of surrogate
 * pairs: each becomes its escape.
 */
export function escapeControls(text: string): string {
  if (isPrintableAscii(text)) return text;
  let escaped = '';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    escaped += isControl(code) ? `\\u${code.toString(16).padStart(4, '0')}` : char;
  }
  return escaped;
}

/** Nearly all of what is logged. */
function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code >= 0x7f) return false;
  }
  return true;
}

function isControl(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    code === 0x61c ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    (code >= 0xd800 && code <= 0xdfff) ||
    code === 0xfeff
  );
}

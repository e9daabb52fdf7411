/**
 * Outside text where a person reads it: no character in it may end a line, drive a terminal, or reorder what is shown.
 */

/** Without control characters (C0, DEL, C1), line separators and the controls of text direction: each becomes its escape. */
export function escapeControls(text: string): string {
  let escaped = '';
  for (const char of text) {
    const code = char.codePointAt(0)!;
    escaped += isControl(code) ? `\\u${code.toString(16).padStart(4, '0')}` : char;
  }
  return escaped;
}

function isControl(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code <= 0x9f) ||
    code === 0x61c ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    code === 0xfeff
  );
}

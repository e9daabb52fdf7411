/** Whole numbers in the configuration of a framing, written as C takes them: decimal, `0x` hexadecimal, `0` octal. */

/** Undefined: that is no such number, or too large for one to be exact. */
export function parseInteger(text: string): number | undefined {
  const [, sign, hexadecimal, octal, decimal] =
    /^([+-]?)(?:0x([0-9a-f]+)|0([0-7]+)|(0|[1-9][0-9]*))$/i.exec(text.trim()) ?? [];
  let value: number;
  if (hexadecimal !== undefined) value = Number.parseInt(hexadecimal, 16);
  else if (octal !== undefined) value = Number.parseInt(octal, 8);
  else if (decimal !== undefined) value = Number(decimal);
  else return undefined;
  if (!Number.isSafeInteger(value)) return undefined;
  return sign === '-' ? 0 - value : value;
}

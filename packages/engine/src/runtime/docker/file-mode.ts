const OCTAL = /^0?[0-7]{3}$/;
const SYMBOLIC = /^[ugoa]*[-+=][rwxX]*(,[ugoa]*[-+=][rwxX]*)*$/;
const BITS: Readonly<Record<string, number>> = { r: 4, w: 2, x: 1 };
const SHIFTS: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };

/** Whether the text is a mode as `chmod` takes it: three octal digits, or changes such as `u=rwX,go=rX`. */
export function isFileMode(text: string): boolean {
  return OCTAL.test(text) || SYMBOLIC.test(text);
}

/** The mode of a file after the change. */
export function changeMode(mode: number, text: string): number {
  if (OCTAL.test(text)) return Number.parseInt(text, 8);
  let result = mode & 0o777;
  for (const [, who, operator, permissions = ''] of text.matchAll(/([ugoa]*)([-+=])([rwxX]*)(?:,|$)/g)) {
    const bits = [...permissions].reduce(
      (sum, letter) => sum | (letter === 'X' ? Number((result & 0o111) !== 0) : BITS[letter]!),
      0,
    );
    for (const one of who === '' || who!.includes('a') ? 'ugo' : who!) {
      const shift = SHIFTS[one]!;
      const now = (result >> shift) & 7;
      const next = operator === '=' ? bits : operator === '+' ? now | bits : now & ~bits;
      result = (result & ~(7 << shift)) | (next << shift);
    }
  }
  return result;
}

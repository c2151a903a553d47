/** Bytes, and strings of one char per byte (for path keys: `<` on them compares bytes). */

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The parts, one after the other. */
export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Whether two public values are the same bytes. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lowercase hex digits. */
export function hex(bytes: Uint8Array): string {
  let digits = '';
  for (const byte of bytes) digits += byte.toString(16).padStart(2, '0');
  return digits;
}

/** The bytes of `length` times two lowercase hex digits, or undefined. */
export function unhex(digits: string, length: number): Uint8Array | undefined {
  if (digits.length !== 2 * length || !/^[0-9a-f]*$/.test(digits)) return undefined;
  return Uint8Array.from({ length }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** Text as UTF-8. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** UTF-8 as text; what is none becomes U+FFFD. */
export function display(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Bytes as a string of one char each. */
export function toChars(bytes: Uint8Array): string {
  let chars = '';
  for (let at = 0; at < bytes.length; at += 4096) chars += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return chars;
}

/** A string of one char per byte as bytes. */
export function fromChars(chars: string): Uint8Array {
  return Uint8Array.from(chars, (char) => char.charCodeAt(0));
}

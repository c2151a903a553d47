import { ExitCode, UserError } from '../errors.js';
import { concat, utf8 } from './octets.js';
import type { Primitives } from './primitives.js';

/** Crockford's base 32: no I, L, O or U, so that a written key is read back without doubt. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

const LINES = 4;
const LINE_BYTES = 8;
const LINE_CHARS = 15;
const CHECK_BITS = 11n;

/**
 * A recovery key for people: 4 lines of 3 groups of 5 characters. A line is 8 bytes of the secret and 11 bits of
 * checksum over them and the line's number, so that a slip is found, and on which line.
 */
export function encodeRecoveryKey(primitives: Primitives, secret: Uint8Array): string {
  if (secret.length !== LINES * LINE_BYTES) throw new RangeError('a recovery key holds 32 bytes');
  const lines: string[] = [];
  for (let line = 0; line < LINES; line++) {
    const bytes = secret.subarray(line * LINE_BYTES, (line + 1) * LINE_BYTES);
    let value = (toInteger(bytes) << CHECK_BITS) | checksum(primitives, line, bytes);
    let text = '';
    for (let i = 0; i < LINE_CHARS; i++) {
      text = ALPHABET[Number(value & 31n)] + text;
      value >>= 5n;
    }
    lines.push(`${text.slice(0, 5)}-${text.slice(5, 10)}-${text.slice(10)}`);
  }
  return lines.join('\n');
}

/**
 * The 32 bytes of a recovery key as someone typed it: case, spaces, dashes and line breaks do not matter, O counts as
 * 0, I and L as 1. Throws UserError (exit 12) saying which line is wrong; the message never repeats the key.
 */
export function decodeRecoveryKey(primitives: Primitives, typed: string): Uint8Array {
  const text = typed
    .toUpperCase()
    .replace(/[\s\-‐-―_.]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1');
  if (text.length !== LINES * LINE_CHARS) {
    throw wrong(`it has ${text.length} characters, not ${LINES * LINE_CHARS}`);
  }
  const secret = new Uint8Array(LINES * LINE_BYTES);
  for (let line = 0; line < LINES; line++) {
    let value = 0n;
    for (const char of text.slice(line * LINE_CHARS, (line + 1) * LINE_CHARS)) {
      const digit = ALPHABET.indexOf(char);
      if (digit < 0) throw wrong(`line ${line + 1} has a character that no recovery key has`);
      value = (value << 5n) | BigInt(digit);
    }
    const bytes = secret.subarray(line * LINE_BYTES, (line + 1) * LINE_BYTES);
    let integer = value >> CHECK_BITS;
    for (let i = LINE_BYTES - 1; i >= 0; i--) {
      bytes[i] = Number(integer & 255n);
      integer >>= 8n;
    }
    if ((value & ((1n << CHECK_BITS) - 1n)) !== checksum(primitives, line, bytes)) {
      throw wrong(`line ${line + 1} has a slip`);
    }
  }
  return secret;
}

function checksum(primitives: Primitives, line: number, bytes: Uint8Array): bigint {
  const digest = primitives.sha256(concat(utf8('backup-ninja/1 recovery key'), Uint8Array.of(0, line), bytes));
  return BigInt((digest[0] << 3) | (digest[1] >> 5));
}

function toInteger(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function wrong(what: string): UserError {
  return new UserError(ExitCode.wrongKey, `not a recovery key: ${what}; compare it with the sheet`);
}

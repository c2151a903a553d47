import { sha256 } from '@noble/hashes/sha2.js';
import { join, utf8 } from './bytes.js';
import { PortableError } from './errors.js';

/** What someone has to open a store with. */
export type Secret =
  | { kind: 'key-file'; content: Uint8Array | string }
  | { kind: 'recovery'; text: string }
  | { kind: 'passphrase'; text: string };

const URLSAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LINES = 4;
const LINE_CHARS = 15;
const LINE_BYTES = 8;

/** The 32 bytes that a key file holds as 44 characters of urlsafe base64. */
export function readKeyFile(content: Uint8Array | string): Uint8Array {
  const raw = typeof content === 'string' ? content : String.fromCharCode(...content.subarray(0, 1024));
  const text = raw.trim();
  const bits = /^[A-Za-z0-9_-]{43}=$/.test(text) ? bitsOf(text.slice(0, 43), URLSAFE, 6) : [];
  // 43 characters are 258 bits: the last two must be zero.
  if (bits.length !== 258 || bits[256] !== 0 || bits[257] !== 0)
    throw new PortableError('wrong-key', 'not a key file: it must hold 44 characters of urlsafe base64');
  return bytesOf(bits.slice(0, 256));
}

/** The 32 bytes of a recovery key as it is printed, however it was typed. */
export function readRecoveryKey(typed: string): Uint8Array {
  const text = typed
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1');
  if (text.length !== LINES * LINE_CHARS)
    throw wrongRecovery(`it has ${text.length} characters, not ${LINES * LINE_CHARS}`);
  const lines: Uint8Array[] = [];
  for (let line = 0; line < LINES; line++) {
    const bits = bitsOf(text.slice(line * LINE_CHARS, (line + 1) * LINE_CHARS), CROCKFORD, 5);
    const secret = bytesOf(bits.slice(0, LINE_BYTES * 8));
    const check = bitsOfBytes(sha256(join(utf8('backup-ninja/1 recovery key'), Uint8Array.of(0, line), secret)));
    const isRight = bits.length === LINE_CHARS * 5 && bits.slice(LINE_BYTES * 8).every((bit, i) => bit === check[i]);
    if (!isRight) throw wrongRecovery(`line ${line + 1} has a slip`);
    lines.push(secret);
  }
  return join(...lines);
}

function wrongRecovery(what: string): PortableError {
  return new PortableError('wrong-key', `not a recovery key: ${what}; compare it with the sheet`);
}

/** The bits of digits that stand for `width` bits each, highest first; fewer when there is another character. */
function bitsOf(text: string, alphabet: string, width: number): number[] {
  const bits: number[] = [];
  for (const char of text) {
    const digit = alphabet.indexOf(char);
    if (digit < 0) return [];
    for (let i = width - 1; i >= 0; i--) bits.push((digit >> i) & 1);
  }
  return bits;
}

function bitsOfBytes(bytes: Uint8Array): number[] {
  return Array.from(bytes).flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((i) => (byte >> i) & 1));
}

function bytesOf(bits: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: bits.length / 8 }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((byte, bit) => (byte << 1) | bit, 0),
  );
}

import { ExitCode, UserError } from '../errors.js';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Bytes of the secret in a key file. */
export const KEY_FILE_SECRET = 32;

/** A key file's text: 32 bytes in urlsafe base64 with padding (44 chars, no newline), as Python's Fernet writes them. */
export function encodeKeyFile(secret: Uint8Array): string {
  if (secret.length !== KEY_FILE_SECRET) throw new RangeError('a key file holds 32 bytes');
  let text = '';
  for (let i = 0; i < secret.length; i += 3) {
    const word = (secret[i] << 16) | ((secret[i + 1] ?? 0) << 8) | (secret[i + 2] ?? 0);
    for (let shift = 18; shift >= 0; shift -= 6) text += ALPHABET[(word >> shift) & 63];
  }
  return `${text.slice(0, 43)}=`;
}

/**
 * The 32 bytes of a key file. White space around the text is ignored. Throws UserError (exit 12) for anything that is
 * not exactly one such key; `where` names the file in the message.
 */
export function decodeKeyFile(contents: Uint8Array | string, where = 'the key file'): Uint8Array {
  const text = (typeof contents === 'string' ? contents : asciiText(contents)).trim();
  const secret = /^[A-Za-z0-9_-]{43}=$/.test(text) ? decodeGroups(text) : undefined;
  if (secret === undefined || encodeKeyFile(secret) !== text) {
    throw new UserError(
      ExitCode.wrongKey,
      `not a key file: ${where} must hold 32 bytes as 44 characters of urlsafe base64; check key_path`,
    );
  }
  return secret;
}

function asciiText(bytes: Uint8Array): string {
  if (bytes.length > 1024) return '';
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

function decodeGroups(text: string): Uint8Array {
  const secret = new Uint8Array(KEY_FILE_SECRET);
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const char of text.slice(0, 43)) {
    bits = ((bits << 6) | ALPHABET.indexOf(char)) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      if (at < secret.length) secret[at++] = (bits >> held) & 0xff;
    }
  }
  return secret;
}

import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { decodeKeyFile } from '../crypto/key-file.js';

/**
 * Fernet, as specified at https://github.com/fernet/spec: what the Python backup-ninja encrypted its files with. Only
 * opening is here; nothing is ever written in it.
 *
 * A token is base64 (urlsafe) of: 0x80 ‖ time, 8 bytes ‖ IV, 16 bytes ‖ AES-128-CBC, PKCS #7 padding ‖ HMAC-SHA-256 of
 * all before it, 32 bytes. The time plays no part here: nothing in an archive expires.
 */
const VERSION = 0x80;
const IV_AT = 9;
const BODY_AT = 25;
const MAC_LENGTH = 32;
const SHORTEST = BODY_AT + 16 + MAC_LENGTH;

/** The two halves of a Fernet key. */
export interface FernetKey {
  signing: Uint8Array;
  encryption: Uint8Array;
}

/** Why a token cannot be opened: it has not the form of one, or another key or another hand made it. */
export class FernetError extends Error {
  override readonly name = 'FernetError';
  readonly reason: 'form' | 'authentication';

  constructor(reason: FernetError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * The key of a Python key file: 32 bytes in urlsafe base64. `where` names the file in messages.
 * @throws UserError (exit 12) when that is not what it holds
 */
export function parseFernetKey(contents: Uint8Array | string, where?: string): FernetKey {
  const secret = decodeKeyFile(contents, where);
  return { signing: secret.subarray(0, 16), encryption: secret.subarray(16) };
}

/**
 * What a token holds. Nothing is decrypted before its HMAC was found right.
 * @param token ASCII bytes
 * @throws FernetError
 */
export function openToken(key: FernetKey, token: Uint8Array): Buffer {
  const text = Buffer.from(token.buffer, token.byteOffset, token.byteLength).latin1Slice();
  const bytes = Buffer.from(text, 'base64url');
  // The decoder skips what is not base64, so a token with anything else in it comes out shorter than it should.
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  if (text.length % 4 !== 0 || bytes.length !== (text.length / 4) * 3 - padding) {
    throw new FernetError('form', 'a piece is not base64');
  }
  const bodyLength = bytes.length - BODY_AT - MAC_LENGTH;
  if (bytes.length < SHORTEST || bytes[0] !== VERSION || bodyLength % 16 !== 0) {
    throw new FernetError('form', 'a piece is not a Fernet token');
  }
  const signed = bytes.subarray(0, bytes.length - MAC_LENGTH);
  const mac = createHmac('sha256', key.signing).update(signed).digest();
  if (!timingSafeEqual(mac, bytes.subarray(bytes.length - MAC_LENGTH))) {
    throw new FernetError('authentication', 'a piece was changed, or encrypted with another key');
  }
  const cipher = createDecipheriv('aes-128-cbc', key.encryption, bytes.subarray(IV_AT, BODY_AT));
  try {
    return Buffer.concat([cipher.update(signed.subarray(BODY_AT)), cipher.final()]);
  } catch {
    throw new FernetError('form', 'a piece has no proper padding');
  }
}

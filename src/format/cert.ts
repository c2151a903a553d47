import { SignatureError } from '../crypto/errors.js';
import type { Keyring } from '../crypto/keyring.js';
import { toHex } from '../crypto/octets.js';
import { decode, encode } from './cbor.js';
import { Fields, hexBytes } from './fields.js';
import { ObjectKind, openSigned, type SealedObject, type SealOptions, sealSigned } from './object.js';

/** The root key's word that a signing key may write. */
export interface Cert {
  /** Public key, 64 hex digits. */
  signer: string;
  role: 'full' | 'backup';
  /** The sources it may write, or all. */
  sources: string[] | '*';
  /** Nanoseconds since 1970. */
  created: bigint;
  label?: string;
}

/** Makes a certificate, signed by the root key. Throws UserError (exit 12) unless the keyring is full. */
export function sealCert(full: Keyring, cert: Cert, options: SealOptions = {}): SealedObject {
  full.requireFull('certifying a key');
  const body = encode({
    signer: hexBytes(cert.signer, 32),
    role: cert.role,
    sources: cert.sources,
    created: cert.created,
    label: cert.label,
  });
  return sealSigned(full, ObjectKind.cert, body, { ...options, asRoot: true });
}

/** A certificate. Throws SignatureError unless the root key signed it; FormatError or SealError when it is none. */
export function openCert(keyring: Keyring, bytes: Uint8Array): Cert {
  const { signer, body } = openSigned(keyring, ObjectKind.cert, bytes);
  if (signer !== toHex(keyring.shared.rootPublic)) {
    throw new SignatureError("a certificate that is not signed by the store's root key");
  }
  const fields = new Fields(decode(body), 'a certificate');
  const label = fields.optional('label', (f) => f.text('label'));
  return {
    signer: fields.hex('signer', 32),
    role: fields.oneOf('role', ['full', 'backup']),
    sources: fields.isText('sources') ? fields.oneOf('sources', ['*']) : fields.textList('sources'),
    created: fields.time('created'),
    ...(label !== undefined && { label }),
  };
}

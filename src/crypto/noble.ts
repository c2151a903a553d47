import { gcm } from '@noble/ciphers/aes.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { argon2idAsync } from '@noble/hashes/argon2.js';
import { blake3 } from '@noble/hashes/blake3.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { SealError } from './errors.js';
import { isZero } from './octets.js';
import { type Primitives, TAG_LENGTH } from './primitives.js';

/** The same ciphers in pure JavaScript, for the portable reader: no node:crypto, no WebAssembly, no WebCrypto. */
export const noble: Primitives = {
  sha256: (data) => sha256(data),
  hkdfSha256: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),

  macFunction(key) {
    const keyed = blake3.create({ key });
    return (data, start, end, out, at, length) => {
      const mac = keyed.clone().update(data.subarray(start, end)).digest();
      out.set(mac.subarray(0, length), at);
    };
  },

  aeadSealInto(key, nonce, associated, plaintext, out, at) {
    out.set(gcm(key, nonce, associated).encrypt(plaintext), at);
    return plaintext.length + TAG_LENGTH;
  },

  aeadOpen(key, nonce, associated, sealed, into) {
    const length = sealed.length - TAG_LENGTH;
    if (length < 0) throw new SealError('cut: no room for an authentication tag');
    try {
      const plaintext = gcm(key, nonce, associated).decrypt(sealed);
      if (into === undefined || into.length < length) return plaintext;
      into.set(plaintext);
      return into.subarray(0, length);
    } catch {
      throw new SealError('does not open: changed bytes, or sealed with another key');
    }
  },

  x25519(secretKey, publicKey) {
    let shared: Uint8Array;
    try {
      shared = x25519.getSharedSecret(secretKey, publicKey);
    } catch {
      throw new SealError('a public key of small order');
    }
    if (isZero(shared)) throw new SealError('a public key of small order');
    return shared;
  },
  x25519Public: (secretKey) => x25519.getPublicKey(secretKey),

  ed25519Public: (seed) => ed25519.getPublicKey(seed),
  ed25519Sign: (seed, message) => ed25519.sign(message, seed),
  ed25519Verify(publicKey, message, signature) {
    try {
      // The rules of RFC 8032, as OpenSSL has them; the default would be those of ZIP 215.
      return ed25519.verify(signature, message, publicKey, { zip215: false });
    } catch {
      return false;
    }
  },

  argon2id: (password, salt, cost) =>
    argon2idAsync(password, salt, {
      m: cost.memory,
      t: cost.passes,
      p: cost.lanes,
      dkLen: 32,
      maxmem: cost.memory * 1024 + 1_048_576,
    }),

  randomBytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
    return bytes;
  },
};

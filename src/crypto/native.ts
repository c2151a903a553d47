import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import type Blake from '@napi-rs/blake-hash';
import { lazily } from '../lazily.js';
import { aesGcm } from '../platform/index.js';
import { SealError } from './errors.js';
import { isZero } from './octets.js';
import { type MacFunction, type Primitives, TAG_LENGTH } from './primitives.js';

const blake = lazily<typeof Blake>('@napi-rs/blake-hash');
const blakeOfLinux = lazily<typeof Blake>(`@napi-rs/blake-hash-linux-${process.arch}-gnu`);

/**
 * BLAKE3's binding. Its loader asks for a report of the whole process to tell glibc from musl, in each thread; but only the
 * package that fits is there.
 */
function blakeBinding(): typeof Blake {
  try {
    return process.platform === 'linux' ? blakeOfLinux() : blake();
  } catch {
    return blake();
  }
}

const CIPHER = 'aes-256-gcm';
const WRONG_TAG = 'does not open: changed bytes, or sealed with another key';
const AUTH = { authTagLength: TAG_LENGTH };

/** What is at least so long goes to OpenSSL directly, where that can be called. */
const DIRECT_FROM = 16_384;

/**
 * Else it is given and gives back pieces of this size. A buffer as large as a frame would be new memory each time, whose
 * pages the kernel has to clear: opening took two and a half times as long so. These are small enough to be used again.
 */
const STEP = 65_536;

/** The ciphers of node:crypto, BLAKE3 of the crate by its authors, and Argon2id in WebAssembly. */
export const native: Primitives = {
  sha256: (data) => hash('sha256', data, 'buffer'),
  hkdfSha256: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
  macFunction,

  aeadSealInto(key, nonce, associated, plaintext, out, at) {
    if (plaintext.length >= DIRECT_FROM) {
      const end = at + plaintext.length + TAG_LENGTH;
      if (aesGcm()?.seal(key, nonce, associated, plaintext, out.subarray(at, end)))
        return plaintext.length + TAG_LENGTH;
    }
    const cipher = createCipheriv(CIPHER, key, nonce, AUTH);
    cipher.setAAD(associated);
    for (let start = 0; start < plaintext.length; start += STEP) {
      out.set(cipher.update(plaintext.subarray(start, start + STEP)), at + start);
    }
    cipher.final();
    out.set(cipher.getAuthTag(), at + plaintext.length);
    return plaintext.length + TAG_LENGTH;
  },

  aeadOpen(key, nonce, associated, sealed, into) {
    const end = sealed.length - TAG_LENGTH;
    if (end < 0) throw new SealError('cut: no room for an authentication tag');
    const plaintext = into === undefined || into.length < end ? Buffer.allocUnsafe(end) : into.subarray(0, end);
    if (end >= DIRECT_FROM) {
      const isRight = aesGcm()?.open(key, nonce, associated, sealed, plaintext);
      if (isRight === false) throw new SealError(WRONG_TAG);
      if (isRight) return plaintext;
    }
    const decipher = createDecipheriv(CIPHER, key, nonce, AUTH);
    decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(end));
    for (let start = 0; start < end; start += STEP) {
      plaintext.set(decipher.update(sealed.subarray(start, Math.min(start + STEP, end))), start);
    }
    try {
      decipher.final();
    } catch {
      throw new SealError(WRONG_TAG);
    }
    return plaintext;
  },

  x25519(secretKey, publicKey) {
    let shared: Uint8Array;
    try {
      shared = diffieHellman({
        privateKey: privateKey('X25519', secretKey),
        publicKey: publicKeyObject('X25519', publicKey),
      });
    } catch {
      throw new SealError('a public key of small order');
    }
    if (isZero(shared)) throw new SealError('a public key of small order');
    return shared;
  },
  x25519Public: (secretKey) => publicBytes(privateKey('X25519', secretKey)),

  ed25519Public: (seed) => publicBytes(privateKey('Ed25519', seed)),
  ed25519Sign: (seed, message) => sign(null, message, privateKey('Ed25519', seed)),
  ed25519Verify(publicKey, message, signature) {
    try {
      return verify(null, message, publicKeyObject('Ed25519', publicKey), signature);
    } catch {
      return false;
    }
  },

  async argon2id(password, salt, cost) {
    const { argon2id } = await import('hash-wasm');
    return argon2id({
      password,
      salt,
      memorySize: cost.memory,
      iterations: cost.passes,
      parallelism: cost.lanes,
      hashLength: 32,
      outputType: 'binary',
    });
  },

  randomBytes: (length) => new Uint8Array(randomBytes(length)),
};

function macFunction(key: Uint8Array): MacFunction {
  const hasher = blakeBinding().Blake3Hasher.newKeyed(Buffer.from(key));
  const digest = Buffer.alloc(32);
  return (data, start, end, out, at, length) => {
    hasher.reset();
    hasher.update(Buffer.from(data.buffer, data.byteOffset + start, end - start));
    // As text: a Buffer made by native code costs a microsecond and a finalizer.
    digest.write(hasher.digest(), 'hex');
    for (let i = 0; i < length; i++) out[at + i] = digest[i];
  };
}

type Curve = 'X25519' | 'Ed25519';

/** DER that precedes the 32 bytes of a key (RFC 8410): object identifiers 1.3.101.110 and 1.3.101.112. */
const PRIVATE_PREFIX = {
  X25519: Buffer.from('302e020100300506032b656e04220420', 'hex'),
  Ed25519: Buffer.from('302e020100300506032b657004220420', 'hex'),
};
const PUBLIC_PREFIX = {
  X25519: Buffer.from('302a300506032b656e032100', 'hex'),
  Ed25519: Buffer.from('302a300506032b6570032100', 'hex'),
};

/**
 * Key objects by the bytes that they were made of: making one takes as long as using it, and a store has a few keys that
 * open everything. They go with their bytes, which nobody changes.
 */
const KEY_OBJECTS = {
  privateX25519: new WeakMap<Uint8Array, KeyObject>(),
  privateEd25519: new WeakMap<Uint8Array, KeyObject>(),
  publicX25519: new WeakMap<Uint8Array, KeyObject>(),
  publicEd25519: new WeakMap<Uint8Array, KeyObject>(),
};

function privateKey(curve: Curve, secret: Uint8Array): KeyObject {
  return remembered(KEY_OBJECTS[`private${curve}`], secret, () =>
    createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX[curve], secret]), format: 'der', type: 'pkcs8' }),
  );
}

function publicKeyObject(curve: Curve, key: Uint8Array): KeyObject {
  return remembered(KEY_OBJECTS[`public${curve}`], key, () =>
    createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX[curve], key]), format: 'der', type: 'spki' }),
  );
}

function remembered(objects: WeakMap<Uint8Array, KeyObject>, bytes: Uint8Array, make: () => KeyObject): KeyObject {
  let object = objects.get(bytes);
  if (object === undefined) {
    object = make();
    objects.set(bytes, object);
  }
  return object;
}

function publicBytes(key: KeyObject): Uint8Array {
  return new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32));
}

import { libc, type Memory, memory } from './ffi.js';

/**
 * AES-256-GCM of the OpenSSL that is part of Node, called directly: what it makes goes where it belongs. Node's own
 * interface makes a new buffer for each piece, cleared, whose pages the kernel clears once more; for large frames that takes
 * longer than the cipher.
 */
export interface AesGcm {
  /** Encrypts all of `plain` to out[at …), with the tag of 16 bytes behind it. False when that could not be done. */
  seal(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, plain: Uint8Array, out: Uint8Array): boolean;
  /**
   * Decrypts to `out`, which must have the room; what is there if the tag is wrong must not be used.
   * @param sealed with the tag at its end
   * @returns whether the tag is right; undefined when it could not be tried
   */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    associated: Uint8Array,
    sealed: Uint8Array,
    out: Uint8Array,
  ): boolean | undefined;
}

// A pointer into memory that a typed array has is passed as the array itself.
const cipherOf = libc('EVP_aes_256_gcm', 'uintptr_t', []);
const newContext = libc('EVP_CIPHER_CTX_new', 'uintptr_t', []);
const initialise = libc('EVP_CipherInit_ex', 'int', ['uintptr_t', 'uintptr_t', 'uintptr_t', 'void *', 'void *', 'int']);
const update = libc('EVP_CipherUpdate', 'int', ['uintptr_t', 'void *', 'uintptr_t', 'void *', 'int']);
const finish = libc('EVP_CipherFinal_ex', 'int', ['uintptr_t', 'uintptr_t', 'uintptr_t']);
const control = libc('EVP_CIPHER_CTX_ctrl', 'int', ['uintptr_t', 'int', 'int', 'void *']);

const GET_TAG = 0x10;
const SET_TAG = 0x11;
const TAG = 16;
const NONCE = 12;

type Call = (...args: (number | Uint8Array | null)[]) => number;

let made: AesGcm | null | undefined;

/** The cipher, or null where Node's OpenSSL cannot be called. One for each thread. */
export function aesGcm(): AesGcm | null {
  if (made === undefined) made = make();
  return made;
}

function make(): AesGcm | null {
  const calls = [cipherOf(), newContext(), initialise(), update(), finish(), control()];
  if (calls.some((call) => call === null)) return null;
  const [aes256Gcm, create, init, put, end, ctrl] = calls as unknown as Call[];
  const context = Number(create());
  const cipher = Number(aes256Gcm());
  if (context === 0 || cipher === 0) return null;
  // How much was written, and what a last call without output might write.
  const length: Memory = memory(4 + 32);
  const nowhere = length.address + 4;

  const start = (key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, encrypt: 0 | 1): boolean =>
    key.length === 32 &&
    nonce.length === NONCE &&
    init(context, cipher, 0, key, nonce, encrypt) === 1 &&
    (associated.length === 0 || put(context, null, length.address, associated, associated.length) === 1);

  return {
    seal: (key, nonce, associated, plain, out) =>
      out.length >= plain.length + TAG &&
      start(key, nonce, associated, 1) &&
      put(context, out, length.address, plain, plain.length) === 1 &&
      length.bytes.readInt32LE(0) === plain.length &&
      end(context, nowhere, length.address) === 1 &&
      ctrl(context, GET_TAG, TAG, out.subarray(plain.length, plain.length + TAG)) === 1,
    open(key, nonce, associated, sealed, out) {
      const size = sealed.length - TAG;
      if (size < 0 || out.length < size || !start(key, nonce, associated, 0)) return undefined;
      if (put(context, out, length.address, sealed, size) !== 1) return undefined;
      if (length.bytes.readInt32LE(0) !== size) return undefined;
      if (ctrl(context, SET_TAG, TAG, sealed.subarray(size)) !== 1) return undefined;
      return end(context, nowhere, length.address) === 1;
    },
  };
}

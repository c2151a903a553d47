import { type Primitives, TAG_LENGTH } from './primitives.js';

/** The frame number that stands for a pack's directory: its nonce is 2^96 − 1. */
export const DIRECTORY_FRAME = -1;

/**
 * Seals or opens the frames of one object under its key, with its clear header as associated data.
 * A writer must seal each frame number once only.
 */
export class ObjectCipher {
  readonly #primitives: Primitives;
  readonly #key: Uint8Array;
  readonly #header: Uint8Array;

  constructor(primitives: Primitives, key: Uint8Array, header: Uint8Array) {
    this.#primitives = primitives;
    this.#key = key;
    this.#header = header;
  }

  /** Ciphertext ‖ tag of frame `frame` (0, 1, 2, … or DIRECTORY_FRAME), in a new buffer. */
  seal(frame: number, plaintext: Uint8Array): Uint8Array {
    const out = new Uint8Array(plaintext.length + TAG_LENGTH);
    this.sealInto(frame, plaintext, out, 0);
    return out;
  }

  /** The same, written to `out` from `at` on; returns the number of bytes, plaintext + 16. */
  sealInto(frame: number, plaintext: Uint8Array, out: Uint8Array, at: number): number {
    return this.#primitives.aeadSealInto(this.#key, frameNonce(frame), this.#header, plaintext, out, at);
  }

  /**
   * The plaintext of a sealed frame: a view of `into` if it is long enough, else a new buffer. Throws SealError for
   * anything but what was sealed under this number.
   */
  open(frame: number, sealed: Uint8Array, into?: Uint8Array): Uint8Array {
    return this.#primitives.aeadOpen(this.#key, frameNonce(frame), this.#header, sealed, into);
  }
}

/** The frame number as 12 big-endian bytes; all ones for the directory. */
function frameNonce(frame: number): Uint8Array {
  const nonce = new Uint8Array(12);
  if (frame === DIRECTORY_FRAME) return nonce.fill(0xff);
  if (!Number.isSafeInteger(frame) || frame < 0) throw new RangeError(`no such frame: ${frame}`);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, Math.floor(frame / 2 ** 32));
  view.setUint32(8, frame >>> 0);
  return nonce;
}

import type { BlobKind, Keyring } from './keyring.js';

/** Bytes of a blob id: keyed BLAKE3 cut to 192 bits. */
export const BLOB_ID_LENGTH = 24;

/** Writes the 24-byte id of the blob data[start, end) to `out` from `at` on. */
export type BlobHasher = (data: Uint8Array, start: number, end: number, out: Uint8Array, at: number) => void;

/** The id function of one kind of blobs. Costs some to make and little to call: make it once per worker. */
export function blobHasher(keyring: Keyring, kind: BlobKind): BlobHasher {
  const mac = keyring.primitives.macFunction(keyring.idKey(kind));
  return (data, start, end, out, at) => mac(data, start, end, out, at, BLOB_ID_LENGTH);
}

/** The id of one blob, where speed does not matter. */
export function blobId(keyring: Keyring, kind: BlobKind, blob: Uint8Array): Uint8Array {
  const id = new Uint8Array(BLOB_ID_LENGTH);
  blobHasher(keyring, kind)(blob, 0, blob.length, id, 0);
  return id;
}

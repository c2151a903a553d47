/**
 * A byte string: a JavaScript string in which each char is one byte (0 to 255).
 *
 * File names are bytes, not text. Held as one-byte strings they cost half of UTF-16, and `<` on them is memcmp.
 */
export type ByteString = string;

/** Bytes as a byte string. */
export function fromBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).latin1Slice();
}

/** A byte string as bytes. */
export function toBytes(text: ByteString): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A byte string as text for people; bytes that are not UTF-8 become U+FFFD. */
export function toDisplay(text: ByteString): string {
  return isAscii(text) ? text : toBytes(text).toString('utf8');
}

/** Text from a user (arguments, config) as the byte string that the file system has for it. */
export function fromDisplay(text: string): ByteString {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').latin1Slice();
}

/** Whether there is nothing but zeros. */
export function areZeros(bytes: Uint8Array): boolean {
  // Each byte is the one before it, so that this is a memcmp.
  return bytes.length === 0 || (bytes[0] === 0 && Buffer.compare(bytes.subarray(1), bytes.subarray(0, -1)) === 0);
}

/** Whether decoding as UTF-8 and encoding again gives the same bytes. */
export function isUtf8(text: ByteString): boolean {
  return isAscii(text) || fromDisplay(toDisplay(text)) === text;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

declare global {
  /** Node has these for every encoding; its type declarations leave them out. */
  interface Buffer<TArrayBuffer extends ArrayBufferLike = ArrayBufferLike> {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

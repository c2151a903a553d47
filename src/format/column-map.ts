import { type CborValue, encode } from './cbor.js';

const utf8 = new TextEncoder();
/** Column names as they are encoded; there are few, and always the same. */
const heads = new Map<string, Uint8Array>();

/**
 * What `encode` gives for a map of columns, many times as fast where most of them are byte strings: those are copied once.
 * Names must be shorter than 24 bytes. Columns that are undefined are left out.
 */
export function encodeColumns<T extends object>(
  columns: { readonly [K in keyof T]: CborValue | undefined },
): Uint8Array {
  const parts: Uint8Array[] = [];
  let count = 0;
  let size = 0;
  const pairs = Object.entries<CborValue | undefined>(columns).sort(([a], [b]) => inOrder(a, b));
  for (const [name, value] of pairs) {
    if (value === undefined) continue;
    const key = headOf(name);
    const head = value instanceof Uint8Array ? byteStringHead(value.length) : encode(value);
    parts.push(key, head);
    size += key.length + head.length;
    if (value instanceof Uint8Array) {
      parts.push(value);
      size += value.length;
    }
    count++;
  }
  if (count > 23) throw new RangeError('too many columns');
  const bytes = new Uint8Array(1 + size);
  bytes[0] = 0xa0 | count;
  let at = 1;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The order of encoded keys, whose first byte is their length (RFC 8949, section 4.2.1). Names are ASCII. */
function inOrder(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}

function headOf(name: string): Uint8Array {
  let head = heads.get(name);
  if (head === undefined) {
    const text = utf8.encode(name);
    if (text.length > 23) throw new RangeError(`too long a name for a column: ${name}`);
    head = Uint8Array.of(0x60 | text.length, ...text);
    heads.set(name, head);
  }
  return head;
}

function byteStringHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x40 | length);
  if (length < 0x100) return Uint8Array.of(0x58, length);
  if (length < 0x1_0000) return Uint8Array.of(0x59, length >> 8, length & 0xff);
  return Uint8Array.of(0x5a, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
}

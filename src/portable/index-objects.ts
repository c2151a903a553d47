import { decompress } from 'fzstd';
import { decodeMap, Fields } from './cbor.js';
import { checkHeader, HEADER, type Keys, Kind, openSigned } from './crypto.js';
import { damaged } from './errors.js';

/** What an index says of a pack. */
export interface IndexRow {
  name: string;
  size: number;
  writer: string;
  directory: Uint8Array;
}

const LONGEST = 2 ** 30;

/** Reads an index object. */
export function openIndex(keys: Keys, bytes: Uint8Array): { signer: string; rows: IndexRow[] } {
  checkHeader(bytes, Kind.index);
  const { signer, body } = openSigned(keys, bytes.subarray(0, HEADER), bytes.subarray(HEADER));
  const outer = decodeMap(body, 'an index');
  const fields = decodeMap(outer.has('plain') ? outer.bytes('plain') : unpack(outer), 'an index');
  const rows = fields.list('packs').map((value): IndexRow => {
    const row = new Fields(value, 'a row of an index');
    return {
      name: row.hex('name', 32),
      size: row.count('size'),
      writer: row.hex('writer', 32),
      directory: row.bytes('directory'),
    };
  });
  return { signer, rows };
}

function unpack(outer: Fields): Uint8Array {
  const length = outer.count('length', LONGEST);
  try {
    const plain = decompress(outer.bytes('zstd'), new Uint8Array(length));
    if (plain.length === length) return plain;
  } catch {
    // Said below.
  }
  throw damaged('an index that does not decompress');
}

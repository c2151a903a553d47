import type { Keyring } from '../crypto/keyring.js';
import { FormatError } from '../errors.js';
import { decode, encode } from './cbor.js';
import type { Codec } from './codec.js';
import { Fields, hexBytes } from './fields.js';
import { NAME_LENGTH, ObjectKind, openSigned, type SealedObject, type SealOptions, sealSigned } from './object.js';

/** One pack as an index names it. */
export interface IndexedPack {
  /** 64 hex digits. */
  name: string;
  /** Bytes of the whole object: the row counts only while the store lists the pack with this size. */
  size: number;
  kind: 'data' | 'meta';
  /** The run that wrote it, 32 hex digits. */
  run: string;
  /** Public key of its writer, 64 hex digits; not always who signs the index. */
  writer: string;
  /** A full role has opened the pack and checked every blob id. */
  opened: boolean;
  /** The pack's directory, as src/format/pack.ts encodes it. */
  directory: Uint8Array;
}

/** What an index says. */
export interface StoreIndex {
  packs: IndexedPack[];
  /** Names of older indexes whose rows this one repeats. */
  supersedes: string[];
}

/** An index that claims to be longer than this is refused before memory is taken for it. */
const MAX_LENGTH = 1024 * 1024 * 1024;

/** Makes an index object, signed by this keyring and compressed where that helps. */
export function sealIndex(keyring: Keyring, index: StoreIndex, codec: Codec, options: SealOptions = {}): SealedObject {
  const plain = encode({
    packs: index.packs.map((pack) => ({
      name: hexBytes(pack.name, NAME_LENGTH),
      size: pack.size,
      kind: pack.kind,
      run: hexBytes(pack.run, 16),
      writer: hexBytes(pack.writer, 32),
      opened: pack.opened,
      directory: pack.directory,
    })),
    supersedes: index.supersedes.map((name) => hexBytes(name, NAME_LENGTH)),
  });
  const compressed = codec.compress(plain);
  const smaller = compressed.length < plain.length;
  const body = smaller ? { length: plain.length, zstd: compressed } : { plain };
  return sealSigned(keyring, ObjectKind.index, encode(body), options);
}

/**
 * An index and who signed it. A row's `opened` is only as good as that signer: true counts when it is a full role.
 * Throws FormatError, SealError or SignatureError.
 */
export function openIndex(keyring: Keyring, bytes: Uint8Array, codec: Codec): { index: StoreIndex; signer: string } {
  const { signer, body } = openSigned(keyring, ObjectKind.index, bytes);
  const outer = new Fields(decode(body), 'an index');
  const plain = outer.has('plain')
    ? outer.bytes('plain')
    : codec.decompress(outer.bytes('zstd'), outer.integer('length', 0, MAX_LENGTH));
  const fields = new Fields(decode(plain), 'an index');
  const packs = fields.list('packs', readPack);
  if (new Set(packs.map((pack) => pack.name)).size !== packs.length)
    throw new FormatError('an index names a pack twice');
  return { signer, index: { packs, supersedes: fields.hexList('supersedes', NAME_LENGTH) } };
}

function readPack(item: unknown, what: string): IndexedPack {
  const fields = new Fields(item, what);
  return {
    name: fields.hex('name', NAME_LENGTH),
    size: fields.integer('size'),
    kind: fields.oneOf('kind', ['data', 'meta']),
    run: fields.hex('run', 16),
    writer: fields.hex('writer', 32),
    opened: fields.boolean('opened'),
    directory: fields.bytes('directory'),
  };
}

import { type BlobHasher, blobHasher } from '../crypto/blob-id.js';
import type { BlobKind, Keyring } from '../crypto/keyring.js';
import { FormatError } from '../errors.js';
import { ID_LENGTH } from '../format/entry.js';
import { type ObjectCipher, ObjectKind, openSeal } from '../format/object.js';
import { type FrameInfo, PACK_HEADER_LENGTH } from '../format/pack.js';
import { decompress } from '../format/zstd.js';
import { noteGarbage } from '../platform/index.js';
import { type ObjectStore, objectPath } from '../store/index.js';

/** Opened frames and pack ciphers that are kept at hand. */
const CACHED_FRAMES = 16;
const CACHED_CIPHERS = 256;

/** Where a blob lies. */
export interface BlobPlace {
  /** Name of the pack. */
  pack: string;
  /** Number of the frame in the pack. */
  number: number;
  frame: Pick<FrameInfo, 'offset' | 'length' | 'raw' | 'plainLength'>;
  /** Where in the opened frame it begins, and how long it is. */
  start: number;
  length: number;
}

/** Reads blobs whose places are known; of neighbours the frame is read once. */
export class FrameReader {
  private readonly store: ObjectStore;
  private readonly keyring: Keyring;
  // What is being read counts as read: many ask for blobs of one frame at once.
  private readonly ciphers = new Map<string, Promise<ObjectCipher>>();
  private readonly frames = new Map<string, Promise<Uint8Array>>();
  private readonly hashers = new Map<BlobKind, BlobHasher>();
  private readonly id = new Uint8Array(ID_LENGTH);

  constructor(store: ObjectStore, keyring: Keyring) {
    this.store = store;
    this.keyring = keyring;
  }

  /** The blob at a place, a view of its frame. @throws FormatError unless its content has the id */
  async blob(place: BlobPlace, kind: BlobKind, id: Uint8Array): Promise<Uint8Array> {
    const plain = await this.frame(place);
    const blob = plain.subarray(place.start, place.start + place.length);
    this.hasherOf(kind)(blob, 0, blob.length, this.id, 0);
    if (Buffer.compare(this.id, id) !== 0)
      throw new FormatError(`blob ${hexOf(id)} in pack ${place.pack} is not what its id says`);
    return blob;
  }

  private frame({ pack, number, frame }: BlobPlace): Promise<Uint8Array> {
    return cached(this.frames, `${pack}/${number}`, CACHED_FRAMES, async () => {
      const cipher = await this.cipher(pack);
      const sealed = await this.store.readRange(objectPath('packs', pack), frame.offset, frame.length);
      const opened = cipher.open(number, sealed);
      noteGarbage(sealed.length + opened.length + frame.plainLength);
      return frame.raw ? opened : decompress(opened, frame.plainLength);
    });
  }

  private cipher(pack: string): Promise<ObjectCipher> {
    return cached(this.ciphers, pack, CACHED_CIPHERS, async () =>
      openSeal(
        this.keyring,
        await this.store.readRange(objectPath('packs', pack), 0, PACK_HEADER_LENGTH),
        ObjectKind.pack,
        ObjectKind.metaPack,
      ),
    );
  }

  private hasherOf(kind: BlobKind): BlobHasher {
    const known = this.hashers.get(kind) ?? blobHasher(this.keyring, kind);
    this.hashers.set(kind, known);
    return known;
  }
}

/** What a cache of limited size has, or what `make` gives. What was used least recently goes; failures are not kept. */
function cached<V>(cache: Map<string, Promise<V>>, key: string, most: number, make: () => Promise<V>): Promise<V> {
  const known = cache.get(key);
  if (known === undefined && cache.size >= most) {
    const [oldest] = cache.keys();
    cache.delete(oldest);
  }
  const value = known ?? make();
  if (known === undefined) value.catch(() => cache.get(key) === value && cache.delete(key));
  // What is used goes to the end.
  cache.delete(key);
  cache.set(key, value);
  return value;
}

/** An id as messages show it. */
export function hexOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, ID_LENGTH).toString('hex');
}

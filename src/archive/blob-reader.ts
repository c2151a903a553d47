import { blobId } from '../crypto/blob-id.js';
import type { BlobKind, Keyring } from '../crypto/keyring.js';
import { FormatError } from '../errors.js';
import { ID_LENGTH } from '../format/entry.js';
import { type ObjectCipher, ObjectKind, openSeal } from '../format/object.js';
import { type FrameInfo, PACK_HEADER_LENGTH, type PackDirectory } from '../format/pack.js';
import { decompress } from '../format/zstd.js';
import { noteGarbage } from '../platform/index.js';
import { type ObjectStore, objectPath } from '../store/index.js';
import type { BlobIndex, BlobLocation } from './blob-index.js';

/** Opened frames and pack ciphers that are kept at hand. */
const CACHED_FRAMES = 16;
const CACHED_CIPHERS = 256;

/** Reads single blobs: metadata, or the chunks of one file. Restores of many files go by pack instead. */
export class BlobReader {
  private readonly store: ObjectStore;
  private readonly keyring: Keyring;
  private readonly index: BlobIndex;
  // What is being read counts as read: many ask for blobs of one frame at once.
  private readonly ciphers = new Map<string, Promise<ObjectCipher>>();
  private readonly frames = new Map<string, Promise<Uint8Array>>();

  constructor(store: ObjectStore, keyring: Keyring, index: BlobIndex) {
    this.store = store;
    this.keyring = keyring;
    this.index = index;
  }

  /**
   * The blob with this id, verified.
   * @throws FormatError when it is in no pack, or damaged
   */
  async read(kind: BlobKind, id: Uint8Array): Promise<Uint8Array> {
    const location = this.index.find(id);
    if (location === undefined) throw new FormatError(`blob ${hex(id)} is in no pack of the store`);
    try {
      return await this.readAt(location, kind, id);
    } catch (error) {
      // The same blob may have been stored twice, and be whole elsewhere.
      for (const other of this.index.locations(id)) {
        if (other.pack === location.pack && other.blob === location.blob) continue;
        const found = await this.readAt(other, kind, id).catch(() => undefined);
        if (found !== undefined) return found;
      }
      throw error;
    }
  }

  private async readAt(location: BlobLocation, kind: BlobKind, id: Uint8Array): Promise<Uint8Array> {
    const directory = this.index.directory(location.pack);
    const frame = frameOf(directory, location.blob);
    const plain = await this.frame(location.name, directory.frames.indexOf(frame), frame);
    let offset = 0;
    for (let i = frame.firstBlob; i < location.blob; i++) offset += directory.lengths[i];
    const blob = plain.subarray(offset, offset + directory.lengths[location.blob]);
    if (Buffer.compare(blobId(this.keyring, kind, blob), id) !== 0)
      throw new FormatError(`blob ${hex(id)} in pack ${location.name} is not what its id says`);
    return blob;
  }

  private frame(pack: string, number: number, info: FrameInfo): Promise<Uint8Array> {
    return cached(this.frames, `${pack}/${number}`, CACHED_FRAMES, async () => {
      const cipher = await this.cipher(pack);
      const sealed = await this.store.readRange(objectPath('packs', pack), info.offset, info.length);
      const opened = cipher.open(number, sealed);
      noteGarbage(sealed.length + opened.length + info.plainLength);
      return info.raw ? opened : decompress(opened, info.plainLength);
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
}

/** The frame in which a pack's blob lies. */
export function frameOf(directory: PackDirectory, blob: number): FrameInfo {
  const { frames } = directory;
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frames[middle].firstBlob <= blob) low = middle;
    else high = middle - 1;
  }
  return frames[low];
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

function hex(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, ID_LENGTH).toString('hex');
}

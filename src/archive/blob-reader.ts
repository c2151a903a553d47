import { blobId } from '../crypto/blob-id.js';
import type { BlobKind, Keyring } from '../crypto/keyring.js';
import { FormatError } from '../errors.js';
import { ID_LENGTH } from '../format/entry.js';
import { type ObjectCipher, ObjectKind, openSeal } from '../format/object.js';
import { type FrameInfo, PACK_HEADER_LENGTH, type PackDirectory } from '../format/pack.js';
import { decompress } from '../format/zstd.js';
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
  private readonly ciphers = new Map<string, ObjectCipher>();
  private readonly frames = new Map<string, Uint8Array>();

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

  private async frame(pack: string, number: number, info: FrameInfo): Promise<Uint8Array> {
    const key = `${pack}/${number}`;
    const known = this.frames.get(key);
    if (known !== undefined) {
      // Most recently used goes to the end.
      this.frames.delete(key);
      this.frames.set(key, known);
      return known;
    }
    const cipher = await this.cipher(pack);
    const sealed = await this.store.readRange(objectPath('packs', pack), info.offset, info.length);
    const opened = cipher.open(number, sealed);
    const plain = info.raw ? opened : decompress(opened, info.plainLength);
    remember(this.frames, key, plain, CACHED_FRAMES);
    return plain;
  }

  private async cipher(pack: string): Promise<ObjectCipher> {
    const known = this.ciphers.get(pack);
    if (known !== undefined) return known;
    const cipher = openSeal(
      this.keyring,
      await this.store.readRange(objectPath('packs', pack), 0, PACK_HEADER_LENGTH),
      ObjectKind.pack,
      ObjectKind.metaPack,
    );
    remember(this.ciphers, pack, cipher, CACHED_CIPHERS);
    return cipher;
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

/** Puts into a cache of limited size, dropping what went in first. */
function remember<K, V>(cache: Map<K, V>, key: K, value: V, most: number): void {
  if (cache.size >= most) {
    const [oldest] = cache.keys();
    cache.delete(oldest);
  }
  cache.set(key, value);
}

function hex(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, ID_LENGTH).toString('hex');
}

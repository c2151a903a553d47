import type { BlobKind, Keyring } from '../crypto/keyring.js';
import { FormatError } from '../errors.js';
import type { FrameInfo } from '../format/pack.js';
import type { ObjectStore } from '../store/index.js';
import type { BlobIndex, BlobLocation } from './blob-index.js';
import { type BlobPlace, FrameReader, hexOf } from './frame-reader.js';

/** Reads single blobs: metadata, or the chunks of one file. Restores of many files go by pack instead. */
export class BlobReader {
  private readonly frames: FrameReader;
  private readonly index: BlobIndex;

  constructor(store: ObjectStore, keyring: Keyring, index: BlobIndex) {
    this.frames = new FrameReader(store, keyring);
    this.index = index;
  }

  /**
   * The blob with this id, verified.
   * @throws FormatError when it is in no pack, or damaged
   */
  async read(kind: BlobKind, id: Uint8Array): Promise<Uint8Array> {
    const location = this.index.find(id);
    if (location === undefined) throw new FormatError(`blob ${hexOf(id)} is in no pack of the store`);
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

  private readAt(location: BlobLocation, kind: BlobKind, id: Uint8Array): Promise<Uint8Array> {
    return this.frames.blob(placeOf(this.index, location), kind, id);
  }
}

/** Where in its pack's frames a blob lies. */
export function placeOf(index: BlobIndex, { pack, name, blob }: BlobLocation): BlobPlace {
  const { frames, lengths } = index.directory(pack);
  const number = frameOf(frames, blob);
  let start = 0;
  for (let i = frames[number].firstBlob; i < blob; i++) start += lengths[i];
  return { pack: name, number, frame: frames[number], start, length: lengths[blob] };
}

/** The number of the frame in which a pack's blob lies. */
function frameOf(frames: readonly FrameInfo[], blob: number): number {
  let low = 0;
  let high = frames.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (frames[middle].firstBlob <= blob) low = middle;
    else high = middle - 1;
  }
  return low;
}

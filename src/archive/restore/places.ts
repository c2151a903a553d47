import { ID_LENGTH } from '../../format/entry.js';
import type { PackDirectory } from '../../format/pack.js';
import type { BlobIndex, BlobLocation } from '../blob-index.js';

/** A pack, as far as finding blobs in it goes. */
export interface PackPlaces {
  name: string;
  number: number;
  directory: PackDirectory;
  /** Per blob: the frame it lies in, and where in it. */
  frameOf: Uint32Array;
  startOf: Uint32Array;
}

/** Where a blob is to be read from. */
export interface Place {
  pack: PackPlaces;
  blob: number;
}

/** What restoring needs of a BlobIndex. */
export type Locator = Pick<BlobIndex, 'find' | 'locations' | 'directory'>;

const CACHED_PACKS = 512;

/**
 * Where blobs may lie besides: packs that are cut short, or were not seen in the store. Asked only for what the index
 * does not have.
 */
export type Fallback = () => Locator;

/** Finds out where blobs are to be read from, and remembers what turned out to be unreadable. */
export class BlobPlaces {
  private readonly index: Locator;
  private readonly fallback: Fallback | undefined;
  private readonly packs = new Map<number, PackPlaces>();
  private last: Place | undefined;
  private readonly badFrames = new Map<string, string>();
  private readonly badBlobs = new Set<string>();

  constructor(index: Locator, fallback: Fallback | undefined) {
    this.index = index;
    this.fallback = fallback;
  }

  /** Where the blob with the id at this place can be read, as far as is known; a text that says why not, if it cannot. */
  find(ids: Uint8Array, at: number): Place | string {
    const guessed = this.guess(ids, at);
    if (guessed !== undefined) return guessed;
    const first = this.index.find(ids, at);
    const place = first && this.place(first, this.index);
    if (place !== undefined && this.whyNot(place) === undefined) {
      this.last = place;
      return place;
    }
    let reason: string | undefined;
    for (const index of [this.index, this.fallback?.()]) {
      for (const location of index?.locations(ids, at) ?? []) {
        const other = this.place(location, index!);
        const why = this.whyNot(other);
        if (why === undefined) return other;
        reason ??= why;
      }
    }
    return reason ?? 'missing in the store: a chunk is in none of its packs';
  }

  /** Notes that a frame does not open. */
  markFrame(pack: PackPlaces, frame: number, reason: string): void {
    this.badFrames.set(`${pack.number}/${frame}`, reason);
  }

  /** Notes that a blob is not what its id says. */
  markBlob(place: Place): void {
    this.badBlobs.add(`${place.pack.number}/${place.blob}`);
  }

  /** Files are stored in the order in which they are restored: mostly the next blob is what comes next. */
  private guess(ids: Uint8Array, at: number): Place | undefined {
    const { last } = this;
    if (last === undefined) return undefined;
    const { pack } = last;
    const blob = last.blob + 1;
    if (blob >= pack.frameOf.length) return undefined;
    const stored = pack.directory.ids;
    const from = blob * ID_LENGTH;
    for (let i = 0; i < ID_LENGTH; i++) if (stored[from + i] !== ids[at + i]) return undefined;
    const place = { pack, blob };
    if (this.whyNot(place) !== undefined) return undefined;
    this.last = place;
    return place;
  }

  private whyNot(place: Place): string | undefined {
    if (this.badFrames.size === 0 && this.badBlobs.size === 0) return undefined;
    const { pack, blob } = place;
    const reason = this.badFrames.get(`${pack.number}/${pack.frameOf[blob]}`);
    if (reason !== undefined) return reason;
    return this.badBlobs.has(`${pack.number}/${blob}`)
      ? `damaged in the store, pack ${pack.name}: a chunk is not what its id says`
      : undefined;
  }

  private place(location: BlobLocation, index: Locator): Place {
    let pack = this.packs.get(location.pack);
    if (pack === undefined) {
      pack = placesOf(location, index.directory(location.pack));
      if (this.packs.size >= CACHED_PACKS) {
        const [oldest] = this.packs.keys();
        this.packs.delete(oldest);
      }
      this.packs.set(location.pack, pack);
    }
    return { pack, blob: location.blob };
  }
}

function placesOf(location: BlobLocation, directory: PackDirectory): PackPlaces {
  const count = directory.lengths.length;
  const frameOf = new Uint32Array(count);
  const startOf = new Uint32Array(count);
  directory.frames.forEach((frame, number) => {
    let start = 0;
    for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
      frameOf[blob] = number;
      startOf[blob] = start;
      start += directory.lengths[blob];
    }
  });
  return { name: location.name, number: location.pack, directory, frameOf, startOf };
}

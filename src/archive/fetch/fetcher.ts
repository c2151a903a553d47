import { type BlobKind, importKeyring, type KeyringData } from '../../crypto/keyring.js';
import { native } from '../../crypto/native.js';
import { ID_LENGTH } from '../../format/entry.js';
import { openStore } from '../../store/index.js';
import { type BlobPlace, FrameReader } from '../frame-reader.js';

/** What a thread that fetches is started with. */
export interface FetchSetup {
  storeUrl: string;
  tableDir: string;
  keyring: KeyringData;
}

/** Blobs to be fetched. */
export interface FetchTask {
  kind: BlobKind;
  places: BlobPlace[];
  /** Their ids, concatenated. */
  ids: Uint8Array;
}

/** Fetches blobs of which places and ids are known. */
export class Fetcher {
  private readonly frames: FrameReader;

  constructor(frames: FrameReader) {
    this.frames = frames;
  }

  /** The blobs, one after the other. @throws FormatError if one is damaged */
  async fetch({ kind, places, ids }: FetchTask): Promise<Uint8Array> {
    const all = new Uint8Array(places.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const [i, place] of places.entries()) {
      all.set(await this.frames.blob(place, kind, ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH)), at);
      at += place.length;
    }
    return all;
  }
}

/** Makes the fetcher of a worker thread. */
export async function startFetcher({ storeUrl, tableDir, keyring }: FetchSetup): Promise<Fetcher> {
  const store = await openStore(storeUrl, { tableDir, command: 'catalog', withoutConfig: true });
  return new Fetcher(new FrameReader(store, importKeyring(native, keyring)));
}

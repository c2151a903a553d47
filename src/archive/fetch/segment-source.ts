import type { Keyring } from '../../crypto/keyring.js';
import { ID_LENGTH } from '../../format/entry.js';
import type { BlobIndex } from '../blob-index.js';
import { type BlobReader, placeOf } from '../blob-reader.js';
import type { Context } from '../context.js';
import { startThreads, type ThreadPool } from '../worker-pool.js';
import type { FetchSetup, FetchTask } from './fetcher.js';

/** So many blobs of metadata are worth a thread. */
const MANY = 20_000;

/**
 * Reads the segments of listings, many at a time. Where there are many, a thread of its own reads, opens and verifies
 * them, while this one merges those before.
 */
export class SegmentSource {
  /** Reads single blobs. */
  readonly reader: BlobReader;
  private readonly index: BlobIndex;
  private readonly thread: ThreadPool | undefined;

  /** @param blobs how many blobs of metadata there are in all, of which some will be read */
  constructor(parts: { context: Context; keyring: Keyring; index: BlobIndex; reader: BlobReader; blobs: number }) {
    const { context, keyring } = parts;
    this.reader = parts.reader;
    this.index = parts.index;
    if (parts.blobs < MANY) return;
    this.thread = startThreads('fetch', { threads: 1, atOnce: 2 });
    const { config } = context;
    const setup: FetchSetup = {
      storeUrl: config.store.url,
      tableDir: config.tableDir,
      keyring: keyring.toData(),
    };
    this.thread.setUp(setup);
  }

  /** The segments with these ids, verified. @throws FormatError when one is in no pack, or damaged */
  async fetch(ids: Uint8Array[]): Promise<Uint8Array[]> {
    return (await this.fetchApart(ids)) ?? Promise.all(ids.map((id) => this.reader.read('listing', id)));
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.thread?.close();
  }

  /** Undefined when it cannot be done so: what is damaged in one pack may be whole in another. */
  private async fetchApart(ids: Uint8Array[]): Promise<Uint8Array[] | undefined> {
    if (this.thread === undefined || ids.length < 2) return undefined;
    const task: FetchTask = { kind: 'listing', places: [], ids: new Uint8Array(ids.length * ID_LENGTH) };
    for (const [i, id] of ids.entries()) {
      const location = this.index.find(id);
      if (location === undefined) return undefined;
      task.places.push(placeOf(this.index, location));
      task.ids.set(id, i * ID_LENGTH);
    }
    let all: Uint8Array;
    try {
      all = (await this.thread.run(task)) as Uint8Array;
    } catch {
      // Read here, it tells what is wrong.
      return undefined;
    }
    let at = 0;
    return task.places.map(({ length }) => {
      at += length;
      return all.subarray(at - length, at);
    });
  }
}

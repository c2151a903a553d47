import { type BlobHasher, blobHasher } from '../../crypto/blob-id.js';
import { ID_LENGTH } from '../../format/entry.js';
import { Compressor } from '../../format/zstd.js';
import { BlobIndex, indexFile } from '../blob-index.js';
import { BlobReader } from '../blob-reader.js';
import type { Claim } from '../ingest/claim-table.js';
import { FrameBuilder } from '../ingest/frame-builder.js';
import { type FinishedPack, newRunId, type PackOrigin, PackWriter } from '../ingest/pack-writer.js';
import { indexOpened } from './indexes.js';
import type { Workshop } from './workshop.js';

/** zstd level for listings. */
const LEVEL = 3;

/** Stores the listings of new snapshots; what the store has already is not stored again. */
export class MetadataWriter {
  private readonly shop: Workshop;
  private readonly index: BlobIndex;
  private readonly hash: BlobHasher;
  private readonly frames: FrameBuilder;
  private readonly origin: PackOrigin;
  private readonly claim: Claim = { number: 0, isNew: false };
  private readonly finishing: Promise<FinishedPack>[] = [];
  private pack: PackWriter | undefined;

  constructor(shop: Workshop) {
    const { catalog, context, keyring, reconciled, store } = shop;
    this.shop = shop;
    this.origin = { run: newRunId(), writer: Buffer.from(keyring.signer(), 'hex') };
    this.hash = blobHasher(keyring, 'listing');
    this.index = BlobIndex.load(
      catalog,
      indexFile(context.config.tableDir),
      (row) => row.present && !row.tombstoned && (row.opened || reconciled.trust.countsAsFull(row.writer, row.name)),
      50_000,
    );
    this.frames = new FrameBuilder(new Compressor(LEVEL), (frame) => {
      this.pack ??= new PackWriter(store, keyring, 'meta', this.origin);
      this.pack.add(frame);
      if (!this.pack.full) return;
      this.finishing.push(this.pack.finish());
      this.pack = undefined;
    });
  }

  /** Stores a blob of a listing unless it is there, and returns its id. */
  put(bytes: Uint8Array): Uint8Array {
    const id = new Uint8Array(ID_LENGTH);
    this.hash(bytes, 0, bytes.length, id, 0);
    this.index.claims.growIfNeeded();
    this.index.claims.claim(id, 0, this.claim);
    if (this.claim.isNew) this.frames.add(bytes, 0, bytes.length, id, 0);
    return id;
  }

  /** Makes everything durable, and names it in an index. */
  async finish(): Promise<void> {
    this.frames.flush();
    if (this.pack !== undefined) this.finishing.push(this.pack.finish());
    this.pack = undefined;
    const packs = await Promise.all(this.finishing);
    await indexOpened(this.shop, packs, this.origin);
  }

  /** Gives back files; what was not finished vanishes. */
  async close(): Promise<void> {
    await this.pack?.abandon();
    this.pack = undefined;
    this.index.close();
  }
}

/** Reads blobs through an index of what the catalog knows now. */
export async function withReader<T>(
  shop: Workshop,
  work: (reader: BlobReader, index: BlobIndex) => Promise<T>,
): Promise<T> {
  const { catalog, context, keyring, store } = shop;
  const index = BlobIndex.load(catalog, indexFile(context.config.tableDir), (row) => row.present);
  try {
    return await work(new BlobReader(store, keyring, index), index);
  } finally {
    index.close();
  }
}

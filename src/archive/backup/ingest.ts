import type { Readable } from 'node:stream';
import type { ByteString } from '../../bytes.js';
import type { Catalog } from '../../catalog/index.js';
import { blobHasher } from '../../crypto/blob-id.js';
import type { BlobKind, Keyring } from '../../crypto/keyring.js';
import { buildChunkList } from '../../format/chunk-list.js';
import { type Content, ID_LENGTH } from '../../format/entry.js';
import { type IndexedPack, sealIndex } from '../../format/index-object.js';
import { directoryIds } from '../../format/pack.js';
import { Compressor, zstdCodec } from '../../format/zstd.js';
import { type ObjectStore, objectPath } from '../../store/index.js';
import { BlobIndex, indexFile, type UsablePack } from '../blob-index.js';
import { noteIndex } from '../index-notes.js';
import type { Claim } from '../ingest/claim-table.js';
import { FrameBuilder } from '../ingest/frame-builder.js';
import type { IngestParts } from '../ingest/ingester.js';
import {
  CLASS_UNKNOWN,
  type CutResult,
  type CutTask,
  type FilesResult,
  type FilesTask,
  type IngestSetup,
  packFiles,
  type StoreResult,
} from '../ingest/messages.js';
import { type FinishedPack, type FramePayload, newRunId, type PackOrigin, PackWriter } from '../ingest/pack-writer.js';
import { IngestPool } from '../ingest/pool.js';
import { StreamIngester } from '../ingest/stream-ingester.js';
import type { Repository } from '../repository.js';
import { noteAdded } from '../store-totals.js';
import { workerCount } from '../thread-options.js';

/** zstd level of metadata, at least. */
const METADATA_LEVEL = 3;

/** Packs are named by an index at least this often, milliseconds, so that a long run killed late loses little. */
const INDEX_EVERY = 3600_000;

/** Key of the catalog's note which packs no index names yet. */
const UNINDEXED = 'unindexed_packs';

/** A file to be read, as its task wants it. */
export interface FileToRead {
  readonly key: ByteString;
  /** Class of its last version; undefined: the worker samples. */
  readonly chunkClass: 0 | 1 | undefined;
}

/**
 * The writing half of a backup: the workers, the packs of metadata, and the books of what has become durable.
 * Made only when a run has something to store.
 */
export class Ingest {
  /** Bytes of packs put so far. */
  storedBytes = 0;
  private readonly repository: Repository;
  private readonly store: ObjectStore;
  private readonly keyring: Keyring;
  private readonly catalog: Catalog;
  private readonly blobs: BlobIndex;
  private readonly origin: PackOrigin;
  private readonly pool: IngestPool;
  private readonly metaFrames: FrameBuilder;
  private readonly hashers = new Map<BlobKind, ReturnType<typeof blobHasher>>();
  private readonly claim: Claim = { number: 0, isNew: false };
  private streaming: StreamIngester | undefined;
  private metaPack: PackWriter | undefined;
  private readonly metaFinishing: Promise<FinishedPack>[] = [];
  private unindexed: IndexedPack[];
  private indexedAt = Date.now();
  private durableBlobs = 0;

  /** @param expectation whether much is to be read, so that threads are started at once */
  constructor(repository: Repository, expectation: { much: boolean }) {
    const { store, keyring, catalog, config, context } = repository;
    this.repository = repository;
    this.store = store;
    this.keyring = keyring;
    this.catalog = catalog;
    this.origin = { run: newRunId(), writer: Buffer.from(keyring.signer(), 'hex') };
    this.unindexed = leftUnindexed(catalog);
    // Its first thread, if it is to have one, starts while the index is loaded, which takes as long.
    this.pool = new IngestPool(workerCount(config.workers), config, context.signal, expectation);
    try {
      this.blobs = BlobIndex.load(catalog, indexFile(config.tableDir), trustedPacks(keyring.signer()), 200_000);
    } catch (error) {
      void this.pool.close();
      throw error;
    }
    const level = compressionLevel(config.compression);
    this.metaFrames = new FrameBuilder(
      new Compressor(level === 'auto' ? METADATA_LEVEL : Math.max(level, METADATA_LEVEL)),
      (frame) => {
        this.metaPack ??= new PackWriter(store, keyring, 'meta', this.origin);
        this.metaPack.add(frame);
        if (this.metaPack.full) this.finishMetaPack();
      },
    );
    const own = this.ownParts();
    this.pool.setUp(this.setup(own), own);
  }

  /** How many workers read. */
  get workers(): number {
    return this.pool.workers;
  }

  /** Bytes per second that may be read; undefined: as many as there are. */
  get limitRead(): number | undefined {
    return this.repository.config.limitRead;
  }

  /** Bytes read so far, of files and of the stream. */
  get bytesRead(): number {
    return this.pool.bytesRead + (this.streaming?.bytesRead ?? 0);
  }

  /** Gets ready for much to be read. */
  expectMuch(): void {
    this.pool.startAll();
  }

  /** Has files read and stored, which are about so many bytes. */
  async files(files: readonly FileToRead[], bytes: number): Promise<FilesResult> {
    this.blobs.claims.growIfNeeded();
    const task: FilesTask = {
      kind: 'files',
      files: packFiles(files.map((file) => file.key)),
      count: files.length,
      classes: Uint8Array.from(files, (file) => file.chunkClass ?? CLASS_UNKNOWN),
      levels: this.blobs.claims.shared.levels,
    };
    const result = await this.pool.files(task, bytes);
    for (const { bytes } of result.nodes) this.put('chunk-list', bytes);
    await this.settle(result.packs);
    return result;
  }

  /**
   * Has a stretch of a big file cut, and stored unless there is nothing of it.
   * @param onCut is told the cuts before they are stored
   */
  async stretch(task: CutTask, onCut: (cut: CutResult) => void): Promise<StoreResult | undefined> {
    const result = await this.pool.stretch(task, (cut) => {
      onCut(cut);
      if (cut.pieces.length === 0) return undefined;
      this.blobs.claims.growIfNeeded();
      return { kind: 'store', levels: this.blobs.claims.shared.levels };
    });
    if (result.kind === 'cut') return undefined;
    await this.settle(result.packs);
    return result;
  }

  /** Stores what a stream gives, and returns the content that names it. */
  async stream(stream: Readable): Promise<{ content: Content; size: number; bytesNew: number }> {
    const ingester = new StreamIngester(this.ownParts());
    this.streaming = ingester;
    const { ids, sizes, bytesNew, packs } = await ingester.run(stream);
    await this.settle(packs);
    const list = buildChunkList(ids, sizes, (bytes) => this.put('chunk-list', bytes));
    return { content: { chunkClass: 0, ...list }, size: sizes.reduce((sum, n) => sum + n, 0), bytesNew };
  }

  /** Stores a metadata blob unless it is there, and returns its id. */
  put(kind: BlobKind, bytes: Uint8Array): Uint8Array {
    let hasher = this.hashers.get(kind);
    if (hasher === undefined) {
      hasher = blobHasher(this.keyring, kind);
      this.hashers.set(kind, hasher);
    }
    const id = new Uint8Array(ID_LENGTH);
    hasher(bytes, 0, bytes.length, id, 0);
    this.blobs.claims.claim(id, 0, this.claim);
    if (this.claim.isNew) this.metaFrames.add(bytes, 0, bytes.length, id, 0);
    return id;
  }

  /** Whether a blob is in a pack that this run may rely on. */
  has(id: Uint8Array, at = 0): boolean {
    return this.blobs.has(id, at);
  }

  /**
   * Makes all that was stored durable, and names every pack of the run in an index. Ends the workers first: what is left to
   * do then is the main thread's, which gets their memory.
   * @param meanwhile is done while the workers write what they hold; it puts nothing
   * @throws when a blob was claimed that no durable pack holds
   */
  async finish(meanwhile: () => void = () => undefined): Promise<void> {
    const flushing = this.pool.flush();
    flushing.catch(() => undefined); // told below, unless something else fails first
    this.metaFrames.flush();
    this.finishMetaPack();
    meanwhile();
    const results = await flushing;
    this.pool.close().catch(() => undefined); // told by close()
    for (const { packs } of results) this.noteDurable(packs);
    const leftOver = this.packLeftOver(results.flatMap(({ frames }) => frames));
    this.noteDurable(await Promise.all([...leftOver, ...this.metaFinishing]));
    this.metaFinishing.length = 0;
    await this.writeIndex();
    const { claims } = this.blobs;
    const missing = claims.next - claims.shared.known - this.durableBlobs;
    if (missing !== 0) throw new Error(`${missing} claimed blobs are in no durable pack`);
  }

  /** Ends the workers. Packs that are not finished vanish. */
  async close(): Promise<void> {
    await this.pool.close();
    await this.metaPack?.abandon();
    this.metaPack = undefined;
    this.blobs.close();
  }

  private finishMetaPack(): void {
    if (this.metaPack === undefined) return;
    const finishing = this.metaPack.finish();
    finishing.catch(() => undefined); // told by finish()
    this.metaFinishing.push(finishing);
    this.metaPack = undefined;
  }

  /** What the workers had left over goes into one pack together. */
  private packLeftOver(frames: readonly FramePayload[]): Promise<FinishedPack>[] {
    if (frames.length === 0) return [];
    const pack = new PackWriter(this.store, this.keyring, 'data', this.origin);
    for (const frame of frames) pack.add(frame);
    return [pack.finish()];
  }

  /** What this thread ingests with. */
  private ownParts(): IngestParts {
    const { config, storeConfig, keyring, store } = this.repository;
    return {
      store,
      keyring,
      origin: this.origin,
      claims: this.blobs.claims,
      chunkers: [storeConfig.chunkers[0], storeConfig.chunkers[1]],
      level: compressionLevel(config.compression),
    };
  }

  /** What other threads ingest with. */
  private setup({ origin, chunkers, level }: IngestParts): IngestSetup {
    const { config } = this.repository;
    return {
      storeUrl: config.store.url,
      storeOptions: { tableDir: config.tableDir, command: 'backup', spool: this.store.spoolDir() },
      keyring: this.keyring.toData(),
      origin,
      claims: this.blobs.claims.shared,
      knownIds: this.blobs.file,
      chunkers,
      level,
    };
  }

  private async settle(packs: readonly FinishedPack[]): Promise<void> {
    this.noteDurable(packs);
    if (Date.now() - this.indexedAt > INDEX_EVERY) await this.writeIndex();
  }

  /** Enters packs into the catalog as soon as they are durable, so that a killed run's work is used by the next. */
  private noteDurable(packs: readonly FinishedPack[]): void {
    if (packs.length === 0) return;
    const rows = packs.map((pack) => this.describe(pack));
    this.unindexed.push(...rows);
    this.catalog.transaction(() => {
      this.catalog.packs.add(rows);
      this.noteUnindexed();
    });
    for (const row of rows) {
      this.durableBlobs += row.blobs;
      this.storedBytes += row.size;
    }
  }

  private describe(pack: FinishedPack) {
    return {
      ...pack,
      run: Buffer.from(this.origin.run).toString('hex'),
      writer: this.keyring.signer(),
      opened: false,
      blobs: directoryIds(pack.directory).length / ID_LENGTH,
    };
  }

  private async writeIndex(): Promise<void> {
    this.indexedAt = Date.now();
    const packs = this.unindexed;
    if (packs.length === 0) return;
    const index = sealIndex(this.keyring, { packs, supersedes: [] }, zstdCodec);
    await this.store.put(objectPath('index', index.name), index.bytes);
    this.storedBytes += index.bytes.length;
    noteAdded(this.catalog, { objects: 1, bytes: index.bytes.length });
    this.unindexed = this.unindexed.filter((pack) => !packs.includes(pack));
    this.catalog.transaction(() => {
      noteIndex(this.catalog, index.name, packs);
      this.noteUnindexed();
    });
  }

  /** Later runs rely on these packs, so they must be named by an index even if this run is killed. */
  private noteUnindexed(): void {
    const names = this.unindexed.map((pack) => pack.name);
    this.catalog.setMeta(UNINDEXED, names.length === 0 ? undefined : JSON.stringify(names));
  }
}

/** Packs of a killed run: durable and in the catalog, but not named by an index yet. */
function leftUnindexed(catalog: Catalog): IndexedPack[] {
  const names = JSON.parse(catalog.getMeta(UNINDEXED) ?? '[]') as string[];
  const left: IndexedPack[] = [];
  for (const name of names) {
    const row = catalog.packs.byName(name);
    const directory = row?.present ? catalog.packs.directory(row.number) : undefined;
    if (row !== undefined && directory !== undefined) left.push({ ...row, directory });
  }
  return left;
}

/** Packs that a run may refer to: whole, not doomed, and written by this very key or opened by a full role. */
function trustedPacks(signer: string): UsablePack {
  return (pack) => pack.present && !pack.tombstoned && (pack.opened || pack.writer === signer);
}

function compressionLevel(compression: 'auto' | 'off' | number): IngestSetup['level'] {
  return compression === 'off' ? 0 : compression;
}

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { BlobIndex, indexFile, readable } from '../../../src/archive/blob-index.js';
import { BlobReader } from '../../../src/archive/blob-reader.js';
import { chunkIds } from '../../../src/archive/contents.js';
import type { Context } from '../../../src/archive/context.js';
import { noteIndex } from '../../../src/archive/index-notes.js';
import { FrameBuilder } from '../../../src/archive/ingest/frame-builder.js';
import { type FinishedPack, newRunId, type PackKind, PackWriter } from '../../../src/archive/ingest/pack-writer.js';
import { init } from '../../../src/archive/init.js';
import { lineageToContinue } from '../../../src/archive/lineage.js';
import { noteReceipts, snapshotInput } from '../../../src/archive/reconcile.js';
import { openRepository, type Repository } from '../../../src/archive/repository.js';
import { OWN_SOURCE } from '../../../src/archive/select.js';
import type { ForgetResult } from '../../../src/archive/types.js';
import { applyListing, type SnapshotRow } from '../../../src/catalog/index.js';
import type { Config } from '../../../src/config/types.js';
import { type BlobHasher, blobHasher } from '../../../src/crypto/blob-id.js';
import type { BlobKind } from '../../../src/crypto/keyring.js';
import { buildChunkList, holeLength } from '../../../src/format/chunk-list.js';
import { type Entry, EntryType, ID_LENGTH, NO_CONTENT } from '../../../src/format/entry.js';
import { sealIndex } from '../../../src/format/index-object.js';
import { ListingCutter, ListingTreeBuilder } from '../../../src/format/listing.js';
import { decodeDirectory } from '../../../src/format/pack.js';
import { encodeSegment } from '../../../src/format/segment.js';
import { sealSnapshot } from '../../../src/format/snapshot.js';
import { Compressor, zstdCodec } from '../../../src/format/zstd.js';
import { objectPath } from '../../../src/store/index.js';
import { filesOf, removeMemoryStore } from '../../support/memory-store.js';

/** What a path holds: null is a directory. `replaced` is content that was silently replaced. */
export interface LabFile {
  content: Uint8Array | null;
  /** Tells versions of equal content apart, seconds. */
  mtime: number;
  replaced?: Uint8Array;
}

/** Paths without leading slash, `a/b`, with all their directories. */
export type LabState = ReadonlyMap<string, LabFile>;

export interface LabOptions {
  source?: string;
  shared?: boolean;
  /** Bytes of a chunk: files are cut by length. */
  chunk?: number;
  /** Chunks named in an entry at most 16: longer files have trees. */
}

/** A store with a catalog whose backups take states instead of scanning a disk, at whatever time. */
export class Lab {
  readonly folder: string;
  readonly notes: string[] = [];
  readonly attentions: string[] = [];
  config: Config;
  confirmed = true;
  /** What confirm was shown last. */
  preview: ForgetResult | undefined;
  private readonly chunk: number;

  private constructor(folder: string, options: LabOptions) {
    this.folder = folder;
    this.chunk = options.chunk ?? 1000;
    this.config = configIn(folder, options.source ?? 'host');
  }

  static async make(options: LabOptions = {}): Promise<Lab> {
    const lab = new Lab(mkdtempSync(join(memory, 'bn-lab-')), options);
    await init(lab.context(), { unlockWith: 'key-file', recovery: false, shared: options.shared === true });
    return lab;
  }

  remove(): void {
    removeMemoryStore(this.config.store.url);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Sets the clock that everything but SQLite sees. */
  at(time: string | number | Date): this {
    vi.setSystemTime(new Date(time));
    return this;
  }

  context(): Context {
    const { config, notes, attentions } = this;
    const unasked = async (): Promise<never> => {
      throw new Error('nobody to ask');
    };
    return {
      config,
      configFile: join(this.folder, 'config.json'),
      report: {
        start: () => {},
        progress: () => {},
        note: (message) => void notes.push(message),
        detail: () => {},
        warn: (message) => void notes.push(message),
        done: () => {},
      },
      signal: new AbortController().signal,
      waitLock: 0,
      async *unlock() {
        yield { kind: 'key-file', path: config.keyPath, content: readFileSync(config.keyPath) };
      },
      newPassphrase: unasked,
      recoveryKey: unasked,
      confirm: async (_question, preview) => {
        this.preview = typeof preview === 'function' ? await preview() : preview;
        return this.confirmed;
      },
      attention: (message) => void attentions.push(message),
    } as Context;
  }

  /** Opens the repository for `work`, as a command would. */
  async use<T>(work: (repository: Repository) => Promise<T>, lock: 'shared' | 'exclusive' = 'shared'): Promise<T> {
    const repository = await openRepository(this.context(), { command: 'test', lock, catalog: 'write' });
    try {
      return await work(repository);
    } finally {
      await repository.close();
    }
  }

  /** Makes a snapshot of a state, at the time that the clock shows; its id. */
  backup(state: LabState, more: { tags?: string[]; source?: string; time?: bigint } = {}): Promise<string> {
    return this.use((repository) => new LabBackup(repository, this.chunk).run(state, more));
  }

  /** What a snapshot holds, read and verified from the store. */
  restore(name: string): Promise<Map<string, LabFile>> {
    return this.use(async (repository) => {
      const row = repository.catalog.snapshots.get(name);
      if (row === undefined) throw new Error(`no snapshot ${name}`);
      return restored(repository, repository.catalog.query.entries(row));
    });
  }

  snapshots(source?: string): Promise<SnapshotRow[]> {
    return this.use(async ({ catalog }) => catalog.snapshots.all(source));
  }

  /** Bytes of all that is in the store. */
  get storeBytes(): number {
    return [...this.files().values()].reduce((sum, size) => sum + size, 0);
  }

  /** Paths below a folder of the store. */
  objects(folder: string): string[] {
    return [...this.files().keys()].filter((path) => path.startsWith(`${folder}/`));
  }

  /** Bytes of one of them. */
  size(path: string): number {
    return this.files().get(path) ?? 0;
  }

  /** Sizes of the store's files by path, on the disk or in memory. */
  private files(): Map<string, number> {
    const { url } = this.config.store;
    const inMemory = [...filesOf(url)].map(([path, { length }]) => [path, length] as const);
    if (inMemory.length > 0 || !existsSync(url)) return new Map(inMemory);
    const paths = readdirSync(url, { recursive: true, encoding: 'utf8' }).map(
      (path) => [path, statSync(join(url, path))] as const,
    );
    return new Map(paths.filter(([, stat]) => stat.isFile()).map(([path, { size }]) => [path, size]));
  }
}

/** Reads every entry with its content from the store. */
export async function restored(repository: Repository, entries: Iterable<Entry>): Promise<Map<string, LabFile>> {
  const { catalog, store, keyring, config } = repository;
  const index = BlobIndex.load(catalog, indexFile(config.tableDir), readable);
  const reader = new BlobReader(store, keyring, index);
  const found = new Map<string, LabFile>();
  const read = async (content: { depth: number; ids: Uint8Array }): Promise<Uint8Array> => {
    const { chunks } = await chunkIds(reader, content);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < chunks.length; at += ID_LENGTH) {
      const hole = holeLength(chunks, at);
      parts.push(
        hole === undefined ? await reader.read('data', chunks.subarray(at, at + ID_LENGTH)) : new Uint8Array(hole),
      );
    }
    return new Uint8Array(Buffer.concat(parts));
  };
  try {
    for (const entry of entries) {
      const file: LabFile = {
        content: entry.type === EntryType.file ? await read(entry) : null,
        mtime: entry.mtimeSec,
      };
      if (entry.replaced !== undefined) file.replaced = await read(entry.replaced);
      found.set(entry.key.replaceAll('\0', '/'), file);
    }
  } finally {
    index.close();
  }
  return found;
}

/** Where labs lie: in memory if possible, since each object is synced. */
const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** Makes one snapshot as a backup does: packs, index, snapshot, catalog. */
class LabBackup {
  private readonly repository: Repository;
  private readonly index: BlobIndex;
  private readonly origin;
  private readonly hashers: Record<BlobKind, BlobHasher>;
  private readonly packs: Record<PackKind, PackWriter | undefined> = { data: undefined, meta: undefined };
  private readonly builders: Record<PackKind, FrameBuilder>;
  private readonly chunk: number;
  private readonly segments = new Map<string, Uint8Array>();

  constructor(repository: Repository, chunk: number) {
    const { catalog, keyring, store, config } = repository;
    this.repository = repository;
    this.chunk = chunk;
    this.origin = { run: newRunId(), writer: Buffer.from(keyring.signer(), 'hex') };
    const signer = keyring.signer();
    this.index = BlobIndex.load(
      catalog,
      indexFile(config.tableDir),
      (row) => row.present && !row.tombstoned && (row.opened || row.writer === signer),
      1000,
    );
    this.hashers = {
      data: blobHasher(keyring, 'data'),
      listing: blobHasher(keyring, 'listing'),
      'chunk-list': blobHasher(keyring, 'chunk-list'),
    };
    const builder = (kind: PackKind) =>
      new FrameBuilder(new Compressor(1), (frame) => {
        this.packs[kind] ??= new PackWriter(store, keyring, kind, this.origin);
        this.packs[kind].add(frame);
      });
    this.builders = { data: builder('data'), meta: builder('meta') };
  }

  async run(state: LabState, more: { tags?: string[]; source?: string; time?: bigint }): Promise<string> {
    const { catalog, keyring, store, config } = this.repository;
    const source = more.source ?? config.source;
    const lineage = lineageToContinue(catalog, source);
    const cutter = new ListingCutter(keyring.shared.listingCut);
    const tree = new ListingTreeBuilder(cutter, (bytes) => this.put('listing', bytes));
    const children: { firstKey: string; id: Uint8Array }[] = [];
    let items: Entry[] = [];
    const close = (): void => {
      const bytes = encodeSegment(items);
      const id = this.put('listing', bytes);
      const child = { firstKey: items[0]?.key ?? '', id, entries: items.length };
      this.segments.set(Buffer.from(id).toString('hex'), bytes);
      children.push(child);
      tree.add(child);
      items = [];
    };
    for (const entry of this.entries(state)) {
      if (cutter.cutsBefore(entry.key, items.length)) close();
      items.push(entry);
    }
    if (items.length > 0 || children.length === 0) close();
    const listing = tree.finish();
    await this.finishPacks();
    const time = more.time ?? BigInt(Date.now()) * 1_000_000n;
    const { head } = lineage;
    const header = {
      source,
      sequence: (head?.seq ?? 0) + 1,
      parent: head?.name ?? null,
      replaces: [],
      catalogId: catalog.id,
      started: time,
      time,
      mode: 'full' as const,
      kind: 'taken' as const,
      pending: false,
      listing,
    };
    const body = {
      host: 'lab',
      user: 'lab',
      roots: [{ path: '/r', adHoc: false }],
      tags: more.tags ?? [],
      counts: { files: state.size, dirs: 0, bytes: 0 },
      program: 'lab',
    };
    const { name, bytes } = sealSnapshot(keyring, header, body);
    await store.put(objectPath('snapshots', name), bytes);
    await applyListing(catalog, {
      source: lineage.id,
      snapshot: snapshotInput(name, header, body, keyring.signer()),
      segments: children,
      fetch: async (ids) => ids.map((id) => this.segments.get(Buffer.from(id).toString('hex'))!),
    });
    if (keyring.isFull) noteReceipts(catalog, this.repository.reconciled.trust, name);
    if (source === config.source) catalog.setMeta(OWN_SOURCE, source);
    this.index.close();
    return name;
  }

  private *entries(state: LabState): Generator<Entry> {
    const paths = [...state].map(([path, file]) => [path.replaceAll('/', '\0'), file] as const);
    for (const [key, file] of paths.sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
      const base = { key, mode: 0o644, uid: 0, gid: 0, mtimeSec: file.mtime, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 };
      if (file.content === null) yield { ...base, type: EntryType.dir, size: 0, ino: 1, ...NO_CONTENT };
      else {
        const entry: Entry = {
          ...base,
          type: EntryType.file,
          size: file.content.length,
          ino: 2,
          chunkClass: 0,
          ...this.store(file.content),
        };
        if (file.replaced !== undefined)
          entry.replaced = { chunkClass: 0, size: file.replaced.length, ...this.store(file.replaced) };
        yield entry;
      }
    }
  }

  private store(content: Uint8Array): { depth: number; ids: Uint8Array } {
    const ids: Uint8Array[] = [];
    const sizes: number[] = [];
    for (let at = 0; at < content.length; at += this.chunk) {
      const part = content.subarray(at, Math.min(content.length, at + this.chunk));
      ids.push(this.put('data', part));
      sizes.push(part.length);
    }
    return buildChunkList(Buffer.concat(ids), sizes, (bytes) => this.put('chunk-list', bytes));
  }

  private put(kind: BlobKind, bytes: Uint8Array): Uint8Array {
    const id = new Uint8Array(ID_LENGTH);
    this.hashers[kind](bytes, 0, bytes.length, id, 0);
    const claim = { number: 0, isNew: false };
    this.index.claims.claim(id, 0, claim);
    if (claim.isNew) this.builders[kind === 'data' ? 'data' : 'meta'].add(bytes, 0, bytes.length, id, 0);
    return id;
  }

  private async finishPacks(): Promise<void> {
    const { catalog, keyring, store } = this.repository;
    const finished: FinishedPack[] = [];
    for (const kind of ['data', 'meta'] as const) {
      this.builders[kind].flush();
      const pack = this.packs[kind];
      if (pack !== undefined) finished.push(await pack.finish());
    }
    if (finished.length === 0) return;
    const rows = finished.map((pack) => ({
      ...pack,
      run: Buffer.from(this.origin.run).toString('hex'),
      writer: keyring.signer(),
      opened: false,
      blobs: decodeDirectory(pack.directory).lengths.length,
    }));
    catalog.packs.add(rows);
    const index = sealIndex(keyring, { packs: rows, supersedes: [] }, zstdCodec);
    await store.put(objectPath('index', index.name), index.bytes);
    noteIndex(catalog, index.name, rows);
  }
}

function configIn(folder: string, source: string): Config {
  return {
    tableDir: join(folder, 'tables'),
    store: { url: join(folder, 'store'), s3: {}, sftp: {} },
    keyPath: join(folder, 'key'),
    hardRemove: false,
    backupRoots: [join(folder, 'data')],
    source,
    sourceIsSet: true,
    exclude: [],
    excludeFiles: [],
    excludeCaches: false,
    oneFileSystem: false,
    compression: 'auto',
    fullEvery: 30 * 86_400_000,
    targets: [],
    nice: 0,
    ignoreCtime: false,
    ignoreInode: false,
  };
}

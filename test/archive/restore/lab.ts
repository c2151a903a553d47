import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { BlobIndex, readable } from '../../../src/archive/blob-index.js';
import { BlobReader } from '../../../src/archive/blob-reader.js';
import { FrameBuilder } from '../../../src/archive/ingest/frame-builder.js';
import { type FinishedPack, type FramePayload, newRunId, PackWriter } from '../../../src/archive/ingest/pack-writer.js';
import { Extractor } from '../../../src/archive/restore/extractor.js';
import { Mapping } from '../../../src/archive/restore/mapping.js';
import { type PassOptions, runPass } from '../../../src/archive/restore/pass.js';
import type { ExtractPool } from '../../../src/archive/restore/pool.js';
import type { RestoreResult } from '../../../src/archive/types.js';
import { type ByteString, fromDisplay } from '../../../src/bytes.js';
import type { Catalog } from '../../../src/catalog/index.js';
import { blobHasher, blobId } from '../../../src/crypto/blob-id.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { buildChunkList, holeId } from '../../../src/format/chunk-list.js';
import { type Entry, EntryType, ID_LENGTH, NO_CONTENT } from '../../../src/format/entry.js';
import { decodeDirectory } from '../../../src/format/pack.js';
import { Compressor } from '../../../src/format/zstd.js';
import type { StatBuffer } from '../../../src/platform/index.js';
import { LeftOut } from '../../../src/scan/index.js';
import { type ObjectStore, objectPath, openStore } from '../../../src/store/index.js';
import { planFor } from '../../scan/support.js';

/** Fields of an entry that a test cares about. */
export type Fields = Partial<Omit<Entry, 'key' | 'type'>>;

/** A piece of a file: bytes, or a hole of so many. */
export type Piece = Uint8Array | number;

export interface LabOptions extends Partial<PassOptions> {
  map?: { from: ByteString; to: ByteString }[];
  roots?: string[];
  /** What backups leave out. */
  unsaved?: Partial<Parameters<typeof planFor>[1] & object>['config'];
  /** Paths that the user has named. */
  named?: string[];
  isProtected?: (stat: StatBuffer) => boolean;
  signal?: AbortSignal;
  /** Entries to restore; default: all of the lab's. */
  only?: (entry: Entry) => boolean;
  cacheBytes?: number;
  /** Called before each task of the workers. */
  beforeTask?: () => void;
}

/** A store with packs and a listing made up by a test, and a place to restore it to. */
export class Lab {
  readonly base: string;
  readonly target: string;
  readonly entries: Entry[] = [];
  readonly warnings: string[] = [];
  private readonly keyring = createFullKeyring(native);
  private readonly hash = blobHasher(this.keyring, 'data');
  private readonly store: ObjectStore;
  private readonly packs: FinishedPack[] = [];
  private data: PackWriter | undefined;
  private frames: FrameBuilder | undefined;
  private nodes: { id: Uint8Array; bytes: Uint8Array }[] = [];
  private readonly known = new Set<string>();
  /** Cut files into chunks of this many bytes. */
  chunk = 64 * 1024;
  /** Store chunks that are stored already once more. */
  twice = false;

  private constructor(base: string, store: ObjectStore) {
    this.base = base;
    this.target = join(base, 'target');
    this.store = store;
  }

  static async open(): Promise<Lab> {
    const base = fs.mkdtempSync(join(os.tmpdir(), 'restore-'));
    return new Lab(base, await openStore(join(base, 'store'), { create: true }));
  }

  async close(): Promise<void> {
    await this.store.close();
    // Node's own rm takes whole paths, which may be too long here.
    spawnSync('rm', ['-rf', this.base]);
  }

  /** Adds an entry; `path` is absolute. */
  add(path: string | { bytes: ByteString }, type: EntryType, fields: Fields = {}): Entry {
    const bytes = typeof path === 'string' ? fromDisplay(path) : path.bytes;
    const entry: Entry = {
      ...NO_CONTENT,
      key: bytes.slice(1).replaceAll('/', '\0'),
      type,
      mode: type === EntryType.dir ? 0o755 : 0o644,
      uid: process.geteuid!(),
      gid: process.getegid!(),
      size: 0,
      mtimeSec: 1_600_000_000,
      mtimeNsec: 123_456_789,
      ctimeSec: 1_600_000_000,
      ctimeNsec: 0,
      ino: 1,
      ...fields,
    };
    this.entries.push(entry);
    return entry;
  }

  dir(path: string, fields: Fields = {}): Entry {
    return this.add(path, EntryType.dir, fields);
  }

  symlink(path: string, target: string, fields: Fields = {}): Entry {
    return this.add(path, EntryType.symlink, { mode: 0o777, target: fromDisplay(target), ...fields });
  }

  /** Adds a file and stores its chunks. */
  file(path: string | { bytes: ByteString }, content: string | Piece | Piece[], fields: Fields = {}): Entry {
    const pieces: Piece[] =
      typeof content === 'string' ? [Buffer.from(content)] : Array.isArray(content) ? content : [content];
    const ids: Uint8Array[] = [];
    const sizes: number[] = [];
    for (const piece of pieces) {
      if (typeof piece === 'number') {
        ids.push(holeId(piece));
        sizes.push(piece);
        continue;
      }
      for (let at = 0; at < piece.length; at += this.chunk) {
        const bytes = piece.subarray(at, at + this.chunk);
        ids.push(this.blob(bytes));
        sizes.push(bytes.length);
      }
    }
    const list = buildChunkList(Buffer.concat(ids), sizes, (bytes) => {
      const id = blobId(this.keyring, 'chunk-list', bytes);
      this.nodes.push({ id, bytes });
      return id;
    });
    const size = sizes.reduce((sum, n) => sum + n, 0);
    return this.add(path, EntryType.file, { size, depth: list.depth, ids: list.ids, ...fields });
  }

  /** Ends the open frame and pack, so that what follows lies in others. */
  async cut(): Promise<FinishedPack | undefined> {
    this.frames?.flush();
    const pack = await this.data?.finish();
    if (pack !== undefined) this.packs.push(pack);
    this.data = undefined;
    this.frames = undefined;
    return pack;
  }

  /** Ends the open frame. */
  cutFrame(): void {
    this.frames?.flush();
  }

  /** Path of a pack's file. */
  packFile(pack: FinishedPack): string {
    return join(this.base, 'store', objectPath('packs', pack.name));
  }

  /** Changes one byte of a frame of a pack. */
  damage(pack: FinishedPack, frame: number): void {
    const { offset, length } = decodeDirectory(pack.directory).frames[frame];
    const fd = fs.openSync(this.packFile(pack), 'r+');
    const byte = Buffer.alloc(1);
    const at = offset + (length >> 1);
    fs.readSync(fd, byte, 0, 1, at);
    byte[0] ^= 1;
    fs.writeSync(fd, byte, 0, 1, at);
    fs.closeSync(fd);
  }

  /** Restores into the target (made if missing). */
  async restore(options: LabOptions = {}): Promise<RestoreResult> {
    await this.cut();
    await this.storeNodes();
    const index = BlobIndex.load(this.catalog(), join(this.base, 'ids'), readable);
    const reader = new BlobReader(this.store, this.keyring, index);
    const verify = options.verify ?? false;
    const { cacheBytes } = options;
    const extractor = new Extractor({ store: this.store, keyring: this.keyring, verify, cacheBytes });
    // Like a worker that has two tasks under way.
    const turns: Promise<unknown>[] = [Promise.resolve(), Promise.resolve()];
    const pool: ExtractPool = {
      atOnce: turns.length,
      run: (task) => {
        const turn = turns.shift()!.then(() => {
          options.beforeTask?.();
          return extractor.run(structuredClone(task));
        });
        turns.push(turn.catch(() => undefined));
        return turn;
      },
      close: () => Promise.resolve(),
    };
    const entries = [...this.entries].filter(options.only ?? (() => true)).sort((a, b) => (a.key < b.key ? -1 : 1));
    let notSeen: BlobIndex | undefined;
    const nothing = (): void => undefined;
    const plan = await planFor(options.roots ?? ['/'], { config: options.unsaved });
    try {
      return await runPass(
        {
          context: {
            report: {
              start: nothing,
              progress: nothing,
              note: nothing,
              detail: nothing,
              warn: (line) => this.warnings.push(line),
              done: nothing,
            },
            signal: options.signal ?? new AbortController().signal,
          },
          index,
          fallback: () => {
            notSeen ??= BlobIndex.load(this.catalog(), join(this.base, 'not-seen'), (pack) => !pack.present);
            return notSeen;
          },
          reader,
          keyring: this.keyring,
          pool,
          mapping: new Mapping(fromDisplay(this.target), options.map ?? []),
          entries,
          ancestor: (key) => this.entries.find((entry) => entry.key === key),
          roots: (options.roots ?? ['/']).map((path) => fromDisplay(path).slice(1).replaceAll('/', '\0')),
          named: (options.named ?? []).map((path) => fromDisplay(path).slice(1).replaceAll('/', '\0')),
          leftOut: options.delete ? new LeftOut(plan.scan) : undefined,
          isProtected: options.isProtected ?? (() => false),
          totals: undefined,
          problems: [],
        },
        {
          overwrite: options.overwrite ?? 'if-changed',
          versionId: options.versionId,
          dryRun: options.dryRun ?? false,
          verify,
          delete: options.delete ?? false,
          include: options.include ?? [],
          exclude: options.exclude ?? [],
        },
      );
    } finally {
      index.close();
      notSeen?.close();
    }
  }

  private blob(bytes: Uint8Array): Uint8Array {
    const id = new Uint8Array(ID_LENGTH);
    this.hash(bytes, 0, bytes.length, id, 0);
    const hex = Buffer.from(id).toString('hex');
    if (this.known.has(hex) && !this.twice) return id;
    this.known.add(hex);
    const origin = { run: newRunId(), writer: new Uint8Array(32) };
    this.data ??= new PackWriter(this.store, this.keyring, 'data', origin);
    const pack = this.data;
    this.frames ??= new FrameBuilder(new Compressor(1), (frame) => pack.add(frame));
    this.frames.add(bytes, 0, bytes.length, id, 0);
    return id;
  }

  private async storeNodes(): Promise<void> {
    if (this.nodes.length === 0) return;
    const pack = new PackWriter(this.store, this.keyring, 'meta', { run: newRunId(), writer: new Uint8Array(32) });
    const frames = new FrameBuilder(new Compressor(1), (frame: FramePayload) => pack.add(frame));
    for (const { id, bytes } of this.nodes) frames.add(bytes, 0, bytes.length, id, 0);
    frames.flush();
    this.packs.push(await pack.finish());
    this.nodes = [];
  }

  /** As much of a catalog as finding blobs takes. */
  private catalog(): Catalog {
    const isWhole = (pack: FinishedPack): boolean =>
      fs.statSync(this.packFile(pack), { throwIfNoEntry: false })?.size === pack.size;
    const rows = this.packs.map((pack, i) => ({
      number: i + 1,
      name: pack.name,
      kind: pack.kind,
      directory: pack.directory,
      blobs: decodeDirectory(pack.directory).ids.length / ID_LENGTH,
      present: isWhole(pack),
    }));
    const packs = {
      all: () => rows,
      directories: () => rows.values(),
      directory: (number: number) => rows[number - 1]?.directory,
    };
    return { packs } as unknown as Catalog;
  }
}

/** Random bytes from a seed, so that failures repeat. */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

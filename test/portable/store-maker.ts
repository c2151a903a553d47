import { blobId } from '../../src/crypto/blob-id.js';
import { createFullKeyring, type Keyring, keyringForRole, type Role } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { sealCert } from '../../src/format/cert.js';
import { buildChunkList } from '../../src/format/chunk-list.js';
import { makeConfig } from '../../src/format/config-json.js';
import { type Content, type Entry, EntryType, NO_CONTENT } from '../../src/format/entry.js';
import { sealIndex } from '../../src/format/index-object.js';
import { ListingCutter, ListingTreeBuilder } from '../../src/format/listing.js';
import { createSealer, DIRECTORY_FRAME, ObjectKind, objectName, type SealedObject } from '../../src/format/object.js';
import { encodeDirectory, type FrameInfo } from '../../src/format/pack.js';
import { type StoreRecord, sealRecord } from '../../src/format/record.js';
import { encodeSegment } from '../../src/format/segment.js';
import { type SlotSecret, sealSlot } from '../../src/format/slot.js';
import { type SnapshotHeader, sealSnapshot } from '../../src/format/snapshot.js';
import * as zstd from '../../src/format/zstd.js';
import type { StoreFiles } from '../../src/portable/index.js';
import { type Folder, objectPath } from '../../src/store/index.js';

type Kind = 'data' | 'listing' | 'chunk-list';

/** Cheap, for tests. */
const COST = { memory: 64, passes: 1, lanes: 1 };

/** A pack as an index names it. */
export interface MadePack {
  name: string;
  size: number;
  kind: 'data' | 'meta';
  run: string;
  writer: string;
  opened: boolean;
  directory: Uint8Array;
}

/** Files in memory, as the portable reader wants them. */
export class MemoryFiles implements StoreFiles {
  readonly map: Map<string, Uint8Array>;
  reads = 0;

  constructor(map = new Map<string, Uint8Array>()) {
    this.map = map;
  }

  async list(folder: string) {
    return [...this.map]
      .filter(([path]) => path.startsWith(`${folder}/`))
      .map(([path, bytes]) => ({ path, size: bytes.length }));
  }

  async read(path: string) {
    this.reads++;
    return this.map.get(path);
  }

  async readRange(path: string, offset: number, length: number) {
    this.reads++;
    return this.map.get(path)!.subarray(offset, offset + length);
  }
}

/** Makes stores out of nothing but the format, object by object. */
export class StoreMaker {
  readonly full: Keyring;
  readonly files = new MemoryFiles();

  constructor() {
    this.full = createFullKeyring(native);
    this.files.map.set(
      'config.json',
      Buffer.from(makeConfig(this.full, { mode: 'shared', created: '2026-01-02T03:04:05Z' })),
    );
    this.certify(this.full, 'full', '*');
  }

  put(folder: Folder, object: SealedObject): string {
    this.files.map.set(objectPath(folder, object.name), new Uint8Array(object.bytes));
    return object.name;
  }

  certify(keyring: Keyring, role: 'full' | 'backup', sources: string[] | '*'): void {
    this.put('certs', sealCert(this.full, { signer: keyring.signer(), role, sources, created: 0n }));
  }

  /** Another key of the store, certified unless told otherwise. */
  key(role: 'full' | 'backup', sources: string[] | '*' | 'none'): Keyring {
    const keyring = keyringForRole(this.full, role);
    if (sources !== 'none') this.certify(keyring, role, sources);
    return keyring;
  }

  async slot(secret: SlotSecret, role: Role = 'full'): Promise<void> {
    const keyring = role === 'full' ? this.full : keyringForRole(this.full, role);
    this.put('keys', await sealSlot(keyring, secret, { created: 0n, cost: COST }));
  }

  /** A pack with these frames of blobs; raw frames where told. */
  pack(
    kind: 'data' | 'meta',
    frames: { blobs: Uint8Array[]; ids: Uint8Array[]; raw?: boolean }[],
    by = this.full,
  ): MadePack {
    const { header, cipher } = createSealer(by, kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack);
    const parts = [header];
    const infos: FrameInfo[] = [];
    let offset = header.length;
    let firstBlob = 0;
    frames.forEach(({ blobs, raw = false }, number) => {
      const plain = new Uint8Array(Buffer.concat(blobs));
      const sealed = cipher.seal(number, raw ? plain : zstd.compress(plain));
      parts.push(sealed);
      infos.push({ offset, length: sealed.length, raw, firstBlob, blobs: blobs.length, plainLength: plain.length });
      offset += sealed.length;
      firstBlob += blobs.length;
    });
    const run = new Uint8Array(16).fill(1);
    const directory = encodeDirectory({
      run,
      writer: Buffer.from(by.signer(), 'hex'),
      frames: infos,
      ids: new Uint8Array(Buffer.concat(frames.flatMap(({ ids }) => ids))),
      lengths: Uint32Array.from(frames.flatMap(({ blobs }) => blobs.map((blob) => blob.length))),
    });
    const sealed = cipher.seal(DIRECTORY_FRAME, directory);
    const trailer = Buffer.alloc(4);
    trailer.writeUInt32LE(sealed.length);
    const bytes = new Uint8Array(Buffer.concat([...parts, sealed, trailer]));
    const name = this.put('packs', { name: objectName(native, bytes), bytes });
    return { name, size: bytes.length, kind, run: '01'.repeat(16), writer: by.signer(), opened: true, directory };
  }

  index(packs: MadePack[], by = this.full): string {
    return this.put('index', sealIndex(by, { packs, supersedes: [] }, zstd));
  }

  record(record: Exclude<StoreRecord, { type: 'unknown' }>, by = this.full): string {
    return this.put('records', sealRecord(by, record));
  }

  snapshot(
    change: Partial<SnapshotHeader> & Pick<SnapshotHeader, 'listing'>,
    by = this.full,
    tags: string[] = [],
  ): string {
    const header: SnapshotHeader = {
      source: 'laptop',
      sequence: 1,
      parent: null,
      replaces: [],
      catalogId: '02'.repeat(16),
      started: 1n,
      time: 2n,
      mode: 'full',
      kind: 'taken',
      pending: false,
      ...change,
    };
    const body = {
      host: 'laptop.local',
      user: 'ann',
      roots: [{ path: '/home', adHoc: false }],
      tags,
      counts: { files: 1, dirs: 2, bytes: 3 },
      program: 'test',
    };
    return this.put('snapshots', sealSnapshot(by, header, body));
  }
}

/** Gathers the blobs of one snapshot and puts them into packs. */
export class Gatherer {
  readonly maker: StoreMaker;
  private readonly by: Keyring;
  private readonly data = new Map<string, [Uint8Array, Uint8Array]>();
  private readonly meta = new Map<string, [Uint8Array, Uint8Array]>();

  constructor(maker: StoreMaker, by = maker.full) {
    this.maker = maker;
    this.by = by;
  }

  blob(kind: Kind, bytes: Uint8Array): Uint8Array {
    const id = new Uint8Array(blobId(this.maker.full, kind, bytes));
    (kind === 'data' ? this.data : this.meta).set(Buffer.from(id).toString('hex'), [id, bytes]);
    return id;
  }

  /** The content of a file with these chunks; an id instead of bytes is taken as it is (a hole). */
  content(chunks: readonly (Uint8Array | { id: Uint8Array; length: number })[]): Content & { size: number } {
    const ids = chunks.map((chunk) => ('id' in chunk ? chunk.id : this.blob('data', chunk)));
    const sizes = chunks.map((chunk) => chunk.length);
    const list = buildChunkList(new Uint8Array(Buffer.concat(ids)), sizes, (node) => this.blob('chunk-list', node));
    return { chunkClass: 0, ...list, size: sizes.reduce((sum, size) => sum + size, 0) };
  }

  /** The root of a listing with these entries. */
  listing(entries: readonly Entry[]): { id: Uint8Array; depth: number } {
    const cutter = new ListingCutter(this.maker.full.shared.listingCut);
    const tree = new ListingTreeBuilder(cutter, (node) => this.blob('listing', node));
    let run: Entry[] = [];
    const close = () => {
      tree.add({ firstKey: run[0]?.key ?? '', id: this.blob('listing', encodeSegment(run)), entries: run.length });
      run = [];
    };
    for (const entry of entries) {
      if (cutter.cutsBefore(entry.key, run.length)) close();
      run.push(entry);
    }
    if (run.length > 0 || entries.length === 0) close();
    return tree.finish();
  }

  /** Writes what was gathered: data packs of a few frames each, a metadata pack. */
  packs(): MadePack[] {
    const packs: MadePack[] = [];
    const write = (kind: 'data' | 'meta', blobs: [Uint8Array, Uint8Array][]) => {
      for (let at = 0; at < blobs.length; at += 60) {
        const frames = [];
        for (let from = at; from < Math.min(at + 60, blobs.length); from += 20) {
          const part = blobs.slice(from, Math.min(from + 20, at + 60));
          frames.push({ ids: part.map(([id]) => id), blobs: part.map(([, bytes]) => bytes), raw: from % 40 === 20 });
        }
        packs.push(this.maker.pack(kind, frames, this.by));
      }
    };
    write('data', [...this.data.values()]);
    write('meta', [...this.meta.values()]);
    return packs;
  }
}

/** An entry with nothing particular. */
export function entryOf(key: string, change: Partial<Entry> = {}): Entry {
  return {
    key,
    type: EntryType.dir,
    mode: 0o755,
    uid: 1000,
    gid: 1000,
    size: 0,
    mtimeSec: 1_700_000_000,
    mtimeNsec: 500_000_000,
    ctimeSec: 1_700_000_001,
    ctimeNsec: 0,
    ino: 7,
    ...NO_CONTENT,
    ...change,
  };
}

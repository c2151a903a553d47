import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBytes } from '../../src/bytes.js';
import type { Catalog, SegmentRef, SnapshotInput, SourceId } from '../../src/catalog/index.js';
import { openCatalog } from '../../src/catalog/index.js';
import { compareKeys } from '../../src/catalog/keys.js';
import { type Entry, EntryType } from '../../src/format/entry.js';
import { encodeSegment } from '../../src/format/segment.js';

export const STORE = 'ab'.repeat(16);

/** In memory where there is such a place: catalogs sync a lot. */
const PLACE = fs.existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

/** A directory that is gone after the test. */
export function temporaryDirectory(): { dir: string; [Symbol.dispose](): void } {
  const dir = fs.mkdtempSync(join(PLACE, 'catalog-'));
  return { dir, [Symbol.dispose]: () => fs.rmSync(dir, { recursive: true, force: true }) };
}

/** A catalog for writing, made if need be. */
export async function openForTest(dir: string, storeId = STORE): Promise<Catalog> {
  const outcome = await openCatalog({ dir, storeId, access: 'write', create: true });
  if (outcome.kind !== 'ok') throw new Error(`not opened: ${outcome.kind}`);
  return outcome.catalog;
}

/** The lineage of `host` that a snapshot of snapshotInput belongs to. */
export function lineage(catalog: Catalog, seq = 1): SourceId {
  return catalog.snapshots.lineageFor('host', { name: snapshotInput(seq).name, seq }).source;
}

export function hexName(text: string, length = 64): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

export function file(key: string, content = 0, more: Partial<Entry> = {}): Entry {
  return {
    key,
    type: EntryType.file,
    mode: 0o644,
    uid: 1000,
    gid: 1000,
    size: content,
    mtimeSec: 1_700_000_000 + content,
    mtimeNsec: 5,
    ctimeSec: 1_700_000_000 + content,
    ctimeNsec: 7,
    ino: 42,
    chunkClass: 0,
    depth: 0,
    ids: createHash('sha256').update(`content ${content}`).digest().subarray(0, 24),
    user: 'user',
    ...more,
  };
}

export function directory(key: string, more: Partial<Entry> = {}): Entry {
  return { ...file(key), type: EntryType.dir, size: 0, ids: new Uint8Array(0), ...more };
}

export function snapshotInput(seq: number, more: Partial<SnapshotInput> = {}): SnapshotInput {
  return {
    name: hexName(`snapshot ${seq}`),
    seq,
    time: 1_700_000_000_000_000_000n + BigInt(seq) * 3_600_000_000_000n,
    started: 1_700_000_000_000_000_000n + BigInt(seq) * 3_600_000_000_000n - 5n,
    mode: 'soft',
    kind: 'taken',
    pending: false,
    listing: { id: new Uint8Array(24).fill(seq & 255), depth: 1 },
    replaces: [],
    tags: [],
    ...more,
  };
}

/** Cuts entries into segments by what is in their keys, as listings are; remembers the bytes by id. */
export class SegmentStore {
  private readonly bytes = new Map<string, Uint8Array>();
  private readonly mask: number;

  /** @param mask about how many entries a segment has, a power of two less one */
  constructor(mask = 3) {
    this.mask = mask;
  }

  /** The segments of a listing. */
  cut(entries: readonly Entry[]): SegmentRef[] {
    const refs: SegmentRef[] = [];
    let run: Entry[] = [];
    const close = (): void => {
      const bytes = encodeSegment(run);
      const id = new Uint8Array(createHash('sha256').update(bytes).digest().subarray(0, 24));
      this.bytes.set(fromBytes(id), bytes);
      refs.push({ firstKey: run.length === 0 ? '' : run[0].key, id });
      run = [];
    };
    for (const entry of [...entries].sort((a, b) => compareKeys(a.key, b.key))) {
      const hash = createHash('sha256').update(entry.key, 'latin1').digest()[0];
      if (run.length > 0 && (hash & this.mask) === 0) close();
      run.push(entry);
    }
    if (run.length > 0 || refs.length === 0) close();
    return refs;
  }

  get(id: Uint8Array): Uint8Array {
    return this.bytes.get(fromBytes(id))!;
  }

  /** What applyListing takes. */
  listing(entries: readonly Entry[]): { segments: SegmentRef[]; fetch(ids: Uint8Array[]): Promise<Uint8Array[]> } {
    return { segments: this.cut(entries), fetch: async (ids) => ids.map((id) => this.get(id)) };
  }
}

/** What a backup does: a run that drops and puts what differs from the active segments. */
export function backUp(
  catalog: Catalog,
  store: SegmentStore,
  source: SourceId,
  snapshot: SnapshotInput,
  entries: readonly Entry[],
): ReturnType<Catalog['runs']['complete']> {
  const stage = catalog.runs.begin(source);
  const refs = store.cut(entries);
  const wanted = new Set(refs.map((ref) => fromBytes(ref.id)));
  const active = catalog.active.list(source);
  const known = new Set(active.map((row) => fromBytes(row.id)));
  for (const row of active) if (!wanted.has(fromBytes(row.id))) stage.drop(row.rowid);
  for (const ref of refs) if (!known.has(fromBytes(ref.id))) stage.put(ref.firstKey, ref.id, store.get(ref.id));
  stage.seal(snapshot);
  return stage.complete();
}

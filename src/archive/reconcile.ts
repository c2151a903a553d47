import type { Catalog, SnapshotInput, SnapshotRow, SourceId } from '../catalog/index.js';
import { applyListing, forgetSnapshots, resetSource } from '../catalog/index.js';
import type { Keyring } from '../crypto/keyring.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { openCert } from '../format/cert.js';
import { openIndex } from '../format/index-object.js';
import type { ListingRoot } from '../format/listing.js';
import { decodeDirectory } from '../format/pack.js';
import { openRecord, type StoreRecord } from '../format/record.js';
import { openSnapshot, openSnapshotHeader, type SnapshotBody, type SnapshotHeader } from '../format/snapshot.js';
import { type NamedRecord, Trust } from '../format/trust.js';
import { zstdCodec } from '../format/zstd.js';
import { type ListedObject, type ObjectStore, objectPath, StoreError } from '../store/index.js';
import { BlobIndex, indexFile, readable } from './blob-index.js';
import { BlobReader } from './blob-reader.js';
import type { Context } from './context.js';
import { type CopiedFolder, copiedNames, dropCopies, keepCopy } from './copies.js';
import { type DamageMarks, damageMarks, NO_MARKS, noteMarked } from './damage-marks.js';
import { noteIndex, packsOfIndex } from './index-notes.js';
import { listingSegments } from './listing-reader.js';
import { type NamedTombstone, readAll, readTombstones, tryOpen, type UnreadableObject } from './small-objects.js';

/** What is needed to compare a catalog with its store. */
export interface ReconcileParts {
  context: Context;
  store: ObjectStore;
  keyring: Keyring;
  catalog: Catalog;
}

/** What the comparison found. */
export interface Reconciled {
  trust: Trust;
  /** Packs as the store lists them. */
  packs: ListedObject[];
  /** Names of the snapshots that the store lists. */
  snapshots: Set<string>;
  /** Packs that are known and are gone, have another size than they should, or were set aside by a record. */
  lostPacks: { name: string; what: 'missing' | 'size' | 'set aside' }[];
  /** Objects that could not be opened. */
  unreadable: UnreadableObject[];
  /** Certificates, records and snapshots that the catalog has seen, that nobody took away, and that the store lacks. */
  missing: { folder: CopiedFolder; name: string }[];
  /** What records say of damage. */
  marks: DamageMarks;
  /** Snapshots that the store lists although they were forgotten or replaced: whoever did it was killed in between. */
  leftovers: string[];
  /** All records that could be opened; `trust` says which count. */
  records: NamedRecord[];
  /** The tombstones that count. */
  tombstones: NamedTombstone[];
  /** Indexes as the store lists them. */
  indexes: ListedObject[];
}

/** How the comparison goes on. */
export interface ReconcileOptions {
  /** When the store lacks snapshots that nobody forgot: stop, take the store's word, only say so, or leave that to the caller. */
  rollback: 'stop' | 'accept' | 'warn' | 'spare';
}

/**
 * Brings a catalog up to what its store holds: the catalog may be wrong about the store, because another machine wrote,
 * a copy was put back, or a run was killed. The store's folders are listed in the order in which objects depend on each
 * other, so that nothing is listed whose needs were listed too early.
 */
export async function reconcile(parts: ReconcileParts, options: ReconcileOptions): Promise<Reconciled> {
  const { store, catalog, keyring } = parts;
  // Tombstones come first: whoever prunes carries out only those that were there before it saw the snapshots.
  const tombstones = await store.list('tombstones');
  const snapshots = await store.list('snapshots');
  const records = await store.list('records');
  const certs = await store.list('certs');
  const indexes = await store.list('index');
  const packs = await store.list('packs');
  const unreadable: UnreadableObject[] = [];

  const acceptLoss = options.rollback === 'accept';
  const readRecords = await readAll(parts, 'records', records, { unreadable, acceptLoss }, openRecord);
  const readCerts = await readAll(parts, 'certs', certs, { unreadable, acceptLoss }, openCert);
  const opened = readRecords.objects.map(({ name, object }) => ({ name, ...object })).sort(byRecordTime);
  const trust = new Trust(
    Buffer.from(keyring.shared.rootPublic).toString('hex'),
    readCerts.objects.map(({ object }) => object),
    opened,
  );
  const marks = damageMarks(opened, trust);
  const present = new Set(snapshots.map(({ name }) => name));
  settleSealedRuns(catalog, present);
  await mergeIndexes(parts, trust, indexes, unreadable);
  const doomed = await readTombstones(parts, trust, tombstones, unreadable);
  const isSetAside = (name: string) => marks.objects.size > 0 && marks.objects.has(objectPath('packs', name));
  const state = catalog.packs.reconcile(
    packs.filter(({ name }) => !isSetAside(name)),
    doomed.flatMap((tombstone) => tombstone.packs),
  );
  const forgotten = forgottenBy(opened, trust, catalog);
  const dead = await mergeSnapshots(parts, trust, snapshots, forgotten, unreadable);
  const spared = await dropMissing(parts, present, dead, options);
  applyRecords(catalog, trust, opened);
  noteMarked(catalog, marks);
  dropStaleCopies(catalog, present);
  if (keyring.isFull) noteReceipts(catalog);
  const missingPacks = dropPruned(catalog, state.missing, isSetAside);
  return {
    trust,
    packs,
    snapshots: present,
    lostPacks: [
      ...missingPacks.map(({ name }) => ({
        name,
        what: isSetAside(name) ? ('set aside' as const) : ('missing' as const),
      })),
      ...state.short.map(({ name }) => ({ name, what: 'size' as const })),
    ],
    unreadable,
    missing: [
      ...readRecords.missing.map((name) => ({ folder: 'records' as const, name })),
      ...readCerts.missing.map((name) => ({ folder: 'certs' as const, name })),
      ...spared.map((name) => ({ folder: 'snapshots' as const, name })),
    ],
    marks,
    leftovers: [...present].filter((name) => dead.has(name)),
    records: opened,
    tombstones: doomed,
    indexes,
  };
}

/**
 * Takes packs out of the catalog that are gone and that no index of the store names any more: another machine has
 * pruned them. Returns the others, which are lost.
 */
function dropPruned<P extends { name: string }>(
  catalog: Catalog,
  missing: readonly P[],
  isSetAside: (name: string) => boolean,
): P[] {
  if (missing.length === 0) return [];
  const indexes = catalog.objects.all('index');
  if (indexes.some(({ body }) => body === undefined)) return [...missing];
  const named = new Set(indexes.flatMap(({ body }) => packsOfIndex(body)));
  const stays = ({ name }: P) => named.has(name) || isSetAside(name);
  catalog.packs.remove(missing.filter((pack) => !stays(pack)).map(({ name }) => name));
  return missing.filter(stays);
}

/** Copies of snapshots that neither the store nor the catalog has any more are of no use. */
function dropStaleCopies(catalog: Catalog, present: ReadonlySet<string>): void {
  const stale = [...copiedNames(catalog, 'snapshots')].filter(
    (name) => !present.has(name) && catalog.snapshots.get(name) === undefined,
  );
  if (stale.length > 0) dropCopies(catalog, 'snapshots', stale);
}

function byRecordTime(a: NamedRecord, b: NamedRecord): number {
  return compare(a.record.time, b.record.time);
}

/** What this catalog sees for the first time, the store has got by now. */
function noteReceipts(catalog: Catalog): void {
  const now = BigInt(Date.now()) * 1_000_000n;
  for (const row of catalog.snapshots.all())
    if (row.received === undefined) catalog.snapshots.setReceived(row.name, now);
}

/** For readers that take the catalog as it is, because a backup holds it. */
export function nothingCompared(keyring: Keyring): Reconciled {
  const trust = new Trust(Buffer.from(keyring.shared.rootPublic).toString('hex'), []);
  return {
    trust,
    packs: [],
    snapshots: new Set(),
    lostPacks: [],
    unreadable: [],
    missing: [],
    marks: NO_MARKS,
    leftovers: [],
    records: [],
    tombstones: [],
    indexes: [],
  };
}

/** A run that was sealed is complete if its snapshot is in the store, and never happened if not. */
function settleSealedRuns(catalog: Catalog, present: Set<string>): void {
  for (const { run, snapshot } of catalog.runs.sealed()) {
    if (present.has(snapshot.name)) catalog.runs.complete(run);
    else catalog.runs.discard(run);
  }
}

/** Takes the pack rows of indexes that the catalog has not seen yet. */
async function mergeIndexes(
  { store, keyring, catalog }: ReconcileParts,
  trust: Trust,
  listed: ListedObject[],
  unreadable: Reconciled['unreadable'],
): Promise<void> {
  const merged = catalog.objects.names('index');
  const listedNames = new Set(listed.map(({ name }) => name));
  for (const { name } of listed) {
    if (merged.has(name)) continue;
    const opened = await tryOpen(store, 'index', name, unreadable, (bytes) => {
      const { index, signer } = openIndex(keyring, bytes, zstdCodec);
      const packs = index.packs.map((pack) => ({ ...pack, blobs: decodeDirectory(pack.directory).lengths.length }));
      return { packs, signer };
    });
    if (opened === undefined) continue;
    const { packs, signer } = opened;
    const role = trust.roleOf(signer, name);
    if (role === undefined) continue;
    // A backup key may vouch for its own packs only; that a pack was opened counts from a full role alone.
    const rows = packs.filter((pack) => role === 'full' || pack.writer === signer);
    catalog.transaction(() => {
      catalog.packs.add(rows.map((pack) => ({ ...pack, opened: pack.opened && role === 'full' })));
      noteIndex(catalog, name, packs);
    });
  }
  const gone = [...merged].filter((name) => !listedNames.has(name));
  if (gone.length > 0) catalog.objects.remove('index', gone);
}

interface Unmerged {
  name: string;
  header: SnapshotHeader;
  body: SnapshotBody | undefined;
  signer: string;
}

/** Takes snapshots that the catalog does not know. Returns the names of those that were forgotten, or that others replace. */
async function mergeSnapshots(
  parts: ReconcileParts,
  trust: Trust,
  listed: ListedObject[],
  forgotten: ReadonlySet<string>,
  unreadable: Reconciled['unreadable'],
): Promise<Set<string>> {
  const { store, keyring, catalog } = parts;
  const fresh: Unmerged[] = [];
  for (const { name } of listed) {
    if (forgotten.has(name) || catalog.snapshots.get(name) !== undefined) continue;
    const opened = await tryOpen(store, 'snapshots', name, unreadable, (bytes) => {
      const snapshot = keyring.canRead
        ? openSnapshot(keyring, bytes)
        : { ...openSnapshotHeader(keyring, bytes), body: undefined };
      keepCopy(catalog, 'snapshots', name, bytes);
      return snapshot;
    });
    if (opened !== undefined) fresh.push({ name, ...opened });
  }
  const dead = new Set([...forgotten, ...replacedNames(catalog, trust, fresh)]);
  const counting = fresh.filter((s) => !dead.has(s.name));
  counting.sort(
    (a, b) => a.header.sequence - b.header.sequence || compare(a.header.time, b.header.time) || compare(a.name, b.name),
  );
  if (counting.length > 0) await addSnapshots(parts, trust, counting, dead);
  return dead;
}

function replacedNames(catalog: Catalog, trust: Trust, fresh: Unmerged[]): Set<string> {
  const replaced = new Set<string>();
  for (const { name, header, signer } of fresh)
    if (trust.countsAsFull(signer, name)) for (const old of header.replaces) replaced.add(old);
  for (const row of catalog.snapshots.all())
    if (row.signer !== undefined && trust.countsAsFull(row.signer, row.name))
      for (const old of row.replaces) replaced.add(old);
  return replaced;
}

async function addSnapshots(
  parts: ReconcileParts,
  trust: Trust,
  snapshots: Unmerged[],
  dead: ReadonlySet<string>,
): Promise<void> {
  const { context, catalog, keyring, store } = parts;
  const blobs = BlobIndex.load(catalog, indexFile(context.config.tableDir), readable);
  const reader = new BlobReader(store, keyring, blobs);
  const touched = new Set<SourceId>();
  try {
    for (const s of snapshots) {
      const input = snapshotInput(s.name, s.header, s.body, s.signer);
      if (!trust.mayWrite(s.signer, s.header.source, s.name)) {
        const { source } = catalog.snapshots.lineageFor(`${s.header.source}`, input);
        catalog.snapshots.add(source, input, 'foreign');
        context.report.warn(
          `snapshot ${s.name.slice(0, 8)} of ${s.header.source} is signed by a key that may not write it`,
        );
        continue;
      }
      const { source, opened } = catalog.snapshots.lineageFor(s.header.source, input);
      if (opened)
        context.attention(
          `snapshot ${s.name.slice(0, 8)} is a second child of one parent (a cloned machine?): ${s.header.source} goes on in two lineages`,
        );
      if (!keyring.canRead || s.header.kind === 'kept') {
        catalog.snapshots.add(source, input, s.header.pending ? 'pending' : 'live');
        if (s.header.kind === 'kept' && keyring.canRead)
          await unlessDamaged(context, s.name, () => mergeKept(catalog, reader, s.name, s.header.listing));
        continue;
      }
      const head = catalog.snapshots.sources().find((row) => row.id === source)?.head;
      if (head !== undefined && head.seq >= s.header.sequence) {
        catalog.snapshots.add(source, input, s.header.pending ? 'pending' : 'live');
        touched.add(source);
        continue;
      }
      await applyReadable(context, catalog, reader, source, input);
    }
    for (const source of touched) await reapply(context, catalog, reader, source, dead);
  } finally {
    blobs.close();
  }
}

async function mergeKept(catalog: Catalog, reader: BlobReader, name: string, listing: ListingRoot): Promise<void> {
  const { decodeSegment } = await import('../format/segment.js');
  const entries = [];
  for await (const child of listingSegments(listing, reader)) {
    const segment = decodeSegment(await reader.read('listing', child.id));
    for (let i = 0; i < segment.length; i++) entries.push(segment.entry(i));
  }
  catalog.kept.put(name, entries);
}

/** Applies a snapshot. One whose listing is damaged is known by name only: all others are worth having without it. */
async function applyReadable(
  context: Context,
  catalog: Catalog,
  reader: BlobReader,
  source: SourceId,
  snapshot: SnapshotInput,
): Promise<void> {
  const isApplied = await unlessDamaged(context, snapshot.name, () => applyOne(catalog, reader, source, snapshot));
  if (!isApplied && catalog.snapshots.get(snapshot.name) === undefined)
    catalog.snapshots.add(source, snapshot, snapshot.pending ? 'pending' : 'live');
}

/** Does what needs a snapshot's listing; false, after saying so, when that is damaged. */
async function unlessDamaged(context: Context, snapshot: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    const isDamaged =
      error instanceof FormatError || (error instanceof StoreError && /^(missing|short)$/.test(error.code));
    if (!isDamaged) throw error;
    context.attention(
      `snapshot ${snapshot.slice(0, 8)} cannot be read, its listing is damaged (${error.message}); all others are there; 'backup-ninja check' tells more`,
    );
    return false;
  }
}

/**
 * Takes snapshots into the catalog that it knows by name only, as their listings could not be read when they were met.
 * @param unreadable names of snapshots whose listings still cannot be read. A history that has such a one among those
 *   applied is left alone: the catalog is the last that knows what it held.
 * @returns how many were taken in
 */
export async function applyAgain(
  parts: ReconcileParts & { reconciled: Reconciled },
  unreadable: ReadonlySet<string>,
): Promise<number> {
  const { catalog, context, keyring, store, reconciled } = parts;
  if (!keyring.canRead) return 0;
  const counting = catalog.snapshots.all().filter((row) => row.state !== 'foreign' && row.listing !== undefined);
  const waiting = counting.filter((row) => !row.applied && !unreadable.has(row.name));
  if (waiting.length === 0) return 0;
  const blobs = BlobIndex.load(catalog, indexFile(context.config.tableDir), readable);
  const reader = new BlobReader(store, keyring, blobs);
  try {
    for (const row of waiting)
      if (row.kind === 'kept')
        await unlessDamaged(context, row.name, () => mergeKept(catalog, reader, row.name, row.listing!));
    for (const source of new Set(waiting.filter(({ kind }) => kind === 'taken').map((row) => row.source)))
      if (!counting.some((row) => row.source === source && row.applied && unreadable.has(row.name)))
        await reapply(context, catalog, reader, source, new Set(reconciled.leftovers));
  } finally {
    blobs.close();
  }
  return waiting.filter(({ name }) => catalog.snapshots.get(name)?.applied).length;
}

async function applyOne(
  catalog: Catalog,
  reader: BlobReader,
  source: SourceId,
  snapshot: SnapshotInput,
): Promise<void> {
  if (snapshot.listing === undefined) throw new FormatError('a snapshot without listing');
  await applyListing(catalog, {
    source,
    snapshot,
    segments: listingSegments(snapshot.listing, reader),
    fetch: (ids) => Promise.all(ids.map((id) => reader.read('listing', id))),
  });
  catalog.active.deriveUnsettled(source, snapshot.started);
}

/** A snapshot came in before ones that were there: the lineage's intervals are made anew, in order. */
async function reapply(
  context: Context,
  catalog: Catalog,
  reader: BlobReader,
  source: SourceId,
  dead: ReadonlySet<string>,
): Promise<void> {
  resetSource(catalog, source);
  const rows = catalog.snapshots
    .all()
    .filter((row) => row.source === source && row.kind === 'taken' && row.state !== 'foreign' && !dead.has(row.name));
  rows.sort((a, b) => a.seq - b.seq || compare(a.time, b.time) || compare(a.name, b.name));
  for (const row of rows) await applyReadable(context, catalog, reader, source, row);
}

/** A snapshot's facts as the catalog keeps them. */
export function snapshotInput(
  name: string,
  header: SnapshotHeader,
  body: SnapshotBody | undefined,
  signer: string,
): SnapshotInput {
  return {
    name,
    seq: header.sequence,
    parent: header.parent ?? undefined,
    time: header.time,
    started: header.started,
    mode: header.mode,
    kind: header.kind,
    pending: header.pending,
    listing: header.listing,
    signer,
    catalogId: header.catalogId,
    replaces: header.replaces,
    body: body === undefined ? undefined : JSON.stringify(body, inOrder),
    tags: body?.tags ?? [],
  };
}

/** For JSON that is equal for equal values: a body read from the store has its fields in another order than a new one. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => compare(a, b)));
}

/** The body of a snapshot as snapshotInput wrote it; undefined for a key that may not see it. */
export function snapshotBody(row: SnapshotRow): SnapshotBody | undefined {
  return row.body === undefined ? undefined : (JSON.parse(row.body) as SnapshotBody);
}

function forgottenBy(records: NamedRecord[], trust: Trust, catalog: Catalog): Set<string> {
  const forgotten = new Set<string>();
  for (const { name, record, signer } of records)
    if (trust.counts(name, record, signer, originIn(catalog)))
      if (record.type === 'forget' || record.type === 'replaced')
        for (const snapshot of record.snapshots) forgotten.add(snapshot);
  return forgotten;
}

function originIn(catalog: Catalog): (snapshot: string) => { source: string; signer: string } | undefined {
  return (snapshot) => {
    const row = catalog.snapshots.get(snapshot);
    if (row === undefined || row.state === 'foreign' || row.signer === undefined) return undefined;
    return { source: row.sourceName, signer: row.signer };
  };
}

/**
 * Drops what the store no longer has. A snapshot that nobody forgot is a rollback, and stops unless told otherwise.
 * @returns names of those that nobody forgot and that were not dropped
 */
async function dropMissing(
  parts: ReconcileParts,
  present: Set<string>,
  dead: ReadonlySet<string>,
  options: ReconcileOptions,
): Promise<string[]> {
  const { catalog, context } = parts;
  const rows = catalog.snapshots.all();
  const missing = rows.filter((row) => !present.has(row.name));
  const unexplained = missing.filter((row) => !dead.has(row.name) && !catalog.snapshots.isForgotten(row.name));
  if (unexplained.length > 0 && options.rollback === 'stop')
    throw new UserError(
      ExitCode.failed,
      `the store lacks ${unexplained.length} snapshot(s) that it had, first ${unexplained[0].name.slice(0, 8)}: an old copy was put back, or they were deleted by hand, ${parts.store.url}; restore the store, or run 'backup-ninja backup --accept-rollback' to go on without them`,
    );
  if (unexplained.length > 0 && options.rollback !== 'spare')
    context.attention(`${unexplained.length} snapshot(s) are gone from the store`);
  const spared = new Set(options.rollback === 'accept' ? [] : unexplained.map((row) => row.name));
  const gone = rows
    .filter((row) => (!present.has(row.name) || dead.has(row.name)) && !spared.has(row.name))
    .map((row) => row.name);
  if (gone.length > 0) await forgetInCatalog(parts, gone);
  return [...spared];
}

/** Takes snapshots out of the catalog, reading the listing of what becomes the newest where that is needed. */
export async function forgetInCatalog(parts: ReconcileParts, names: string[]): Promise<void> {
  const { catalog, context, keyring, store } = parts;
  const blobs = BlobIndex.load(catalog, indexFile(context.config.tableDir), readable);
  const reader = new BlobReader(store, keyring, blobs);
  try {
    await forgetSnapshots(catalog, names, (row) => {
      if (row.listing === undefined) throw new FormatError('a snapshot without listing');
      return {
        segments: listingSegments(row.listing, reader),
        fetch: (ids: Uint8Array[]) => Promise.all(ids.map((id) => reader.read('listing', id))),
      };
    });
  } finally {
    blobs.close();
  }
}

/** Applies what records say of snapshots that are there. */
function applyRecords(catalog: Catalog, trust: Trust, records: NamedRecord[]): void {
  const tags = new Map<string, Set<string>>();
  for (const { name, record, signer } of records) {
    if (!trust.counts(name, record, signer, originIn(catalog))) continue;
    applyRecord(catalog, record, tags);
  }
  for (const [snapshot, wanted] of tags) {
    const now = catalog.snapshots.get(snapshot)?.tags ?? [];
    if (now.length !== wanted.size || now.some((tag) => !wanted.has(tag)))
      catalog.snapshots.setTags(snapshot, [...wanted].sort());
  }
}

function applyRecord(catalog: Catalog, record: StoreRecord, tags: Map<string, Set<string>>): void {
  if (record.type === 'tag') {
    const row = catalog.snapshots.get(record.snapshot);
    if (row === undefined) return;
    const wanted = tags.get(row.name) ?? new Set(snapshotBody(row)?.tags ?? []);
    for (const tag of record.add) wanted.add(tag);
    for (const tag of record.remove) wanted.delete(tag);
    tags.set(row.name, wanted);
  } else if (record.type === 'complete') {
    if (catalog.snapshots.get(record.snapshot)?.state === 'pending')
      catalog.snapshots.setPending(record.snapshot, false);
  } else if (record.type === 'receipt') {
    for (const { snapshot, received } of record.receipts) {
      const row = catalog.snapshots.get(snapshot);
      if (row !== undefined && (row.received === undefined || received < row.received))
        catalog.snapshots.setReceived(snapshot, received);
    }
  }
}

function compare<T>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

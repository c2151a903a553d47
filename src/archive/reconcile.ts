import type { Catalog, SnapshotInput, SnapshotRow, SourceId } from '../catalog/index.js';
import { applyListing, forgetSnapshots, resetSource } from '../catalog/index.js';
import type { Keyring } from '../crypto/keyring.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import type { ListingRoot } from '../format/listing.js';
import type { StoreRecord } from '../format/record.js';
import { decodeSegment } from '../format/segment.js';
import { openSnapshot, openSnapshotHeader, type SnapshotBody, type SnapshotHeader } from '../format/snapshot.js';
import { type NamedRecord, Trust } from '../format/trust.js';
import { type ListedObject, StoreError } from '../store/index.js';
import { BlobIndex, indexFile, readable } from './blob-index.js';
import { BlobReader } from './blob-reader.js';
import type { Context } from './context.js';
import { copiedNames, dropCopies, keepCopy } from './copies.js';
import { NO_MARKS, noteMarked } from './damage-marks.js';
import { SegmentSource } from './fetch/segment-source.js';
import { listingSegments } from './listing-reader.js';
import { noteOwnPending } from './own-pending.js';
import { dropPruned, lookAtPacks, type PacksSeen, type ReconcileParts } from './reconcile-packs.js';
import { latestKnown } from './retention/plausibility.js';
import { tryOpen, type UnreadableObject } from './small-objects.js';
import { noteListed, sumOf, totalsOf } from './store-totals.js';

/** A thread for reading listings pays only where there are many to be read. */
const FEW_SNAPSHOTS = 3;

/** What the comparison found. */
export interface Reconciled extends PacksSeen {
  /** Names of the snapshots that the store lists. */
  snapshots: Set<string>;
  /** Objects that could not be opened. */
  unreadable: UnreadableObject[];
  /** Snapshots that the store lists although they were forgotten or replaced: whoever did it was killed in between. */
  leftovers: string[];
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
  const unreadable: UnreadableObject[] = [];
  let listed: ListedObject[] = [];
  const seen = await lookAtPacks(parts, {
    unreadable,
    acceptLoss: options.rollback === 'accept',
    afterTombstones: async () => {
      listed = await store.list('snapshots');
    },
  });
  const { trust, records } = seen;
  const present = new Set(listed.map(({ name }) => name));
  const isComplete = completions(records, trust);
  settleSealedRuns(catalog, present, isComplete);
  const forgotten = forgottenBy(records, trust, catalog);
  const { fresh, returning } = await freshSnapshots(parts, trust, listed, { forgotten, isComplete }, unreadable);
  const dead = new Set([...forgotten, ...replacedNames(catalog, trust, fresh)]);
  const { gone, spared } = goneSnapshots(parts, present, dead, options);
  await mergeSnapshots(parts, trust, { fresh, returning, dead, gone });
  // Only now: fresh snapshots tell their lineage by their parents, and are merged with less to read beside these.
  if (gone.size > 0) await forgetInCatalog(parts, [...gone]);
  applyRecords(catalog, trust, records);
  noteMarked(catalog, seen.marks);
  dropStaleCopies(catalog, present);
  if (keyring.isFull) noteReceipts(catalog, trust);
  for (const { state, signer } of catalog.snapshots.all())
    if (state === 'foreign' && signer !== undefined && !trust.isCertified(signer)) seen.uncertified.add(signer);
  const lostPacks = dropPruned(catalog, seen.lostPacks);
  const all = sumOf(seen.listed, totalsOf(listed));
  noteListed(catalog, all);
  return {
    ...seen,
    snapshots: present,
    listed: all,
    lostPacks,
    unreadable,
    missing: [...seen.missing, ...[...spared].map((name) => ({ folder: 'snapshots' as const, name }))],
    leftovers: [...present].filter((name) => dead.has(name)),
  };
}

/** Copies of snapshots that neither the store nor the catalog has any more are of no use. */
function dropStaleCopies(catalog: Catalog, present: ReadonlySet<string>): void {
  const stale = [...copiedNames(catalog, 'snapshots')].filter(
    (name) => !present.has(name) && !catalog.snapshots.has(name),
  );
  if (stale.length > 0) dropCopies(catalog, 'snapshots', stale);
}

/** Tells which pending snapshots are whole, by the word of who signed them or of a full key. */
function completions(
  records: readonly NamedRecord[],
  trust: Trust,
): (snapshot: string, signer: string | undefined) => boolean {
  const vouched = new Map<string, Set<string>>();
  for (const { name, record, signer } of records) {
    if (record.type !== 'complete' || trust.roleOf(signer, name) === undefined) continue;
    const by = vouched.get(record.snapshot) ?? new Set();
    by.add(trust.countsAsFull(signer, name) ? 'full' : signer);
    vouched.set(record.snapshot, by);
  }
  return (snapshot, signer) => {
    const by = vouched.get(snapshot);
    return by !== undefined && (by.has('full') || (signer !== undefined && by.has(signer)));
  };
}

/**
 * What this catalog sees for the first time, the store has got by now. For a full key's catalog. The earliest receipt counts
 * for ever and everywhere, so none is noted by a clock that is behind: a later command will.
 * @param own a snapshot that was just put here: its time is by this very clock, and proves nothing of it
 */
export function noteReceipts(catalog: Catalog, trust: Trust, own?: string): void {
  const rows = catalog.snapshots.all();
  const waiting = rows.filter(({ received }) => received === undefined);
  if (waiting.length === 0) return;
  const now = BigInt(Date.now()) * 1_000_000n;
  const witnesses = rows.filter(({ name, state }) => state !== 'foreign' && name !== own);
  const latest = latestKnown(witnesses.map((row) => ({ ...row, isFull: isSignedInFull(trust, row) })));
  if (latest !== undefined && now < latest) return;
  for (const { name } of waiting) catalog.snapshots.setReceived(name, now);
}

/** Whether a full key vouches for a snapshot. */
export function isSignedInFull(trust: Trust, { signer, name }: SnapshotRow): boolean {
  return signer === undefined || trust.countsAsFull(signer, name);
}

/** For readers that take the catalog as it is, because a backup holds it. */
export function nothingCompared(keyring: Keyring): Reconciled {
  const trust = new Trust(Buffer.from(keyring.shared.rootPublic).toString('hex'), []);
  return {
    trust,
    packs: [],
    snapshots: new Set(),
    listed: totalsOf(),
    lostPacks: [],
    unreadable: [],
    missing: [],
    marks: NO_MARKS,
    leftovers: [],
    uncertified: new Set(),
    records: [],
    tombstones: [],
    indexes: [],
  };
}

/**
 * A run that was sealed is complete if its snapshot is in the store, and never happened if not. One that is there but
 * pending is left to the next run: what it staged is dropped, the snapshot is one to be settled.
 */
function settleSealedRuns(
  catalog: Catalog,
  present: Set<string>,
  isComplete: (snapshot: string, signer: string | undefined) => boolean,
): void {
  for (const { run, snapshot } of catalog.runs.sealed()) {
    const { name, signer, pending } = snapshot;
    const isThere = present.has(name);
    if (isThere && (!pending || isComplete(name, signer))) catalog.runs.complete(run);
    else
      catalog.transaction(() => {
        if (isThere) noteOwnPending(catalog, [name]);
        catalog.runs.discard(run);
      });
  }
}

interface Unmerged {
  name: string;
  header: SnapshotHeader;
  body: SnapshotBody | undefined;
  signer: string;
  /** Nobody has said yet that all it needs is there. */
  isPending: boolean;
}

/** Snapshots of the store that are to be merged. */
interface FreshSnapshots {
  fresh: Unmerged[];
  /** Those of them that the catalog has already, as ones that do not count. */
  returning: SnapshotRow[];
}

/** Opens the snapshots that the catalog does not know, or that count only now; none that were forgotten. */
async function freshSnapshots(
  { store, keyring, catalog }: ReconcileParts,
  trust: Trust,
  listed: ListedObject[],
  facts: { forgotten: ReadonlySet<string>; isComplete(snapshot: string, signer: string | undefined): boolean },
  unreadable: UnreadableObject[],
): Promise<FreshSnapshots> {
  const { forgotten, isComplete } = facts;
  const isListed = (wanted: string) => listed.some(({ name }) => name === wanted);
  // A pending snapshot becomes one that counts as if it had come just now: others may have come before it. So does a
  // foreign one when its signer's certificate turns up.
  const counts = ({ name, state, signer, sourceName }: SnapshotRow) =>
    (state === 'pending' && isComplete(name, signer)) ||
    (state === 'foreign' && signer !== undefined && trust.mayWrite(signer, sourceName, name) && isListed(name));
  const returning = catalog.snapshots.all().filter((row) => !row.applied && counts(row));
  const isReturning = new Set(returning.map(({ name }) => name));
  const fresh: Unmerged[] = [];
  for (const { name } of listed) {
    if (forgotten.has(name) || (catalog.snapshots.has(name) && !isReturning.has(name))) continue;
    const opened = await tryOpen(store, 'snapshots', name, unreadable, (bytes) => {
      const snapshot = keyring.canRead
        ? openSnapshot(keyring, bytes)
        : { ...openSnapshotHeader(keyring, bytes), body: undefined };
      keepCopy(catalog, 'snapshots', name, bytes);
      return snapshot;
    });
    if (opened === undefined) continue;
    fresh.push({ name, ...opened, isPending: opened.header.pending && !isComplete(name, opened.signer) });
  }
  return { fresh, returning };
}

/**
 * Takes fresh snapshots into the catalog, but for those that are dead.
 * @param merge `gone`: those that the catalog is about to drop, the dead among them
 */
async function mergeSnapshots(
  parts: ReconcileParts,
  trust: Trust,
  merge: FreshSnapshots & { dead: ReadonlySet<string>; gone: ReadonlySet<string> },
): Promise<void> {
  const { catalog } = parts;
  const { fresh, returning, dead, gone } = merge;
  for (const { name } of returning) catalog.snapshots.removeUncounted(name);
  const counting = fresh.filter((s) => !dead.has(s.name));
  counting.sort(
    (a, b) => a.header.sequence - b.header.sequence || compare(a.header.time, b.header.time) || compare(a.name, b.name),
  );
  if (counting.length > 0) await addSnapshots(parts, trust, counting, gone);
  deriveUnsettled(catalog);
  for (const { name, received } of returning) if (received !== undefined) catalog.snapshots.setReceived(name, received);
}

/** What others replace. A pending one replaces nothing: who knows whether it is whole. */
function replacedNames(catalog: Catalog, trust: Trust, fresh: Unmerged[]): Set<string> {
  const replaced = new Set<string>();
  for (const { name, header, signer, isPending } of fresh)
    if (!isPending && trust.countsAsFull(signer, name)) for (const old of header.replaces) replaced.add(old);
  for (const row of catalog.snapshots.all())
    if (row.state !== 'pending' && row.signer !== undefined && trust.countsAsFull(row.signer, row.name))
      for (const old of row.replaces) replaced.add(old);
  return replaced;
}

async function addSnapshots(
  parts: ReconcileParts,
  trust: Trust,
  snapshots: Unmerged[],
  gone: ReadonlySet<string>,
): Promise<void> {
  const { context, catalog, keyring, store } = parts;
  const blobs = BlobIndex.load(catalog, indexFile(context.config.tableDir), readable);
  const reader = new BlobReader(store, keyring, blobs);
  const metadata = catalog.packs.all().reduce((sum, pack) => sum + (pack.kind === 'meta' ? pack.blobs : 0), 0);
  const isFew = snapshots.length < FEW_SNAPSHOTS;
  const segments = new SegmentSource({ context, keyring, index: blobs, reader, blobs: isFew ? 0 : metadata });
  const touched = new Set<SourceId>();
  try {
    for (const s of snapshots) {
      const input = { ...snapshotInput(s.name, s.header, s.body, s.signer), pending: s.isPending };
      if (!trust.mayWrite(s.signer, s.header.source, s.name)) {
        const { source } = catalog.snapshots.lineageFor(`${s.header.source}`, input);
        catalog.snapshots.add(source, input, 'foreign');
        context.report.warn(
          `snapshot ${s.name.slice(0, 8)} of ${s.header.source} is signed by a key that may not write it`,
        );
        continue;
      }
      if (s.isPending) {
        catalog.snapshots.add(catalog.snapshots.lineageFor(s.header.source, input).source, input, 'pending');
        continue;
      }
      const { source, opened } = catalog.snapshots.lineageFor(s.header.source, input, gone);
      if (opened)
        context.attention(
          `snapshot ${s.name.slice(0, 8)} is a second child of one parent (a cloned machine?): ${s.header.source} goes on in two lineages`,
        );
      if (!keyring.canRead || s.header.kind === 'kept') {
        catalog.snapshots.add(source, input, 'live');
        if (s.header.kind === 'kept' && keyring.canRead)
          await unlessDamaged(context, s.name, () => mergeKept(catalog, reader, s.name, s.header.listing));
        continue;
      }
      const head = catalog.snapshots.head(source);
      if (head !== undefined && head.seq >= s.header.sequence) {
        catalog.snapshots.add(source, input, 'live');
        touched.add(source);
        continue;
      }
      await applyReadable(context, catalog, segments, source, input);
    }
    for (const source of touched) await reapply(context, catalog, segments, source, gone);
  } finally {
    await segments.close();
    blobs.close();
  }
}

async function mergeKept(catalog: Catalog, reader: BlobReader, name: string, listing: ListingRoot): Promise<void> {
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
  segments: SegmentSource,
  source: SourceId,
  snapshot: SnapshotInput,
): Promise<void> {
  const isApplied = await unlessDamaged(context, snapshot.name, () => applyOne(catalog, segments, source, snapshot));
  if (!isApplied && !catalog.snapshots.has(snapshot.name))
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
  const counting = catalog.snapshots.all().filter((row) => row.state === 'live' && row.listing !== undefined);
  const waiting = counting.filter((row) => !row.applied && !unreadable.has(row.name));
  if (waiting.length === 0) return 0;
  const blobs = BlobIndex.load(catalog, indexFile(context.config.tableDir), readable);
  const reader = new BlobReader(store, keyring, blobs);
  const segments = new SegmentSource({ context, keyring, index: blobs, reader, blobs: 0 });
  try {
    for (const row of waiting)
      if (row.kind === 'kept')
        await unlessDamaged(context, row.name, () => mergeKept(catalog, reader, row.name, row.listing!));
    for (const source of new Set(waiting.filter(({ kind }) => kind === 'taken').map((row) => row.source)))
      if (!counting.some((row) => row.source === source && row.applied && unreadable.has(row.name)))
        await reapply(context, catalog, segments, source, new Set(reconciled.leftovers));
    deriveUnsettled(catalog);
  } finally {
    await segments.close();
    blobs.close();
  }
  return waiting.filter(({ name }) => catalog.snapshots.get(name)?.applied).length;
}

async function applyOne(
  catalog: Catalog,
  segments: SegmentSource,
  source: SourceId,
  snapshot: SnapshotInput,
): Promise<void> {
  if (snapshot.listing === undefined) throw new FormatError('a snapshot without listing');
  noteUnsettledDue(catalog, source);
  await applyListing(catalog, {
    source,
    snapshot,
    segments: listingSegments(snapshot.listing, segments.reader),
    fetch: (ids) => segments.fetch(ids),
  });
}

/** Lineages whose newest listing came from the store, and whose unsettled files have still to be found. */
const UNSETTLED_DUE = 'unsettled-due';

/**
 * Noted before a listing is applied, so that nobody relies on the notes of the one before it, whatever happens in
 * between; finding them takes as long as applying, and only those of the last listing count.
 */
function noteUnsettledDue(catalog: Catalog, source: SourceId): void {
  const due = unsettledDue(catalog);
  if (due.has(source)) return;
  due.add(source);
  catalog.setMeta(UNSETTLED_DUE, [...due].join(' '));
}

function unsettledDue(catalog: Catalog): Set<SourceId> {
  const text = catalog.getMeta(UNSETTLED_DUE) ?? '';
  return new Set(text.split(' ').filter(Boolean).map(Number));
}

function deriveUnsettled(catalog: Catalog): void {
  for (const source of unsettledDue(catalog)) {
    const head = catalog.snapshots.head(source);
    if (head !== undefined) catalog.active.deriveUnsettled(source, head.started);
  }
  catalog.setMeta(UNSETTLED_DUE, undefined);
}

/** A snapshot came in before ones that were there: the lineage's intervals are made anew, in order. */
async function reapply(
  context: Context,
  catalog: Catalog,
  segments: SegmentSource,
  source: SourceId,
  dead: ReadonlySet<string>,
): Promise<void> {
  resetSource(catalog, source);
  const rows = catalog.snapshots
    .all()
    .filter((row) => row.source === source && row.kind === 'taken' && row.state === 'live' && !dead.has(row.name));
  rows.sort((a, b) => a.seq - b.seq || compare(a.time, b.time) || compare(a.name, b.name));
  for (const row of rows) await applyReadable(context, catalog, segments, source, row);
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
 * Tells what the catalog is to drop as the store no longer has it, or as it is dead. A snapshot that is missing and that
 * nobody forgot is a rollback, and stops unless told otherwise.
 * @returns `spared`: those that nobody forgot and that are not to be dropped
 */
function goneSnapshots(
  { catalog, context, store }: ReconcileParts,
  present: ReadonlySet<string>,
  dead: ReadonlySet<string>,
  options: ReconcileOptions,
): { gone: Set<string>; spared: Set<string> } {
  const rows = catalog.snapshots.all();
  const missing = rows.filter((row) => !present.has(row.name));
  const unexplained = missing.filter(
    // Nobody relied on a pending one yet: its writer may have dropped it and begun anew.
    (row) => row.state !== 'pending' && !dead.has(row.name) && !catalog.snapshots.isForgotten(row.name),
  );
  if (unexplained.length > 0 && options.rollback === 'stop')
    throw new UserError(
      ExitCode.failed,
      `the store lacks ${unexplained.length} snapshot(s) that it had, first ${unexplained[0].name.slice(0, 8)}: an old copy was put back, or they were deleted by hand, ${store.url}; restore the store, or run 'backup-ninja backup --accept-rollback' to go on without them`,
    );
  if (unexplained.length > 0 && options.rollback !== 'spare')
    context.attention(`${unexplained.length} snapshot(s) are gone from the store`);
  const spared = new Set(options.rollback === 'accept' ? [] : unexplained.map(({ name }) => name));
  const names = rows.map(({ name }) => name);
  return {
    gone: new Set(names.filter((name) => (!present.has(name) || dead.has(name)) && !spared.has(name))),
    spared,
  };
}

/**
 * Takes snapshots out of the catalog, reading the listing of what becomes the newest where that is needed. With a key that
 * cannot, a lineage whose newest one goes has no active state any more.
 */
export async function forgetInCatalog(parts: ReconcileParts, names: string[]): Promise<void> {
  const { catalog, context, keyring, store } = parts;
  if (!keyring.canRead) resetHeadless(parts, new Set(names));
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

/** Resets the lineages whose active state goes with some snapshots, and says so. */
function resetHeadless({ catalog, context }: ReconcileParts, going: ReadonlySet<string>): void {
  for (const { id, name, head } of catalog.snapshots.sources()) {
    if (head === undefined || !going.has(head.name)) continue;
    resetSource(catalog, id);
    context.report.note(
      `the newest snapshot of ${name} is gone from the store, and this key cannot read the others: everything is read again`,
    );
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

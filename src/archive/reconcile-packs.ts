import type { Catalog } from '../catalog/index.js';
import type { Keyring } from '../crypto/keyring.js';
import { openCert } from '../format/cert.js';
import { openIndex } from '../format/index-object.js';
import { decodeDirectory } from '../format/pack.js';
import { openRecord } from '../format/record.js';
import { type NamedRecord, Trust } from '../format/trust.js';
import { zstdCodec } from '../format/zstd.js';
import { type ListedObject, type ObjectStore, objectPath } from '../store/index.js';
import type { Context } from './context.js';
import type { CopiedFolder } from './copies.js';
import { type DamageMarks, damageMarks } from './damage-marks.js';
import { noteIndex, packsOfIndex } from './index-notes.js';
import { type NamedTombstone, readAll, readTombstones, tryOpen, type UnreadableObject } from './small-objects.js';
import { type ObjectTotals, totalsOf } from './store-totals.js';

/** What is needed to compare a catalog with its store. */
export interface ReconcileParts {
  context: Context;
  store: ObjectStore;
  keyring: Keyring;
  catalog: Catalog;
}

/** A pack that is known and does not count: it is gone, has another size than it should, or was set aside by a record. */
export interface LostPack {
  name: string;
  what: 'missing' | 'size' | 'set aside';
}

/** What a store says of packs, and who may say it. */
export interface PacksSeen {
  trust: Trust;
  /** All records that could be opened, by time; `trust` says which count. */
  records: NamedRecord[];
  /** What records say of damage. */
  marks: DamageMarks;
  /** The tombstones that count. */
  tombstones: NamedTombstone[];
  /** Indexes and packs as the store lists them. */
  indexes: ListedObject[];
  packs: ListedObject[];
  lostPacks: LostPack[];
  /** What was listed in all. */
  listed: ObjectTotals;
  /** Objects that the catalog has seen, that nobody took away, and that the store lacks. */
  missing: { folder: CopiedFolder; name: string }[];
}

/** How to look. */
export interface LookOptions {
  /** Takes what cannot be opened. */
  unreadable: UnreadableObject[];
  /** Certificates and records that the store lacks are given up. */
  acceptLoss: boolean;
  /** Lists what has to be listed after the tombstones and before all else. */
  afterTombstones?(): Promise<void>;
}

/**
 * Brings the catalog's packs up to what the store has. Tombstones are listed first and packs last: whoever prunes
 * carries out only those tombstones that were there before it saw the snapshots, and whoever merges indexes lists those
 * before packs.
 */
export async function lookAtPacks(parts: ReconcileParts, options: LookOptions): Promise<PacksSeen> {
  const { store, catalog, keyring } = parts;
  const { unreadable } = options;
  const listedTombstones = await store.list('tombstones');
  await options.afterTombstones?.();
  const listedRecords = await store.list('records');
  const listedCerts = await store.list('certs');
  const indexes = await store.list('index');
  const packs = await store.list('packs');

  const readRecords = await readAll(parts, 'records', listedRecords, options, openRecord);
  const readCerts = await readAll(parts, 'certs', listedCerts, options, openCert);
  const records = readRecords.objects.map(({ name, object }) => ({ name, ...object })).sort(byRecordTime);
  const trust = new Trust(
    Buffer.from(keyring.shared.rootPublic).toString('hex'),
    readCerts.objects.map(({ object }) => object),
    records,
  );
  const marks = damageMarks(records, trust);
  await mergeIndexes(parts, trust, indexes, unreadable);
  const tombstones = await readTombstones(parts, trust, listedTombstones, unreadable);
  const isSetAside = (name: string) => marks.objects.size > 0 && marks.objects.has(objectPath('packs', name));
  const state = catalog.packs.reconcile(
    packs.filter(({ name }) => !isSetAside(name)),
    tombstones.flatMap((tombstone) => tombstone.packs),
  );
  return {
    trust,
    records,
    marks,
    tombstones,
    indexes,
    packs,
    listed: totalsOf(listedTombstones, listedRecords, listedCerts, indexes, packs),
    lostPacks: [
      ...state.missing.map(({ name }): LostPack => ({ name, what: isSetAside(name) ? 'set aside' : 'missing' })),
      ...state.short.map(({ name }): LostPack => ({ name, what: 'size' })),
    ],
    missing: [
      ...readRecords.missing.map((name) => ({ folder: 'records' as const, name })),
      ...readCerts.missing.map((name) => ({ folder: 'certs' as const, name })),
    ],
  };
}

/**
 * Takes packs out of the catalog that are gone and that no index of the store names any more: another machine has
 * pruned them. Returns the others, which are lost.
 */
export function dropPruned(catalog: Catalog, lost: readonly LostPack[]): LostPack[] {
  const missing = lost.filter(({ what }) => what === 'missing');
  if (missing.length === 0) return [...lost];
  const indexes = catalog.objects.all('index');
  if (indexes.some(({ body }) => body === undefined)) return [...lost];
  const named = new Set(indexes.flatMap(({ body }) => packsOfIndex(body)));
  const pruned = new Set(missing.filter(({ name }) => !named.has(name)).map(({ name }) => name));
  catalog.packs.remove(pruned);
  return lost.filter(({ name }) => !pruned.has(name));
}

function byRecordTime(a: NamedRecord, b: NamedRecord): number {
  return a.record.time < b.record.time ? -1 : a.record.time > b.record.time ? 1 : 0;
}

/** Takes the pack rows of indexes that the catalog has not seen yet. */
async function mergeIndexes(
  { store, keyring, catalog }: ReconcileParts,
  trust: Trust,
  listed: ListedObject[],
  unreadable: UnreadableObject[],
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

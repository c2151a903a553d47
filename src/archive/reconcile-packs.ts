import type { Catalog, PackInput } from '../catalog/index.js';
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
import { holdSame, NOBODY, ownDirectory } from './pack-directory.js';
import { byRecordTime } from './record-time.js';
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
  /** All records that could be opened, by time and name; `trust` says which count. */
  records: NamedRecord[];
  /**
   * Who has signed something and has no certificate, and the own key if it has none. A certificate is there before its key
   * signs, and is never deleted, so each of these is lost.
   */
  uncertified: Set<string>;
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
  /** Records that the store lacks are given up. */
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
  // A store without some of its snapshots is one that somebody may want to go on with; who may write is so for ever.
  const readCerts = await readAll(parts, 'certs', listedCerts, { unreadable, acceptLoss: false }, openCert);
  const records = readRecords.objects.map(({ name, object }) => ({ name, ...object })).sort(byRecordTime);
  const trust = new Trust(
    Buffer.from(keyring.shared.rootPublic).toString('hex'),
    readCerts.objects.map(({ object }) => object),
    records,
  );
  const marks = damageMarks(records, trust);
  const signers = await mergeIndexes(parts, trust, { indexes, packs }, unreadable);
  for (const { signer } of records) signers.add(signer);
  if (keyring.canWrite) signers.add(keyring.signer());
  const tombstones = await readTombstones(parts, trust, listedTombstones, unreadable);
  const isSetAside = (name: string) => marks.objects.size > 0 && marks.objects.has(objectPath('packs', name));
  const state = catalog.packs.reconcile(
    packs.filter(({ name }) => !isSetAside(name)),
    tombstones.flatMap((tombstone) => tombstone.packs),
  );
  return {
    trust,
    records,
    uncertified: new Set([...signers].filter((signer) => !trust.isCertified(signer))),
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
 * pruned them, as far as can be told. Returns the others, which are lost.
 */
export function dropPruned(catalog: Catalog, lost: readonly LostPack[]): LostPack[] {
  const missing = lost.filter(({ what }) => what === 'missing');
  if (missing.length === 0) return [...lost];
  const indexes = catalog.objects.all('index');
  if (indexes.some(({ body }) => body === undefined)) return [...lost];
  const named = new Set(indexes.flatMap(({ body }) => packsOfIndex(body)));
  const pruned = new Set(missing.filter(({ name }) => !named.has(name)).map(({ name }) => name));
  catalog.packs.giveUp(pruned);
  return lost.filter(({ name }) => !pruned.has(name));
}

/** Takes the pack rows of indexes that the catalog has not seen yet. Returns who has signed these. */
async function mergeIndexes(
  parts: ReconcileParts,
  trust: Trust,
  listed: Pick<PacksSeen, 'indexes' | 'packs'>,
  unreadable: UnreadableObject[],
): Promise<Set<string>> {
  const { store, keyring, catalog } = parts;
  const signers = new Set<string>();
  const merged = catalog.objects.names('index');
  const listedNames = new Set(listed.indexes.map(({ name }) => name));
  const sizes = new Map(listed.packs.map(({ name, size }) => [name, size]));
  // In one order everywhere: what a catalog has of packs must not depend on how a store lists.
  for (const name of [...listedNames].sort()) {
    if (merged.has(name)) continue;
    const opened = await tryOpen(store, 'index', name, unreadable, (bytes) => {
      const { index, signer } = openIndex(keyring, bytes, zstdCodec);
      const packs = index.packs.map((pack) => ({ ...pack, blobs: decodeDirectory(pack.directory).lengths.length }));
      return { packs, signer };
    });
    if (opened === undefined) continue;
    const { packs, signer } = opened;
    signers.add(signer);
    const role = trust.roleOf(signer, name);
    if (role === undefined) continue;
    // A backup key may vouch for its own packs only; that a pack was opened counts from a full role alone.
    const rows = packs
      .filter((pack) => role === 'full' || pack.writer === signer)
      .map((pack) => ({ ...pack, opened: pack.opened && role === 'full' }));
    const prevails = role === 'full' || (keyring.role === 'backup' && signer === keyring.signer());
    const { fitting, corrections } = await settleDisagreements(parts, rows, { sizes, prevails });
    catalog.transaction(() => {
      catalog.packs.add(fitting);
      for (const [number, row] of corrections) catalog.packs.correct(number, row);
      noteIndex(catalog, name, packs);
    });
  }
  const gone = [...merged].filter((name) => !listedNames.has(name));
  if (gone.length > 0) catalog.objects.remove('index', gone);
  return signers;
}

/**
 * A backup key may say whatever it likes of another's pack, and must not hide what is in it so. Where an index says other
 * than the catalog has it, the pack itself tells what is right; to a key that cannot read it, whoever may be believed.
 * @param prevails whether the rows are from a full role, or this key's own
 * @returns the rows that may be added, and what is to be corrected in the catalog, by the packs' numbers
 */
async function settleDisagreements(
  parts: ReconcileParts,
  rows: readonly PackInput[],
  { sizes, prevails }: { sizes: ReadonlyMap<string, number>; prevails: boolean },
): Promise<{ fitting: PackInput[]; corrections: [number: number, row: PackInput][] }> {
  const { catalog } = parts;
  const fitting: PackInput[] = [];
  const corrections: [number, PackInput][] = [];
  for (const row of rows) {
    const known = catalog.packs.byName(row.name);
    if (known === undefined) {
      fitting.push(row);
      continue;
    }
    const knownHolds = { ...known, directory: catalog.packs.directory(known.number)! };
    if (holdSame(knownHolds, row)) {
      const isOther = known.writer !== row.writer && known.writer !== NOBODY && row.writer !== NOBODY;
      if (prevails && isOther) corrections.push([known.number, { ...row, opened: row.opened || known.opened }]);
      else fitting.push(row);
      continue;
    }
    const size = sizes.get(row.name);
    const own = size === undefined ? undefined : await ownDirectory(parts, row.name, size);
    if (own === undefined ? prevails : holdSame(own, row)) corrections.push([known.number, row]);
    else if (own !== undefined && !holdSame(own, knownHolds)) corrections.push([known.number, own]);
  }
  return { fitting, corrections };
}

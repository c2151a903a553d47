import type { ByteString } from '../../bytes.js';
import type { Catalog, SnapshotRow } from '../../catalog/index.js';
import { ExitCode, UserError } from '../../errors.js';
import type { Entry } from '../../format/entry.js';
import { decodeSegment } from '../../format/segment.js';
import { isWithin } from '../../scan/keys.js';
import type { BlobReader } from '../blob-reader.js';
import { listingSegments } from '../listing-reader.js';

/** Entries of a snapshot in key order. */
export type EntryStream = Iterable<Entry> | AsyncIterable<Entry>;

/** Answers from one snapshot, by the catalog if it holds its entries, else from the listing in the store. */
export class SnapshotEntries {
  private readonly catalog: Catalog;
  private readonly snapshot: SnapshotRow;
  private readonly reader: BlobReader;

  constructor(catalog: Catalog, snapshot: SnapshotRow, reader: BlobReader) {
    this.catalog = catalog;
    this.snapshot = snapshot;
    this.reader = reader;
  }

  /** All entries, or those at and below some keys. */
  all(under: readonly ByteString[]): EntryStream {
    if (this.isInCatalog) return this.catalog.query.entries(this.snapshot, under.length === 0 ? {} : { under });
    return this.fromStore(under);
  }

  /** One entry; undefined when there is none, or it would take reading the store to know. */
  at(key: ByteString): Entry | undefined {
    return this.isInCatalog ? this.catalog.query.entryAt(this.snapshot, key) : undefined;
  }

  /** One entry, whatever it takes. */
  async find(key: ByteString): Promise<Entry | undefined> {
    if (this.isInCatalog) return this.at(key);
    for await (const entry of this.fromStore([key])) return entry.key === key ? entry : undefined;
    return undefined;
  }

  /** Whether `at` knows every entry. */
  get isInCatalog(): boolean {
    return this.snapshot.applied && this.snapshot.kind === 'taken';
  }

  private async *fromStore(under: readonly ByteString[]): AsyncGenerator<Entry> {
    const { listing, name } = this.snapshot;
    if (listing === undefined)
      throw new UserError(ExitCode.failed, `snapshot ${name.slice(0, 8)} has no listing; choose another snapshot`);
    for await (const { id } of listingSegments(listing, this.reader)) {
      const segment = decodeSegment(await this.reader.read('listing', id));
      for (let i = 0; i < segment.length; i++)
        if (under.length === 0 || under.some((key) => isWithin(segment.keys[i], key))) yield segment.entry(i);
    }
  }
}

/**
 * The last versions of paths that are no longer active and that the snapshot does not have, in key order.
 * @param under only these keys and what is below them; empty: all
 */
export function* deletedEntries(
  catalog: Catalog,
  snapshot: SnapshotRow,
  under: readonly ByteString[],
): Generator<Entry> {
  const isThen = (version: { keptBy: string; from: number; to: number | undefined }): boolean =>
    version.keptBy === 'snapshot' &&
    version.from <= snapshot.seq &&
    (version.to === undefined || version.to >= snapshot.seq);
  for (const { key, versions } of catalog.query.keysWithHistory(snapshot.source)) {
    if (under.length > 0 && !under.some((above) => isWithin(key, above))) continue;
    if (versions.some((version) => version.to === undefined && version.keptBy === 'snapshot')) continue;
    if (versions.some(isThen)) continue;
    const last = versions.reduce((a, b) => ((b.toTime ?? 0n) >= (a.toTime ?? 0n) ? b : a));
    yield last.entry;
  }
}

/** Two streams in key order as one; of equal keys the first stream's entry only. */
export async function* merged(first: EntryStream, second: Iterable<Entry>): AsyncGenerator<Entry> {
  const others = second[Symbol.iterator]();
  let other = others.next();
  for await (const entry of first) {
    while (other.done !== true && other.value.key <= entry.key) {
      if (other.value.key < entry.key) yield other.value;
      other = others.next();
    }
    yield entry;
  }
  for (; other.done !== true; other = others.next()) yield other.value;
}

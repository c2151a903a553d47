import type { SnapshotRow } from '../../catalog/index.js';
import type { Entry } from '../../format/entry.js';
import { ListingWriter } from '../forgetting/listing-writer.js';
import { MetadataWriter } from '../forgetting/metadata-writer.js';
import { type Workshop, workshopOf } from '../forgetting/workshop.js';
import type { Repository } from '../repository.js';

/**
 * Writes the listings of snapshots anew from the catalog. Equal entries give equal segments and nodes, with the ids that
 * the snapshots name, so what is missing of them is there again; what is there is not stored twice.
 * @param names of snapshots; those whose entries the catalog does not have are passed over
 * @returns how many were written
 */
export async function rewriteListings(repository: Repository, names: ReadonlySet<string>): Promise<number> {
  const rows = repository.catalog.snapshots.all().filter((row) => names.has(row.name) && row.applied);
  if (rows.length === 0) return 0;
  const shop = workshopOf(repository);
  shop.context.report.start('writing listings', { files: rows.length });
  const writer = new MetadataWriter(shop);
  try {
    let done = 0;
    for (const row of rows) {
      const listing = new ListingWriter(shop, writer);
      for (const entry of entriesOf(shop, row)) listing.add(entry);
      const { id } = listing.finish();
      if (row.listing === undefined || Buffer.compare(id, row.listing.id) !== 0)
        shop.context.report.detail(`the listing of snapshot ${row.name.slice(0, 8)} came out as another`);
      shop.context.report.progress({ files: ++done });
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
  return rows.length;
}

function* entriesOf({ catalog }: Workshop, row: SnapshotRow): Generator<Entry> {
  if (row.kind === 'taken') yield* catalog.query.entries(row);
  else for (const { entry } of catalog.kept.in(row.name)) yield entry;
}

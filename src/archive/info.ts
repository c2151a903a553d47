import type { Catalog } from '../catalog/index.js';
import { decodeDirectory } from '../format/pack.js';
import type { Context } from './context.js';
import { withPast } from './past.js';
import { storeTotals } from './store-totals.js';
import type { InfoOptions, InfoResult } from './types.js';

/** Counts and sizes: active and history, restored and in the store. */
export async function info(context: Context, options: InfoOptions): Promise<InfoResult> {
  return withPast(context, 'info', { ...options, everySource: true }, async ({ catalog, sourceFor }) => {
    if (options.source !== undefined) sourceFor(options);
    const counts = catalog.query.counts(options.source);
    const snapshots = catalog.snapshots.all(options.source);
    const packs = catalog.packs.totals();
    const plain = plainBytes(catalog);
    const restored = counts.active.bytes + counts.history.bytes;
    return {
      active: { files: counts.active.files, bytes: counts.active.bytes },
      history: { versions: counts.history.versions, bytes: counts.history.bytes },
      store: storeTotals(catalog),
      snapshots: snapshots.length,
      ratio: {
        dedup: plain === 0 ? 1 : restored / plain,
        compression: packs.bytes === 0 ? 1 : plain / packs.bytes,
      },
    };
  });
}

/** Bytes of all file chunks in the store before compression. */
function plainBytes(catalog: Catalog): number {
  let bytes = 0;
  for (const { kind, directory } of catalog.packs.directories()) {
    if (kind !== 'data') continue;
    for (const length of decodeDirectory(directory).lengths) bytes += length;
  }
  return bytes;
}

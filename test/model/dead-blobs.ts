import { BlobIndex, indexFile, readable } from '../../src/archive/blob-index.js';
import { BlobReader } from '../../src/archive/blob-reader.js';
import { chunkIds } from '../../src/archive/contents.js';
import { listingIds, listingSegments } from '../../src/archive/listing-reader.js';
import { holeLength } from '../../src/format/chunk-list.js';
import { ID_LENGTH } from '../../src/format/entry.js';
import { decodeDirectory } from '../../src/format/pack.js';
import { decodeSegment } from '../../src/format/segment.js';
import { openSnapshot } from '../../src/format/snapshot.js';
import { objectPath } from '../../src/store/index.js';
import type { Lab } from '../archive/forgetting/lab.js';

/**
 * Counts blobs of the store that no snapshot in it needs, those that are there twice, and those that are needed but not
 * there; found from the snapshots themselves, not from what the catalog thinks of them.
 */
export function deadBlobs(lab: Lab): Promise<{ dead: number; twice: number; missing: number }> {
  return lab.use(async ({ catalog, store, keyring, config }) => {
    const index = BlobIndex.load(catalog, indexFile(config.tableDir), readable);
    const reader = new BlobReader(store, keyring, index);
    const needed = new Set<string>();
    const need = (ids: Uint8Array): void => {
      for (let at = 0; at < ids.length; at += ID_LENGTH)
        if (holeLength(ids, at) === undefined)
          needed.add(Buffer.from(ids.subarray(at, at + ID_LENGTH)).toString('hex'));
    };
    try {
      for (const { name } of await store.list('snapshots')) {
        const { header } = openSnapshot(keyring, await store.read(objectPath('snapshots', name)));
        for await (const id of listingIds(header.listing, reader, new Set())) need(id);
        for await (const { id } of listingSegments(header.listing, reader)) {
          const segment = decodeSegment(await reader.read('listing', id));
          for (let i = 0; i < segment.length; i++) {
            const entry = segment.entry(i);
            for (const content of entry.replaced === undefined ? [entry] : [entry, entry.replaced]) {
              const { chunks, nodes } = await chunkIds(reader, content);
              need(chunks);
              need(nodes);
            }
          }
        }
      }
    } finally {
      index.close();
    }
    const stored = new Map<string, number>();
    const listed = new Set((await store.list('packs')).map(({ name }) => name));
    for (const { name, directory } of catalog.packs.directories()) {
      if (!listed.delete(name)) throw new Error(`pack ${name} is in the catalog only`);
      const { ids } = decodeDirectory(directory);
      for (let at = 0; at < ids.length; at += ID_LENGTH) {
        const id = Buffer.from(ids.subarray(at, at + ID_LENGTH)).toString('hex');
        stored.set(id, (stored.get(id) ?? 0) + 1);
      }
    }
    return {
      dead: [...stored.keys()].filter((id) => !needed.has(id)).length + listed.size,
      twice: [...stored.values()].filter((count) => count > 1).length,
      missing: [...needed].filter((id) => !stored.has(id)).length,
    };
  });
}

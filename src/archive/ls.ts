import { toDisplay } from '../bytes.js';
import { ExitCode, UserError } from '../errors.js';
import { EntryType } from '../format/entry.js';
import type { Context } from './context.js';
import { keyOf, lsEntry, withPast } from './past.js';
import { snapshotBody } from './reconcile.js';
import type { LsEntry, LsOptions, Rows } from './types.js';

/** A directory as it was; what is no directory gives itself; without a path, the snapshot's roots. */
export async function ls(context: Context, options: LsOptions): Promise<Rows<LsEntry>> {
  return withPast(context, 'ls', { ...options, snapshots: [options.snapshot] }, async (past) => {
    const source = past.sourceFor(options);
    const snapshot = await past.snapshot(source, options.snapshot);
    const { query } = past.catalog;
    const rows: LsEntry[] = [];
    if (options.path === undefined) {
      for (const root of snapshotBody(snapshot)?.roots ?? []) {
        const entry = query.entryAt(snapshot, keyOf(root.path));
        if (entry !== undefined) rows.push(lsEntry(entry));
        if (options.recursive)
          for (const below of query.entriesAt(snapshot, keyOf(root.path), { recursive: true }))
            rows.push(lsEntry(below));
      }
      return rows;
    }
    const key = keyOf(options.path);
    const entry = query.entryAt(snapshot, key);
    if (entry === undefined && key !== '')
      throw new UserError(
        ExitCode.failed,
        `no such path in snapshot ${snapshot.name.slice(0, 8)}, ${toDisplay(options.path)}; 'backup-ninja history' tells when it was there`,
      );
    if (entry !== undefined && entry.type !== EntryType.dir) return [lsEntry(entry)];
    for (const below of query.entriesAt(snapshot, key, { recursive: options.recursive })) rows.push(lsEntry(below));
    return rows;
  });
}

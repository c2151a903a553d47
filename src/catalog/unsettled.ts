import { EntryType } from '../format/entry.js';
import type { Db } from './database.js';
import { keyText } from './keys.js';
import { loadSegment } from './segment-rows.js';
import type { SourceId } from './snapshots.js';

/** How long before it was read a file may have been modified through a mapping without its mtime saying so yet. */
const MODIFIED_MARGIN = 60;
/** The same for what moves the ctime: at least the coarsest granularity of times in use. */
const CHANGED_MARGIN = 2;

/** See Active.deriveUnsettled. */
export function deriveUnsettled(db: Db, source: SourceId, started: bigint): number {
  const second = Number(started / 1_000_000_000n);
  const modified = second - MODIFIED_MARGIN;
  const changed = second - CHANGED_MARGIN;
  let count = 0;
  db.transaction(() => {
    db.run('DELETE FROM unsettled WHERE source = ?', source);
    const rows = db.all<{ id: number }>(
      'SELECT id FROM segments WHERE source = ? AND (newest_mtime >= ? OR newest_ctime >= ?)',
      source,
      modified,
      changed,
    );
    for (const { id } of rows) {
      const segment = loadSegment(db, id);
      for (let i = 0; i < segment.length; i++) {
        if (segment.types[i] !== EntryType.file) continue;
        if (segment.mtimeSecs[i] < modified && segment.ctimeSecs[i] < changed) continue;
        db.run('INSERT INTO unsettled (source, key) VALUES (?, ?)', source, keyText(segment.keys[i]));
        count++;
      }
    }
  });
  return count;
}

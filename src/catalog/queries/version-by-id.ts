import type { ByteString } from '../../bytes.js';
import type { Db } from '../database.js';
import { decodeFroms, type FromsRow } from '../froms.js';
import type { Kept } from '../kept.js';
import { keyOf } from '../keys.js';
import { loadSegment } from '../segment-rows.js';
import type { SourceId } from '../snapshots.js';
import { SnapshotTimes, versionId } from './version.js';

/**
 * The path of the version with this id, found by trying those that began in the same snapshot: quick unless that was
 * the first one.
 */
export function findVersion(
  db: Db,
  kept: Kept,
  lineage: { id: SourceId; name: string },
  id: string,
): ByteString | undefined {
  const start = id.split('-', 1)[0];
  const times = new SnapshotTimes(db, lineage.id);
  if (start === 'k') {
    for (const version of kept.all(lineage.id)) if (versionId(lineage.name, times, version) === id) return version.key;
    return undefined;
  }
  const from = Number.parseInt(start, 36);
  if (!Number.isSafeInteger(from) || from.toString(36) !== start) return undefined;
  for (const key of keysBegunIn(db, lineage.id, from))
    if (versionId(lineage.name, times, { key, from, fromTime: 0n, keptBy: 'snapshot' }) === id) return key;
  return undefined;
}

function* keysBegunIn(db: Db, source: SourceId, from: number): Generator<ByteString> {
  const rows = db.all<FromsRow & { id: number; entries: number }>(
    `SELECT id, entries, min_from, max_from, froms FROM segments
     WHERE source = ? AND max_from >= ? AND min_from <= ?`,
    source,
    from,
    from,
  );
  for (const row of rows) {
    const froms = decodeFroms(row, row.entries);
    if (!froms.includes(from)) continue;
    const { keys } = loadSegment(db, row.id);
    for (let i = 0; i < keys.length; i++) if (froms[i] === from) yield keys[i];
  }
  const ended = db.all<{ key: string }>(
    'SELECT key FROM history INDEXED BY history_by_from WHERE source = ? AND from_seq = ?',
    source,
    from,
  );
  for (const { key } of ended) yield keyOf(key);
}

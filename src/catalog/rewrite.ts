import type { ByteString } from '../bytes.js';
import type { Active } from './active.js';
import { type ListingSegments, stageListing } from './apply-listing.js';
import type { Db } from './database.js';
import { appliedSequences } from './forgotten-runs.js';
import { distinctRanges, type KeyRange, keyText } from './keys.js';
import { mergeStaged } from './merge-listing.js';
import type { Runs } from './runs.js';
import { insertHistory, loadSegment } from './segment-rows.js';
import { updateFroms } from './shrink.js';
import type { SnapshotInput, Snapshots, SourceId } from './snapshots.js';

/** Snapshots of one lineage whose copies lack some paths: what `purge` and `hard_remove` do. */
export interface Rewrite {
  source: SourceId;
  /** Paths that the copies lack, with everything below them. Nothing else differs. */
  without: readonly ByteString[];
  /** Each replaced snapshot with its copy, of the same sequence. */
  snapshots: readonly { old: string; copy: SnapshotInput }[];
  /** The listing of the newest snapshot's copy; needed if that one is among them. */
  head?: ListingSegments;
}

/** See Forget.rewrite. */
export async function rewriteSnapshots(
  db: Db,
  snapshots: Snapshots,
  active: Active,
  runs: Runs,
  rewrite: Rewrite,
): Promise<{ snapshots: number; versions: number }> {
  const { source } = rewrite;
  const replaced = new Set<number>();
  for (const { old, copy } of rewrite.snapshots) {
    const row = snapshots.get(old);
    if (row === undefined || row.source !== source || row.seq !== copy.seq)
      throw new Error(`a copy must have the source and sequence of its snapshot, ${old}`);
    if (row.applied && row.kind === 'taken') replaced.add(row.seq);
  }
  const sequences = appliedSequences(db, source);
  const head = sequences[sequences.length - 1];
  const ranges = distinctRanges(rewrite.without);
  const headGoes = head !== undefined && replaced.has(head);
  if (headGoes && rewrite.head === undefined) throw new Error('the listing of the newest copy is needed');
  const stage = headGoes ? await stageListing(active, runs, source, rewrite.head!) : undefined;
  return db.transaction(() => {
    const before = countBelow(db, source, ranges);
    maskEnded(db, source, ranges, sequences, replaced);
    if (head !== undefined) maskActive(db, source, ranges, sequences, replaced, head);
    if (stage !== undefined) {
      // What is left of the old segments is equal, and keeps its beginnings; what is not went into the history above.
      mergeStaged(db, stage.run, { source, seq: head, name: '', previous: undefined });
      db.run('DELETE FROM runs WHERE id = ?', stage.run);
    }
    for (const { old, copy } of rewrite.snapshots) {
      const row = snapshots.get(old)!;
      db.run('DELETE FROM snapshots WHERE id = ?', row.id);
      snapshots.insert(source, { ...copy, received: copy.received ?? row.received }, row.state, row.applied);
    }
    snapshots.noteForgotten(rewrite.snapshots.map(({ old }) => old));
    return { snapshots: rewrite.snapshots.length, versions: Math.max(0, before - countBelow(db, source, ranges)) };
  });
}

interface StoredVersion {
  id: number;
  key: string;
  from_seq: number;
  to_seq: number;
  size: number | null;
  entry: Uint8Array;
}

/** Takes the replaced snapshots out of the intervals of ended versions. */
function maskEnded(
  db: Db,
  source: SourceId,
  ranges: readonly KeyRange[],
  sequences: readonly number[],
  replaced: ReadonlySet<number>,
): void {
  for (const range of ranges) {
    const rows = db.all<StoredVersion>(
      `SELECT id, key, from_seq, to_seq, size, entry FROM history INDEXED BY history_by_key
       WHERE source = ? AND key >= ? AND key < ?`,
      source,
      keyText(range.from),
      keyText(range.to),
    );
    for (const row of rows) {
      const pieces = remainingPieces(sequences, replaced, row.from_seq, row.to_seq);
      if (pieces.length === 1 && pieces[0].from === row.from_seq && pieces[0].to === row.to_seq) continue;
      db.run('DELETE FROM history WHERE id = ?', row.id);
      for (const { from, to } of pieces) {
        db.run(
          'INSERT INTO history (source, key, from_seq, to_seq, size, entry) VALUES (?, ?, ?, ?, ?, ?)',
          source,
          row.key,
          from,
          to,
          row.size,
          row.entry,
        );
      }
    }
  }
}

/** The same for active versions: what they were before a replaced snapshot becomes history. */
function maskActive(
  db: Db,
  source: SourceId,
  ranges: readonly KeyRange[],
  sequences: readonly number[],
  replaced: ReadonlySet<number>,
  head: number,
): void {
  for (const range of ranges) {
    const ids = segmentsIn(db, source, range);
    updateFroms(db, source, 0, (row, froms) => {
      if (!ids.has(row.id)) return froms;
      const segment = loadSegment(db, row.id);
      return froms.map((from, i) => {
        const key = segment.keys[i];
        if (key < range.from || key >= range.to) return from;
        const pieces = remainingPieces(sequences, replaced, from, head);
        let begins = from;
        for (const piece of pieces) {
          // With the newest snapshot replaced, the active entry goes with its segment.
          if (piece.to === head) begins = piece.from;
          else insertHistory(db, source, segment.loneEntry(i, key), piece.from, piece.to);
        }
        return begins;
      });
    });
  }
}

function segmentsIn(db: Db, source: SourceId, range: KeyRange): Set<number> {
  const from = keyText(range.from);
  const first = db.one<{ first_key: string }>(
    'SELECT first_key FROM segments WHERE source = ? AND first_key <= ? ORDER BY first_key DESC LIMIT 1',
    source,
    from,
  );
  const rows = db.all<{ id: number }>(
    'SELECT id FROM segments WHERE source = ? AND first_key >= ? AND first_key < ?',
    source,
    first?.first_key ?? from,
    keyText(range.to),
  );
  return new Set(rows.map(({ id }) => id));
}

/** What is left of an interval without some snapshots: stretches of neighbouring ones. */
function remainingPieces(
  sequences: readonly number[],
  without: ReadonlySet<number>,
  from: number,
  to: number,
): { from: number; to: number }[] {
  const pieces: { from: number; to: number }[] = [];
  let piece: { from: number; to: number } | undefined;
  for (const seq of sequences) {
    if (seq < from || seq > to) continue;
    if (without.has(seq)) piece = undefined;
    else if (piece !== undefined) piece.to = seq;
    else {
      piece = { from: seq, to: seq };
      pieces.push(piece);
    }
  }
  return pieces;
}

function countBelow(db: Db, source: SourceId, ranges: readonly KeyRange[]): number {
  let count = 0;
  for (const range of ranges) {
    const from = keyText(range.from);
    const to = keyText(range.to);
    count += db.one<{ n: number }>(
      'SELECT count(*) AS n FROM history INDEXED BY history_by_key WHERE source = ? AND key >= ? AND key < ?',
      source,
      from,
      to,
    )!.n;
    for (const id of segmentsIn(db, source, range))
      for (const key of loadSegment(db, id).keys) if (key >= range.from && key < range.to) count++;
  }
  return count;
}

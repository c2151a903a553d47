import { bytesHex, type Db } from './database.js';
import { encodeRow } from './entry-row.js';
import type { Kept } from './kept.js';
import { ALL_KEYS } from './keys.js';
import type { Packs } from './packs.js';
import { endedVersions, groupByKey } from './queries/history.js';
import { ActiveWalk } from './queries/state-cursor.js';
import type { SnapshotRow, Snapshots, SourceId } from './snapshots.js';

/**
 * Everything in a catalog that follows from the store, as lines of JSON: equal for equal catalogs, in whatever order
 * and on whatever machine they were made. Left out are local numbers and notes: of packs when they were read, of files
 * that are unsettled, of objects that are merged.
 */
export function* dump(db: Db, snapshots: Snapshots, packs: Packs, kept: Kept): Generator<string> {
  const lineages = new Map<SourceId, SnapshotRow[]>();
  for (const row of snapshots.all()) {
    const rows = lineages.get(row.source);
    if (rows === undefined) lineages.set(row.source, [row]);
    else rows.push(row);
  }
  // Numbers of lineages depend on what came first; their first snapshots do not.
  const ordered = [...lineages].sort(([, [a]], [, [b]]) => compare([a.sourceName, a.name], [b.sourceName, b.name]));
  for (const [source, rows] of ordered) {
    yield line('lineage', { source: rows[0].sourceName, first: rows[0].name });
    for (const row of rows) yield line('snapshot', snapshotFacts(row));
    yield* segmentLines(db, source);
    yield* versionLines(db, source);
    for (const version of kept.all(source)) {
      const { key, fromTime, toTime, entry } = version;
      yield line('kept', { key, first: String(fromTime), last: String(toTime), entry: bytesHex(encodeRow(entry)) });
    }
  }
  const rows = packs.all().sort((a, b) => compare([a.name], [b.name]));
  for (const { name, kind, size, run, writer, opened, blobs } of rows)
    yield line('pack', { name, kind, size, run, writer, opened, blobs });
}

function snapshotFacts(row: SnapshotRow): object {
  const { id: _id, source: _source, lineage: _lineage, received: _received, ...facts } = row;
  return {
    ...facts,
    time: String(row.time),
    started: String(row.started),
    listing: row.listing && { id: bytesHex(row.listing.id), depth: row.listing.depth },
  };
}

function* segmentLines(db: Db, source: SourceId): Generator<string> {
  const rows = db.all<{ first_key: string; blob_id: Uint8Array; entries: number; files: number; file_bytes: number }>(
    'SELECT first_key, blob_id, entries, files, file_bytes FROM segments WHERE source = ? ORDER BY first_key',
    source,
  );
  for (const { first_key, blob_id, entries, files, file_bytes } of rows)
    yield line('segment', { first: first_key, id: bytesHex(blob_id), entries, files, bytes: file_bytes });
}

function* versionLines(db: Db, source: SourceId): Generator<string> {
  const streams = [endedLines(db, source), activeLines(db, source)];
  for (const { items } of groupByKey(streams)) for (const { text } of items) yield text;
}

function* endedLines(db: Db, source: SourceId): Generator<{ key: string; text: string }> {
  for (const { key, from, to, row } of endedVersions(db, source, { range: ALL_KEYS }))
    yield { key, text: line('version', { key, from, to, entry: bytesHex(row) }) };
}

function* activeLines(db: Db, source: SourceId): Generator<{ key: string; text: string }> {
  const walk = new ActiveWalk(db, source, Number.MAX_SAFE_INTEGER, ALL_KEYS);
  for (; walk.key !== undefined; walk.next()) {
    const { key, from } = walk;
    yield { key, text: line('version', { key, from, entry: bytesHex(encodeRow(walk.entry())) }) };
  }
}

function line(type: string, facts: object): string {
  return JSON.stringify({ type, ...facts });
}

function compare(a: string[], b: string[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

import type { ByteString } from '../../bytes.js';
import { type Content, type Entry, EntryType, sameContent } from '../../format/entry.js';
import type { Segment } from '../../format/segment.js';
import type { Db } from '../database.js';
import { decodeRow } from '../entry-row.js';
import { decodeFroms, type FromsRow } from '../froms.js';
import type { Kept } from '../kept.js';
import { justAbove, keyText } from '../keys.js';
import { loadSegment } from '../segment-rows.js';
import type { SnapshotRow, SourceId } from '../snapshots.js';
import { byTime, endedVersions, groupByKey } from './history.js';
import { keyGlob, namesLiteral, type Pattern, parsePattern } from './pattern.js';
import { SnapshotTimes, type Version } from './version.js';

/** What to look for besides the pattern; everything given must hold. */
export interface FindOptions {
  /** What this snapshot holds. Without it and without `all`: the active versions. */
  snapshot?: SnapshotRow;
  /** Every version, kept ones included. */
  all?: boolean;
  /** Bytes; such a condition holds for files only. */
  minSize?: number;
  maxSize?: number;
  /** Nanoseconds since 1970, both included. */
  mtimeFrom?: bigint;
  mtimeTo?: bigint;
  /** Files with exactly this content. */
  content?: Content;
  /** Any other condition. */
  where?: (entry: Entry) => boolean;
}

/** A path and those of its versions that were found, oldest first. */
export interface Found {
  key: ByteString;
  versions: Version[];
}

const SEGMENT_PAGE = 512;

/**
 * Paths of a lineage that match a glob, in key order.
 *
 * What the pattern says for sure, some characters of the name and the beginning of the path, is looked for in SQLite,
 * in the names of whole segments and the keys of ended versions; only what is left is decoded and matched exactly.
 */
export function* findPaths(db: Db, kept: Kept, source: SourceId, glob: string, options: FindOptions): Generator<Found> {
  const pattern = parsePattern(glob);
  const times = new SnapshotTimes(db, source);
  const seq = options.all === true ? undefined : options.snapshot?.seq;
  const head = db.one<{ head_seq: number | null }>('SELECT head_seq FROM sources WHERE id = ?', source)?.head_seq ?? 0;
  const wanted = condition(options);
  const streams: Iterable<Version>[] = [activeMatches(db, source, pattern, seq ?? head, times, options)];
  if (options.all === true || (seq !== undefined && seq < head))
    streams.push(endedMatches(db, source, pattern, seq, times));
  if (options.all === true) streams.push(keptMatches(kept, source, pattern));
  for (const { key, items } of groupByKey(streams)) {
    const versions = wanted === undefined ? items : items.filter((version) => wanted(version.entry));
    if (versions.length > 0) yield { key, versions: versions.sort(byTime) };
  }
}

interface NamedSegment extends FromsRow {
  id: number;
  first_key: string;
  entries: number;
  names: string;
}

function* activeMatches(
  db: Db,
  source: SourceId,
  pattern: Pattern,
  seq: number,
  times: SnapshotTimes,
  options: FindOptions,
): Generator<Version> {
  const firstId = options.content === undefined ? null : options.content.ids.subarray(0, 24);
  const literal = pattern.literal && namesLiteral(pattern.literal);
  const end = keyText(pattern.range.to);
  let after = firstKeyBefore(db, source, keyText(pattern.range.from));
  for (;;) {
    const page = db.all<NamedSegment>(
      `SELECT s.id, first_key, entries, min_from, max_from, froms, names
       FROM segments s INDEXED BY segments_by_key CROSS JOIN segment_names n ON n.id = s.id
       WHERE source = ? AND first_key >= ? AND first_key < ? AND min_from <= ?
         AND (? IS NULL OR instr(names, ?) > 0)
         AND (? IS NULL OR (SELECT instr(bytes, ?) FROM segment_bytes b WHERE b.id = s.bytes_id) > 0)
       ORDER BY first_key LIMIT ${SEGMENT_PAGE}`,
      source,
      after,
      end,
      seq,
      literal ?? null,
      literal ?? null,
      firstId,
      firstId,
    );
    for (const row of page) yield* matchesIn(db, source, row, pattern, seq, times);
    if (page.length < SEGMENT_PAGE) return;
    after = justAbove(page[page.length - 1].first_key);
  }
}

function* matchesIn(
  db: Db,
  source: SourceId,
  row: NamedSegment,
  pattern: Pattern,
  seq: number,
  times: SnapshotTimes,
): Generator<Version> {
  // Names cannot contain a slash, so this gives exactly one for each entry.
  const names = row.names.slice(1, -1).split('/');
  let segment: Segment | undefined;
  let froms: number[] = [];
  for (let i = 0; i < row.entries; i++) {
    if (!pattern.matchesName(names[i])) continue;
    segment ??= loadSegment(db, row.id);
    if (froms.length === 0) froms = decodeFroms(row, row.entries);
    const key = segment.keyAt(i);
    if (froms[i] > seq || key < pattern.range.from || key >= pattern.range.to || !pattern.matches(key)) continue;
    yield times.version(key, source, froms[i], undefined, segment.loneEntry(i, key));
  }
}

/** The first key of the segment that holds `text`, or `text` itself. */
function firstKeyBefore(db: Db, source: SourceId, text: string): string {
  return (
    db.one<{ first_key: string }>(
      'SELECT first_key FROM segments WHERE source = ? AND first_key <= ? ORDER BY first_key DESC LIMIT 1',
      source,
      text,
    )?.first_key ?? text
  );
}

function* endedMatches(
  db: Db,
  source: SourceId,
  pattern: Pattern,
  seq: number | undefined,
  times: SnapshotTimes,
): Generator<Version> {
  const glob = pattern.literal && keyGlob(pattern.literal);
  for (const { key, from, to, row } of endedVersions(db, source, { range: pattern.range, glob, seq }))
    if (pattern.matches(key)) yield times.version(key, source, from, to, decodeRow(key, row));
}

function* keptMatches(kept: Kept, source: SourceId, pattern: Pattern): Generator<Version> {
  for (const version of kept.versions(source, pattern.range, pattern.literal && keyGlob(pattern.literal)))
    if (pattern.matches(version.key)) yield version;
}

/** The conditions on entries as one; undefined when there are none. */
function condition(options: FindOptions): ((entry: Entry) => boolean) | undefined {
  const { minSize, maxSize, mtimeFrom, mtimeTo, content, where } = options;
  const tests: ((entry: Entry) => boolean)[] = [];
  const needsFile = minSize !== undefined || maxSize !== undefined || content !== undefined;
  if (needsFile) tests.push((e) => e.type === EntryType.file);
  if (minSize !== undefined) tests.push((e) => e.size >= minSize);
  if (maxSize !== undefined) tests.push((e) => e.size <= maxSize);
  if (mtimeFrom !== undefined) tests.push((e) => mtimeOf(e) >= mtimeFrom);
  if (mtimeTo !== undefined) tests.push((e) => mtimeOf(e) <= mtimeTo);
  if (content !== undefined) tests.push((e) => sameContent(e, content));
  if (where !== undefined) tests.push(where);
  if (tests.length === 0) return undefined;
  return (entry) => tests.every((test) => test(entry));
}

function mtimeOf(entry: Entry): bigint {
  return BigInt(entry.mtimeSec) * 1_000_000_000n + BigInt(entry.mtimeNsec);
}

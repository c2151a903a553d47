import type { ChunkClass } from '../../format/entry.js';
import type { Db } from '../database.js';
import { decodeRow } from '../entry-row.js';
import { loadSegment } from '../segment-rows.js';
import type { SourceId } from '../snapshots.js';

/** How much a source, or all of them, hold. Bytes are those of files, as restored. */
export interface Counts {
  active: { entries: number; files: number; bytes: number };
  /** Ended versions, and kept ones. */
  history: { versions: number; files: number; bytes: number };
}

/** Counts of the lineages of a source name; undefined: of all. */
export function countVersions(db: Db, sourceName: string | undefined): Counts {
  const sources = `source IN (SELECT id FROM sources WHERE name = ifnull(?, name))`;
  const name = sourceName ?? null;
  const active = db.one<Counts['active']>(
    `SELECT ifnull(sum(entries), 0) AS entries, ifnull(sum(files), 0) AS files, ifnull(sum(file_bytes), 0) AS bytes
     FROM segments WHERE ${sources}`,
    name,
  )!;
  const history = (table: string): Counts['history'] =>
    db.one<Counts['history']>(
      `SELECT count(*) AS versions, count(size) AS files, ifnull(sum(size), 0) AS bytes FROM ${table} WHERE ${sources}`,
      name,
    )!;
  const ended = history('history');
  const kept = history('kept');
  return {
    active,
    history: {
      versions: ended.versions + kept.versions,
      files: ended.files + kept.files,
      bytes: ended.bytes + kept.bytes,
    },
  };
}

/** Content that some version needs. */
export interface NeededContent {
  chunkClass: ChunkClass;
  /** 0: `ids` are chunks (and holes); n > 0: the root of a chunk list of n levels. */
  depth: number;
  ids: Uint8Array;
}

const PAGE = 1000;

/**
 * The contents of all versions, active, ended and kept, with those that they silently replaced; of one lineage or of
 * all. In no order, the same content many times.
 */
export function* neededContents(db: Db, source: SourceId | undefined): Generator<NeededContent> {
  for (const { id } of db.all<{ id: number }>(
    'SELECT id FROM segments WHERE source = ifnull(?, source)',
    source ?? null,
  )) {
    const segment = loadSegment(db, id);
    for (let i = 0; i < segment.length; i++) {
      const cut = segment.cuts[i];
      const ids = segment.idsOf(i);
      if (ids.length > 0) yield { chunkClass: (cut & 1) as ChunkClass, depth: cut >> 1, ids };
      if (!segment.hasRareFields(i)) continue;
      const { replaced } = segment.entry(i);
      if (replaced !== undefined) yield replaced;
    }
  }
  yield* contentsOfRows(db, 'history', source);
  yield* contentsOfRows(db, 'kept', source);
}

function* contentsOfRows(db: Db, table: 'history' | 'kept', source: SourceId | undefined): Generator<NeededContent> {
  let last = 0;
  for (;;) {
    const page = db.all<{ id: number; entry: Uint8Array }>(
      `SELECT id, entry FROM ${table} WHERE id > ? AND source = ifnull(?, source) AND size IS NOT NULL
       ORDER BY id LIMIT ${PAGE}`,
      last,
      source ?? null,
    );
    for (const row of page) {
      const entry = decodeRow('', row.entry);
      if (entry.ids.length > 0) yield { chunkClass: entry.chunkClass, depth: entry.depth, ids: entry.ids };
      if (entry.replaced !== undefined) yield entry.replaced;
    }
    if (page.length < PAGE) return;
    last = page[page.length - 1].id;
  }
}

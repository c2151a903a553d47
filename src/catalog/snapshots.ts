import { bytesHex, type Db, hexBytes } from './database.js';

/** One lineage of one source: a row of `sources`. */
export type SourceId = number;

/** Whether a snapshot counts: `pending` ones wait for their writer's confirmation, `foreign` ones were not its to write. */
export type SnapshotState = 'live' | 'pending' | 'foreign';

/** A snapshot as its object says. Names, signers and catalog ids are lower-case hex, times nanoseconds since 1970. */
export interface SnapshotInput {
  name: string;
  seq: number;
  parent?: string;
  time: bigint;
  /** When its run began. */
  started: bigint;
  mode: 'soft' | 'full';
  kind: 'taken' | 'kept';
  pending: boolean;
  listing?: { id: Uint8Array; depth: number };
  signer?: string;
  catalogId?: string;
  /** Names of the snapshots that it replaces. */
  replaces: string[];
  /** What its body says, as text of the caller's making. */
  body?: string;
  tags: string[];
  /** The earliest time at which a store is known to have had it. */
  received?: bigint;
}

/** A snapshot that the catalog knows. */
export interface SnapshotRow extends SnapshotInput {
  id: number;
  source: SourceId;
  sourceName: string;
  lineage: number;
  state: SnapshotState;
  /** Whether its listing is in the catalog's intervals, so that queries can answer for it. */
  applied: boolean;
}

/** One lineage of a source. */
export interface SourceRow {
  id: SourceId;
  name: string;
  lineage: number;
  /** The snapshot whose state is the active one. */
  head?: SnapshotRow;
}

/** What decides on a snapshot's lineage. */
export type LineageFacts = Pick<SnapshotInput, 'name' | 'seq'> &
  Partial<Pick<SnapshotInput, 'parent' | 'catalogId' | 'replaces' | 'kind' | 'pending'>>;

/** The snapshots of the store that the catalog knows, and their sources. */
export class Snapshots {
  private readonly db: Db;

  constructor(db: Db) {
    this.db = db;
  }

  /**
   * The lineage that a snapshot belongs to, made if need be.
   *
   * It is that of its parent (or of what it replaces), or if that is not known, the one which its catalog wrote to
   * last; but never one that has a snapshot of its sequence, or its parent's other child: then it opens a new one.
   * @param gone names of snapshots that are about to be dropped: no others have to give way to them
   * @returns `opened`: it opened a lineage beside another, which is worth a warning
   */
  lineageFor(
    sourceName: string,
    facts: LineageFacts,
    gone: ReadonlySet<string> = new Set(),
  ): { source: SourceId; opened: boolean } {
    return this.db.transaction(() => {
      const known = this.get(facts.name);
      if (known !== undefined) return { source: known.source, opened: false };
      const lineages = this.db.all<{ id: number; lineage: number }>(
        'SELECT id, lineage FROM sources WHERE name = ? ORDER BY lineage',
        sourceName,
      );
      const candidate = this.replacedSource(facts) ?? this.parentSource(sourceName, facts) ?? lineages[0]?.id;
      // A kept snapshot has no place in the order: it belongs to a lineage, and follows none. Nor has a pending one yet.
      const isBeside = facts.kind === 'kept' || facts.pending === true;
      const fits = candidate !== undefined && (isBeside || this.fits(candidate, facts, gone));
      if (fits) return { source: candidate, opened: false };
      const lineage = lineages.length === 0 ? 0 : lineages[lineages.length - 1].lineage + 1;
      const { id } = this.db.run('INSERT INTO sources (name, lineage) VALUES (?, ?)', sourceName, lineage);
      return { source: id, opened: lineage > 0 };
    });
  }

  /** All lineages, by name and number. */
  sources(): SourceRow[] {
    const rows = this.db.all<{ id: number; name: string; lineage: number; head_seq: number | null }>(
      'SELECT id, name, lineage, head_seq FROM sources ORDER BY name, lineage',
    );
    return rows.map((row) => ({ id: row.id, name: row.name, lineage: row.lineage, head: this.head(row.id) }));
  }

  /** The snapshot whose state is the active one of a lineage. */
  head(source: SourceId): SnapshotRow | undefined {
    return this.first(
      `WHERE p.source = ? AND p.applied = 1 AND p.kind = 'taken' AND p.seq = s.head_seq ORDER BY p.time DESC, p.name DESC LIMIT 1`,
      source,
    );
  }

  /** The snapshot with a sequence in the intervals of a lineage. */
  applied(source: SourceId, seq: number): SnapshotRow | undefined {
    return this.first(`WHERE p.source = ? AND p.seq = ? AND p.applied = 1 AND p.kind = 'taken'`, source, seq);
  }

  /** Adds a snapshot whose listing is not in the intervals; a known name is left as it is. */
  add(source: SourceId, input: SnapshotInput, state: SnapshotState): SnapshotRow {
    return this.insert(source, input, state, false);
  }

  /** Adds a snapshot, with tags; a known name only becomes applied. */
  insert(source: SourceId, input: SnapshotInput, state: SnapshotState, applied: boolean): SnapshotRow {
    return this.db.transaction(() => {
      const name = hexBytes(input.name);
      const { changes, id } = this.db.run(
        `INSERT INTO snapshots (name, source, seq, parent, time, started, mode, kind, state, applied, listing_id,
           listing_depth, signer, catalog_id, replaces, received, body)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
        name,
        source,
        input.seq,
        optionalBytes(input.parent),
        input.time,
        input.started,
        input.mode,
        input.kind,
        state,
        applied ? 1 : 0,
        input.listing?.id ?? null,
        input.listing?.depth ?? null,
        optionalBytes(input.signer),
        optionalBytes(input.catalogId),
        hexBytes(input.replaces.join('')),
        input.received ?? null,
        input.body ?? null,
      );
      if (changes === 1) this.writeTags(id, input.tags);
      else if (applied)
        this.db.run('UPDATE snapshots SET applied = 1, source = ?, state = ? WHERE name = ?', source, state, name);
      return this.get(input.name)!;
    });
  }

  /** Takes a pending or foreign snapshot out that is not applied; false if there is none of this name. */
  removeUncounted(name: string): boolean {
    const clause = `WHERE name = ? AND state IN ('pending', 'foreign') AND applied = 0`;
    return this.db.run(`DELETE FROM snapshots ${clause}`, hexBytes(name)).changes > 0;
  }

  /** Sets whether it counts. */
  setState(name: string, state: SnapshotState): void {
    this.db.run('UPDATE snapshots SET state = ? WHERE name = ?', state, hexBytes(name));
  }

  /** Notes when a store had it; an earlier time stays. */
  setReceived(name: string, time: bigint): void {
    this.db.run(
      'UPDATE snapshots SET received = ? WHERE name = ? AND ifnull(received > ?, 1)',
      time,
      hexBytes(name),
      time,
    );
  }

  setBody(name: string, body: string | undefined): void {
    this.db.run('UPDATE snapshots SET body = ? WHERE name = ?', body ?? null, hexBytes(name));
  }

  /** Replaces its tags. */
  setTags(name: string, tags: readonly string[]): void {
    this.db.transaction(() => {
      const row = this.db.one<{ id: number }>('SELECT id FROM snapshots WHERE name = ?', hexBytes(name));
      if (row === undefined) return;
      this.db.run('DELETE FROM tags WHERE snapshot = ?', row.id);
      this.writeTags(row.id, tags);
    });
  }

  /** Whether there is one of this name. */
  has(name: string): boolean {
    return this.db.one('SELECT 1 FROM snapshots WHERE name = ?', hexBytes(name)) !== undefined;
  }

  get(name: string): SnapshotRow | undefined {
    return this.first('WHERE p.name = ?', hexBytes(name));
  }

  /** All snapshots, by source name, lineage, sequence, time and name. */
  all(sourceName?: string): SnapshotRow[] {
    const order = 'ORDER BY s.name, s.lineage, p.seq, p.time, p.name';
    if (sourceName === undefined) return this.select(order);
    return this.select(`WHERE s.name = ? ${order}`, sourceName);
  }

  /** The newest snapshot of a source that counts and that queries can answer for. */
  latest(sourceName: string): SnapshotRow | undefined {
    return this.newest(sourceName, '1');
  }

  /** Snapshots whose id begins so, by name. Several: the beginning is ambiguous. */
  byPrefix(prefix: string, sourceName?: string): SnapshotRow[] {
    if (!/^[0-9a-f]{1,64}$/.test(prefix)) return [];
    const low = hexBytes(prefix.padEnd(64, '0'));
    const high = hexBytes(prefix.padEnd(64, 'f'));
    const where = 'WHERE p.name BETWEEN ? AND ?';
    if (sourceName === undefined) return this.select(`${where} ORDER BY p.name`, low, high);
    return this.select(`${where} AND s.name = ? ORDER BY p.name`, low, high, sourceName);
  }

  /** The newest snapshot of a source, of those that count, taken at `time` or before. */
  notAfter(sourceName: string, time: bigint): SnapshotRow | undefined {
    return this.newest(sourceName, 'p.time <= ?', time);
  }

  /**
   * Of each lineage's snapshots that count and meet a condition, the last in its order; of these the newest. So a clock
   * that jumps does not reorder a history; only lineages, which have no order among them, are told apart by their clocks.
   */
  private newest(sourceName: string, condition: string, ...values: bigint[]): SnapshotRow | undefined {
    // Beside max(), SQLite takes the other columns from the row that has it.
    const last = `SELECT p.id, max(p.seq) FROM snapshots p JOIN sources s ON s.id = p.source
      WHERE s.name = ? AND ${COUNTS} AND ${condition} GROUP BY p.source`;
    return this.first(
      `WHERE p.id IN (SELECT id FROM (${last})) ORDER BY p.time DESC, p.name DESC LIMIT 1`,
      sourceName,
      ...values,
    );
  }

  /** Notes that these snapshots went on purpose. */
  noteForgotten(names: Iterable<string>): void {
    this.db.transaction(() => {
      for (const name of names)
        this.db.run('INSERT INTO forgotten (name) VALUES (?) ON CONFLICT DO NOTHING', hexBytes(name));
    });
  }

  /** Whether it is known that this snapshot went on purpose. */
  isForgotten(name: string): boolean {
    return this.db.one('SELECT 1 FROM forgotten WHERE name = ?', hexBytes(name)) !== undefined;
  }

  private replacedSource(facts: LineageFacts): SourceId | undefined {
    for (const name of facts.replaces ?? []) {
      const row = this.get(name);
      if (row !== undefined) return row.source;
    }
    return undefined;
  }

  private parentSource(sourceName: string, facts: LineageFacts): SourceId | undefined {
    if (facts.parent !== undefined) {
      const parent = this.get(facts.parent);
      if (parent !== undefined && parent.sourceName === sourceName) return parent.source;
    }
    if (facts.catalogId === undefined) return undefined;
    return this.db.one<{ source: number }>(
      `SELECT p.source FROM snapshots p JOIN sources s ON s.id = p.source
       WHERE s.name = ? AND p.catalog_id = ? ORDER BY p.seq DESC LIMIT 1`,
      sourceName,
      hexBytes(facts.catalogId),
    )?.source;
  }

  private fits(source: SourceId, facts: LineageFacts, gone: ReadonlySet<string>): boolean {
    const replaced = new Set(facts.replaces);
    const rivals = this.db.all<{ name: Uint8Array }>(
      `SELECT name FROM snapshots WHERE source = ? AND kind = 'taken' AND state = 'live' AND (seq = ? OR parent = ?)`,
      source,
      facts.seq,
      optionalBytes(facts.parent),
    );
    return rivals.every(({ name }) => replaced.has(bytesHex(name)) || gone.has(bytesHex(name)));
  }

  private first(clause: string, ...values: (string | number | bigint | Uint8Array)[]): SnapshotRow | undefined {
    const row = this.db.oneBig<StoredSnapshot>(`${SELECT} ${clause}`, ...values);
    return row && toRow(row);
  }

  private select(clause: string, ...values: (string | number | bigint | Uint8Array)[]): SnapshotRow[] {
    return this.db.allBig<StoredSnapshot>(`${SELECT} ${clause}`, ...values).map(toRow);
  }

  private writeTags(id: number, tags: readonly string[]): void {
    for (const tag of tags)
      this.db.run('INSERT INTO tags (snapshot, tag) VALUES (?, ?) ON CONFLICT DO NOTHING', id, tag);
  }
}

interface StoredSnapshot {
  id: bigint;
  name: Uint8Array;
  source: bigint;
  source_name: string;
  lineage: bigint;
  seq: bigint;
  parent: Uint8Array | null;
  time: bigint;
  started: bigint;
  mode: 'soft' | 'full';
  kind: 'taken' | 'kept';
  state: SnapshotState;
  applied: bigint;
  listing_id: Uint8Array | null;
  listing_depth: bigint | null;
  signer: Uint8Array | null;
  catalog_id: Uint8Array | null;
  replaces: Uint8Array;
  received: bigint | null;
  body: string | null;
  /** JSON, sorted. */
  tags: string;
}

const SELECT = `SELECT p.*, s.name AS source_name, s.lineage,
    (SELECT json_group_array(tag ORDER BY tag) FROM tags WHERE snapshot = p.id) AS tags
  FROM snapshots p JOIN sources s ON s.id = p.source`;
const COUNTS = `p.state = 'live' AND p.kind = 'taken' AND p.applied = 1`;

function toRow(row: StoredSnapshot): SnapshotRow {
  const id = Number(row.id);
  const replaces = bytesHex(row.replaces).match(/.{64}/g) ?? [];
  return {
    id,
    name: bytesHex(row.name),
    source: Number(row.source),
    sourceName: row.source_name,
    lineage: Number(row.lineage),
    seq: Number(row.seq),
    parent: optionalHex(row.parent),
    time: row.time,
    started: row.started,
    mode: row.mode,
    kind: row.kind,
    state: row.state,
    pending: row.state === 'pending',
    applied: row.applied === 1n,
    listing: row.listing_id === null ? undefined : { id: row.listing_id, depth: Number(row.listing_depth) },
    signer: optionalHex(row.signer),
    catalogId: optionalHex(row.catalog_id),
    replaces: [...replaces],
    received: row.received ?? undefined,
    body: row.body ?? undefined,
    tags: row.tags === '[]' ? [] : (JSON.parse(row.tags) as string[]),
  };
}

function optionalBytes(hex: string | undefined): Buffer | null {
  return hex === undefined ? null : hexBytes(hex);
}

function optionalHex(bytes: Uint8Array | null): string | undefined {
  return bytes === null ? undefined : bytesHex(bytes);
}

import type { ByteString } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import { openSegment, type Segment } from '../../format/segment.js';
import type { Db } from '../database.js';
import { decodeRow } from '../entry-row.js';
import { decodeFroms, type FromsRow } from '../froms.js';
import { justAbove, type KeyRange, keyOf, keyText } from '../keys.js';
import type { SourceId } from '../snapshots.js';

/** Something that walks over entries in key order. `key` is undefined past the last one. */
interface Walk {
  readonly key: ByteString | undefined;
  /** In which snapshot the current version began. */
  readonly from: number;
  entry(): Entry;
  next(): void;
  /** Goes on to the first entry at or above `key`; never back. */
  seek(key: ByteString): void;
}

/** Rows per page at first and at most: small ones for who skips about, large ones for who reads on. */
const FIRST_PAGE = 4;
const LARGEST_PAGE = 256;

interface StoredSegment extends FromsRow {
  id: number;
  first_key: string;
  entries: number;
  bytes: Uint8Array;
}

const SELECT_SEGMENT = `SELECT s.id, s.first_key, s.entries, s.min_from, s.max_from, s.froms, b.bytes
  FROM segments s INDEXED BY segments_by_key JOIN segment_bytes b ON b.id = s.bytes_id`;

/** The active entries of a source that began in snapshot `seq` or before, in a range of keys. */
export class ActiveWalk implements Walk {
  key: ByteString | undefined;
  from = 0;
  private readonly db: Db;
  private readonly source: SourceId;
  private readonly seq: number;
  private readonly end: ByteString;
  private page: StoredSegment[] = [];
  private at = 0;
  private size = FIRST_PAGE;
  private segment: Segment | undefined;
  private froms: number[] = [];
  private index = -1;

  constructor(db: Db, source: SourceId, seq: number, range: KeyRange) {
    this.db = db;
    this.source = source;
    this.seq = seq;
    this.end = range.to;
    this.jump(range.from);
  }

  entry(): Entry {
    return this.segment!.entry(this.index);
  }

  next(): void {
    const { seq, end } = this;
    while (this.segment !== undefined) {
      while (++this.index < this.segment.length) {
        if (this.froms[this.index] > seq) continue;
        this.key = this.segment.keys[this.index];
        this.from = this.froms[this.index];
        if (this.key >= end) this.stop();
        return;
      }
      this.load(this.at + 1);
    }
    this.stop();
  }

  seek(key: ByteString): void {
    if (this.key === undefined || this.key >= key) return;
    const { keys } = this.segment!;
    if (key <= keys[keys.length - 1]) {
      this.skipTo(key);
      return;
    }
    const text = keyText(key);
    // The segment that holds it is the last one beginning at or before it: on this page unless the page ends before.
    let at = this.at;
    while (at + 1 < this.page.length && this.page[at + 1].first_key <= text) at++;
    if (at + 1 === this.page.length) this.jump(key);
    else {
      if (at !== this.at) this.load(at);
      this.skipTo(key);
    }
  }

  /** Finds the segment that covers a key by the index. */
  private jump(key: ByteString): void {
    this.size = FIRST_PAGE;
    const text = keyText(key);
    const covering = this.db.one<StoredSegment>(
      `${SELECT_SEGMENT} WHERE s.source = ? AND s.first_key <= ? ORDER BY s.first_key DESC LIMIT 1`,
      this.source,
      text,
    );
    this.page = covering === undefined ? this.pageFrom(text) : [covering];
    this.load(0);
    this.skipTo(key);
  }

  private pageFrom(text: string): StoredSegment[] {
    return this.db.all<StoredSegment>(
      `${SELECT_SEGMENT} WHERE s.source = ? AND s.first_key >= ? AND s.first_key < ? ORDER BY s.first_key LIMIT ?`,
      this.source,
      text,
      keyText(this.end),
      this.size,
    );
  }

  private skipTo(key: ByteString): void {
    if (this.segment === undefined) {
      this.stop();
      return;
    }
    const { keys } = this.segment;
    let low = this.index + 1;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keys[middle] < key) low = middle + 1;
      else high = middle;
    }
    this.index = low - 1;
    this.next();
  }

  private load(at: number): void {
    this.at = at;
    if (at >= this.page.length && this.page.length > 0) {
      const last = this.page[this.page.length - 1].first_key;
      this.page = this.pageFrom(justAbove(last));
      this.size = Math.min(this.size * 4, LARGEST_PAGE);
      this.at = 0;
    }
    const row = this.page[this.at];
    this.index = -1;
    this.segment = row && openSegment(row.bytes);
    this.froms = row === undefined ? [] : decodeFroms(row, row.entries);
  }

  private stop(): void {
    this.key = undefined;
    this.segment = undefined;
  }
}

interface StoredVersion {
  key: string;
  from_seq: number;
  entry: Uint8Array;
}

/** The ended versions of a source that snapshot `seq` holds, in a range of keys. */
export class HistoryWalk implements Walk {
  key: ByteString | undefined;
  private readonly db: Db;
  private readonly source: SourceId;
  private readonly seq: number;
  private readonly end: string;
  private page: StoredVersion[] = [];
  private at = 0;
  private size = FIRST_PAGE;

  constructor(db: Db, source: SourceId, seq: number, range: KeyRange) {
    this.db = db;
    this.source = source;
    this.seq = seq;
    this.end = keyText(range.to);
    this.load(keyText(range.from));
  }

  get from(): number {
    return this.page[this.at].from_seq;
  }

  entry(): Entry {
    return decodeRow(this.key!, this.page[this.at].entry);
  }

  next(): void {
    if (this.key === undefined) return;
    if (this.at + 1 < this.page.length) this.place(this.at + 1);
    else if (this.page.length < this.size) this.key = undefined;
    else {
      this.size = Math.min(this.size * 4, LARGEST_PAGE);
      this.load(justAbove(this.page[this.at].key));
    }
  }

  seek(key: ByteString): void {
    if (this.key === undefined || this.key >= key) return;
    const text = keyText(key);
    let at = this.at;
    while (at < this.page.length && this.page[at].key < text) at++;
    if (at < this.page.length) this.place(at);
    else if (this.page.length < this.size) this.key = undefined;
    else {
      this.size = FIRST_PAGE;
      this.load(text);
    }
  }

  private load(text: string): void {
    this.page = this.db.all<StoredVersion>(
      `SELECT key, from_seq, entry FROM history INDEXED BY history_by_key
       WHERE source = ? AND key >= ? AND key < ? AND from_seq <= ? AND to_seq >= ? ORDER BY key LIMIT ?`,
      this.source,
      text,
      this.end,
      this.seq,
      this.seq,
      this.size,
    );
    this.place(0);
  }

  private place(at: number): void {
    this.at = at;
    this.key = this.page[at] && keyOf(this.page[at].key);
  }
}

/**
 * The entries of one snapshot in a range of keys, in key order. Pages are read as they are needed, so that memory is
 * flat, and the database may be written between two steps.
 */
export class StateCursor {
  private readonly active: Walk;
  private readonly ended: Walk | undefined;

  /** @param head the sequence whose state the active segments are; nothing that ended is in it */
  constructor(db: Db, source: SourceId, seq: number, head: number, range: KeyRange) {
    this.active = new ActiveWalk(db, source, seq, range);
    this.ended = seq >= head ? undefined : new HistoryWalk(db, source, seq, range);
  }

  /** Key of the current entry; undefined past the last one. */
  get key(): ByteString | undefined {
    return this.current().key;
  }

  /** In which snapshot the current version began. */
  get from(): number {
    return this.current().from;
  }

  entry(): Entry {
    return this.current().entry();
  }

  next(): void {
    this.current().next();
  }

  /** Goes on to the first entry at or above `key`; never back. */
  seek(key: ByteString): void {
    this.active.seek(key);
    this.ended?.seek(key);
  }

  private current(): Walk {
    const { active, ended } = this;
    if (ended?.key === undefined) return active;
    return active.key === undefined || ended.key < active.key ? ended : active;
  }
}

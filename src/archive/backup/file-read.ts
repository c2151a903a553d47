import type { ByteString } from '../../bytes.js';
import { type ReadStatus, STAT_FIELDS, Stat } from '../ingest/messages.js';

/** What reading a file gave: a row of a worker's answer, which is not unpacked, and what belongs to it. */
export class FileRead {
  /** Why, when it could not be read. */
  readonly error: string | undefined;
  readonly xattrs: [ByteString, Uint8Array][] | undefined;
  private readonly stats: Float64Array;
  private readonly at: number;
  private readonly allIds: Uint8Array;
  private readonly idsFrom: number;
  private readonly idsTo: number;

  /**
   * @param stats rows of STAT_FIELDS numbers
   * @param at where the file's row begins
   * @param ids of all files, of which this one's are those from byte `from` to `to`
   */
  constructor(
    stats: Float64Array,
    at: number,
    { ids, from, to }: { ids: Uint8Array; from: number; to: number },
    error: string | undefined,
    xattrs: [ByteString, Uint8Array][] | undefined,
  ) {
    this.stats = stats;
    this.at = at;
    this.allIds = ids;
    this.idsFrom = from;
    this.idsTo = to;
    this.error = error;
    this.xattrs = xattrs;
  }

  /** The same in memory of its own, for as long as the answer should not be kept. */
  alone(): FileRead {
    const row = this.stats.slice(this.at, this.at + STAT_FIELDS);
    const ids = this.ids.slice();
    return new FileRead(row, 0, { ids, from: 0, to: ids.length }, this.error, this.xattrs);
  }

  /** As a view. */
  get ids(): Uint8Array {
    return this.allIds.subarray(this.idsFrom, this.idsTo);
  }

  get status(): ReadStatus {
    return this.small(Stat.status) as ReadStatus;
  }

  get perm(): number {
    return this.small(Stat.mode);
  }

  get uid(): number {
    return this.small(Stat.uid);
  }

  get gid(): number {
    return this.small(Stat.gid);
  }

  get size(): number {
    return this.stats[this.at + Stat.size];
  }

  get mtimeSec(): number {
    return this.stats[this.at + Stat.mtimeSec];
  }

  get mtimeNsec(): number {
    return this.small(Stat.mtimeNsec);
  }

  get ctimeSec(): number {
    return this.stats[this.at + Stat.ctimeSec];
  }

  get ctimeNsec(): number {
    return this.small(Stat.ctimeNsec);
  }

  get ino(): number {
    return this.stats[this.at + Stat.ino];
  }

  get nlink(): number {
    return this.small(Stat.nlink);
  }

  get chunkClass(): 0 | 1 {
    return (this.small(Stat.cut) & 1) as 0 | 1;
  }

  get depth(): number {
    return this.small(Stat.cut) >> 1;
  }

  /** When reading began, milliseconds since 1970. */
  get started(): number {
    return this.stats[this.at + Stat.started];
  }

  /** A number of 32 bits at most, as an integer: V8 keeps any other in memory of its own. */
  private small(field: number): number {
    return this.stats[this.at + field] >>> 0;
  }
}

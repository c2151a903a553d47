import { hash } from 'node:crypto';
import { type ByteString, toBytes } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import type { Db } from '../database.js';
import type { SourceId } from '../snapshots.js';

/** One state of one path over an interval of snapshots. */
export interface Version {
  key: ByteString;
  source: SourceId;
  /** Sequences of the first and last existing snapshot that hold it; `to` is undefined while it is active. */
  from: number;
  to: number | undefined;
  /** Times of those snapshots, nanoseconds since 1970; of a kept or imported version when it was first and last seen. */
  fromTime: bigint;
  toTime: bigint | undefined;
  entry: Entry;
  /** `snapshot`: taken snapshots hold it; `history`: only a kept one does (then `from` and `to` are 0). */
  keptBy: 'snapshot' | 'history';
}

/** Times of the applied snapshots of a lineage by their sequences. */
export class SnapshotTimes {
  private readonly times = new Map<number, bigint>();

  constructor(db: Db, source: SourceId) {
    const rows = db.allBig<{ seq: bigint; time: bigint }>(
      `SELECT seq, time FROM snapshots WHERE source = ? AND applied = 1 AND kind = 'taken'`,
      source,
    );
    for (const { seq, time } of rows) this.times.set(Number(seq), time);
  }

  /** A version of a taken snapshot. One that was imported is dated by its own times, which no snapshot has exactly. */
  version(key: ByteString, source: SourceId, from: number, to: number | undefined, entry: Entry): Version {
    return {
      key,
      source,
      from,
      to,
      fromTime: earlier(this.at(from), entry.kept?.first),
      toTime: to === undefined ? undefined : later(this.at(to), entry.kept?.last),
      entry,
      keptBy: 'snapshot',
    };
  }

  /** When the snapshot with a sequence was taken. */
  at(seq: number): bigint {
    return this.times.get(seq) ?? 0n;
  }
}

function earlier(time: bigint, other: bigint | undefined): bigint {
  return other !== undefined && other < time ? other : time;
}

function later(time: bigint, other: bigint | undefined): bigint {
  return other !== undefined && other > time ? other : time;
}

const DIGEST_DIGITS = 12;

/**
 * What `history` calls a version: the sequence of the snapshot in which it began, and a digest of that, its time and the
 * version's path; of a kept version a digest of its path and when it was first seen. The time tells lineages apart, which
 * have equal sequences. The same after a rebuild, as long as the snapshot in which it began exists or has been replaced.
 * @param times of the version's lineage
 */
export function versionId(
  sourceName: string,
  times: SnapshotTimes,
  version: Pick<Version, 'key' | 'from' | 'fromTime' | 'keptBy'>,
): string {
  const start = version.keptBy === 'history' ? `k${version.fromTime}` : `${version.from}\0${times.at(version.from)}`;
  const text = Buffer.concat([Buffer.from(`${sourceName}\0${start}\0`, 'utf8'), toBytes(version.key)]);
  const digest = hash('sha256', text, 'hex').slice(0, DIGEST_DIGITS);
  return version.keptBy === 'history' ? `k-${digest}` : `${version.from.toString(36)}-${digest}`;
}

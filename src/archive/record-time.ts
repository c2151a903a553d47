import type { StoreRecord } from '../format/record.js';
import type { NamedRecord, Trust } from '../format/trust.js';

/** What a key that is not full has dated further ahead than this is passed over: it must not use up the times that there are. */
const MOST_AHEAD = 3653n * 86_400n * 1_000_000_000n;

/**
 * The time for a new record that may take back what others say: now, but after each of those. They count in the order of
 * their times, and what somebody has just decided must prevail also where a clock was put back.
 * @param concerns which records the new one may take back
 */
export function timeOfNewRecord(
  { records, trust }: { records: readonly NamedRecord[]; trust: Trust },
  concerns: (record: StoreRecord) => boolean,
): bigint {
  const now = BigInt(Date.now()) * 1_000_000n;
  let time = now;
  for (const { name, record, signer } of records) {
    if (record.time < time || !concerns(record)) continue;
    const role = trust.roleOf(signer, name);
    if (role === 'full' || (role === 'backup' && record.time <= now + MOST_AHEAD)) time = record.time + 1n;
  }
  return time;
}

/** The order in which records count. */
export function byRecordTime(a: NamedRecord, b: NamedRecord): number {
  if (a.record.time !== b.record.time) return a.record.time < b.record.time ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

import { ExitCode, UserError } from '../../errors.js';
import { rfc3339 } from '../../report/time.js';

const DAY = 86_400n * 1_000_000_000n;

/** A snapshot may claim to be this much later than the store got it: clocks differ. */
const MOST_AHEAD = DAY;

/** One by a key that is not full may claim to be this much earlier: a machine may have been away from its store. */
const MOST_BEHIND = 30n * DAY;

/** A clock this far after the newest snapshot is more likely wrong than right. */
const LONGEST_PAUSE = 3653n * DAY;

/** What is to be known of a snapshot to judge its time. Nanoseconds since 1970. */
export interface Claimed {
  time: bigint;
  /** When a store was first seen to have it; undefined: nobody knows. */
  received?: bigint;
}

/**
 * Whether a snapshot's time can be believed: no rule counts it otherwise. A stolen backup key could else push others out
 * by snapshots of its own making.
 * @param isFull whether it is signed by a full key
 */
export function isPlausible({ time, received }: Claimed, isFull: boolean): boolean {
  if (received === undefined) return true;
  if (time > received + MOST_AHEAD) return false;
  return isFull || time >= received - MOST_BEHIND;
}

/**
 * The latest moment that is known to have come: the newest snapshot's time, if its receipt does not say that it was too
 * early for that. A snapshot by a key that is not full is no witness without one. So a single clock that was wrong,
 * whosesoever, does not date all that comes.
 */
export function latestKnown(snapshots: Iterable<Claimed & { isFull: boolean }>): bigint | undefined {
  let latest: bigint | undefined;
  for (const { time, received, isFull } of snapshots) {
    if (received === undefined && !isFull) continue;
    const moment = received !== undefined && received < time ? received : time;
    if (latest === undefined || moment > latest) latest = moment;
  }
  return latest;
}

/** Whether a clock may be right, as far as a snapshot's time tells: not before it, nor more than ten years after it. */
export function isPlausibleClock(now: bigint, newest: bigint): boolean {
  return now >= newest && now <= newest + LONGEST_PAUSE;
}

/**
 * Refuses to forget by a clock that cannot be right.
 * @param newest time of the newest snapshot that counts; undefined: there is none
 * @throws UserError (failed) when the clock lies before it, or more than ten years after it
 */
export function checkClock(now: bigint, newest: bigint | undefined): void {
  if (newest === undefined || isPlausibleClock(now, newest)) return;
  const wrong = now < newest ? 'lies before' : 'lies more than ten years after';
  throw new UserError(
    ExitCode.failed,
    `the clock of this machine (${rfc3339(now)}) ${wrong} the newest snapshot (${rfc3339(newest)}); nothing was forgotten: set the clock, or, if it is right, make a backup first or drop the snapshot by name`,
  );
}

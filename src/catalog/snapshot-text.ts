import { bytesHex, hexBytes } from './database.js';
import type { SnapshotInput } from './snapshots.js';

/** A snapshot as JSON text, for the row of a sealed run. */
export function snapshotText(snapshot: SnapshotInput): string {
  return JSON.stringify({
    ...snapshot,
    time: String(snapshot.time),
    started: String(snapshot.started),
    received: snapshot.received === undefined ? undefined : String(snapshot.received),
    listing: snapshot.listing && { id: bytesHex(snapshot.listing.id), depth: snapshot.listing.depth },
  });
}

/** What snapshotText wrote. */
export function parseSnapshot(text: string): SnapshotInput {
  const stored = JSON.parse(text) as Omit<SnapshotInput, 'time' | 'started' | 'received' | 'listing'> & {
    time: string;
    started: string;
    received?: string;
    listing?: { id: string; depth: number };
  };
  return {
    ...stored,
    time: BigInt(stored.time),
    started: BigInt(stored.started),
    received: stored.received === undefined ? undefined : BigInt(stored.received),
    listing: stored.listing && { id: hexBytes(stored.listing.id), depth: stored.listing.depth },
  };
}

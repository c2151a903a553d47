import { hex, same, toChars } from './bytes.js';
import { asBytes, asCount, asText, decodeMap, Fields } from './cbor.js';
import { checkHeader, type Keys, Kind, open, openSigned, SEALED_HEADER, sealedKey, sha256 } from './crypto.js';
import { damaged } from './errors.js';
import type { Fact, Trust } from './trust.js';

/**
 * Why a snapshot counts, or does not: `foreign` (signed by a key that may not write its source), `replaced` or
 * `forgotten` (by a snapshot or record that counts), `pending` (nobody has said that all it needs is there).
 */
export type SnapshotState = 'counts' | 'foreign' | 'replaced' | 'forgotten' | 'pending';

/** One point in time of one source. Names and keys are hex digits, times nanoseconds since 1970. */
export interface PortableSnapshot {
  name: string;
  state: SnapshotState;
  source: string;
  sequence: number;
  parent: string | undefined;
  replaces: string[];
  started: bigint;
  time: bigint;
  mode: string;
  kind: string;
  signer: string;
  host: string;
  user: string;
  /** Absolute paths, one char per byte. */
  roots: { path: string; adHoc: boolean }[];
  tags: string[];
  counts: Record<string, number>;
  program: string;
  listing: { id: Uint8Array; depth: number };
  isPending: boolean;
}

const FIELD = 4;

/** Reads a snapshot object. Its `state` is not known yet. */
export function openSnapshot(keys: Keys, name: string, bytes: Uint8Array): PortableSnapshot {
  checkHeader(bytes, Kind.snapshot);
  if (bytes.length < SEALED_HEADER + FIELD) throw damaged('cut');
  const clear = bytes.subarray(0, SEALED_HEADER);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = SEALED_HEADER + FIELD + view.getUint32(SEALED_HEADER, true);
  if (bytes.length < end) throw damaged('cut');
  const { signer, body } = openSigned(keys, clear, bytes.subarray(SEALED_HEADER + FIELD, end));
  const sealed = bytes.subarray(end);
  const header = decodeMap(body, 'a snapshot header');
  if (!same(sha256(sealed), header.bytes('body', 32))) throw damaged('another body than the one that was signed');
  const facts = decodeMap(open(sealedKey(keys, clear), 0, clear, sealed), 'a snapshot body');
  return {
    name,
    state: 'counts',
    source: header.text('source'),
    sequence: header.count('sequence'),
    parent: header.has('parent') ? header.hex('parent', 32) : undefined,
    replaces: header.hexList('replaces', 32),
    started: header.time('started'),
    time: header.time('time'),
    mode: header.text('mode'),
    kind: header.text('kind'),
    signer,
    isPending: header.flag('pending'),
    listing: readListing(header.list('listing')),
    host: facts.text('host'),
    user: facts.text('user'),
    roots: facts.list('roots').map(readRoot),
    tags: facts.texts('tags'),
    counts: readCounts(facts.map('counts')),
    program: facts.text('program'),
  };
}

function readListing([id, depth]: unknown[]): PortableSnapshot['listing'] {
  return { id: asBytes(id, 'the listing of a snapshot', 24), depth: asCount(depth, 'the depth of a listing', 32) };
}

function readRoot(value: unknown): PortableSnapshot['roots'][number] {
  const root = new Fields(value, 'a root of a snapshot');
  return { path: toChars(root.bytes('path')), adHoc: root.flag('adHoc') };
}

function readCounts(counts: Fields): Record<string, number> {
  return Object.fromEntries(Object.keys(counts.values).map((name) => [name, counts.count(name)]));
}

/** Sets the state and tags of all snapshots of a store, and sorts them: by source, sequence, time, name. */
export function judge(snapshots: PortableSnapshot[], trust: Trust, facts: readonly Fact[]): void {
  const byFull = facts.filter(({ signer, name }) => trust.isFull(signer, name));
  const named = (type: string) =>
    new Set(byFull.filter((fact) => fact.type === type).flatMap((fact) => fact.fields.hexList('snapshots', 32)));
  const forgotten = named('forget');
  const replaced = named('replaced');
  const isComplete = (snapshot: PortableSnapshot) => (fact: Fact) =>
    fact.type === 'complete' &&
    fact.fields.hex('snapshot', 32) === snapshot.name &&
    (trust.isFull(fact.signer, fact.name) ||
      (fact.signer === snapshot.signer && trust.isKnown(fact.signer, fact.name)));
  const pending = new Set(snapshots.filter((s) => s.isPending && !facts.some(isComplete(s))));
  for (const snapshot of snapshots)
    if (!pending.has(snapshot) && trust.isFull(snapshot.signer, snapshot.name))
      for (const old of snapshot.replaces) replaced.add(old);

  for (const snapshot of snapshots) {
    if (!trust.mayWrite(snapshot.signer, snapshot.source, snapshot.name)) snapshot.state = 'foreign';
    else if (replaced.has(snapshot.name)) snapshot.state = 'replaced';
    else if (forgotten.has(snapshot.name)) snapshot.state = 'forgotten';
    else if (pending.has(snapshot)) snapshot.state = 'pending';
  }
  tagAll(snapshots, trust, facts);
  snapshots.sort(
    (a, b) => order(a.source, b.source) || a.sequence - b.sequence || order(a.time, b.time) || order(a.name, b.name),
  );
}

function tagAll(snapshots: PortableSnapshot[], trust: Trust, facts: readonly Fact[]): void {
  const byName = new Map(snapshots.map((snapshot) => [snapshot.name, snapshot]));
  const inTime = facts
    .filter(({ type }) => type === 'tag')
    .sort((a, b) => order(a.time, b.time) || order(a.name, b.name));
  for (const { signer, name, fields } of inTime) {
    const snapshot = byName.get(hex(fields.bytes('snapshot', 32)));
    if (snapshot === undefined || snapshot.state === 'foreign') continue;
    const remove = fields.texts('remove');
    const counts = trust.isFull(signer, name) || (remove.length === 0 && trust.mayWrite(signer, snapshot.source, name));
    if (!counts) continue;
    const tags = new Set(snapshot.tags);
    for (const tag of fields.list('add')) tags.add(asText(tag, 'a tag'));
    for (const tag of remove) tags.delete(tag);
    snapshot.tags = [...tags].sort();
  }
}

function order<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

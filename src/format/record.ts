import type { Keyring } from '../crypto/keyring.js';
import { decode, encode } from './cbor.js';
import { Fields, hexBytes } from './fields.js';
import { NAME_LENGTH, ObjectKind, openSigned, type SealedObject, type SealOptions, sealSigned } from './object.js';

/** A small fact about the store. `time` is when it was written, nanoseconds since 1970; names are hex digits. */
export type StoreRecord = { time: bigint } & (
  | { type: 'forget'; snapshots: string[] }
  /** Snapshots that no longer count because others took their place. */
  | { type: 'replaced'; snapshots: string[]; by: string[] }
  /**
   * Objects (by path in the store, as a false name may be no name) that are set aside because they cannot be read or are
   * damaged, snapshots that can be read but are not whole, and blobs known to be lost.
   */
  | { type: 'damaged'; objects: string[]; blobs: { kind: 'data' | 'listing' | 'chunk-list'; id: Uint8Array }[] }
  /** What earlier `damaged` records said of these objects is over: they can be read again, or are whole again. */
  | { type: 'healed'; objects: string[] }
  | { type: 'tag'; snapshot: string; add: string[]; remove: string[] }
  /** Nothing of this key counts any more but the objects named. */
  | { type: 'revoke'; signer: string; accept: string[] }
  /** When each snapshot was first seen by a full role's catalog. */
  | { type: 'receipt'; receipts: { snapshot: string; received: bigint }[] }
  /** All that a pending snapshot needs is durable and indexed. */
  | { type: 'complete'; snapshot: string }
  /** A kind of record that a later version made: counts for nothing here. */
  | { type: 'unknown'; name: string }
);

/** Packs that a prune run has doomed. */
export interface Tombstone {
  time: bigint;
  packs: string[];
}

const NAMED_TYPES = ['forget', 'replaced', 'damaged', 'healed', 'tag', 'revoke', 'receipt', 'complete'] as const;

/** Makes a record object, signed by this keyring. */
export function sealRecord(
  keyring: Keyring,
  record: Exclude<StoreRecord, { type: 'unknown' }>,
  options: SealOptions = {},
): SealedObject {
  const body = encode({ time: record.time, type: record.type, ...encodeFacts(record) });
  return sealSigned(keyring, ObjectKind.record, body, options);
}

/** A record and who signed it; `Trust.counts` says whether it counts. Throws FormatError, SealError or SignatureError. */
export function openRecord(keyring: Keyring, bytes: Uint8Array): { record: StoreRecord; signer: string } {
  const { signer, body } = openSigned(keyring, ObjectKind.record, bytes);
  const fields = new Fields(decode(body), 'a record');
  return { signer, record: { time: fields.time('time'), ...decodeFacts(fields) } as StoreRecord };
}

/** Makes a tombstone, signed by this keyring: a full one, or nobody will heed it. */
export function sealTombstone(keyring: Keyring, tombstone: Tombstone, options: SealOptions = {}): SealedObject {
  const packs = tombstone.packs.map((name) => hexBytes(name, NAME_LENGTH));
  return sealSigned(keyring, ObjectKind.tombstone, encode({ time: tombstone.time, packs }), options);
}

/** A tombstone and who signed it. Throws FormatError, SealError or SignatureError. */
export function openTombstone(keyring: Keyring, bytes: Uint8Array): { tombstone: Tombstone; signer: string } {
  const { signer, body } = openSigned(keyring, ObjectKind.tombstone, bytes);
  const fields = new Fields(decode(body), 'a tombstone');
  return { signer, tombstone: { time: fields.time('time'), packs: fields.hexList('packs', NAME_LENGTH) } };
}

function encodeFacts(record: Exclude<StoreRecord, { type: 'unknown' }>): Record<string, unknown> {
  const names = (list: string[]) => list.map((name) => hexBytes(name, NAME_LENGTH));
  switch (record.type) {
    case 'forget':
      return { snapshots: names(record.snapshots) };
    case 'replaced':
      return { snapshots: names(record.snapshots), by: names(record.by) };
    case 'damaged':
      return { objects: record.objects, blobs: record.blobs };
    case 'healed':
      return { objects: record.objects };
    case 'tag':
      return { snapshot: hexBytes(record.snapshot, NAME_LENGTH), add: record.add, remove: record.remove };
    case 'revoke':
      return { signer: hexBytes(record.signer, 32), accept: names(record.accept) };
    case 'receipt':
      return {
        receipts: record.receipts.map(({ snapshot, received }) => ({
          snapshot: hexBytes(snapshot, NAME_LENGTH),
          received,
        })),
      };
    case 'complete':
      return { snapshot: hexBytes(record.snapshot, NAME_LENGTH) };
  }
}

type Facts = StoreRecord extends infer R ? (R extends StoreRecord ? Omit<R, 'time'> : never) : never;

function decodeFacts(fields: Fields): Facts {
  const name = fields.text('type');
  const type = NAMED_TYPES.find((known) => known === name);
  switch (type) {
    case 'forget':
      return { type, snapshots: fields.hexList('snapshots', NAME_LENGTH) };
    case 'replaced':
      return { type, snapshots: fields.hexList('snapshots', NAME_LENGTH), by: fields.hexList('by', NAME_LENGTH) };
    case 'damaged':
      return { type, objects: fields.textList('objects'), blobs: fields.list('blobs', readBlob) };
    case 'healed':
      return { type, objects: fields.textList('objects') };
    case 'tag':
      return {
        type,
        snapshot: fields.hex('snapshot', NAME_LENGTH),
        add: fields.textList('add'),
        remove: fields.textList('remove'),
      };
    case 'revoke':
      return { type, signer: fields.hex('signer', 32), accept: fields.hexList('accept', NAME_LENGTH) };
    case 'receipt':
      return { type, receipts: fields.list('receipts', readReceipt) };
    case 'complete':
      return { type, snapshot: fields.hex('snapshot', NAME_LENGTH) };
    case undefined:
      return { type: 'unknown', name };
  }
}

function readBlob(item: unknown, what: string) {
  const fields = new Fields(item, what);
  return { kind: fields.oneOf('kind', ['data', 'listing', 'chunk-list']), id: fields.bytes('id', 24) };
}

function readReceipt(item: unknown, what: string) {
  const fields = new Fields(item, what);
  return { snapshot: fields.hex('snapshot', NAME_LENGTH), received: fields.time('received') };
}

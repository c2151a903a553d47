import { BLOB_ID_LENGTH } from '../crypto/blob-id.js';
import type { Keyring } from '../crypto/keyring.js';
import { concat, equal, fromByteString, toByteString } from '../crypto/octets.js';
import { FormatError } from '../errors.js';
import { decode, encode } from './cbor.js';
import { Fields, hexBytes } from './fields.js';
import {
  createSealer,
  NAME_LENGTH,
  ObjectKind,
  objectName,
  openSeal,
  openSection,
  parseHeader,
  SEALED_HEADER_LENGTH,
  type SealedObject,
  type SealOptions,
  sealSection,
} from './object.js';

/** What every role sees of a snapshot. */
export interface SnapshotHeader {
  source: string;
  /** Position in the source's history: one more than its parent's. */
  sequence: number;
  /** Name of the snapshot before it, or null for the first of a lineage. */
  parent: string | null;
  /** Names of the snapshots that this one takes the place of. */
  replaces: string[];
  /** Id of the catalog that made it, 32 hex digits. */
  catalogId: string;
  /** When the run began, and the time that the snapshot stands for; nanoseconds since 1970. */
  started: bigint;
  time: bigint;
  mode: 'soft' | 'full';
  /** `kept` holds what per-path retention keeps and no taken snapshot has. */
  kind: 'taken' | 'kept';
  /** Put into a shared store, and not complete before a record says so. */
  pending: boolean;
  /** Root of the listing: a segment at depth 0, else a node. */
  listing: { id: Uint8Array; depth: number };
}

/** What only restore and full keys see of it. */
export interface SnapshotBody {
  host: string;
  user: string;
  /** Path bytes (one char per byte); ad-hoc roots are those that the config did not name. */
  roots: { path: string; adHoc: boolean }[];
  tags: string[];
  counts: { files: number; dirs: number; bytes: number; [more: string]: number };
  /** Name and version of the program that made it. */
  program: string;
  /** Patterns of `--exclude`, in the order in which they were given. */
  excludes?: string[];
  /** Some of the source's roots only: never the last full backup. */
  partial?: boolean;
}

/** A snapshot's header and who signed it. */
export interface OpenedSnapshotHeader {
  header: SnapshotHeader;
  /** Public key, 64 hex digits. */
  signer: string;
}

const LENGTH_FIELD = 4;
const SECTION_START = SEALED_HEADER_LENGTH + LENGTH_FIELD;

/** Makes a snapshot object, signed by this keyring: one signature covers header and body. */
export function sealSnapshot(
  keyring: Keyring,
  header: SnapshotHeader,
  body: SnapshotBody,
  options: SealOptions = {},
): SealedObject {
  const sealer = createSealer(keyring, ObjectKind.snapshot, undefined, options.random);
  const sealedBody = sealer.cipher.seal(0, encodeBody(body));
  const signed = encodeHeader(header, keyring.primitives.sha256(sealedBody));
  const section = sealSection(keyring, sealer.header, signed, false);
  const length = new Uint8Array(LENGTH_FIELD);
  new DataView(length.buffer).setUint32(0, section.length, true);
  const bytes = concat(sealer.header, length, section, sealedBody);
  return { name: objectName(keyring.primitives, bytes), bytes };
}

/**
 * The header of a whole snapshot object, with any role's keyring. The sealed body is checked to be the one that was
 * signed, though a backup key cannot open it. Throws FormatError, SealError or SignatureError.
 */
export function openSnapshotHeader(keyring: Keyring, bytes: Uint8Array): OpenedSnapshotHeader {
  const { header, signer } = openHeader(keyring, bytes);
  return { header, signer };
}

/** Header and body. Throws UserError (exit 12) for a backup key; FormatError, SealError or SignatureError. */
export function openSnapshot(keyring: Keyring, bytes: Uint8Array): OpenedSnapshotHeader & { body: SnapshotBody } {
  const cipher = openSeal(keyring, bytes.subarray(0, SEALED_HEADER_LENGTH), ObjectKind.snapshot);
  const { header, signer, sealedBody } = openHeader(keyring, bytes);
  return { header, signer, body: decodeBody(cipher.open(0, sealedBody)) };
}

function openHeader(keyring: Keyring, bytes: Uint8Array) {
  parseHeader(bytes, ObjectKind.snapshot);
  if (bytes.length < SECTION_START) throw new FormatError('cut in its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = SECTION_START + view.getUint32(SEALED_HEADER_LENGTH, true);
  if (bytes.length < end) throw new FormatError('cut, or a header of an impossible length');
  const clear = bytes.subarray(0, SEALED_HEADER_LENGTH);
  const { signer, body } = openSection(keyring, clear, bytes.subarray(SECTION_START, end));
  const sealedBody = bytes.subarray(end);
  const { header, bodyHash } = decodeHeader(body);
  if (!equal(keyring.primitives.sha256(sealedBody), bodyHash)) {
    throw new FormatError('the body of a snapshot is not the one its header was signed with');
  }
  return { header, signer, sealedBody };
}

function encodeHeader(header: SnapshotHeader, bodyHash: Uint8Array): Uint8Array {
  return encode({
    source: header.source,
    sequence: header.sequence,
    parent: header.parent === null ? null : hexBytes(header.parent, NAME_LENGTH),
    replaces: header.replaces.map((name) => hexBytes(name, NAME_LENGTH)),
    catalog: hexBytes(header.catalogId, 16),
    started: header.started,
    time: header.time,
    mode: header.mode,
    kind: header.kind,
    pending: header.pending,
    listing: [header.listing.id, header.listing.depth],
    body: bodyHash,
  });
}

function decodeHeader(bytes: Uint8Array): { header: SnapshotHeader; bodyHash: Uint8Array } {
  const fields = new Fields(decode(bytes), 'a snapshot header');
  const header: SnapshotHeader = {
    source: fields.text('source'),
    sequence: fields.integer('sequence'),
    parent: fields.optional('parent', (f) => f.hex('parent', NAME_LENGTH)) ?? null,
    replaces: fields.hexList('replaces', NAME_LENGTH),
    catalogId: fields.hex('catalog', 16),
    started: fields.time('started'),
    time: fields.time('time'),
    mode: fields.oneOf('mode', ['soft', 'full']),
    kind: fields.oneOf('kind', ['taken', 'kept']),
    pending: fields.boolean('pending'),
    listing: readListing(fields.list('listing', (item) => item)),
  };
  return { header, bodyHash: fields.bytes('body', 32) };
}

function readListing(pair: unknown[]): SnapshotHeader['listing'] {
  const [id, depth] = pair;
  if (!(id instanceof Uint8Array) || id.length !== BLOB_ID_LENGTH || typeof depth !== 'number') {
    throw new FormatError('the listing of a snapshot header is not an id and a depth');
  }
  if (pair.length !== 2 || depth < 0 || depth > 32) throw new FormatError('a listing of an impossible depth');
  return { id, depth };
}

function encodeBody(body: SnapshotBody): Uint8Array {
  return encode({
    host: body.host,
    user: body.user,
    roots: body.roots.map((root) => ({ path: fromByteString(root.path), adHoc: root.adHoc })),
    tags: body.tags,
    counts: body.counts,
    program: body.program,
    excludes: body.excludes,
    partial: body.partial,
  });
}

function decodeBody(bytes: Uint8Array): SnapshotBody {
  const fields = new Fields(decode(bytes), 'a snapshot body');
  const counts = fields.map('counts');
  const body: SnapshotBody = {
    host: fields.text('host'),
    user: fields.text('user'),
    roots: fields.list('roots', (item, what) => {
      const root = new Fields(item, what);
      return { path: toByteString(root.bytes('path')), adHoc: root.boolean('adHoc') };
    }),
    tags: fields.textList('tags'),
    counts: {
      ...counts.counts(),
      files: counts.integer('files'),
      dirs: counts.integer('dirs'),
      bytes: counts.integer('bytes'),
    },
    program: fields.text('program'),
  };
  const excludes = fields.optional('excludes', (f) => f.textList('excludes'));
  const partial = fields.optional('partial', (f) => f.boolean('partial'));
  return { ...body, ...(excludes && { excludes }), ...(partial !== undefined && { partial }) };
}

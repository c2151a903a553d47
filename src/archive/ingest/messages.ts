import type { ByteString } from '../../bytes.js';
import type { ChunkerParams } from '../../chunk/index.js';
import type { KeyringData } from '../../crypto/keyring.js';
import { nameOf, parentKey, pathOf } from '../../scan/index.js';
import type { OpenOptions } from '../../store/index.js';
import type { SharedClaims } from './claim-table.js';
import type { FinishedPack, FramePayload, PackOrigin } from './pack-writer.js';

/** What every ingest worker is started with. */
export interface IngestSetup {
  storeUrl: string;
  storeOptions: OpenOptions;
  keyring: KeyringData;
  origin: PackOrigin;
  claims: SharedClaims;
  /** Flat file with the ids of known blobs. */
  knownIds: string;
  /** Chunker parameters of class 0 and class 1. */
  chunkers: [ChunkerParams, ChunkerParams];
  /** zstd level, or what suits each frame; 0 stores raw. */
  level: number | 'auto';
}

/** How reading a file went. The numbers are used in the stats column. */
export const ReadStatus = {
  ok: 0,
  /** Size or times moved while it was read. What was read is stored. */
  changed: 1,
  /** It could not be read to its end. */
  unreadable: 2,
  /** It was gone. */
  vanished: 3,
  /** It is no regular file any more. */
  retyped: 4,
} as const;
export type ReadStatus = (typeof ReadStatus)[keyof typeof ReadStatus];

/** Class unknown: the worker samples. */
export const CLASS_UNKNOWN = 2;

/** Some files to be read whole, in scan order. */
export interface FilesTask {
  kind: 'files';
  /** Which ones: see `packFiles`. */
  files: Uint8Array;
  count: number;
  /** Per file 0, 1 or CLASS_UNKNOWN. */
  classes: Uint8Array;
  /** All levels of the claim table. */
  levels: SharedArrayBuffer[];
}

/** How long a string is that stands in front of it. */
const LENGTH_FIELD = 4;

/**
 * Files as a FilesTask has them, in memory that can be handed over: the path of each one's directory, or nothing where that
 * is the one before, and its name.
 * @param keys of the files
 */
export function packFiles(keys: readonly ByteString[]): Buffer<ArrayBuffer> {
  const strings: ByteString[] = [];
  let size = 0;
  let directory: ByteString | undefined;
  for (const key of keys) {
    const parent = parentKey(key);
    const path = parent === directory ? '' : pathOf(parent);
    const name = nameOf(key);
    directory = parent;
    strings.push(path, name);
    size += 2 * LENGTH_FIELD + path.length + name.length;
  }
  const bytes = Buffer.from(new ArrayBuffer(size));
  let at = 0;
  for (const string of strings) {
    bytes.writeUInt32LE(string.length, at);
    bytes.latin1Write(string, at + LENGTH_FIELD);
    at += LENGTH_FIELD + string.length;
  }
  return bytes;
}

/** Goes over what `packFiles` made, one file after the other. */
export class PackedFiles {
  /** Path of the directory in which the file lies. */
  directory: ByteString = '';
  name: ByteString = '';
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Goes on to the next file; there must be one. */
  next(): void {
    const path = this.string();
    if (path !== '') this.directory = path;
    this.name = this.string();
  }

  private string(): ByteString {
    const start = this.at + LENGTH_FIELD;
    this.at = start + this.bytes.readUInt32LE(this.at);
    return this.bytes.latin1Slice(start, this.at);
  }
}

/**
 * The next stretch of a big file to be read and cut. What was read stays with the worker, whose next task must be to store
 * it; meanwhile another one cuts on. Cuts depend on what lies behind the chunk's beginning only, so a stretch that begins
 * at a cut is cut as if the file were cut whole.
 */
export interface CutTask {
  kind: 'cut';
  path: ByteString;
  /** Where a chunk (or hole) begins. */
  offset: number;
  /** 0, 1 or CLASS_UNKNOWN. */
  chunkClass: number;
}

/** What a CutTask found. */
export interface CutResult {
  kind: 'cut';
  status: ReadStatus;
  error?: string;
  /** STAT_FIELDS numbers of the file as it was before the stretch was read, and after that. */
  before: Float64Array;
  after: Float64Array;
  xattrs: [ByteString, Uint8Array][];
  chunkClass: 0 | 1;
  /** Lengths of chunks, and negative ones of holes, from `offset` on. */
  pieces: Float64Array;
  /** The last piece ends the file. */
  end: boolean;
}

/** The stretch that this worker has just cut is to be stored. */
export interface StoreTask {
  kind: 'store';
  levels: SharedArrayBuffer[];
}

/** Gives up the open frames and packs. */
export interface FlushTask {
  kind: 'flush';
  /** No other worker has anything to give up. */
  isOnly: boolean;
}

export type IngestTask = FilesTask | CutTask | StoreTask | FlushTask;

/** Numbers per file in FilesResult.stats. */
export const STAT_FIELDS = 14;
/** Their places. */
export const Stat = {
  status: 0,
  mode: 1,
  uid: 2,
  gid: 3,
  size: 4,
  mtimeSec: 5,
  mtimeNsec: 6,
  ctimeSec: 7,
  ctimeNsec: 8,
  ino: 9,
  nlink: 10,
  cut: 11,
  idCount: 12,
  started: 13,
} as const;

/** What came of a FilesTask, file by file in its order. */
export interface FilesResult {
  kind: 'files';
  /** STAT_FIELDS numbers per file; `started` is when reading began, milliseconds since 1970. */
  stats: Float64Array;
  /** Ids of all files, one file after the other. */
  ids: Uint8Array;
  errors: [file: number, message: string][];
  xattrs: [file: number, pairs: [ByteString, Uint8Array][]][];
  /** Chunk-list nodes of big files. */
  nodes: { id: Uint8Array; bytes: Uint8Array }[];
  bytesRead: number;
  /** Bytes of new blobs before compression. */
  bytesNew: number;
  packs: FinishedPack[];
}

export interface StoreResult {
  kind: 'store';
  /** Of chunks and holes, one per piece. */
  ids: Uint8Array;
  bytesRead: number;
  bytesNew: number;
  packs: FinishedPack[];
}

export interface FlushResult {
  kind: 'flush';
  packs: FinishedPack[];
  /** Frames of a pack that was too small to stand alone. */
  frames: FramePayload[];
}

export type IngestResult = FilesResult | CutResult | StoreResult | FlushResult;

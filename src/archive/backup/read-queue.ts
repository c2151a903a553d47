import type { ByteString } from '../../bytes.js';
import { ID_LENGTH } from '../../format/entry.js';
import { CLASS_UNKNOWN, type FilesResult, type ReadStatus, Stat, STAT_FIELDS } from '../ingest/messages.js';
import type { Ingest } from './ingest.js';

/** Files are handed to workers in batches of about so many bytes or files. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 512;

/** Batches under way per worker: one being read, the next waiting, one coming in. */
const BATCHES_PER_WORKER = 3;

/** What reading a file gave. */
export interface FileRead {
  status: ReadStatus;
  /** Why, when it could not be read. */
  error?: string;
  perm: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  ino: number;
  nlink: number;
  chunkClass: 0 | 1;
  depth: number;
  ids: Uint8Array;
  xattrs: [ByteString, Uint8Array][] | undefined;
  /** When reading began, milliseconds since 1970. */
  started: number;
}

interface Waiting {
  path: ByteString;
  chunkClass: number;
  done: (read: FileRead) => void;
}

/** Gathers files into batches for the workers and keeps a bounded number of batches under way. */
export class ReadQueue {
  bytesRead = 0;
  bytesNew = 0;
  private readonly ingest: Ingest;
  private batch: Waiting[] = [];
  private batchBytes = 0;
  private readonly underWay = new Set<Promise<void>>();
  private failure: unknown;

  constructor(ingest: Ingest) {
    this.ingest = ingest;
  }

  /** Whether the caller should wait (`room`) before it adds more. */
  get full(): boolean {
    return this.underWay.size >= this.ingest.workers * BATCHES_PER_WORKER;
  }

  /**
   * Has a file read.
   * @param size expected bytes
   * @param chunkClass class of its last version, or undefined to let the worker sample
   * @param done is called later, from the event loop
   */
  add(path: ByteString, size: number, chunkClass: 0 | 1 | undefined, done: (read: FileRead) => void): void {
    this.batch.push({ path, chunkClass: chunkClass ?? CLASS_UNKNOWN, done });
    this.batchBytes += size;
    if (this.batchBytes >= BATCH_BYTES || this.batch.length >= BATCH_FILES) this.send();
  }

  /** Waits until some batch has come back; throws when one failed. */
  async room(): Promise<void> {
    if (this.underWay.size > 0) await Promise.race(this.underWay);
    this.throwFailure();
  }

  /** Waits until everything has come back. */
  async drain(): Promise<void> {
    this.send();
    while (this.underWay.size > 0) await this.room();
    this.throwFailure();
  }

  private send(): void {
    if (this.batch.length === 0) return;
    const batch = this.batch;
    this.batch = [];
    this.batchBytes = 0;
    const promise: Promise<void> = this.ingest.files(batch).then(
      (result) => {
        this.underWay.delete(promise);
        this.deliver(batch, result);
      },
      (error: unknown) => {
        this.underWay.delete(promise);
        this.failure ??= error;
      },
    );
    this.underWay.add(promise);
  }

  private deliver(batch: readonly Waiting[], result: FilesResult): void {
    this.bytesRead += result.bytesRead;
    this.bytesNew += result.bytesNew;
    const errors = new Map(result.errors);
    const xattrs = new Map(result.xattrs);
    let at = 0;
    for (let i = 0; i < batch.length; i++) {
      const s = i * STAT_FIELDS;
      const { stats } = result;
      const length = stats[s + Stat.idCount] * ID_LENGTH;
      const ids = result.ids.subarray(at, at + length);
      at += length;
      batch[i].done({
        status: stats[s + Stat.status] as ReadStatus,
        error: errors.get(i),
        perm: stats[s + Stat.mode],
        uid: stats[s + Stat.uid],
        gid: stats[s + Stat.gid],
        size: stats[s + Stat.size],
        mtimeSec: stats[s + Stat.mtimeSec],
        mtimeNsec: stats[s + Stat.mtimeNsec],
        ctimeSec: stats[s + Stat.ctimeSec],
        ctimeNsec: stats[s + Stat.ctimeNsec],
        ino: stats[s + Stat.ino],
        nlink: stats[s + Stat.nlink],
        chunkClass: (stats[s + Stat.cut] & 1) as 0 | 1,
        depth: stats[s + Stat.cut] >> 1,
        ids,
        xattrs: xattrs.get(i),
        started: stats[s + Stat.started],
      });
    }
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}


import { ID_LENGTH } from '../../format/entry.js';
import { pathOf } from '../../scan/index.js';
import { CLASS_UNKNOWN, type FilesResult, STAT_FIELDS, Stat } from '../ingest/messages.js';
import { readBigFile } from './big-file.js';
import { FileRead } from './file-read.js';
import type { FileToRead, Ingest } from './ingest.js';

/** Files are handed to workers in batches of about so many bytes or files. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 512;
/** As long as the workers have nothing to do, they get so many at once. */
const SMALL_BATCH = 1 / 8;

/** Batches under way per worker: one being read, the next waiting, one coming in. */
const BATCHES_PER_WORKER = 3;

/** Files from this size on are spread over the workers. */
const BIG_FILE = 64 * 1024 * 1024;

/** A file that is to be read. */
export interface QueuedFile extends FileToRead {
  /** Is called later, from the event loop. */
  done(read: FileRead): void;
}

/** Gathers files into batches for the workers and keeps a bounded number of batches under way. */
export class ReadQueue {
  bytesRead = 0;
  bytesNew = 0;
  /** Bytes of all files that it was given, as the scan has seen them. */
  bytesAdded = 0;
  /** Files that have not come back yet. */
  outstanding = 0;
  private readonly ingest: Ingest;
  /** With a limit, no batch takes more than a second: a batch is read without pauses, and what comes back is progress. */
  private readonly mostBytes: number;
  private batch: QueuedFile[] = [];
  private batchBytes = 0;
  private readonly underWay = new Set<Promise<void>>();
  private failure: unknown;

  constructor(ingest: Ingest) {
    this.ingest = ingest;
    this.mostBytes = Math.min(BATCH_BYTES, ingest.limitRead ?? BATCH_BYTES);
  }

  /** Whether the caller should wait (`room`) before it adds more. */
  get full(): boolean {
    return this.underWay.size >= this.ingest.workers * BATCHES_PER_WORKER;
  }

  /** Has a file read. @param size expected bytes */
  add(file: QueuedFile, size: number): void {
    this.bytesAdded += size;
    this.outstanding++;
    if (size >= BIG_FILE) {
      this.ingest.expectMuch();
      this.send();
      const reading = readBigFile(this.ingest, pathOf(file.key), file.chunkClass ?? CLASS_UNKNOWN);
      this.track(
        reading.then(({ read, bytesRead, bytesNew }) => {
          this.bytesRead += bytesRead;
          this.bytesNew += bytesNew;
          this.outstanding--;
          file.done(read);
        }),
      );
      return;
    }
    this.batch.push(file);
    this.batchBytes += size;
    const share = this.underWay.size === 0 ? SMALL_BATCH : 1;
    if (this.batchBytes >= this.mostBytes * share || this.batch.length >= BATCH_FILES * share) this.send();
  }

  /** Waits until some batch has come back, if there is anything to be read; throws when one failed. */
  async room(): Promise<void> {
    // The caller may add nothing more before these are read: then they would never be a full batch.
    if (this.underWay.size === 0) this.send();
    if (this.underWay.size > 0) await Promise.race(this.underWay);
    this.throwFailure();
  }

  /** Waits until everything has come back. */
  async drain(): Promise<void> {
    do {
      this.send();
      await this.room();
      // Who is told what was read may have more to be read.
    } while (this.underWay.size > 0 || this.batch.length > 0);
  }

  private send(): void {
    if (this.batch.length === 0) return;
    const { batch, batchBytes } = this;
    this.batch = [];
    this.batchBytes = 0;
    this.track(this.ingest.files(batch, batchBytes).then((result) => this.deliver(batch, result)));
  }

  private track(work: Promise<void>): void {
    const promise: Promise<void> = work
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => this.underWay.delete(promise));
    this.underWay.add(promise);
  }

  private deliver(batch: readonly QueuedFile[], result: FilesResult): void {
    this.bytesRead += result.bytesRead;
    this.bytesNew += result.bytesNew;
    this.outstanding -= batch.length;
    const errors = new Map(result.errors);
    const xattrs = new Map(result.xattrs);
    const { stats } = result;
    let from = 0;
    for (let i = 0; i < batch.length; i++) {
      const row = i * STAT_FIELDS;
      const to = from + stats[row + Stat.idCount] * ID_LENGTH;
      batch[i].done(new FileRead(stats, row, { ids: result.ids, from, to }, errors.get(i), xattrs.get(i)));
      from = to;
    }
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

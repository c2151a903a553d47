import type { ByteString } from '../../bytes.js';
import { buildChunkList, holeId } from '../../format/chunk-list.js';
import { ID_LENGTH } from '../../format/entry.js';
import { type CutResult, ReadStatus, Stat } from '../ingest/messages.js';
import { FileRead } from './file-read.js';
import type { Ingest } from './ingest.js';

/**
 * A worker cuts this much at a time; what it finds is stored by all while it cuts on. The first stretches are shorter, since
 * the others have nothing to do before the first is cut.
 */
const FIRST_STRETCH = 16 * 1024 * 1024;
const LONGEST_STRETCH = 128 * 1024 * 1024;

/** Bytes that one worker stores at a time. */
const RANGE = 16 * 1024 * 1024;

/** Ranges handed out before the cutting pauses, per worker. */
const RANGES_PER_WORKER = 4;

/** What reading a big file gave, and what it cost. */
export interface BigFileRead {
  read: FileRead;
  bytesRead: number;
  bytesNew: number;
}

/** A run of chunks or a hole, in file order; ids come when a worker has stored it. */
interface Part {
  sizes: number[];
  ids: Uint8Array;
}

/**
 * Has a big file read by all workers: one finds the cuts, stretch by stretch, and each stretch is stored in ranges by
 * whoever is free. The cuts are those of a file read from end to end by one.
 */
export async function readBigFile(ingest: Ingest, path: ByteString, classHint: number): Promise<BigFileRead> {
  const reader = new BigFileReader(ingest, path, classHint);
  await reader.run();
  return reader.result();
}

class BigFileReader {
  private readonly ingest: Ingest;
  private readonly path: ByteString;
  private readonly parts: Part[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private chunkClass: number;
  private first: CutResult | undefined;
  private last: CutResult | undefined;
  private error: string | undefined;
  private failure: unknown;
  private bytesRead = 0;
  private bytesNew = 0;

  constructor(ingest: Ingest, path: ByteString, classHint: number) {
    this.ingest = ingest;
    this.path = path;
    this.chunkClass = classHint;
  }

  async run(): Promise<void> {
    const { ingest, path } = this;
    let offset = 0;
    for (let length = FIRST_STRETCH; ; length = Math.min(2 * length, LONGEST_STRETCH)) {
      const cut = await ingest.cut({ kind: 'cut', path, offset, length, chunkClass: this.chunkClass });
      this.first ??= cut;
      this.last = cut;
      if (cut.status !== ReadStatus.ok) break;
      this.chunkClass = cut.chunkClass;
      const before = offset;
      offset = await this.storePieces(cut.pieces, offset);
      if (cut.end || offset === before || this.error !== undefined) break;
    }
    await Promise.all(this.underWay);
    if (this.failure !== undefined) throw this.failure;
    // Whether it changed is seen by looking once more, when all has been read.
    if (this.last.status === ReadStatus.ok)
      this.last = await ingest.cut({ kind: 'cut', path, offset, length: 0, chunkClass: this.chunkClass });
  }

  result(): BigFileRead {
    const { first, last } = this;
    if (first === undefined || last === undefined) throw new Error('a big file was not read');
    const sizes = this.parts.flatMap((part) => part.sizes);
    const { depth, ids } = buildChunkList(Buffer.concat(this.parts.map((part) => part.ids)), sizes, (bytes) =>
      this.ingest.put('chunk-list', bytes),
    );
    const row = first.stats.slice();
    const size = sizes.reduce((sum, n) => sum + n, 0);
    row[Stat.cut] = (depth << 1) | (this.chunkClass & 1);
    row[Stat.status] = this.status(first, last, size);
    row[Stat.size] = size;
    const xattrs = first.xattrs.length > 0 ? first.xattrs : undefined;
    const read = new FileRead(row, 0, { ids, from: 0, to: ids.length }, this.error ?? last.error, xattrs);
    return { read, bytesRead: this.bytesRead, bytesNew: this.bytesNew };
  }

  private status(first: CutResult, last: CutResult, size: number): ReadStatus {
    if (last.status !== ReadStatus.ok) return last.status;
    if (this.error !== undefined) return ReadStatus.unreadable;
    const same = [Stat.size, Stat.mtimeSec, Stat.mtimeNsec, Stat.ctimeSec, Stat.ctimeNsec].every(
      (field) => first.stats[field] === last.stats[field],
    );
    return same && size === first.stats[Stat.size] ? ReadStatus.ok : ReadStatus.changed;
  }

  /** Hands pieces out in ranges; returns where they end. */
  private async storePieces(pieces: Float64Array, from: number): Promise<number> {
    let offset = from;
    let range: number[] = [];
    let rangeBytes = 0;
    const send = async (): Promise<void> => {
      if (range.length > 0) await this.storeRange(offset - rangeBytes, range);
      range = [];
      rangeBytes = 0;
    };
    for (const piece of pieces) {
      if (piece < 0) {
        await send();
        this.parts.push({ sizes: [-piece], ids: holeId(-piece) });
        offset -= piece;
        continue;
      }
      range.push(piece);
      rangeBytes += piece;
      offset += piece;
      if (rangeBytes >= RANGE) await send();
    }
    await send();
    return offset;
  }

  private async storeRange(offset: number, sizes: number[]): Promise<void> {
    const part: Part = { sizes, ids: new Uint8Array(0) };
    this.parts.push(part);
    const done: Promise<void> = this.ingest
      .range({ path: this.path, offset, lengths: Uint32Array.from(sizes), chunkClass: (this.chunkClass & 1) as 0 | 1 })
      .then((result) => {
        this.bytesRead += result.bytesRead;
        this.bytesNew += result.bytesNew;
        part.ids = result.ids;
        if (result.error !== undefined) {
          this.error ??= result.error;
          part.sizes = sizes.slice(0, result.ids.length / ID_LENGTH);
        }
      })
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => this.underWay.delete(done));
    this.underWay.add(done);
    while (this.underWay.size >= this.ingest.workers * RANGES_PER_WORKER) await Promise.race(this.underWay);
  }
}

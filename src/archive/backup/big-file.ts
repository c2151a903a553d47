import type { ByteString } from '../../bytes.js';
import { buildChunkList } from '../../format/chunk-list.js';
import { type CutResult, ReadStatus, Stat } from '../ingest/messages.js';
import { FileRead } from './file-read.js';
import type { Ingest } from './ingest.js';

/** Who reads and stores. */
type Storing = Pick<Ingest, 'stretch' | 'put'>;

/** What reading a big file gave, and what it cost. */
export interface BigFileRead {
  read: FileRead;
  bytesRead: number;
  bytesNew: number;
}

/** Lengths of chunks, and negative ones of holes, in file order, and their ids. */
interface Stretch {
  pieces: Float64Array;
  ids: Uint8Array;
}

/**
 * Has a big file read by all workers in turns: while one stores the stretch that it has cut, the next cuts on. The cuts are
 * those of a file read from end to end by one.
 */
export async function readBigFile(ingest: Storing, path: ByteString, classHint: number): Promise<BigFileRead> {
  const reader = new BigFileReader(ingest, path, classHint);
  return reader.run();
}

class BigFileReader {
  private readonly ingest: Storing;
  private readonly path: ByteString;
  /** Those that are being stored, or are. */
  private readonly storing: Promise<Stretch | undefined>[] = [];
  private chunkClass: number;
  private first: CutResult | undefined;
  private last: CutResult | undefined;
  private failed = false;
  private bytesRead = 0;
  private bytesNew = 0;

  constructor(ingest: Storing, path: ByteString, classHint: number) {
    this.ingest = ingest;
    this.path = path;
    this.chunkClass = classHint;
  }

  async run(): Promise<BigFileRead> {
    for (let offset = 0, more = true; more; ) {
      const cut = await this.nextCut(offset);
      this.first ??= cut;
      this.last = cut;
      this.chunkClass = cut.chunkClass;
      const length = lengthOf(cut.pieces);
      offset += length;
      more = cut.status === ReadStatus.ok && !cut.end && length > 0 && !this.failed;
    }
    const stretches = await Promise.all(this.storing);
    return this.result(stretches.filter((stretch) => stretch !== undefined));
  }

  private result(stretches: readonly Stretch[]): BigFileRead {
    const { first, last } = this;
    if (first === undefined || last === undefined) throw new Error('a big file was not read');
    const sizes = stretches.flatMap(({ pieces }) => Array.from(pieces, Math.abs));
    const { depth, ids } = buildChunkList(Buffer.concat(stretches.map((stretch) => stretch.ids)), sizes, (bytes) =>
      this.ingest.put('chunk-list', bytes),
    );
    const row = first.before.slice();
    row[Stat.cut] = (depth << 1) | last.chunkClass;
    row[Stat.size] = sizes.reduce((sum, n) => sum + n, 0);
    row[Stat.status] = statusOf(first, last, row[Stat.size]);
    const xattrs = first.xattrs.length > 0 ? first.xattrs : undefined;
    const read = new FileRead(row, 0, { ids, from: 0, to: ids.length }, last.error, xattrs);
    return { read, bytesRead: this.bytesRead, bytesNew: this.bytesNew };
  }

  /** Resolves when the next stretch is cut; `storing` then has who stores it. */
  private nextCut(offset: number): Promise<CutResult> {
    return new Promise((resolve, reject) => {
      const storing = this.stretch(offset, resolve);
      storing.catch((error: unknown) => {
        this.failed = true;
        reject(error);
      });
      this.storing.push(storing);
    });
  }

  private async stretch(offset: number, onCut: (cut: CutResult) => void): Promise<Stretch | undefined> {
    const { ingest, path, chunkClass } = this;
    let pieces: Float64Array | undefined;
    const stored = await ingest.stretch({ kind: 'cut', path, offset, chunkClass }, (cut) => {
      pieces = cut.pieces;
      onCut(cut);
    });
    if (stored === undefined || pieces === undefined) return undefined;
    this.bytesRead += stored.bytesRead;
    this.bytesNew += stored.bytesNew;
    return { pieces, ids: stored.ids };
  }
}

function lengthOf(pieces: Float64Array): number {
  return pieces.reduce((sum, piece) => sum + Math.abs(piece), 0);
}

/** How it went: a file has changed when it looks different after the last of it was read. */
function statusOf(first: CutResult, last: CutResult, size: number): ReadStatus {
  if (last.status !== ReadStatus.ok) return last.status;
  const same = [Stat.size, Stat.mtimeSec, Stat.mtimeNsec, Stat.ctimeSec, Stat.ctimeNsec].every(
    (field) => first.before[field] === last.after[field],
  );
  return same && size === first.before[Stat.size] ? ReadStatus.ok : ReadStatus.changed;
}

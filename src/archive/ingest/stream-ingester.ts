import type { Readable } from 'node:stream';
import { type Chunker, type ChunkerParams, createChunker } from '../../chunk/index.js';
import { type BlobHasher, blobHasher } from '../../crypto/blob-id.js';
import { ID_LENGTH } from '../../format/entry.js';
import { Compressor } from '../../format/zstd.js';
import type { Claim } from './claim-table.js';
import { FrameBuilder } from './frame-builder.js';
import type { IngestParts } from './ingester.js';
import { type FinishedPack, PackWriter } from './pack-writer.js';

const BUFFER = 8 * 1024 * 1024;

/** What a stream's content became. */
export interface StreamContent {
  ids: Uint8Array;
  sizes: number[];
  bytesNew: number;
  packs: FinishedPack[];
}

/** Cuts and stores a stream, in the thread that receives it. */
export class StreamIngester {
  /** Bytes received so far. */
  bytesRead = 0;
  private readonly parts: IngestParts;
  private readonly chunker: Chunker;
  private readonly params: ChunkerParams;
  private readonly hash: BlobHasher;
  private readonly frames: FrameBuilder;
  private readonly claim: Claim = { number: 0, isNew: false };
  private readonly ids: Uint8Array[] = [];
  private readonly sizes: number[] = [];
  private readonly finished: Promise<FinishedPack>[] = [];
  private pack: PackWriter | undefined;
  private bytesNew = 0;

  constructor(parts: IngestParts) {
    this.parts = parts;
    this.chunker = createChunker(parts.keyring.gearBytes(), BUFFER);
    this.params = parts.chunkers[0];
    this.hash = blobHasher(parts.keyring, 'data');
    const compressor = parts.level === 0 ? undefined : new Compressor(parts.level);
    this.frames = new FrameBuilder(compressor, (frame) => {
      this.pack ??= new PackWriter(parts.store, parts.keyring, 'data', parts.origin);
      this.pack.add(frame);
      if (this.pack.full) this.finishPack();
    });
  }

  /** Reads the stream to its end; everything is durable when the promise resolves. */
  async run(stream: Readable): Promise<StreamContent> {
    const { buffer } = this.chunker;
    let end = 0;
    let scanned = 0;
    for await (const piece of stream as AsyncIterable<Uint8Array>) {
      this.bytesRead += piece.length;
      let taken = 0;
      while (taken < piece.length) {
        const part = piece.subarray(taken, taken + buffer.length - end);
        buffer.set(part, end);
        taken += part.length;
        end += part.length;
        if (end < buffer.length) continue;
        scanned = this.cut(end, scanned, false);
        end = scanned;
      }
    }
    this.cut(end, scanned, true);
    this.frames.flush();
    this.finishPack();
    return {
      ids: Buffer.concat(this.ids),
      sizes: this.sizes,
      bytesNew: this.bytesNew,
      packs: await Promise.all(this.finished),
    };
  }

  /** Stores the chunks that end before `end`; returns how many bytes are left, moved to the buffer's beginning. */
  private cut(end: number, scanned: number, eof: boolean): number {
    const { buffer } = this.chunker;
    let start = 0;
    for (const at of this.chunker.cutAll(this.params, { start, end, scanned, eof })) {
      const id = new Uint8Array(ID_LENGTH);
      this.hash(buffer, start, at, id, 0);
      this.ids.push(id);
      this.sizes.push(at - start);
      this.parts.claims.claim(id, 0, this.claim);
      if (this.claim.isNew) {
        this.bytesNew += at - start;
        this.frames.add(buffer, start, at, id, 0);
      }
      start = at;
    }
    buffer.copyWithin(0, start, end);
    return end - start;
  }

  private finishPack(): void {
    if (this.pack !== undefined) this.finished.push(this.pack.finish());
    this.pack = undefined;
  }
}

import { randomBytes } from 'node:crypto';
import {
  encodeDirectory,
  FRAME_OVERHEAD,
  type FrameInfo,
  PACK_HEADER_LENGTH,
  PACK_TRAILER_LENGTH,
} from '../../format/pack.js';
import { objectPath } from '../../store/index.js';
import {
  type FinishedPack,
  type FramePayload,
  PACK_TARGET,
  type PackKind,
  type PackOrigin,
} from '../ingest/pack-writer.js';
import type { RehearsalStore } from './rehearsal-store.js';

/** A pack of which only the size is made: what a PackWriter given the same frames would make. */
export class RehearsedPack {
  size = PACK_HEADER_LENGTH;
  private readonly store: RehearsalStore;
  private readonly kind: PackKind;
  private readonly origin: PackOrigin;
  private readonly frames: FrameInfo[] = [];
  private readonly ids: Uint8Array[] = [];
  private readonly lengths: number[] = [];

  constructor(store: RehearsalStore, kind: PackKind, origin: PackOrigin) {
    this.store = store;
    this.kind = kind;
    this.origin = origin;
  }

  get full(): boolean {
    return this.size >= PACK_TARGET;
  }

  add({ data, raw, ids, lengths }: FramePayload): void {
    let plainLength = 0;
    for (const length of lengths) plainLength += length;
    const length = data.length + FRAME_OVERHEAD;
    const firstBlob = this.lengths.length;
    this.frames.push({ offset: this.size, length, raw, firstBlob, blobs: lengths.length, plainLength });
    this.ids.push(ids.slice());
    for (const blobLength of lengths) this.lengths.push(blobLength);
    this.size += length;
  }

  async finish(): Promise<FinishedPack> {
    const directory = encodeDirectory({
      ...this.origin,
      frames: this.frames,
      ids: Buffer.concat(this.ids),
      lengths: Uint32Array.from(this.lengths),
    });
    this.size += directory.length + FRAME_OVERHEAD + PACK_TRAILER_LENGTH;
    const name = randomBytes(32).toString('hex');
    this.store.pretend(objectPath('packs', name), this.size);
    return { name, kind: this.kind, size: this.size, directory };
  }

  async abandon(): Promise<void> {}
}

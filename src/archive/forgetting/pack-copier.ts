import type { BlobHasher } from '../../crypto/blob-id.js';
import { FormatError } from '../../errors.js';
import { ID_LENGTH } from '../../format/entry.js';
import { type ObjectCipher, ObjectKind, openSeal } from '../../format/object.js';
import { FRAME_OVERHEAD, type FrameInfo, PACK_HEADER_LENGTH } from '../../format/pack.js';
import { Compressor, Decompressor, decompress } from '../../format/zstd.js';
import { noteGarbage } from '../../platform/index.js';
import { isMissing, objectPath } from '../../store/index.js';
import type { BlobIndex } from '../blob-index.js';
import { FRAME_TARGET, FrameBuilder } from '../ingest/frame-builder.js';
import {
  type FinishedPack,
  type FramePayload,
  newRunId,
  type PackKind,
  type PackOrigin,
  PackWriter,
  packHashers,
} from '../ingest/pack-writer.js';
import { Scratch } from '../scratch.js';
import { noteOpened } from './indexes.js';
import { BlobState, type PackUse } from './prune-plan.js';
import { RehearsalStore } from './rehearsal-store.js';
import { RehearsedPack } from './rehearsed-pack.js';
import type { Workshop } from './workshop.js';

/** A frame with all its blobs needed is taken over as it is if it holds at least this much; smaller ones are joined. */
const WHOLE_FRAME = FRAME_TARGET / 2;

/** A rehearsal compresses this much anew, plain bytes, to know what comes out; what is left it takes to be like that. */
const REHEARSED_BYTES = 512 * 1024 * 1024;

/**
 * Moves needed blobs out of packs into new ones of one kind. Every blob is opened and compared with its id on the way,
 * so the new packs count as opened. Each is durable, and in the catalog, before the next is begun.
 */
export class PackCopier {
  /** Blobs that could be had nowhere, as hex. */
  readonly lost: string[] = [];
  readonly written: FinishedPack[] = [];
  private readonly shop: Workshop;
  private readonly index: BlobIndex;
  private readonly kind: PackKind;
  private readonly origin: PackOrigin;
  private readonly hashers: BlobHasher[];
  private readonly compressing: FrameBuilder;
  private readonly storing: FrameBuilder;
  private readonly scratch = new Uint8Array(ID_LENGTH);
  /** For the frames that are copied; what is rescued from others meanwhile has its own. */
  private readonly memory = new FrameMemory();
  private readonly decompressor = new Decompressor();
  private pack: PackWriter | RehearsedPack | undefined;
  private finishing: Promise<void> = Promise.resolve();
  private rehearsedBytes = 0;
  private estimated = { before: 0, after: 0 };

  constructor(shop: Workshop, index: BlobIndex, kind: PackKind) {
    this.shop = shop;
    this.index = index;
    this.kind = kind;
    this.origin = { run: newRunId(), writer: Buffer.from(shop.keyring.signer(), 'hex') };
    this.hashers = packHashers(shop.keyring, kind);
    const emit = (frame: FramePayload): void => {
      this.estimated.after += frame.data.length;
      this.add(frame);
    };
    this.compressing = new FrameBuilder(new Compressor('auto'), emit);
    this.storing = new FrameBuilder(undefined, emit);
  }

  /**
   * Takes over the blobs of a pack that the plan calls live.
   * @returns false when not all of them could be had: then the pack must stay
   */
  async copy(use: PackUse, states: Uint8Array): Promise<boolean> {
    const { frames, ids, lengths } = this.index.directory(use.row.number);
    const wanted = frames
      .map((info, number) => ({ info, number, live: liveBlobs(info, use.first, states) }))
      .filter(({ live }) => live.length > 0);
    if (wanted.length === 0) return true;
    const source = new PackSource(this.shop, use, this.memory);
    const lostBefore = this.lost.length;
    for (const { info, number, live } of wanted) {
      const isWhole = live.length === info.blobs && info.plainLength >= WHOLE_FRAME;
      if (this.shop.isRehearsal && (isWhole || this.rehearsedBytes > REHEARSED_BYTES)) {
        this.pretend(info, live, ids, lengths, isWhole);
        continue;
      }
      await this.copyFrame(source, info, number, live, isWhole, ids, lengths);
      await this.settle();
    }
    return this.lost.length === lostBefore;
  }

  /** Closes the last pack. Everything copied is durable on return. */
  async finish(): Promise<void> {
    this.compressing.flush();
    this.storing.flush();
    if (this.pack !== undefined) this.close(this.pack);
    await this.finishing;
  }

  /** Gives up what is not durable yet. */
  async abandon(): Promise<void> {
    await this.pack?.abandon();
    this.pack = undefined;
    await this.finishing.catch(() => undefined);
  }

  private async copyFrame(
    source: PackSource,
    info: FrameInfo,
    number: number,
    live: number[],
    isWhole: boolean,
    ids: Uint8Array,
    lengths: Uint32Array,
  ): Promise<void> {
    let opened: Uint8Array | undefined;
    let plain: Uint8Array | undefined;
    try {
      opened = await source.open(info, number);
      plain = info.raw ? opened : this.decompress(opened, info.plainLength);
    } catch (error) {
      if (!isLoss(error)) throw error;
    }
    if (plain !== undefined && opened !== undefined && isWhole && this.areRight(plain, info, ids, lengths)) {
      const from = info.firstBlob;
      const to = from + info.blobs;
      this.add({
        data: opened,
        raw: info.raw,
        ids: ids.slice(from * ID_LENGTH, to * ID_LENGTH),
        lengths: lengths.slice(from, to),
      });
      return;
    }
    const builder = info.raw ? this.storing : this.compressing;
    this.rehearsedBytes += info.plainLength;
    this.estimated.before += sealedShare(info, live, lengths);
    let at = 0;
    let next = 0;
    for (let blob = info.firstBlob; next < live.length; blob++) {
      if (blob === live[next]) {
        next++;
        const bytes = plain?.subarray(at, at + lengths[blob]);
        const right =
          bytes !== undefined && this.isRight(bytes, ids, blob) ? bytes : await this.rescue(ids, blob, source.name);
        if (right !== undefined) builder.add(right, 0, right.length, ids, blob * ID_LENGTH);
      }
      at += lengths[blob];
    }
  }

  private decompress(opened: Uint8Array, length: number): Uint8Array {
    const plain = this.memory.plain.room(length);
    this.decompressor.decompressTo(plain, opened);
    return plain;
  }

  /** A blob that is damaged here, from wherever else it lies. */
  private async rescue(ids: Uint8Array, blob: number, pack: string): Promise<Uint8Array | undefined> {
    const id = ids.slice(blob * ID_LENGTH, (blob + 1) * ID_LENGTH);
    for (const place of this.index.locations(id)) {
      if (place.name === pack) continue;
      const { frames, lengths } = this.index.directory(place.pack);
      const number = frames.findIndex((f) => place.blob >= f.firstBlob && place.blob < f.firstBlob + f.blobs);
      const info = frames[number];
      try {
        const row = this.shop.catalog.packs.byNumber(place.pack);
        if (row === undefined) continue;
        const opened = await new PackSource(this.shop, { row }).open(info, number);
        const plain = info.raw ? opened : decompress(opened, info.plainLength);
        let at = 0;
        for (let i = info.firstBlob; i < place.blob; i++) at += lengths[i];
        const bytes = plain.subarray(at, at + lengths[place.blob]);
        if (this.isRight(bytes, id, 0)) return bytes.slice();
      } catch (error) {
        if (!isLoss(error)) throw error;
      }
    }
    this.lost.push(Buffer.from(id).toString('hex'));
    return undefined;
  }

  private areRight(plain: Uint8Array, info: FrameInfo, ids: Uint8Array, lengths: Uint32Array): boolean {
    let at = 0;
    for (let blob = info.firstBlob; blob < info.firstBlob + info.blobs; blob++) {
      if (!this.isRight(plain.subarray(at, at + lengths[blob]), ids, blob)) return false;
      at += lengths[blob];
    }
    return true;
  }

  private isRight(bytes: Uint8Array, ids: Uint8Array, blob: number): boolean {
    const wanted = ids.subarray(blob * ID_LENGTH, (blob + 1) * ID_LENGTH);
    return this.hashers.some((hash) => {
      hash(bytes, 0, bytes.length, this.scratch, 0);
      return Buffer.compare(this.scratch, wanted) === 0;
    });
  }

  /** Rehearsal of a frame that is not read. */
  private pretend(info: FrameInfo, live: number[], ids: Uint8Array, lengths: Uint32Array, isWhole: boolean): void {
    const before = sealedShare(info, live, lengths);
    const ratio = this.estimated.before === 0 ? 1 : this.estimated.after / this.estimated.before;
    this.add({
      data: new Uint8Array(Math.round(isWhole ? before : before * ratio)),
      raw: info.raw,
      ids: Buffer.concat(live.map((blob) => ids.subarray(blob * ID_LENGTH, (blob + 1) * ID_LENGTH))),
      lengths: Uint32Array.from(live, (blob) => lengths[blob]),
    });
  }

  private add(frame: FramePayload): void {
    const { shop, kind, origin } = this;
    this.pack ??=
      shop.store instanceof RehearsalStore
        ? new RehearsedPack(shop.store, kind, origin)
        : new PackWriter(shop.store, shop.keyring, kind, origin);
    this.pack.add(frame);
    if (this.pack.full) this.close(this.pack);
  }

  private close(pack: PackWriter | RehearsedPack): void {
    this.pack = undefined;
    this.finishing = Promise.all([this.finishing, pack.finish()]).then(([, finished]) => this.note(finished));
    // Whoever waits for it sees the error; until then it must not count as unheard.
    this.finishing.catch(() => undefined);
  }

  private note(finished: FinishedPack): void {
    this.written.push(finished);
    noteOpened(this.shop, [finished], this.origin);
  }

  /** Packs are made durable one at a time, so that no more than two are open. */
  private async settle(): Promise<void> {
    this.shop.context.signal.throwIfAborted();
    await this.finishing;
  }
}

/** What frames are read to, opened to and decompressed to. */
class FrameMemory {
  readonly sealed = new Scratch();
  readonly opened = new Scratch();
  readonly plain = new Scratch();
}

/** Reads frames of one pack. */
class PackSource {
  readonly name: string;
  private readonly shop: Workshop;
  private readonly kind: PackKind;
  private readonly memory: FrameMemory | undefined;
  private cipher: ObjectCipher | undefined;

  constructor(shop: Workshop, { row }: Pick<PackUse, 'row'>, memory?: FrameMemory) {
    this.memory = memory;
    this.shop = shop;
    this.name = row.name;
    this.kind = row.kind;
  }

  /** A frame, opened but not decompressed; with memory of the caller's, good until that is used again. */
  async open(info: FrameInfo, number: number): Promise<Uint8Array> {
    const path = objectPath('packs', this.name);
    this.cipher ??= openSeal(
      this.shop.keyring,
      await this.shop.store.readRange(path, 0, PACK_HEADER_LENGTH),
      this.kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack,
    );
    const { memory } = this;
    const sealed = await this.shop.store.readRange(path, info.offset, info.length, memory?.sealed.room(info.length));
    noteGarbage(sealed.length);
    return this.cipher.open(number, sealed, memory?.opened.room(sealed.length));
  }
}

/** Damage, or a pack that another run has deleted meanwhile. */
function isLoss(error: unknown): boolean {
  return error instanceof FormatError || isMissing(error);
}

/** How many bytes of a frame are those of some of its blobs, as if they compressed alike. */
function sealedShare(info: FrameInfo, blobs: readonly number[], lengths: Uint32Array): number {
  let plain = 0;
  for (const blob of blobs) plain += lengths[blob];
  return ((info.length - FRAME_OVERHEAD) * plain) / Math.max(1, info.plainLength);
}

/** Numbers in the pack of a frame's blobs that are needed. */
function liveBlobs(info: FrameInfo, first: number, states: Uint8Array): number[] {
  const live: number[] = [];
  for (let blob = info.firstBlob; blob < info.firstBlob + info.blobs; blob++)
    if (states[first + blob] === BlobState.live) live.push(blob);
  return live;
}

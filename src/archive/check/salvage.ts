import type { BlobHasher } from '../../crypto/blob-id.js';
import { FormatError } from '../../errors.js';
import { ID_LENGTH } from '../../format/entry.js';
import { type ObjectCipher, ObjectKind, openSeal, parseHeader } from '../../format/object.js';
import { decodeDirectory, PACK_HEADER_LENGTH, type PackDirectory } from '../../format/pack.js';
import { Compressor, decompress } from '../../format/zstd.js';
import { objectPath } from '../../store/index.js';
import { indexOpened } from '../forgetting/indexes.js';
import type { Workshop } from '../forgetting/workshop.js';
import { FrameBuilder } from '../ingest/frame-builder.js';
import {
  type FinishedPack,
  newRunId,
  type PackKind,
  type PackOrigin,
  PackWriter,
  packHashers,
} from '../ingest/pack-writer.js';
import { isDamage } from '../small-objects.js';
import { readDirectory } from '../verify/verify-pack.js';

/** The bytes of a damaged pack, as far as they can be had. */
interface Wreck {
  header: Uint8Array;
  /** Bytes at a place; FormatError when they cannot be read. */
  at(offset: number, length: number): Promise<Uint8Array>;
  /** All of them, where the whole object can be read. */
  all: Uint8Array | undefined;
}

/**
 * Copies all blobs that can still be read out of damaged packs into new ones. Each is compared with its id, so the new
 * packs count as opened.
 */
export class Salvage {
  private readonly shop: Workshop;
  private readonly origin: PackOrigin;
  private readonly outputs: Record<PackKind, Output>;

  constructor(shop: Workshop) {
    this.shop = shop;
    this.origin = { run: newRunId(), writer: Buffer.from(shop.keyring.signer(), 'hex') };
    this.outputs = { data: new Output(shop, 'data', this.origin), meta: new Output(shop, 'meta', this.origin) };
  }

  /**
   * Takes what can be read of a pack. What lies under its name may be another pack altogether; then that one's blobs are
   * taken, by its own directory.
   * @returns how many blobs were taken
   */
  async take(name: string): Promise<number> {
    const { catalog, keyring } = this.shop;
    const wreck = await this.open(name);
    if (wreck === undefined) return 0;
    const row = catalog.packs.byName(name);
    const known = row && catalog.packs.directory(row.number);
    const header = mendHeader(wreck, (bytes) => this.directoryOf(bytes, wreck) !== undefined);
    let cipher: ObjectCipher;
    try {
      cipher = openSeal(keyring, header, ObjectKind.pack, ObjectKind.metaPack);
    } catch (error) {
      if (error instanceof FormatError) return 0;
      throw error;
    }
    const directory = this.directoryOf(header, wreck) ?? (known && decodeDirectory(known));
    if (directory === undefined) return 0;
    const { kind } = parseHeader(header, ObjectKind.pack, ObjectKind.metaPack);
    return this.takeFrames(wreck, cipher, directory, this.outputs[kind === ObjectKind.pack ? 'data' : 'meta']);
  }

  /** Makes what was taken durable, and names it in an index. */
  async finish(): Promise<void> {
    const packs = [...(await this.outputs.data.finish()), ...(await this.outputs.meta.finish())];
    await indexOpened(this.shop, packs, this.origin);
  }

  /** Gives up what is not durable. */
  async abandon(): Promise<void> {
    await this.outputs.data.abandon();
    await this.outputs.meta.abandon();
  }

  private async open(name: string): Promise<Wreck | undefined> {
    const { store } = this.shop;
    const path = objectPath('packs', name);
    try {
      const all = await store.read(path);
      return {
        header: all.subarray(0, PACK_HEADER_LENGTH),
        all,
        at: async (offset, length) => {
          if (offset + length > all.length) throw new FormatError('the pack is cut');
          return all.subarray(offset, offset + length);
        },
      };
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    // A disk that cannot read some sectors may read all others.
    const at = async (offset: number, length: number): Promise<Uint8Array> => {
      try {
        return await store.readRange(path, offset, length);
      } catch (error) {
        if (isDamage(error)) throw new FormatError((error as Error).message);
        throw error;
      }
    };
    try {
      return { header: await at(0, PACK_HEADER_LENGTH), at, all: undefined };
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }

  /** The directory that closes a pack, if it can be opened under this header. */
  private directoryOf(header: Uint8Array, wreck: Wreck): PackDirectory | undefined {
    if (wreck.all === undefined) return undefined;
    try {
      const cipher = openSeal(this.shop.keyring, header, ObjectKind.pack, ObjectKind.metaPack);
      return decodeDirectory(readDirectory(wreck.all.subarray(PACK_HEADER_LENGTH), cipher).directory);
    } catch (error) {
      if (error instanceof FormatError) return undefined;
      throw error;
    }
  }

  private async takeFrames(
    wreck: Wreck,
    cipher: ObjectCipher,
    { frames, ids, lengths }: PackDirectory,
    output: Output,
  ): Promise<number> {
    let taken = 0;
    for (const [number, frame] of frames.entries()) {
      let plain: Uint8Array;
      try {
        const opened = cipher.open(number, await wreck.at(frame.offset, frame.length));
        plain = frame.raw ? opened : decompress(opened, frame.plainLength);
      } catch (error) {
        if (error instanceof FormatError) continue;
        throw error;
      }
      let at = 0;
      for (let blob = frame.firstBlob; blob < frame.firstBlob + frame.blobs; blob++) {
        if (output.add(plain, at, at + lengths[blob], ids, blob * ID_LENGTH, frame.raw)) taken++;
        at += lengths[blob];
      }
      await output.settle();
    }
    return taken;
  }
}

/** New packs of one kind. */
class Output {
  private readonly shop: Workshop;
  private readonly kind: PackKind;
  private readonly origin: PackOrigin;
  private readonly hashers: BlobHasher[];
  private readonly compressing: FrameBuilder;
  private readonly storing: FrameBuilder;
  private readonly scratch = new Uint8Array(ID_LENGTH);
  private readonly finished: FinishedPack[] = [];
  private pack: PackWriter | undefined;

  constructor(shop: Workshop, kind: PackKind, origin: PackOrigin) {
    this.shop = shop;
    this.kind = kind;
    this.origin = origin;
    this.hashers = packHashers(shop.keyring, kind);
    const emit: ConstructorParameters<typeof FrameBuilder>[1] = (frame) => {
      this.pack ??= new PackWriter(shop.store, shop.keyring, this.kind, this.origin);
      this.pack.add(frame);
    };
    this.compressing = new FrameBuilder(new Compressor('auto'), emit);
    this.storing = new FrameBuilder(undefined, emit);
  }

  /** Adds a blob if it is what its id says. */
  add(source: Uint8Array, start: number, end: number, ids: Uint8Array, at: number, raw: boolean): boolean {
    const wanted = ids.subarray(at, at + ID_LENGTH);
    const isRight = this.hashers.some((hash) => {
      hash(source, start, end, this.scratch, 0);
      return Buffer.compare(this.scratch, wanted) === 0;
    });
    if (isRight) (raw ? this.storing : this.compressing).add(source, start, end, ids, at);
    return isRight;
  }

  /** Closes a pack that has reached its size. */
  async settle(): Promise<void> {
    this.shop.context.signal.throwIfAborted();
    if (this.pack?.full !== true) return;
    const { pack } = this;
    this.pack = undefined;
    this.finished.push(await pack.finish());
  }

  async finish(): Promise<FinishedPack[]> {
    this.compressing.flush();
    this.storing.flush();
    if (this.pack !== undefined) this.finished.push(await this.pack.finish());
    this.pack = undefined;
    return this.finished;
  }

  async abandon(): Promise<void> {
    await this.pack?.abandon();
    this.pack = undefined;
  }
}

/**
 * A pack's header, on which every key of it depends. Where it is damaged, it is looked for by turning each single bit: the
 * directory opens under the right one alone.
 */
function mendHeader({ header }: Wreck, isRight: (header: Uint8Array) => boolean): Uint8Array {
  if (header.length < PACK_HEADER_LENGTH || isRight(header)) return header;
  const attempt = header.slice();
  for (let bit = 0; bit < attempt.length * 8; bit++) {
    attempt[bit >> 3] ^= 1 << (bit & 7);
    if (isRight(attempt)) return attempt;
    attempt[bit >> 3] ^= 1 << (bit & 7);
  }
  return header;
}

import type { BlobHasher } from '../../crypto/blob-id.js';
import type { Keyring } from '../../crypto/keyring.js';
import { FormatError } from '../../errors.js';
import { ID_LENGTH } from '../../format/entry.js';
import { DIRECTORY_FRAME, type ObjectCipher, ObjectKind, openSeal } from '../../format/object.js';
import { decodeDirectory, PACK_HEADER_LENGTH, PACK_TRAILER_LENGTH, type PackDirectory } from '../../format/pack.js';
import { Decompressor } from '../../format/zstd.js';
import { noteGarbage } from '../../platform/index.js';
import { isMissing, type ObjectStore, objectPath } from '../../store/index.js';
import { type PackKind, packHashers } from '../ingest/pack-writer.js';
import { Scratch } from '../scratch.js';
import { isDamage } from '../small-objects.js';

/** A pack to be verified. */
export interface PackToVerify {
  name: string;
  kind: 'data' | 'meta';
  /** The directory as the catalog has it. */
  directory: Uint8Array;
}

/** What verifying a pack found. */
export interface PackVerdict {
  name: string;
  bytes: number;
  /** What is wrong with the object as a whole, if anything. */
  problems: { kind: 'missing' | 'damaged'; message: string }[];
  /** Ids of blobs that cannot be had from it, concatenated. */
  lostIds: Uint8Array;
}

/** Opens every byte of packs and compares it with what was promised. */
export class PackVerifier {
  private readonly store: ObjectStore;
  private readonly keyring: Keyring;
  private readonly hashers: Record<PackKind, BlobHasher[]>;
  private readonly decompressor = new Decompressor();
  /** Memory that each pack uses again. */
  private pack = new Uint8Array(0);
  private readonly opened = new Scratch();
  private readonly plain = new Scratch();
  private readonly id = new Uint8Array(ID_LENGTH);

  constructor(store: ObjectStore, keyring: Keyring) {
    this.store = store;
    this.keyring = keyring;
    this.hashers = {
      data: packHashers(keyring, 'data'),
      meta: packHashers(keyring, 'meta'),
    };
  }

  /**
   * Reads a pack whole: its directory, every frame and every blob id. One at a time.
   *
   * The checksum in its name is not made: each byte lies under the authentication tag of a frame or of the directory (the
   * header under all of them), and a tag tells more of changed bytes than a checksum, namely where they are.
   */
  async verify(pack: PackToVerify): Promise<PackVerdict> {
    const expected = decodeDirectory(pack.directory);
    const verdict: PackVerdict = { name: pack.name, bytes: 0, problems: [], lostIds: new Uint8Array(0) };
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await this.store.read(objectPath('packs', pack.name), this.pack);
      if (bytes.length > this.pack.length) this.pack = bytes;
    } catch (error) {
      if (!isDamage(error)) throw error;
      verdict.problems.push({ kind: isMissing(error) ? 'missing' : 'damaged', message: (error as Error).message });
      verdict.lostIds = expected.ids;
      return verdict;
    }
    verdict.bytes = bytes.length;
    try {
      this.verifyContents(bytes, pack, expected, verdict);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      verdict.problems.push({ kind: 'damaged', message: error.message });
      verdict.lostIds = expected.ids;
    }
    return verdict;
  }

  private verifyContents(bytes: Uint8Array, pack: PackToVerify, expected: PackDirectory, verdict: PackVerdict): void {
    const cipher = openSeal(
      this.keyring,
      bytes.subarray(0, PACK_HEADER_LENGTH),
      pack.kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack,
    );
    this.verifyDirectory(bytes, cipher, pack, expected, verdict);
    const lost: Uint8Array[] = [];
    expected.frames.forEach((frame, number) => {
      const ids = expected.ids.subarray(frame.firstBlob * ID_LENGTH, (frame.firstBlob + frame.blobs) * ID_LENGTH);
      try {
        const sealed = bytes.subarray(frame.offset, frame.offset + frame.length);
        const opened = cipher.open(number, sealed, this.opened.room(sealed.length));
        noteGarbage(opened.length);
        const plain = frame.raw ? opened : this.decompress(opened, frame.plainLength);
        this.verifyBlobs(plain, frame.firstBlob, frame.blobs, expected, pack.kind, lost);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        verdict.problems.push({ kind: 'damaged', message: `frame ${number}: ${error.message}` });
        lost.push(ids);
      }
    });
    verdict.lostIds = Buffer.concat(lost);
  }

  private verifyDirectory(
    bytes: Uint8Array,
    cipher: ObjectCipher,
    pack: PackToVerify,
    expected: PackDirectory,
    verdict: PackVerdict,
  ): void {
    try {
      const { directory, start } = readDirectory(bytes, cipher);
      const end = expected.frames.reduce((at, { length }) => at + length, PACK_HEADER_LENGTH);
      if (end !== start) verdict.problems.push({ kind: 'damaged', message: 'it has bytes that belong to no frame' });
      if (Buffer.compare(directory, pack.directory) !== 0)
        verdict.problems.push({ kind: 'damaged', message: 'its directory is not the one that the index has' });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      verdict.problems.push({ kind: 'damaged', message: `directory: ${error.message}` });
    }
  }

  private verifyBlobs(
    plain: Uint8Array,
    first: number,
    count: number,
    expected: PackDirectory,
    kind: 'data' | 'meta',
    lost: Uint8Array[],
  ): void {
    let at = 0;
    for (let blob = first; blob < first + count; blob++) {
      const length = expected.lengths[blob];
      const wanted = expected.ids.subarray(blob * ID_LENGTH, (blob + 1) * ID_LENGTH);
      const isRight = this.hashers[kind].some((hash) => {
        hash(plain, at, at + length, this.id, 0);
        return Buffer.compare(this.id, wanted) === 0;
      });
      if (!isRight) lost.push(wanted);
      at += length;
    }
  }

  private decompress(compressed: Uint8Array, length: number): Uint8Array {
    const target = this.plain.room(length);
    this.decompressor.decompressTo(target, compressed);
    return target;
  }
}

/** The directory that closes a pack, opened, and where it starts. FormatError when it is cut or damaged. */
export function readDirectory(bytes: Uint8Array, cipher: ObjectCipher): { directory: Uint8Array; start: number } {
  if (bytes.length < PACK_HEADER_LENGTH + PACK_TRAILER_LENGTH) throw new FormatError('the pack is cut');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(bytes.length - PACK_TRAILER_LENGTH, true);
  const end = bytes.length - PACK_TRAILER_LENGTH;
  if (length > end - PACK_HEADER_LENGTH) throw new FormatError('the pack is cut');
  const start = end - length;
  return { directory: cipher.open(DIRECTORY_FRAME, bytes.subarray(start, end)), start };
}

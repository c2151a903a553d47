import type { BlobHasher } from '../../crypto/blob-id.js';
import type { Keyring } from '../../crypto/keyring.js';
import { FormatError } from '../../errors.js';
import { ID_LENGTH } from '../../format/entry.js';
import { DIRECTORY_FRAME, type ObjectCipher, ObjectKind, openSeal } from '../../format/object.js';
import { decodeDirectory, PACK_TRAILER_LENGTH, type PackDirectory } from '../../format/pack.js';
import { Decompressor } from '../../format/zstd.js';
import { noteGarbage } from '../../platform/index.js';
import { isMissing, type ObjectStore, objectPath } from '../../store/index.js';
import { type PackKind, packHashers } from '../ingest/pack-writer.js';
import { Scratch } from '../scratch.js';
import { isDamage } from '../small-objects.js';
import { PackPieces, readPack, StretchMemory } from './read-pack.js';

/** A pack to be verified. */
export interface PackToVerify {
  name: string;
  kind: PackKind;
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
  private readonly memory = new StretchMemory();
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
   * Reads a pack from front to back: every frame and every blob id, and its directory. One at a time.
   *
   * The checksum in its name is not made: each byte lies under the authentication tag of a frame or of the directory (the
   * header under all of them), and a tag tells more of changed bytes than a checksum, namely where they are.
   * @param signal ends it, with its reason, when no more is being read
   */
  async verify(pack: PackToVerify, signal?: AbortSignal): Promise<PackVerdict> {
    const expected = decodeDirectory(pack.directory);
    const verdict: PackVerdict = { name: pack.name, bytes: 0, problems: [], lostIds: new Uint8Array(0) };
    try {
      await this.verifyPieces(pack, expected, verdict, signal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      verdict.problems.push({ kind: isMissing(error) ? 'missing' : 'damaged', message: (error as Error).message });
      verdict.lostIds = expected.ids;
    }
    return verdict;
  }

  private async verifyPieces(
    pack: PackToVerify,
    expected: PackDirectory,
    verdict: PackVerdict,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const pieces = new PackPieces(expected.frames);
    const lost: Uint8Array[] = [];
    const damaged = (message: string): number => verdict.problems.push({ kind: 'damaged', message });
    let cipher: ObjectCipher | undefined;
    for await (const stretch of readPack(this.store, objectPath('packs', pack.name), pieces, this.memory)) {
      signal?.throwIfAborted();
      verdict.bytes += stretch.bytes.length;
      for (let piece = stretch.first; piece < stretch.end; piece++) {
        const number = piece - 1;
        try {
          if (stretch.failure !== undefined) throw stretch.failure;
          const { offset } = stretch;
          const bytes = stretch.bytes.subarray(pieces.startOf(piece) - offset, pieces.startOf(piece + 1) - offset);
          if (cipher === undefined) cipher = this.cipherOf(bytes, pack.kind);
          else if (piece === pieces.directory) verifyDirectory(bytes, cipher, pack.directory);
          else this.verifyFrame(bytes, cipher, number, expected, pack.kind, lost);
        } catch (error) {
          // Nothing can be opened without the header.
          if (cipher === undefined || !isDamage(error)) throw error;
          const { message } = error as Error;
          if (piece === pieces.directory) damaged(`directory: ${message}`);
          else {
            damaged(`frame ${number}: ${message}`);
            const { firstBlob, blobs } = expected.frames[number];
            lost.push(expected.ids.subarray(firstBlob * ID_LENGTH, (firstBlob + blobs) * ID_LENGTH));
          }
        }
      }
    }
    verdict.lostIds = Buffer.concat(lost);
  }

  private cipherOf(header: Uint8Array, kind: PackKind): ObjectCipher {
    // A copy: the cipher keeps it, and the memory where it was read to gets other bytes.
    return openSeal(this.keyring, header.slice(), kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack);
  }

  private verifyFrame(
    sealed: Uint8Array,
    cipher: ObjectCipher,
    number: number,
    expected: PackDirectory,
    kind: PackKind,
    lost: Uint8Array[],
  ): void {
    const frame = expected.frames[number];
    const opened = cipher.open(number, sealed, this.opened.room(sealed.length));
    noteGarbage(opened.length);
    const plain = frame.raw ? opened : this.decompress(opened, frame.plainLength);
    this.verifyBlobs(plain, frame.firstBlob, frame.blobs, expected, kind, lost);
  }

  private verifyBlobs(
    plain: Uint8Array,
    first: number,
    count: number,
    expected: PackDirectory,
    kind: PackKind,
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

function verifyDirectory(end: Uint8Array, cipher: ObjectCipher, wanted: Uint8Array): void {
  const { directory, start } = readDirectory(end, cipher);
  if (start !== 0) throw new FormatError('before it are bytes that belong to no frame');
  if (Buffer.compare(directory, wanted) !== 0) throw new FormatError('it is not the one that the index has');
}

/**
 * The directory that closes a pack, opened, and where it starts.
 * @param end of the pack: at least from where the frames end, but without the header, which it cannot reach into
 * @throws FormatError when it is cut or damaged
 */
export function readDirectory(end: Uint8Array, cipher: ObjectCipher): { directory: Uint8Array; start: number } {
  if (end.length < PACK_TRAILER_LENGTH) throw new FormatError('the pack is cut');
  const view = new DataView(end.buffer, end.byteOffset, end.length);
  const trailer = end.length - PACK_TRAILER_LENGTH;
  const length = view.getUint32(trailer, true);
  if (length > trailer) throw new FormatError('the pack is cut');
  const start = trailer - length;
  return { directory: cipher.open(DIRECTORY_FRAME, end.subarray(start, trailer)), start };
}

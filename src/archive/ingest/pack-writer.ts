import { createHash, type Hash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { type BlobHasher, blobHasher } from '../../crypto/blob-id.js';
import type { BlobKind, Keyring } from '../../crypto/keyring.js';
import { ID_LENGTH } from '../../format/entry.js';
import { createSealer, DIRECTORY_FRAME, type ObjectCipher, ObjectKind } from '../../format/object.js';
import { encodeDirectory, FRAME_OVERHEAD, type FrameInfo, PACK_HEADER_LENGTH } from '../../format/pack.js';
import { Appender, noteGarbage } from '../../platform/index.js';
import { type ObjectStore, objectPath, spoolFailure } from '../../store/index.js';
import { Scratch } from '../scratch.js';

/** Packs hold one kind of blob: pieces of files, or metadata (listings and chunk lists). */
export type PackKind = 'data' | 'meta';

/** A pack that is durable in the store. */
export interface FinishedPack {
  /** Name: 64 hex digits. */
  name: string;
  kind: PackKind;
  /** Bytes of the object. */
  size: number;
  /** As an index names it. */
  directory: Uint8Array;
}

/** Blobs that go into one frame: what is to be stored (compressed or raw) and what it holds. */
export interface FramePayload {
  data: Uint8Array;
  raw: boolean;
  /** Concatenated ids and plain lengths of the blobs, in order. */
  ids: Uint8Array;
  lengths: Uint32Array;
}

/** A pack is finished when it has grown to this many bytes. */
export const PACK_TARGET = 24 * 1024 * 1024;

/** Every frame is written out as soon as it is sealed. */
const sealedFrame = new Scratch();

/** Who writes packs: the run they belong to and the key that signs for them. */
export interface PackOrigin {
  /** 16 bytes */
  run: Uint8Array;
  /** Public signing key, 32 bytes. */
  writer: Uint8Array;
}

/** Writes one pack: frames are sealed and appended to a temporary file, then the directory closes it. */
export class PackWriter {
  /** Bytes written so far. */
  size = PACK_HEADER_LENGTH;
  private readonly kind: PackKind;
  private readonly origin: PackOrigin;
  private readonly store: ObjectStore;
  private readonly cipher: ObjectCipher;
  private readonly path: string;
  private readonly fd: number;
  private readonly file: Appender;
  private readonly hash: Hash = createHash('sha256');
  private readonly frames: FrameInfo[] = [];
  private readonly ids: Uint8Array[] = [];
  private readonly lengths: Uint32Array[] = [];
  private blobs = 0;

  constructor(store: ObjectStore, keyring: Keyring, kind: PackKind, origin: PackOrigin) {
    this.store = store;
    this.kind = kind;
    this.origin = origin;
    const sealer = createSealer(keyring, kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack);
    this.cipher = sealer.cipher;
    this.path = join(store.spoolDir(), `${randomBytes(8).toString('hex')}.pack`);
    this.fd = this.guard(() => fs.openSync(this.path, 'wx+', 0o600));
    this.file = new Appender(this.fd);
    this.write(sealer.header);
  }

  /** Whether the pack has reached its size. */
  get full(): boolean {
    return this.size >= PACK_TARGET;
  }

  /** Seals and appends one frame. */
  add(frame: FramePayload): void {
    const sealed = this.seal(frame.data);
    const count = frame.lengths.length;
    let plainLength = 0;
    for (const length of frame.lengths) plainLength += length;
    this.frames.push({
      offset: this.size,
      length: frame.data.length + FRAME_OVERHEAD,
      raw: frame.raw,
      firstBlob: this.blobs,
      blobs: count,
      plainLength,
    });
    this.ids.push(frame.ids.slice(0, count * ID_LENGTH));
    this.lengths.push(frame.lengths);
    this.blobs += count;
    this.write(sealed);
    this.size += sealed.length;
  }

  /** Closes the pack and puts it into the store; it is durable when the promise resolves. */
  async finish(): Promise<FinishedPack> {
    const directory = this.encodeDirectory();
    const sealed = this.cipher.seal(DIRECTORY_FRAME, directory);
    const end = new Uint8Array(sealed.length + 4);
    end.set(sealed);
    new DataView(end.buffer).setUint32(sealed.length, sealed.length, true);
    this.write(end);
    this.size += end.length;
    const name = this.hash.digest('hex');
    try {
      await this.settle();
      await this.store.putFile(objectPath('packs', name), this.path);
    } finally {
      // Not before: a disk that refused some of it early on tells whoever syncs it, as long as the system keeps the file.
      fs.closeSync(this.fd);
    }
    return { name, kind: this.kind, size: this.size, directory };
  }

  /** Gives the pack up and hands back its frames, still compressed, so that another pack can take them. */
  async dissolve(): Promise<FramePayload[]> {
    await this.settle();
    const payloads = this.frames.map((frame, i) => {
      const sealed = sealedFrame.room(frame.length);
      fs.readSync(this.fd, sealed, 0, frame.length, frame.offset);
      return { data: this.cipher.open(i, sealed), raw: frame.raw, ids: this.ids[i], lengths: this.lengths[i] };
    });
    await this.abandon();
    return payloads;
  }

  /** Gives the pack up. */
  async abandon(): Promise<void> {
    // Whatever is still being written must not go to another file that gets the number.
    await this.file.settle().catch(() => undefined);
    fs.closeSync(this.fd);
    fs.rmSync(this.path, { force: true });
  }

  /** Seals the next frame; the result is good until the next call, of whatever pack of this thread. */
  private seal(data: Uint8Array): Uint8Array {
    const sealed = sealedFrame.room(data.length + FRAME_OVERHEAD);
    this.cipher.sealInto(this.frames.length, data, sealed, 0);
    noteGarbage(sealed.length);
    return sealed;
  }

  private encodeDirectory(): Uint8Array {
    const lengths = new Uint32Array(this.blobs);
    let at = 0;
    for (const part of this.lengths) {
      lengths.set(part, at);
      at += part.length;
    }
    return encodeDirectory({ ...this.origin, frames: this.frames, ids: Buffer.concat(this.ids), lengths });
  }

  private write(bytes: Uint8Array): void {
    this.hash.update(bytes);
    this.guard(() => this.file.append(bytes));
  }

  private async settle(): Promise<void> {
    try {
      await this.file.settle();
    } catch (error) {
      throw spoolFailure(error, this.store.url);
    }
  }

  private guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw spoolFailure(error, this.store.url);
    }
  }
}

/** The id functions of the kinds of blobs that packs of a kind hold. */
export function packHashers(keyring: Keyring, kind: PackKind): BlobHasher[] {
  const kinds: readonly BlobKind[] = kind === 'data' ? ['data'] : ['listing', 'chunk-list'];
  return kinds.map((of) => blobHasher(keyring, of));
}

/** A fresh run id. */
export function newRunId(): Uint8Array {
  return randomBytes(16);
}

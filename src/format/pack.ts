import { FormatError } from '../errors.js';
import { decode, encode } from './cbor.js';
import { ID_LENGTH } from './entry.js';
import { readTrusted } from './trusted-cbor.js';
import { ByteReader, ByteWriter, expectEnd } from './varint.js';

/** Clear header of a pack: magic, kind, version, salt, ephemeral public key. Frames begin right behind it. */
export const PACK_HEADER_LENGTH = 72;

/** The last bytes of a pack: the length of its sealed directory, 32-bit little-endian. */
export const PACK_TRAILER_LENGTH = 4;

/** What a frame costs besides its content (the GCM tag). */
export const FRAME_OVERHEAD = 16;

/** One frame: blobs that were compressed and sealed together. */
export interface FrameInfo {
  /** Position of the sealed frame in the pack. */
  offset: number;
  /** Length of the sealed frame, tag included. */
  length: number;
  /** Stored as it is, because compressing would not have made it smaller. */
  raw: boolean;
  /** Number in the pack of its first blob, and how many it has. */
  firstBlob: number;
  blobs: number;
  /** Length of what it holds once opened and decompressed. */
  plainLength: number;
}

/** What lies where in a pack. */
export interface PackDirectory {
  /** Which run wrote it, 16 bytes; and by which signing key, 32 bytes. */
  run: Uint8Array;
  writer: Uint8Array;
  frames: FrameInfo[];
  /** Ids of the blobs, concatenated in the order in which they lie. */
  ids: Uint8Array;
  /** Plain length of each blob. */
  lengths: Uint32Array;
}

const RUN_LENGTH = 16;
const WRITER_LENGTH = 32;

/** A chunk is at most 2^30 bytes by any store's config.json, and metadata is far shorter. */
const LONGEST_BLOB = 2 ** 30;

/** What a frame may claim to hold; memory is reserved on its word. Writers stay below a few MiB. */
const LARGEST_FRAME = 2 ** 31;

const RAW = 0;
const ZSTD = 1;

/** The bytes of a directory, to be sealed into the pack and to be named by an index. */
export function encodeDirectory(directory: PackDirectory): Uint8Array {
  const frames = new ByteWriter(directory.frames.length * 6);
  for (const frame of directory.frames) {
    frames.varint(frame.length);
    frames.byte(frame.raw ? RAW : ZSTD);
    frames.varint(frame.blobs);
  }
  const lengths = new ByteWriter(directory.lengths.length * 3);
  for (const length of directory.lengths) lengths.varint(length);
  return encode({
    run: directory.run,
    writer: directory.writer,
    frames: frames.take(),
    lengths: lengths.take(),
    ids: directory.ids,
  });
}

/** Reads a directory; bytes that are not one are a FormatError. */
export function decodeDirectory(bytes: Uint8Array): PackDirectory {
  const d = decode(bytes) as Record<'run' | 'writer' | 'frames' | 'lengths' | 'ids', Uint8Array>;
  if (typeof d !== 'object' || d === null) throw new FormatError('not a pack directory');
  for (const name of ['run', 'writer', 'frames', 'lengths', 'ids'] as const)
    if (!(d[name] instanceof Uint8Array)) throw new FormatError(`a pack directory lacks "${name}"`);
  if (d.run.length !== RUN_LENGTH || d.writer.length !== WRITER_LENGTH)
    throw new FormatError('a pack directory does not say who wrote the pack');
  const count = d.ids.length / ID_LENGTH;
  if (!Number.isInteger(count)) throw new FormatError('a pack directory has a cut id');
  const lengths = new Uint32Array(count);
  const lengthReader = new ByteReader(d.lengths);
  for (let i = 0; i < count; i++) {
    const length = lengthReader.varint();
    if (length > LONGEST_BLOB) throw new FormatError('a pack directory has a blob of an impossible length');
    lengths[i] = length;
  }
  expectEnd(lengthReader);
  return { run: d.run, writer: d.writer, frames: readFrames(d.frames, lengths), ids: d.ids, lengths };
}

/** The ids in a directory that decodeDirectory has accepted before, as a view, without looking at the rest. */
export function directoryIds(bytes: Uint8Array): Uint8Array {
  const { ids } = readTrusted(bytes);
  if (!(ids instanceof Uint8Array) || ids.length % ID_LENGTH !== 0) throw new FormatError('not a pack directory');
  return ids;
}

function readFrames(column: Uint8Array, lengths: Uint32Array): FrameInfo[] {
  const frames: FrameInfo[] = [];
  const reader = new ByteReader(column);
  let offset = PACK_HEADER_LENGTH;
  let blob = 0;
  while (!reader.done) {
    const length = reader.varint();
    const flags = reader.byte();
    const blobs = reader.varint();
    if (length < FRAME_OVERHEAD || blobs === 0) throw new FormatError('a pack directory has a frame of nothing');
    if (flags > ZSTD) throw new FormatError('a frame is stored in an unknown way');
    if (blob + blobs > lengths.length)
      throw new FormatError('a pack directory has frames for more blobs than it names');
    let plainLength = 0;
    for (let i = blob; i < blob + blobs; i++) plainLength += lengths[i];
    if (plainLength > LARGEST_FRAME) throw new FormatError('a frame of an impossible length');
    if (flags === RAW && length !== plainLength + FRAME_OVERHEAD)
      throw new FormatError('a frame is not as long as the blobs that it stores as they are');
    frames.push({ offset, length, raw: flags === RAW, firstBlob: blob, blobs, plainLength });
    offset += length;
    blob += blobs;
  }
  if (blob !== lengths.length) throw new FormatError('a pack directory names blobs that no frame holds');
  return frames;
}

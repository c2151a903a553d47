import { decompress } from 'fzstd';
import { hex, same } from './bytes.js';
import { decodeMap } from './cbor.js';
import { Column, readColumn } from './columns.js';
import {
  type BlobKind,
  blobIdOf,
  checkHeader,
  type Keys,
  Kind,
  open,
  openDirectory,
  SEALED_HEADER,
  sealedKey,
} from './crypto.js';
import { damaged, PortableError } from './errors.js';
import { pathOf, type StoreFiles } from './reader.js';

/** FORMAT.md, section Packs. */
const ID = 24;
const TAG = 16;
const TRAILER = 4;
const LARGEST_BLOB = 2 ** 30;
const LARGEST_PAYLOAD = 2 ** 31;

/** Opened frames that are kept at hand. */
const FRAME_CACHE = 64 * 1024 * 1024;
/** Whole packs kept at hand where files can only be read whole. */
const PACK_CACHE = 2;

interface Pack {
  name: string;
  size: number;
  /** Number of its first blob among those of all packs. */
  first: number;
  ids: Uint8Array;
  lengths: number[];
  frames: Frame[];
  key?: { header: Uint8Array; key: Uint8Array };
}

interface Frame {
  number: number;
  offset: number;
  length: number;
  isZstd: boolean;
  firstBlob: number;
  blobs: number;
  plainLength: number;
}

/** Finds and reads the blobs of a store. Every blob that it gives is the one that its id says. */
export class Blobs {
  private readonly files: StoreFiles;
  private readonly keys: Keys;
  /** Packs that the store lists, with their sizes. */
  private readonly listed: ReadonlyMap<string, number>;
  private readonly packs: Pack[] = [];
  /** What has been said of each pack. Indexes may differ: whoever may add one may say anything of another's pack. */
  private readonly added = new Map<string, Uint8Array[]>();
  private count = 0;
  /** Open addressing by the first bytes of an id; holds numbers of blobs plus 1. Made when first needed. */
  private table: Uint32Array | undefined;
  private readonly frames = new Map<string, Uint8Array>();
  private cached = 0;
  private readonly whole = new Map<string, Uint8Array>();
  private readonly ids: Record<BlobKind, (blob: Uint8Array) => Uint8Array>;
  private hasReadDirectories = false;

  constructor(files: StoreFiles, keys: Keys, listed: ReadonlyMap<string, number>) {
    this.files = files;
    this.keys = keys;
    this.listed = listed;
    this.ids = {
      data: blobIdOf(keys, 'data'),
      listing: blobIdOf(keys, 'listing'),
      'chunk-list': blobIdOf(keys, 'chunk-list'),
    };
  }

  /** Takes a pack's directory, from an index; nothing happens when the store has no such pack of this size. */
  add(name: string, size: number, directory: Uint8Array): void {
    const known = this.added.get(name) ?? [];
    if (this.listed.get(name) !== size || known.some((other) => same(other, directory))) return;
    const pack = readDirectory(name, size, directory);
    pack.first = this.count;
    this.count += pack.lengths.length;
    this.packs.push(pack);
    this.added.set(name, [...known, directory]);
    this.table = undefined;
  }

  /** The blob with this id. @throws PortableError missing or damaged */
  async read(kind: BlobKind, id: Uint8Array): Promise<Uint8Array> {
    let failure: PortableError | undefined;
    for (let round = 0; round < 2; round++) {
      for (const [pack, blob] of this.locate(id)) {
        try {
          const bytes = await this.readAt(pack, blob);
          if (same(this.ids[kind](bytes), id)) return bytes;
          throw damaged(`blob ${hex(id)} in pack ${pack.name} is not what its id says`);
        } catch (error) {
          if (!(error instanceof PortableError)) throw error;
          failure = error;
        }
      }
      // Perhaps an index is lost, or false: the packs themselves know what they hold.
      if (!(await this.readDirectories())) break;
    }
    throw failure ?? new PortableError('missing', `blob ${hex(id)} is in no pack of the store`);
  }

  /** Reads the packs' own directories, once. Returns whether that was news. */
  private async readDirectories(): Promise<boolean> {
    if (this.hasReadDirectories) return false;
    this.hasReadDirectories = true;
    const before = this.packs.length;
    for (const [name, size] of this.listed) {
      try {
        this.add(name, size, await this.ownDirectory(name, size));
      } catch (error) {
        if (!(error instanceof PortableError)) throw error;
      }
    }
    return this.packs.length > before;
  }

  private async ownDirectory(name: string, size: number): Promise<Uint8Array> {
    const path = pathOf('packs', name);
    if (size < SEALED_HEADER + TAG + TRAILER) throw damaged('cut');
    const header = await this.range(path, 0, SEALED_HEADER);
    checkHeader(header, Kind.dataPack, Kind.metaPack);
    const trailer = await this.range(path, size - TRAILER, TRAILER);
    const length = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true);
    if (length > size - SEALED_HEADER - TRAILER) throw damaged('a directory longer than its pack');
    const sealed = await this.range(path, size - TRAILER - length, length);
    return openDirectory(sealedKey(this.keys, header), header, sealed);
  }

  /** All places of an id. */
  private *locate(id: Uint8Array): Generator<[Pack, number]> {
    this.table ??= this.makeTable();
    const mask = this.table.length - 1;
    for (let slot = hashOf(id, 0) & mask; this.table[slot] !== 0; slot = (slot + 1) & mask) {
      const number = this.table[slot] - 1;
      const pack = this.packOf(number);
      const at = (number - pack.first) * ID;
      if (same(pack.ids.subarray(at, at + ID), id)) yield [pack, number - pack.first];
    }
  }

  private makeTable(): Uint32Array {
    const table = new Uint32Array(2 ** Math.ceil(Math.log2(this.count * 1.5 + 2)));
    const mask = table.length - 1;
    for (const { ids, first, lengths } of this.packs) {
      for (let i = 0; i < lengths.length; i++) {
        let slot = hashOf(ids, i * ID) & mask;
        while (table[slot] !== 0) slot = (slot + 1) & mask;
        table[slot] = first + i + 1;
      }
    }
    return table;
  }

  private packOf(number: number): Pack {
    let low = 0;
    let high = this.packs.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.packs[middle].first <= number) low = middle;
      else high = middle;
    }
    return this.packs[low];
  }

  private async readAt(pack: Pack, blob: number): Promise<Uint8Array> {
    const frame = pack.frames.find(({ firstBlob, blobs }) => blob >= firstBlob && blob < firstBlob + blobs)!;
    const payload = await this.payload(pack, frame);
    let start = 0;
    for (let i = frame.firstBlob; i < blob; i++) start += pack.lengths[i];
    return payload.subarray(start, start + pack.lengths[blob]);
  }

  private async payload(pack: Pack, frame: Frame): Promise<Uint8Array> {
    const cacheKey = `${pack.name} ${frame.number}`;
    const known = this.frames.get(cacheKey);
    if (known !== undefined) {
      this.frames.delete(cacheKey);
      this.frames.set(cacheKey, known);
      return known;
    }
    const path = pathOf('packs', pack.name);
    if (pack.key === undefined) {
      const header = await this.range(path, 0, SEALED_HEADER);
      checkHeader(header, Kind.dataPack, Kind.metaPack);
      pack.key = { header, key: sealedKey(this.keys, header) };
    }
    const sealed = await this.range(path, frame.offset, frame.length);
    const opened = open(pack.key.key, frame.number, pack.key.header, sealed);
    const payload = frame.isZstd ? unpack(opened, frame.plainLength) : opened;
    this.remember(cacheKey, payload);
    return payload;
  }

  private remember(cacheKey: string, payload: Uint8Array): void {
    this.frames.set(cacheKey, payload);
    this.cached += payload.length;
    for (const [oldest, bytes] of this.frames) {
      if (this.cached <= FRAME_CACHE || oldest === cacheKey) break;
      this.frames.delete(oldest);
      this.cached -= bytes.length;
    }
  }

  private async range(path: string, offset: number, length: number): Promise<Uint8Array> {
    const bytes = this.files.readRange
      ? await this.files.readRange(path, offset, length)
      : (await this.wholePack(path)).subarray(offset, offset + length);
    if (bytes.length !== length) throw damaged(`${path} is shorter than it should be`);
    return bytes;
  }

  private async wholePack(path: string): Promise<Uint8Array> {
    const known = this.whole.get(path);
    if (known !== undefined) return known;
    const bytes = await this.files.read(path);
    if (bytes === undefined) throw new PortableError('missing', `${path} is gone`);
    if (this.whole.size >= PACK_CACHE)
      for (const oldest of [...this.whole.keys()].slice(0, 1)) this.whole.delete(oldest);
    this.whole.set(path, bytes);
    return bytes;
  }
}

/** Ids are keyed hashes: any four bytes of them will do. */
function hashOf(ids: Uint8Array, at: number): number {
  return (ids[at] | (ids[at + 1] << 8) | (ids[at + 2] << 16) | (ids[at + 3] << 24)) >>> 0;
}

function unpack(compressed: Uint8Array, length: number): Uint8Array {
  let payload: Uint8Array;
  try {
    payload = decompress(compressed, new Uint8Array(length));
  } catch {
    throw damaged('a frame that does not decompress');
  }
  if (payload.length !== length) throw damaged('a frame of another length once decompressed');
  return payload;
}

function readDirectory(name: string, size: number, bytes: Uint8Array): Pack {
  const fields = decodeMap(bytes, 'a pack directory');
  fields.bytes('run', 16);
  fields.bytes('writer', 32);
  const ids = fields.bytes('ids');
  if (ids.length % ID !== 0) throw damaged('a pack directory with a cut id');
  const lengths = readColumn(fields.bytes('lengths'), ids.length / ID, (column) => column.unsigned());
  if (lengths.some((length) => length > LARGEST_BLOB)) throw damaged('a pack directory with an impossible blob');
  const column = new Column(fields.bytes('frames'));
  const frames: Frame[] = [];
  let offset = SEALED_HEADER;
  let firstBlob = 0;
  while (!column.isDone) {
    const length = column.unsigned();
    const way = column.byte();
    const blobs = column.unsigned();
    if (way > 1 || blobs === 0 || firstBlob + blobs > lengths.length || length < TAG || offset + length > size)
      throw damaged('a pack directory with an impossible frame');
    const plainLength = lengths.slice(firstBlob, firstBlob + blobs).reduce((sum, one) => sum + one, 0);
    if (plainLength > LARGEST_PAYLOAD || (way === 0 && length !== plainLength + TAG))
      throw damaged('a pack directory with a frame of an impossible length');
    frames.push({ number: frames.length, offset, length, isZstd: way === 1, firstBlob, blobs, plainLength });
    offset += length;
    firstBlob += blobs;
  }
  if (firstBlob !== lengths.length) throw damaged('a pack directory with blobs that no frame holds');
  return { name, size, first: 0, ids, lengths, frames };
}

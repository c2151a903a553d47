import { type ByteString, toDisplay } from '../bytes.js';
import { ExitCode, FormatError, UserError } from '../errors.js';
import { type Entry, EntryType } from '../format/entry.js';
import type { BlobIndex } from './blob-index.js';
import type { BlobReader } from './blob-reader.js';
import type { Context } from './context.js';
import { TarType, tarEnd, tarHeader, tarPadding } from './dump/tar.js';
import { fileBytes, isUnreadable, type Patch, Sink, ZEROS } from './file-bytes.js';
import { keyOf, pathOf } from './past.js';
import { openRepository } from './repository.js';
import { SnapshotEntries } from './restore/entries.js';
import { linkKey } from './restore/links.js';
import { Mapping } from './restore/mapping.js';
import type { DumpOptions, StreamResult } from './types.js';

/** Files up to this size are read whole before their header is written: if they are damaged they are left out. */
const READ_FIRST = 4 * 1024 * 1024;

const TYPES: Record<EntryType, TarType | undefined> = {
  [EntryType.dir]: TarType.dir,
  [EntryType.file]: TarType.file,
  [EntryType.symlink]: TarType.symlink,
  [EntryType.fifo]: TarType.fifo,
  [EntryType.socket]: undefined,
  [EntryType.chardev]: TarType.chardev,
  [EntryType.blockdev]: TarType.blockdev,
};

/**
 * Writes a snapshot, or what is at and below a path, as a tar file, under the names that a restore would give. Files
 * that are damaged in the store are named and left out. A big one may turn out to be damaged only after its size has
 * been written: then zeros stand for what is lost, it is named, and the tar file goes on.
 */
export async function dump(context: Context, options: DumpOptions): Promise<StreamResult> {
  const repository = await openRepository(context, { command: 'dump', lock: 'shared', catalog: 'read' });
  try {
    repository.keyring.requireRead('dump');
    const snapshot = await repository.snapshot(repository.sourceFor(options), options.snapshot);
    const entries = new SnapshotEntries(repository.catalog, snapshot, repository.reader());
    const tar = new TarDump(context, new Sink(options.out, context.signal), repository.blobs(), repository.reader());
    const key = options.path === undefined ? '' : keyOf(options.path);
    let count = 0;
    for await (const entry of entries.all(key === '' ? [] : [key])) {
      count++;
      await tar.add(entry);
    }
    if (count === 0 && key !== '')
      throw new UserError(
        ExitCode.failed,
        `no such path in snapshot ${snapshot.name.slice(0, 8)}, ${toDisplay(options.path!)}; 'backup-ninja history' tells when it was there`,
      );
    await tar.end();
    return { bytes: tar.sink.bytes };
  } finally {
    await repository.close();
  }
}

/** Writes entries to a tar file, one after the other. */
class TarDump {
  readonly sink: Sink;
  private readonly context: Context;
  private readonly index: BlobIndex;
  private readonly reader: BlobReader;
  private readonly mapping = new Mapping('/', [], 'posix');
  /** Names of the first of each hard-link group, by `linkKey`. */
  private readonly links = new Map<ByteString, ByteString>();

  constructor(context: Context, sink: Sink, index: BlobIndex, reader: BlobReader) {
    this.context = context;
    this.sink = sink;
    this.index = index;
    this.reader = reader;
  }

  async add(entry: Entry): Promise<void> {
    const type = TYPES[entry.type];
    if (entry.key === '') return;
    const path = toDisplay(pathOf(entry.key));
    if (type === undefined) {
      this.context.report.note(`left out, as tar knows no sockets: ${path}`);
      return;
    }
    const name = this.nameOf(entry);
    if (name === undefined) {
      this.context.attention(`left out, as its name is none that a file can have: ${path}`);
      return;
    }
    const link = linkKey(entry);
    const first = link === undefined ? undefined : this.links.get(link);
    if (first !== undefined) {
      await this.header(entry, TarType.link, name, 0, first);
      return;
    }
    if (entry.type !== EntryType.file) await this.header(entry, type, name, 0, entry.target);
    else if (!(await this.file(entry, name, path))) return;
    if (link !== undefined) this.links.set(link, name);
  }

  async end(): Promise<void> {
    await this.sink.send(tarEnd());
  }

  private nameOf(entry: Entry): ByteString | undefined {
    const names = entry.key.split('\0').map((component, i) => this.mapping.nameFor(component, i === 0));
    if (names.includes(undefined)) return undefined;
    return names.join('/') + (entry.type === EntryType.dir ? '/' : '');
  }

  private header(entry: Entry, type: TarType, name: ByteString, size: number, target?: ByteString): Promise<void> {
    const { mode, uid, gid, mtimeSec, mtimeNsec, user, group, xattrs, rdev } = entry;
    return this.sink.send(
      tarHeader({ type, name, mode, uid, gid, size, mtimeSec, mtimeNsec, target, user, group, xattrs, device: rdev }),
    );
  }

  /** Whether the file was written. */
  private async file(entry: Entry, name: ByteString, path: string): Promise<boolean> {
    if (entry.size > READ_FIRST) return this.bigFile(entry, name, path);
    let pieces: Uint8Array[];
    try {
      pieces = await collect(fileBytes(entry, this.reader), entry.size);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.context.attention(`left out, as it is damaged in the store: ${path}: ${(error as Error).message}`);
      return false;
    }
    await this.header(entry, TarType.file, name, entry.size);
    for (const bytes of pieces) await this.sink.send(bytes);
    await this.sink.send(tarPadding(entry.size));
    return true;
  }

  /**
   * A file that is too big to be read before its header is written. What comes after a header is as long as that says,
   * so that whatever follows in the tar file stays readable.
   */
  private async bigFile(entry: Entry, name: ByteString, path: string): Promise<true> {
    await this.header(entry, TarType.file, name, entry.size);
    let why: string | undefined;
    let lost = 0;
    let written = 0;
    const patch: Patch = {
      lengthOf: (ids, at) => this.lengthOf(ids, at),
      patched: (error) => {
        why ??= error.message;
        lost++;
      },
    };
    try {
      for await (const bytes of fileBytes(entry, this.reader, patch)) {
        const piece = bytes.subarray(0, entry.size - written);
        written += piece.length;
        await this.sink.send(piece);
        if (piece.length < bytes.length) throw new FormatError('its chunks hold more bytes than its entry says');
      }
      if (written < entry.size) throw new FormatError('its chunks hold fewer bytes than its entry says');
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      why ??= (error as Error).message;
    }
    const missing = entry.size - written;
    for (; written < entry.size; written += ZEROS.length)
      await this.sink.send(ZEROS.subarray(0, Math.min(ZEROS.length, entry.size - written)));
    await this.sink.send(tarPadding(entry.size));
    if (why !== undefined) {
      const what = missing > 0 ? `its last ${missing} bytes` : `${lost} of its pieces`;
      this.context.attention(`damaged in the store, zeros stand for ${what}: ${path}: ${why}`);
    }
    return true;
  }

  /** How long a chunk is, from the directory of a pack that has it. */
  private lengthOf(ids: Uint8Array, at: number): number | undefined {
    const place = this.index.find(ids, at);
    return place && this.index.directory(place.pack).lengths[place.blob];
  }
}

async function collect(pieces: AsyncIterable<Uint8Array>, size: number): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of pieces) {
    length += bytes.length;
    all.push(bytes);
    if (length > size) break;
  }
  if (length !== size) throw new FormatError('its chunks have another size than its entry says');
  return all;
}

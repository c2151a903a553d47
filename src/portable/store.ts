import { Blobs } from './blobs.js';
import { display, hex } from './bytes.js';
import { type Keys, nameOf } from './crypto.js';
import { damaged, PortableError } from './errors.js';
import { openIndex } from './index-objects.js';
import {
  holeOf,
  type ListingNode,
  type PortableContent,
  type PortableEntry,
  readChunkListNode,
  readListingNode,
  readSegment,
} from './listing.js';
import { type Folder, listObjects, pathOf, type StoreFiles } from './reader.js';
import type { Secret } from './secrets.js';
import { openKeys, parseConfig, verifyConfig } from './slots.js';
import { judge, openSnapshot, type PortableSnapshot } from './snapshots.js';
import { openCert, openFact, Trust } from './trust.js';

const ID = 24;
/** A hole is given in pieces of at most this many zero bytes. */
const ZEROS = new Uint8Array(1024 * 1024);
const CACHED_NODES = 128;

/** An object of the store that could not be used. */
export interface Problem {
  path: string;
  message: string;
}

/** A stretch of a file: bytes, or a hole of zeros where there are none. */
export interface Piece {
  offset: number;
  length: number;
  bytes?: Uint8Array;
}

/** Which entries of a snapshot to walk: those with from <= key < before. */
export interface Range {
  from?: string;
  before?: string;
}

/** A store that is open for reading. Everything it gives has been verified. */
export class PortableStore {
  /** 32 hex digits. */
  readonly id: string;
  /** Objects that were passed over. */
  readonly problems: Problem[] = [];
  private readonly files: StoreFiles;
  private readonly keys: Keys;
  private readonly nodes = new Map<string, ListingNode | PortableEntry[]>();
  private trust: Trust | undefined;
  private facts: ReturnType<typeof openFact>[] = [];
  private blobs: Promise<Blobs> | undefined;

  /** Use `openPortableStore`. */
  constructor(files: StoreFiles, keys: Keys) {
    this.files = files;
    this.keys = keys;
    this.id = hex(keys.storeId);
  }

  /** All snapshots, those that do not count too (see `state`): by source, then oldest first. */
  async snapshots(): Promise<PortableSnapshot[]> {
    const snapshots = await this.openAll('snapshots', (bytes, name) => openSnapshot(this.keys, name, bytes));
    const trust = await this.loadTrust();
    judge(snapshots, trust, this.facts);
    return snapshots;
  }

  /** The entries of a snapshot in the order of their keys, parents before children. */
  async *entries(snapshot: PortableSnapshot, range: Range = {}): AsyncGenerator<PortableEntry> {
    const { id, depth } = snapshot.listing;
    for await (const entry of this.below(id, depth, range.from ?? '')) {
      if (range.before !== undefined && entry.key >= range.before) return;
      yield entry;
    }
  }

  /** What lies directly in a directory; the subtrees are skipped, not read. */
  async *children(snapshot: PortableSnapshot, directory: string): AsyncGenerator<PortableEntry> {
    const prefix = directory === '' ? '' : `${directory}\0`;
    // Zero bytes join components and sort first, so that \x01 comes behind a subtree and before anything else.
    let from = directory === '' ? '\x01' : prefix;
    while (true) {
      const next = await this.entries(snapshot, { from }).next();
      if (next.done || !next.value.key.startsWith(prefix)) return;
      const rest = next.value.key.slice(prefix.length);
      const end = rest.indexOf('\0');
      // A child whose own entry is missing (only what is below it was saved) is not shown, but its subtree is passed over.
      const name = end < 0 ? rest : rest.slice(0, end);
      if (end < 0) yield next.value;
      from = `${prefix}${name}\x01`;
    }
  }

  /** One path of a snapshot. */
  async entry(snapshot: PortableSnapshot, key: string): Promise<PortableEntry | undefined> {
    const { value } = await this.entries(snapshot, { from: key }).next();
    return (value as PortableEntry | undefined)?.key === key ? (value as PortableEntry) : undefined;
  }

  /** A file's bytes, in order. Holes come as zeros. @throws PortableError when any is missing or damaged */
  async *content(entry: PortableEntry): AsyncGenerator<Uint8Array> {
    for await (const { length, bytes } of this.pieces(entry)) {
      if (bytes !== undefined) yield bytes;
      else
        for (let left = length; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
    }
  }

  /** A file's content, holes apart, checked to have the entry's size. */
  async *pieces(entry: PortableEntry): AsyncGenerator<Piece> {
    const blobs = await this.loadBlobs();
    let offset = 0;
    for await (const id of this.chunkIds(entry.content)) {
      const hole = holeOf(id);
      const bytes = hole === undefined ? await blobs.read('data', id) : undefined;
      const length = bytes?.length ?? hole ?? 0;
      if (offset + length > entry.size) throw damaged(`${entry.path}: its chunks are longer than its size`);
      yield bytes === undefined ? { offset, length } : { offset, length, bytes };
      offset += length;
    }
    if (offset !== entry.size) throw damaged(`${entry.path}: its chunks are shorter than its size`);
  }

  private async *chunkIds({ depth, ids }: PortableContent): AsyncGenerator<Uint8Array> {
    if (depth === 0) {
      for (let at = 0; at < ids.length; at += ID) yield ids.subarray(at, at + ID);
      return;
    }
    const node = readChunkListNode(await (await this.loadBlobs()).read('chunk-list', ids), depth);
    for (let at = 0; at < node.ids.length; at += ID) {
      const id = node.ids.subarray(at, at + ID);
      if (depth === 1) yield id;
      else yield* this.chunkIds({ depth: depth - 1, ids: id, chunkClass: 0 });
    }
  }

  private async *below(id: Uint8Array, depth: number, from: string): AsyncGenerator<PortableEntry> {
    if (depth === 0) {
      const entries = await this.node(id, (bytes) => readSegment(bytes));
      for (const entry of entries) if (entry.key >= from) yield entry;
      return;
    }
    const { firstKeys, ids } = await this.node(id, (bytes) => readListingNode(bytes, depth));
    // The last child that begins at or before `from` may still hold what is looked for.
    let first = 0;
    while (first + 1 < ids.length && firstKeys[first + 1] <= from) first++;
    for (let i = first; i < ids.length; i++) yield* this.below(ids[i], depth - 1, from);
  }

  private async node<T extends ListingNode | PortableEntry[]>(
    id: Uint8Array,
    read: (bytes: Uint8Array) => T,
  ): Promise<T> {
    const key = hex(id);
    const known = this.nodes.get(key) as T | undefined;
    if (known !== undefined) return known;
    const node = read(await (await this.loadBlobs()).read('listing', id));
    if (this.nodes.size >= CACHED_NODES)
      for (const oldest of [...this.nodes.keys()].slice(0, 1)) this.nodes.delete(oldest);
    this.nodes.set(key, node);
    return node;
  }

  private async loadTrust(): Promise<Trust> {
    if (this.trust === undefined) {
      const certs = await this.openAll('certs', (bytes) => openCert(this.keys, bytes));
      this.facts = await this.openAll('records', (bytes, name) => openFact(this.keys, name, bytes));
      this.trust = new Trust(hex(this.keys.rootPublic), certs, this.facts);
    }
    return this.trust;
  }

  private loadBlobs(): Promise<Blobs> {
    this.blobs ??= this.readIndexes();
    return this.blobs;
  }

  private async readIndexes(): Promise<Blobs> {
    const trust = await this.loadTrust();
    const indexes = await this.openAll('index', (bytes, name) => ({ name, ...openIndex(this.keys, bytes) }));
    const blobs = new Blobs(this.files, this.keys, await listObjects(this.files, 'packs'));
    for (const { name, signer, rows } of indexes) {
      for (const row of rows) {
        const counts = trust.isFull(signer, name) || (trust.isKnown(signer, name) && row.writer === signer);
        if (!counts) continue;
        try {
          blobs.add(row.name, row.size, row.directory);
        } catch (error) {
          this.note(pathOf('index', name), error);
        }
      }
    }
    return blobs;
  }

  /** Opens every object of a folder that can be opened; its name is checked first. */
  private async openAll<T>(folder: Folder, read: (bytes: Uint8Array, name: string) => T): Promise<T[]> {
    const opened: T[] = [];
    for (const name of [...(await listObjects(this.files, folder)).keys()].sort()) {
      const path = pathOf(folder, name);
      const bytes = await this.files.read(path);
      if (bytes === undefined) continue;
      try {
        if (nameOf(bytes) !== name) throw damaged('its bytes are not those that it is named by');
        opened.push(read(bytes, name));
      } catch (error) {
        this.note(path, error);
      }
    }
    return opened;
  }

  private note(path: string, error: unknown): void {
    if (!(error instanceof PortableError)) throw error;
    if (!this.problems.some((problem) => problem.path === path)) this.problems.push({ path, message: error.message });
  }
}

/**
 * Opens a store for reading, in plain JavaScript: no native code, no server, no other file than the store's own.
 * @throws PortableError no-store, wrong-key, or damaged when config.json was tampered with
 */
export async function openPortableStore(files: StoreFiles, secret: Secret): Promise<PortableStore> {
  const config = await files.read('config.json');
  if (config === undefined) throw new PortableError('no-store', 'no store here: there is no config.json');
  const info = parseConfig(display(config));
  const slots: Uint8Array[] = [];
  for (const name of (await listObjects(files, 'keys')).keys()) {
    const bytes = await files.read(pathOf('keys', name));
    if (bytes !== undefined && nameOf(bytes) === name) slots.push(bytes);
  }
  const keys = await openKeys(info.storeId, slots, secret);
  verifyConfig(keys, info);
  return new PortableStore(files, keys);
}

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// Not from the module's index: tests put this in the place of what that exports.
import { noStore, StoreError } from '../../src/store/errors.js';
import {
  type Folder,
  type ListedObject,
  type Lock,
  type LockMode,
  nameOf,
  type ObjectStore,
  type OpenOptions,
  objectPath,
  type PutOptions,
  parsePath,
} from '../../src/store/object-store.js';

/** What the stores in memory hold, by URL; each with its files by path. */
const stores = new Map<string, Map<string, Uint8Array>>();

/** The files of a store in memory. */
export function filesOf(url: string): Map<string, Uint8Array> {
  return stores.get(url) ?? new Map();
}

/** Frees a store. */
export function removeMemoryStore(url: string): void {
  stores.delete(url);
}

/** Takes the place of `openStore`: the same promises, but what is put stays in memory, and locks are granted always. */
export async function openMemoryStore(url: string, options: OpenOptions = {}): Promise<ObjectStore> {
  let files = stores.get(url);
  if (files === undefined && options.create === true) {
    files = new Map();
    stores.set(url, files);
  }
  if (files === undefined || (options.create !== true && !files.has('config.json'))) throw noStore(url);
  return new MemoryStore(url, files, options);
}

class MemoryStore implements ObjectStore {
  readonly kind = 'local';
  readonly url: string;
  private readonly files: Map<string, Uint8Array>;
  private readonly options: OpenOptions;
  private spool: string | undefined;

  constructor(url: string, files: Map<string, Uint8Array>, options: OpenOptions) {
    this.url = url;
    this.files = files;
    this.options = options;
    this.spool = options.spool;
  }

  async list(folder: Folder): Promise<ListedObject[]> {
    const found: ListedObject[] = [];
    for (const [path, bytes] of this.files) {
      const name = path.startsWith(`${folder}/`) ? nameOf(folder, path.slice(path.lastIndexOf('/') + 1)) : undefined;
      if (name !== undefined && objectPath(folder, name) === path) found.push({ name, size: bytes.length });
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async listForeign(): Promise<{ path: string; size: number }[]> {
    const foreign = [...this.files].filter(([path]) => !isOwn(path));
    return foreign.map(([path, { length: size }]) => ({ path, size })).sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async size(path: string): Promise<number | undefined> {
    parsePath(path);
    return this.files.get(path)?.length;
  }

  async read(path: string, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return copied(this.bytesOf(path), into);
  }

  async readRange(
    path: string,
    offset: number,
    length: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.bytesOf(path);
    if (bytes.length < offset + length) throw new StoreError('short', `damaged: ${path} is too short`, path);
    return copied(bytes.subarray(offset, offset + length), into);
  }

  async put(path: string, bytes: Uint8Array, options: PutOptions = {}): Promise<void> {
    const parsed = parsePath(path);
    const known = this.files.get(path);
    const conflict = new StoreError('conflict', `another file has this place: ${path}`, path);
    if ('plain' in parsed) {
      if (known !== undefined && options.replace !== true && Buffer.compare(known, bytes) !== 0) throw conflict;
    } else if (known !== undefined) {
      if (known.length === bytes.length) return;
      if (createHash('sha256').update(bytes).digest('hex') !== parsed.name) throw conflict;
    }
    this.files.set(path, Uint8Array.from(bytes));
  }

  async putFile(path: string, spoolFile: string): Promise<void> {
    await this.put(path, readFileSync(spoolFile));
    rmSync(spoolFile);
  }

  spoolDir(): string {
    this.spool ??= mkdtempSync(join(this.options.tableDir ?? tmpdir(), 'spool-'));
    return this.spool;
  }

  async delete(path: string): Promise<void> {
    parsePath(path);
    this.files.delete(path);
  }

  async lock(mode: LockMode): Promise<Lock> {
    return { mode, release: async () => undefined };
  }

  async cleanTemporaries(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {
    if (this.spool !== undefined && this.options.spool === undefined)
      rmSync(this.spool, { recursive: true, force: true });
    this.spool = undefined;
  }

  private bytesOf(path: string): Uint8Array {
    parsePath(path);
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new StoreError('missing', `there is no ${path} in ${this.url}`, path);
    return bytes;
  }
}

function isOwn(path: string): boolean {
  try {
    parsePath(path);
    return true;
  } catch {
    return false;
  }
}

function copied(bytes: Uint8Array, into: Uint8Array<ArrayBuffer> | undefined): Uint8Array<ArrayBuffer> {
  if (into === undefined || into.length < bytes.length) return new Uint8Array(bytes);
  into.set(bytes);
  return into.subarray(0, bytes.length);
}

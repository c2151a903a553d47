import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Folder, ListedObject, ObjectStore } from '../../store/index.js';
import { LedgerStore } from './ledger-store.js';

/** Objects up to this size are kept so that they can be read again: metadata packs, snapshots, records. */
const LARGEST_READ_AGAIN = 64 * 1024 * 1024;

interface Staged {
  size: number;
  /** Where its bytes are; undefined: they were not kept. */
  file: string | undefined;
}

/**
 * A store on which a command can be rehearsed: nothing of it changes, yet who works with it sees what it puts and does
 * not see what it deletes. What is put lies in a folder of its own until `close`.
 */
export class RehearsalStore extends LedgerStore {
  private readonly folder: string;
  private readonly staged = new Map<string, Staged>();
  private readonly deleted = new Set<string>();

  /** @param tableDir where the folder for what is put is made */
  constructor(base: ObjectStore, tableDir: string) {
    super(base);
    this.folder = mkdtempSync(join(tableDir, 'rehearsal-'));
  }

  override async list(folder: Folder): Promise<ListedObject[]> {
    const found = new Map<string, ListedObject>();
    for (const object of await this.base.list(folder)) found.set(object.name, object);
    for (const path of this.deleted) if (path.startsWith(`${folder}/`)) found.delete(nameIn(path));
    for (const [path, { size }] of this.staged)
      if (path.startsWith(`${folder}/`)) found.set(nameIn(path), { name: nameIn(path), size });
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  override async size(path: string): Promise<number | undefined> {
    if (this.deleted.has(path)) return undefined;
    return this.staged.get(path)?.size ?? this.base.size(path);
  }

  override async read(path: string): Promise<Uint8Array<ArrayBuffer>> {
    const file = this.fileOf(path);
    return file === undefined ? this.base.read(path) : new Uint8Array(readFileSync(file));
  }

  override async readRange(path: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const file = this.fileOf(path);
    if (file === undefined) return this.base.readRange(path, offset, length);
    return new Uint8Array(readFileSync(file)).slice(offset, offset + length);
  }

  override async put(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.folder, path.replaceAll('/', '-'));
    writeFileSync(file, bytes);
    this.take(path, file, bytes.length);
  }

  override async putFile(path: string, spoolFile: string): Promise<void> {
    const { size } = statSync(spoolFile);
    const file = join(this.folder, path.replaceAll('/', '-'));
    if (size <= LARGEST_READ_AGAIN) renameSync(spoolFile, file);
    else rmSync(spoolFile);
    this.take(path, size <= LARGEST_READ_AGAIN ? file : undefined, size);
  }

  override spoolDir(): string {
    return this.folder;
  }

  override async delete(path: string): Promise<void> {
    this.bytesDeleted += (await this.size(path)) ?? 0;
    const { file } = this.staged.get(path) ?? {};
    if (file !== undefined) rmSync(file, { force: true });
    this.staged.delete(path);
    this.deleted.add(path);
  }

  override async cleanTemporaries(): Promise<number> {
    return 0;
  }

  /** Removes what was put; the store itself stays open. */
  override async close(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Counts an object that was not written at all, of this size. */
  pretend(path: string, size: number): void {
    this.take(path, undefined, size);
  }

  private take(path: string, file: string | undefined, size: number): void {
    this.staged.set(path, { size, file });
    this.deleted.delete(path);
    this.bytesPut += size;
  }

  private fileOf(path: string): string | undefined {
    const staged = this.staged.get(path);
    if (staged !== undefined && staged.file === undefined) throw new Error(`${path} was put, but not to be read again`);
    return staged?.file;
  }
}

/** Name of the object at a path: 64 hex digits. */
function nameIn(path: string): string {
  return basename(path).slice(0, 64);
}

import { statSync } from 'node:fs';
import type { Folder, ListedObject, Lock, LockMode, ObjectStore, PutOptions } from '../../store/index.js';

/** A store that keeps account of what is put into it and deleted from it. */
export class LedgerStore implements ObjectStore {
  readonly url: string;
  readonly kind: ObjectStore['kind'];
  protected readonly base: ObjectStore;
  /** Bytes put, and bytes deleted, so far. */
  protected bytesPut = 0;
  protected bytesDeleted = 0;

  constructor(base: ObjectStore) {
    this.base = base;
    this.url = base.url;
    this.kind = base.kind;
  }

  /** By how much the store has shrunk; 0 when it has grown. */
  get freed(): number {
    return Math.max(0, this.bytesDeleted - this.bytesPut);
  }

  list(folder: Folder): Promise<ListedObject[]> {
    return this.base.list(folder);
  }

  listForeign(): Promise<{ path: string; size: number }[]> {
    return this.base.listForeign();
  }

  size(path: string): Promise<number | undefined> {
    return this.base.size(path);
  }

  read(path: string, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    return this.base.read(path, into);
  }

  readRange(
    path: string,
    offset: number,
    length: number,
    into?: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.base.readRange(path, offset, length, into);
  }

  async put(path: string, bytes: Uint8Array, options?: PutOptions): Promise<void> {
    await this.base.put(path, bytes, options);
    this.bytesPut += bytes.length;
  }

  async putFile(path: string, spoolFile: string): Promise<void> {
    const { size } = statSync(spoolFile);
    await this.base.putFile(path, spoolFile);
    this.bytesPut += size;
  }

  spoolDir(): string {
    return this.base.spoolDir();
  }

  async delete(path: string): Promise<void> {
    const size = await this.size(path);
    await this.base.delete(path);
    this.bytesDeleted += size ?? 0;
  }

  lock(mode: LockMode, waitMs: number): Promise<Lock> {
    return this.base.lock(mode, waitMs);
  }

  cleanTemporaries(): Promise<number> {
    return this.base.cleanTemporaries();
  }

  close(): Promise<void> {
    return this.base.close();
  }
}

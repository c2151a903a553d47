import { type FileHandle, open } from 'node:fs/promises';

interface Slot {
  handle: Promise<FileHandle>;
  users: number;
  /** No longer in the cache: closed when its last user has gone. */
  dropped: boolean;
}

/**
 * Open files, so that reading many ranges of a few packs opens each of them once. Least recently used ones are closed;
 * a file in use stays open until its users are done.
 */
export class FdCache {
  readonly #limit: number;
  readonly #slots = new Map<string, Slot>();

  /** @param limit how many files to keep open while nobody reads them. */
  constructor(limit = 16) {
    this.#limit = limit;
  }

  /** Runs `use` with the file open for reading. Errors of opening and those of `use` pass through. */
  async use<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
    const slot = this.#take(path);
    slot.users++;
    try {
      return await use(await slot.handle);
    } finally {
      slot.users--;
      if (slot.dropped && slot.users === 0) await closeQuietly(slot);
    }
  }

  /** Forgets a file that is about to be removed or replaced. */
  async drop(path: string): Promise<void> {
    const slot = this.#slots.get(path);
    if (slot !== undefined) await this.#drop(path, slot);
  }

  /** Closes everything. */
  async close(): Promise<void> {
    await Promise.all([...this.#slots].map(([path, slot]) => this.#drop(path, slot)));
  }

  #take(path: string): Slot {
    const known = this.#slots.get(path);
    if (known !== undefined) {
      // Maps keep insertion order: the first entries are the least recently used.
      this.#slots.delete(path);
      this.#slots.set(path, known);
      return known;
    }
    const slot: Slot = { handle: open(path, 'r'), users: 0, dropped: false };
    slot.handle.catch(() => {
      if (this.#slots.get(path) === slot) this.#slots.delete(path);
    });
    this.#slots.set(path, slot);
    for (const [oldPath, old] of this.#slots) {
      if (this.#slots.size <= this.#limit) break;
      if (old !== slot) void this.#drop(oldPath, old);
    }
    return slot;
  }

  async #drop(path: string, slot: Slot): Promise<void> {
    this.#slots.delete(path);
    slot.dropped = true;
    if (slot.users === 0) await closeQuietly(slot);
  }
}

async function closeQuietly(slot: Slot): Promise<void> {
  try {
    await (await slot.handle).close();
  } catch {
    // It was opened for reading only: nothing can be lost.
  }
}

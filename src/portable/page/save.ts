import { display } from '../bytes.js';
import { components, type PortableEntry } from '../listing.js';
import type { PortableSnapshot } from '../snapshots.js';
import type { PortableStore } from '../store.js';
import { type TarItem, writeTar } from '../tar.js';

/** How files leave the page. Browsers differ: some stream to disk, others take a whole file at once. */

interface Picker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
  showDirectoryPicker?(options: { mode: 'readwrite' }): Promise<FileSystemDirectoryHandle>;
}

const picker = window as unknown as Picker;

/** Bytes that are turned into a Blob of their own, which browsers keep on disk. */
const PART = 64 * 1024 * 1024;

/** Whether this browser can write a whole folder. */
export const canSaveFolders = typeof picker.showDirectoryPicker === 'function';

/** What saving tells while it goes on. */
export interface Watcher {
  signal: AbortSignal;
  /** Bytes that were read since the last call. */
  progress(bytes: number, path: string): void;
  failed(path: string, error: unknown): void;
}

/** Saves bytes as one file, streaming where the browser can. */
export async function saveFile(name: string, parts: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  if (picker.showSaveFilePicker) {
    const handle = await picker.showSaveFilePicker({ suggestedName: name });
    await writeTo(handle, parts, signal);
    return;
  }
  const blobs: Blob[] = [];
  let held: BlobPart[] = [];
  let size = 0;
  for await (const part of parts) {
    signal.throwIfAborted();
    held.push(part.slice());
    size += part.length;
    if (size < PART) continue;
    blobs.push(new Blob(held));
    held = [];
    size = 0;
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([...blobs, ...held], { type: 'application/octet-stream' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function writeTo(handle: FileSystemFileHandle, parts: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  const out = await handle.createWritable();
  try {
    for await (const part of parts) {
      signal.throwIfAborted();
      await out.write(part.slice());
    }
    await out.close();
  } catch (error) {
    // What was there before stays.
    await out.abort();
    throw error;
  }
}

/** One file's bytes, watched. */
export async function* watched(
  store: PortableStore,
  entry: PortableEntry,
  watcher: Watcher,
): AsyncGenerator<Uint8Array> {
  for await (const bytes of store.content(entry)) {
    watcher.signal.throwIfAborted();
    yield bytes;
    watcher.progress(bytes.length, entry.path);
  }
}

/** The directory `key` and all below it, as the bytes of a tar archive; paths begin with the directory's own name. */
export function folderAsTar(store: PortableStore, snapshot: PortableSnapshot, key: string, watcher: Watcher) {
  const skip = Math.max(0, components(key).length - 1);
  const items = async function* (): AsyncGenerator<TarItem> {
    for await (const entry of subtree(store, snapshot, key)) {
      watcher.signal.throwIfAborted();
      const parts = components(entry.key).slice(skip);
      if (parts.length === 0) continue;
      const name = parts.flatMap((part, i) => (i === 0 ? [...part] : [0x2f, ...part]));
      yield { entry, name: Uint8Array.from(name) };
    }
  };
  return writeTar(
    items(),
    (entry) => watched(store, entry, watcher),
    (entry, error) => {
      watcher.signal.throwIfAborted();
      watcher.failed(entry.path, error);
    },
  );
}

/** Writes the directory `key` and all below it into a folder that the user picks. Symlinks and devices cannot be made. */
export async function saveFolder(store: PortableStore, snapshot: PortableSnapshot, key: string, watcher: Watcher) {
  const target = await picker.showDirectoryPicker!({ mode: 'readwrite' });
  const skip = Math.max(0, components(key).length - 1);
  for await (const entry of subtree(store, snapshot, key)) {
    watcher.signal.throwIfAborted();
    const names = components(entry.key).slice(skip).map(safeName);
    try {
      if (entry.type === 'dir') await folderAt(target, names);
      else if (entry.type === 'file') {
        const folder = await folderAt(target, names.slice(0, -1));
        const handle = await folder.getFileHandle(names[names.length - 1], { create: true });
        await writeTo(handle, watched(store, entry, watcher), watcher.signal);
      } else watcher.failed(entry.path, new Error(`a ${entry.type}: a browser cannot make one`));
    } catch (error) {
      watcher.signal.throwIfAborted();
      watcher.failed(entry.path, error);
    }
  }
}

async function folderAt(target: FileSystemDirectoryHandle, names: readonly string[]) {
  let folder = target;
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** A name that a file system takes; browsers refuse the rest. */
function safeName(part: Uint8Array): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return display(part).replace(/[\x00-\x1f<>:"/\\|?*]/g, '_');
}

function subtree(store: PortableStore, snapshot: PortableSnapshot, key: string): AsyncGenerator<PortableEntry> {
  return store.entries(snapshot, key === '' ? {} : { from: key, before: `${key}\x01` });
}

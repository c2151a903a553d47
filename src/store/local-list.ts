import { type Dirent, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { isSessionFile } from './local-session.js';
import { FOLDERS, type Folder, type ListedObject, nameOf, PLAIN_FILES } from './object-store.js';

const PREFIX = /^[0-9a-f]{2}$/;

/** The objects of one folder of the store at `root`, sorted by name. */
export async function listFolder(root: string, folder: Folder): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  if (folder !== 'packs') {
    await listInto(found, `${root}/${folder}`, folder, '');
  } else {
    for (const entry of await entriesOf(`${root}/packs`)) {
      if (PREFIX.test(entry.name)) await listInto(found, `${root}/packs/${entry.name}`, folder, entry.name);
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function listInto(found: ListedObject[], directory: string, folder: Folder, prefix: string): Promise<void> {
  for (const entry of await entriesOf(directory)) {
    const name = nameOf(folder, entry.name);
    if (name?.startsWith(prefix) !== true) continue;
    // One synchronous stat costs a tenth of an asynchronous one; the event loop gets its turn with every directory.
    const status = statSync(`${directory}/${entry.name}`, { throwIfNoEntry: false });
    if (status?.isFile() === true) found.push({ name, size: status.size });
  }
}

/** Files below `root` that no store of ours put there, with their sizes; what sessions hold is left out. */
export async function foreignFiles(root: string): Promise<{ path: string; size: number }[]> {
  const found: { path: string; size: number }[] = [];
  const visit = async (within: string): Promise<void> => {
    for (const entry of await entriesOf(within === '' ? root : `${root}/${within}`)) {
      const path = within === '' ? entry.name : `${within}/${entry.name}`;
      if (isOurs(path) || isSessionFile(path)) continue;
      if (entry.isDirectory()) await visit(path);
      else found.push({ path, size: statSync(`${root}/${path}`, { throwIfNoEntry: false })?.size ?? 0 });
    }
  };
  await visit('');
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function isOurs(path: string): boolean {
  if (path === 'lock' || (PLAIN_FILES as readonly string[]).includes(path)) return true;
  const parts = path.split('/');
  const folder = parts[0] as Folder;
  if (!FOLDERS.includes(folder)) return false;
  const name = nameOf(folder, parts.at(-1)!);
  if (name === undefined) return false;
  return folder === 'packs' ? parts.length === 3 && parts[1] === name.slice(0, 2) : parts.length === 2;
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

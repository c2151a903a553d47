import { hash } from 'node:crypto';
import { native } from '../../crypto/native.js';
import { objectName } from '../../format/object.js';
import { type Folder, objectPath } from '../../store/index.js';
import { type CopiedFolder, copyOf, dropCopies, keepCopy } from '../copies.js';
import { readerPage, storeReadme } from '../reader-page.js';
import type { Repository } from '../repository.js';
import { isDamage } from '../small-objects.js';
import { configCopy, slotCopies } from '../store-copies.js';
import type { Findings } from './findings.js';

/** In an object up to this size, one turned bit is found by trying them all, in a second or two. */
const LARGEST_TRIED = 16 * 1024;

/** What mending the small objects has come to. Paths in the store. */
export interface MendedSmall {
  /** Put back as they were. */
  restored: Set<string>;
  /** Beyond help: to be set aside. */
  hopeless: Set<string>;
}

/** Puts config.json, README.txt and restore.html back where they are missing or damaged. */
export async function mendPlain({ store, config }: Repository, { plain }: Findings): Promise<Set<string>> {
  const restored = new Set<string>();
  const contents = {
    'config.json': () => configCopy(config.tableDir),
    'README.txt': storeReadme,
    'restore.html': readerPage,
  };
  for (const file of plain) {
    const bytes = contents[file]();
    if (bytes === undefined) continue;
    await store.put(file, bytes, { replace: true });
    restored.add(file);
  }
  return restored;
}

/**
 * Puts small objects back, byte by byte as they were: from the catalog's copy, from under the name of another with which
 * it was exchanged, or by turning the one bit back that fell over. Their names prove them right.
 */
export async function mendSmall(repository: Repository, findings: Findings): Promise<MendedSmall> {
  const { catalog, store, config } = repository;
  const result: MendedSmall = { restored: new Set(), hopeless: new Set() };
  const damaged = new Map<string, Uint8Array>();
  const wanted = new Set(findings.objects.map(({ folder, name }) => objectPath(folder, name)));
  for (const { folder, name, what } of findings.objects) {
    if (what === 'missing') continue;
    const bytes = await readIfAble(repository, folder, name);
    if (bytes === undefined) continue;
    damaged.set(objectPath(folder, name), bytes);
    const trueName = objectName(native, bytes);
    // A copy first: what lies under the name of another is there but once, and that place is about to be written to.
    if (isCopied(folder) && wanted.has(objectPath(folder, trueName))) keepCopy(catalog, folder, trueName, bytes);
  }
  for (const { bytes } of slotCopies(config.tableDir)) {
    const name = objectName(native, bytes);
    if (wanted.has(objectPath('keys', name))) keepCopy(catalog, 'keys', name, bytes);
  }
  for (const { folder, name, what } of findings.objects) {
    const path = objectPath(folder, name);
    const there = damaged.get(path);
    const bytes =
      (isCopied(folder) ? copyOf(catalog, folder, name) : undefined) ?? (there && withOneBitTurned(there, name));
    if (bytes !== undefined) {
      if (what === 'damaged') await store.delete(path);
      await store.put(path, bytes);
      result.restored.add(path);
    } else if (what === 'damaged') result.hopeless.add(path);
  }
  // Slots that are removed must not come back.
  dropCopies(catalog, 'keys', catalog.objects.names('keys'));
  return result;
}

function isCopied(folder: Folder): folder is CopiedFolder {
  return folder === 'certs' || folder === 'records' || folder === 'snapshots' || folder === 'keys';
}

async function readIfAble({ store }: Repository, folder: Folder, name: string): Promise<Uint8Array | undefined> {
  try {
    return await store.read(objectPath(folder, name));
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** The bytes that have this name and differ in one bit, or are these; undefined when there are none. */
export function withOneBitTurned(bytes: Uint8Array, name: string): Uint8Array | undefined {
  if (bytes.length > LARGEST_TRIED) return undefined;
  const attempt = bytes.slice();
  if (hash('sha256', attempt, 'hex') === name) return attempt;
  for (let bit = 0; bit < attempt.length * 8; bit++) {
    attempt[bit >> 3] ^= 1 << (bit & 7);
    if (hash('sha256', attempt, 'hex') === name) return attempt;
    attempt[bit >> 3] ^= 1 << (bit & 7);
  }
  return undefined;
}

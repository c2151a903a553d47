import type { ByteString } from '../bytes.js';
import { CWD, StatBuffer, statFollowAt } from '../platform/index.js';
import { deviceOf, inodeOf } from './items.js';
import { keyOf, nameOf, parentKey, pathOf } from './keys.js';
import { resolvePath } from './resolve.js';

function tryStat(path: ByteString, stat: StatBuffer): boolean {
  try {
    statFollowAt(CWD, path, stat);
    return true;
  } catch {
    return false; // not there yet, or out of reach
  }
}

/**
 * What is never saved: the store, the catalog's folder, lock and temporary files of ours. Known by their paths, since
 * they may be made while the scan goes on, and by device and inode, since bind mounts and symlinks give them other paths.
 */
export class OwnFiles {
  readonly #names = new Map<ByteString, Set<ByteString>>();
  /** Devices by inode number. */
  readonly #inodes = new Map<number, Set<number>>();
  /** Whether something other than directories is among them, so that every file has to be looked at. */
  readonly hasFiles: boolean = false;

  readonly paths: readonly ByteString[];

  /** @param paths absolute paths of files and directories; they need not exist. */
  constructor(paths: readonly ByteString[]) {
    this.paths = paths;
    const stat = new StatBuffer();
    for (const path of paths) {
      const key = keyOf(path);
      const parent = parentKey(key);
      const names = this.#names.get(parent);
      if (names === undefined) this.#names.set(parent, new Set([nameOf(key)]));
      else names.add(nameOf(key));
      if (!tryStat(path, stat)) continue; // then known by its path alone
      if (!stat.isDirectory) this.hasFiles = true;
      const devices = this.#inodes.get(inodeOf(stat));
      if (devices === undefined) this.#inodes.set(inodeOf(stat), new Set([deviceOf(stat)]));
      else devices.add(deviceOf(stat));
    }
  }

  /** Names of ours in a directory, undefined when there are none. */
  namesIn(directory: ByteString): ReadonlySet<ByteString> | undefined {
    return this.#names.get(directory);
  }

  /** Whether a key is one of ours. */
  hasKey(key: ByteString): boolean {
    return this.#names.get(parentKey(key))?.has(nameOf(key)) === true;
  }

  /** The one of ours at which, or in which, a path lies once its symlinks are followed; undefined if there is none. */
  holderOf(path: ByteString): ByteString | undefined {
    const stat = new StatBuffer();
    for (let key = resolvePath(path).key; key !== ''; key = parentKey(key))
      if (this.hasKey(key) || (tryStat(pathOf(key), stat) && this.has(stat))) return pathOf(key);
    return undefined;
  }

  /** Whether this is one of ours under whatever path. */
  has(stat: StatBuffer): boolean {
    return this.#inodes.size > 0 && this.#inodes.get(inodeOf(stat))?.has(deviceOf(stat)) === true;
  }
}

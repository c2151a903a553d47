import type { ByteString } from '../bytes.js';
import { isPseudo, type Mount, mountOf, mountTable, type StatBuffer } from '../platform/index.js';
import { pathOf } from './keys.js';

/** Tells what kind of file system lies where, from a table of mounts that is read when needed. */
export class Mounts {
  #table: Mount[] | undefined;

  /** The type of the pseudo file system (`proc`, `sysfs`) that something is on; undefined when it is on a real one. */
  pseudoType(key: ByteString, stat: StatBuffer): string | undefined {
    const type = this.#find(key, stat)?.type;
    return type !== undefined && isPseudo(type) ? type : undefined;
  }

  #find(key: ByteString, stat: StatBuffer): Mount | null | undefined {
    if (stat.mntId === 0) {
      this.#table ??= mountTable();
      return mountOf(pathOf(key), this.#table);
    }
    const known = this.#table?.find((mount) => mount.id === stat.mntId);
    if (known !== undefined) return known;
    // Mounted after the table was read.
    this.#table = mountTable();
    return this.#table.find((mount) => mount.id === stat.mntId);
  }
}

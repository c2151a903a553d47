import type { ByteString } from '../../bytes.js';
import { type Content, type Entry, EntryType, NO_CONTENT } from '../../format/entry.js';
import type { LegacyVersion } from '../../legacy/index.js';
import { groupName, splitNs, storedComponents, userName } from '../../platform/index.js';

/** A file's content in the store. */
export interface StoredContent extends Content {
  size: number;
}

/*
 * The Python tool kept neither permissions nor owners. Files come back readable for their owner alone, who is taken to
 * be the one who imports; directories above the roots are as they usually are, since a restore over them sets it.
 */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
const ANCESTOR_MODE = 0o755;

/** The path key of a path in stored form. */
export function keyOfStored(path: ByteString): ByteString {
  return storedComponents(path).join('\0');
}

/** The keys of the directories above a key, outermost first. The root counts, but not on Windows: it has none. */
export function keysAbove(key: ByteString): ByteString[] {
  const keys = /^[A-Za-z]:(?:\0|$)/.test(key) ? [] : [''];
  for (let end = key.indexOf('\0'); end >= 0; end = key.indexOf('\0', end + 1)) keys.push(key.slice(0, end));
  return keys;
}

/** Makes entries for what an archive names, all of one owner. */
export class EntryMaker {
  private readonly owner: Pick<Entry, 'uid' | 'gid' | 'user' | 'group'>;

  constructor() {
    const uid = process.getuid?.() ?? 0;
    const gid = process.getgid?.() ?? 0;
    const user = userName(uid);
    const group = groupName(gid);
    this.owner = { uid, gid, ...(user !== null && { user }), ...(group !== null && { group }) };
  }

  /**
   * A version of a file. Its ctime is 1970, so the next backup reads the file again, whatever it looks like. A version
   * whose mtime the archive lacks has the time at which it was saved.
   * @param lastRun when the old tool last ran: it saw the active versions then
   */
  file(version: LegacyVersion, content: StoredContent, lastRun: bigint): Entry {
    const { chunkClass, depth, ids, size } = content;
    return {
      ...this.base(keyOfStored(version.path), version.mtime ?? version.from),
      type: EntryType.file,
      mode: FILE_MODE,
      size,
      ino: version.ino ?? 0,
      chunkClass,
      depth,
      ids,
      kept: { first: version.from, last: version.to ?? lastRun },
    };
  }

  /** A directory that files lie in. @param isAncestor whether it lies above all roots */
  directory(key: ByteString, time: bigint, isAncestor: boolean): Entry {
    const mode = isAncestor ? ANCESTOR_MODE : DIRECTORY_MODE;
    return { ...this.base(key, time), ...NO_CONTENT, type: EntryType.dir, mode, size: 0, ino: 0 };
  }

  private base(key: ByteString, mtime: bigint) {
    const { sec, nsec } = splitNs(mtime);
    return { key, ...this.owner, mtimeSec: sec, mtimeNsec: nsec, ctimeSec: 0, ctimeNsec: 0 };
  }
}

import { createHash } from 'node:crypto';
import { type ByteString, fromBytes } from '../../bytes.js';
import type { Entry } from '../../format/entry.js';
import type { Dir } from './directories.js';

/** A file with several names: what has become of the first of them. */
export interface LinkGroup {
  dir: Dir;
  name: ByteString;
  /** pending: being written; there: links can be made to it; failed: another name must take its place; damaged: none can. */
  state: 'pending' | 'there' | 'failed' | 'damaged';
  /** Why it is damaged. */
  reason: string;
  /** In a dry run: the first would be made anew, so that none that is there now is a name of it. */
  wouldBeNew: boolean;
}

/** The hard-link groups met so far, by `linkKey`. */
export class LinkGroups {
  private readonly groups = new Map<ByteString, LinkGroup>();

  get(key: ByteString): LinkGroup | undefined {
    return this.groups.get(key);
  }

  /** Makes this name the first of its group. */
  begin(key: ByteString, dir: Dir, name: ByteString): LinkGroup {
    const group: LinkGroup = { dir, name, state: 'pending', reason: '', wouldBeNew: false };
    this.groups.set(key, group);
    return group;
  }
}

/**
 * What entries have in common that may be made names of one file; undefined for what has one name only. Their hard-link
 * group does not suffice: a version that was carried over, kept or brought back may be of another time than that of
 * another name, or of another file with the same inode number. So it covers all that a file holds; it is a hash, so that
 * nothing of the entries is kept.
 */
export function linkKey(entry: Entry): ByteString | undefined {
  const { link, type, mode, uid, gid, size, mtimeSec, mtimeNsec, rdev, target, xattrs, chunkClass, depth, ids } = entry;
  if (link === undefined) return undefined;
  const device = [rdev?.major, rdev?.minor];
  const attributes = xattrs?.map(([name, value]) => [name, fromBytes(value)]);
  const facts = [type, mode, uid, gid, size, mtimeSec, mtimeNsec, device, target, attributes, chunkClass, depth];
  return createHash('sha256').update(link).update(JSON.stringify(facts)).update(ids).digest('binary');
}

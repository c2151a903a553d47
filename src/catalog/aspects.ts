import { type Entry, sameContent } from '../format/entry.js';

/** In which respects a path differs between two snapshots: a sum of these. */
export const Aspect = { content: 1, metadata: 2, type: 4, added: 8, removed: 16 } as const;

/**
 * In which respects two versions of a path differ, as a sum of aspects. A moved inode or ctime, or another name of the
 * same owner, is none that a user would name: they can differ in none.
 */
export function aspectsOf(before: Entry, after: Entry): number {
  if (before.type !== after.type) return Aspect.type;
  const hasSameContent = before.size === after.size && before.target === after.target && sameContent(before, after);
  const hasSameMetadata =
    before.mode === after.mode &&
    before.uid === after.uid &&
    before.gid === after.gid &&
    before.mtimeSec === after.mtimeSec &&
    before.mtimeNsec === after.mtimeNsec &&
    before.rdev?.major === after.rdev?.major &&
    before.rdev?.minor === after.rdev?.minor &&
    sameXattrs(before, after);
  return (hasSameContent ? 0 : Aspect.content) | (hasSameMetadata ? 0 : Aspect.metadata);
}

function sameXattrs(before: Entry, after: Entry): boolean {
  const [a, b] = [before.xattrs ?? [], after.xattrs ?? []];
  return (
    a.length === b.length && a.every(([name, value], i) => name === b[i][0] && Buffer.compare(value, b[i][1]) === 0)
  );
}

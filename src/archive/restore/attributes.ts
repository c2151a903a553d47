import type { ByteString } from '../../bytes.js';
import { type Entry, EntryType } from '../../format/entry.js';
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  closeFd,
  FileType,
  getXattrAt,
  getXattrFd,
  groupId,
  listXattrsAt,
  listXattrsFd,
  pinNodeAt,
  removeXattrAt,
  removeXattrFd,
  removeXattrPinned,
  StatBuffer,
  setTimesFd,
  setXattrAt,
  setXattrFd,
  setXattrPinned,
  statFd,
  userId,
} from '../../platform/index.js';
import { Conflict } from './conflict.js';

/** POSIX ACLs as Linux names them. */
export const ACCESS_ACL = 'system.posix_acl_access';
export const DEFAULT_ACL = 'system.posix_acl_default';

export const SETUID_SETGID = 0o6000;
const SETGID = 0o2000;

/** What is set on one restored path. */
export interface Attributes {
  /** -1: stays as it is. */
  uid: number;
  gid: number;
  perm: number;
  mtimeSec: number;
  mtimeNsec: number;
  xattrs: readonly [name: ByteString, value: Uint8Array][];
}

const NO_XATTRS: readonly [ByteString, Uint8Array][] = [];

/** What could not be set, gathered for one warning at the end instead of one for each path. */
export class AttributeNotes {
  /** Paths whose owner or setuid bits were left. */
  owners = 0;
  readonly xattrs = new Map<string, number>();

  /** Counts an attribute that could not be set. */
  xattr(name: ByteString, code: string): void {
    // ACLs and the attributes of one name space stand and fall together.
    const space = name.startsWith('system.posix_acl_') ? 'ACLs' : `${name.slice(0, name.indexOf('.') + 1)}* attributes`;
    const kind = `${space} (${code})`;
    this.xattrs.set(kind, (this.xattrs.get(kind) ?? 0) + 1);
  }

  /** One line each, for people. */
  warnings(): string[] {
    const lines: string[] = [];
    if (this.owners > 0)
      lines.push(`owners not restored and setuid bits cleared on ${this.owners} paths: that takes root`);
    for (const [kind, count] of this.xattrs) lines.push(`could not be set on ${count} paths: ${kind}`);
    return lines;
  }
}

/** Who restores decides what is possible: without root nothing is given away, and setuid bits are cleared. */
export class AttributePlan {
  readonly privileged: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
  private readonly byNumber: boolean;
  readonly notes = new AttributeNotes();
  private readonly users = new Map<string, number>();
  private readonly groups = new Map<string, number>();

  /** @param byNumber owners are the stored numbers, whatever names these have here */
  constructor(byNumber = false) {
    this.byNumber = byNumber;
    this.uid = process.geteuid?.() ?? 0;
    this.gid = process.getegid?.() ?? 0;
    // Windows has no owners to speak of: nothing is to be warned of there.
    this.privileged = process.geteuid === undefined || this.uid === 0;
    this.umask = process.umask();
  }

  /** What to set for an entry. */
  of(entry: Entry): Attributes {
    const { mode, mtimeSec, mtimeNsec } = entry;
    const xattrs = entry.xattrs ?? NO_XATTRS;
    const uid = this.byNumber ? entry.uid : lookUp(this.users, entry.uid, entry.user, userId);
    const gid = this.byNumber ? entry.gid : lookUp(this.groups, entry.gid, entry.group, groupId);
    if (this.privileged) return { uid, gid, perm: mode, mtimeSec, mtimeNsec, xattrs };
    // Directories hand the group down by setgid, which gives nobody rights as long as the group is one's own.
    const cleared = entry.type === EntryType.dir ? (gid === this.gid ? 0 : SETGID) : SETUID_SETGID;
    if (uid !== this.uid || gid !== this.gid || (mode & cleared) !== 0) this.notes.owners++;
    return { uid: -1, gid: -1, perm: mode & ~cleared, mtimeSec, mtimeNsec, xattrs };
  }
}

/** The number here of a user or group: that of its name if the name is known here, else the stored one. */
function lookUp(
  cache: Map<string, number>,
  number: number,
  name: string | undefined,
  find: (name: string) => number | null,
): number {
  if (name === undefined) return number;
  const key = `${number} ${name}`;
  let found = cache.get(key);
  if (found === undefined) {
    found = find(name) ?? number;
    cache.set(key, found);
  }
  return found;
}

/**
 * Sets the attributes of an open file or directory, as far as they differ; the time last. Owners that cannot be given
 * and attributes that cannot be set go to `notes`; other failures throw.
 * @param stat overwritten
 */
export function applyToOpen(fd: number, want: Attributes, stat: StatBuffer, notes: AttributeNotes): void {
  statFd(fd, stat);
  const uid = want.uid === -1 ? stat.uid : want.uid;
  const gid = want.gid === -1 ? stat.gid : want.gid;
  let perm = stat.perm;
  let wantPerm = want.perm;
  if (uid !== stat.uid || gid !== stat.gid) {
    if (!tryChown(() => chownFd(fd, uid, gid), notes)) wantPerm &= ~SETUID_SETGID;
    perm = -1;
  }
  const names = listXattrsFd(fd);
  const access = want.xattrs.some(([name]) => name === ACCESS_ACL);
  for (const name of names) {
    if (!isUnwanted(name, want)) continue;
    tryXattr(name, () => removeXattrFd(fd, name), notes);
    perm = -1;
  }
  for (const [name, value] of want.xattrs) {
    if (name === ACCESS_ACL) continue;
    if (names.includes(name) && sameBytes(getXattrFd(fd, name), value)) continue;
    // Setting an attribute of one's own file needs the permission to write it.
    if (perm !== -1 && (perm & 0o200) === 0) {
      chmodFd(fd, perm | 0o200);
      perm = -1;
    }
    tryXattr(name, () => setXattrFd(fd, name, value), notes);
  }
  if (perm !== wantPerm) chmodFd(fd, wantPerm);
  // An ACL brings permission bits of its own, so it comes last.
  if (access) for (const [name, value] of want.xattrs) setAcl(fd, name, value, names, notes);
  if (stat.mtimeSec !== want.mtimeSec || stat.mtimeNsec !== want.mtimeNsec)
    setTimesFd(fd, want.mtimeSec, want.mtimeNsec);
}

function setAcl(
  fd: number,
  name: ByteString,
  value: Uint8Array,
  names: readonly ByteString[],
  notes: AttributeNotes,
): void {
  if (name !== ACCESS_ACL) return;
  if (names.includes(name) && sameBytes(getXattrFd(fd, name), value)) return;
  tryXattr(name, () => setXattrFd(fd, name, value), notes);
}

/** What is known of the place of something that was just made. */
export interface NewPlace {
  /**
   * Others may write to the directory. They could put a further name of someone's file in its place, so that its owner
   * and rights are changed: then only what certainly was just made is touched.
   */
  isForeign: boolean;
  /** The directory has given it an ACL, which is not what was saved. */
  inheritsAcl: boolean;
}

/**
 * Sets the attributes of what was just made at `name` and is neither file nor directory. Never follows. The caller sets
 * the times, last.
 * @throws Conflict when it is something else
 */
export function applyToNew(
  dir: number,
  name: ByteString,
  want: Attributes,
  type: FileType,
  place: NewPlace,
  notes: AttributeNotes,
): void {
  const pin = place.isForeign && want.uid !== -1 ? pinNodeAt(dir, name) : undefined;
  try {
    if (pin !== undefined) checkNew(pin, type);
    // Symlinks inherit none.
    const unwanted = place.inheritsAcl && type !== FileType.symlink ? [ACCESS_ACL] : [];
    applyToNode({ dir, name, pin, type }, { want, unwanted }, notes);
  } finally {
    if (pin !== undefined) closeFd(pin);
  }
}

/** Something that is neither file nor directory, and so is not opened: where it is, and pinned if that can be. */
export interface Node {
  dir: number;
  name: ByteString;
  pin: number | undefined;
  type: FileType;
}

/** What is to be done to something's attributes. */
export interface AttributeChange {
  want: Attributes;
  /** Extended attributes that go. */
  unwanted: readonly ByteString[];
}

/**
 * What is to be changed so that something that is neither file nor directory has the attributes, times apart; undefined
 * when nothing is.
 */
export function changeOfNode(
  dir: number,
  name: ByteString,
  stat: StatBuffer,
  want: Attributes,
): AttributeChange | undefined {
  const chown = want.uid !== -1 && (stat.uid !== want.uid || stat.gid !== want.gid);
  const chmod = !stat.isSymlink && stat.perm !== want.perm;
  // A symlink has none that could be: it is not asked.
  const unwanted = stat.isSymlink ? [] : listXattrsAt(dir, name).filter((attribute) => isUnwanted(attribute, want));
  const xattrs = want.xattrs.filter(([attribute, value]) => !sameBytes(getXattrAt(dir, name, attribute), value));
  if (!chown && !chmod && unwanted.length === 0 && xattrs.length === 0) return undefined;
  return { want: { ...want, uid: chown ? want.uid : -1, xattrs }, unwanted };
}

/** Sets attributes, but not times, of what is neither file nor directory. Never follows. */
export function applyToNode(node: Node, { want, unwanted }: AttributeChange, notes: AttributeNotes): void {
  const { dir, name, pin, type } = node;
  const [at, own] = pin === undefined ? [dir, name] : [pin, ''];
  const given = want.uid === -1 || tryChown(() => chownAt(at, own, want.uid, want.gid), notes);
  // Permission bits would go to an ACL's mask as long as there is one.
  for (const attribute of unwanted) {
    const remove = () => (pin === undefined ? removeXattrAt(dir, name, attribute) : removeXattrPinned(pin, attribute));
    tryXattr(attribute, remove, notes);
  }
  if (type !== FileType.symlink) chmodAt(at, own, given ? want.perm : want.perm & ~SETUID_SETGID);
  for (const [attribute, value] of want.xattrs) {
    const set = () =>
      pin === undefined ? setXattrAt(dir, name, attribute, value) : setXattrPinned(pin, attribute, value);
    tryXattr(attribute, set, notes);
  }
}

function checkNew(pin: number, type: FileType): void {
  const stat = new StatBuffer();
  statFd(pin, stat);
  if (stat.type !== type || stat.nlink > 1) throw new Conflict('someone else put something in its place');
}

/** Whether an open file already has the attributes, times apart. */
export function hasAttributes(fd: number, stat: StatBuffer, want: Attributes): boolean {
  if (want.uid !== -1 && (stat.uid !== want.uid || stat.gid !== want.gid)) return false;
  if (stat.perm !== want.perm) return false;
  for (const name of listXattrsFd(fd)) if (isUnwanted(name, want)) return false;
  return want.xattrs.every(([name, value]) => sameBytes(getXattrFd(fd, name), value));
}

function isUnwanted(name: ByteString, { xattrs }: Attributes): boolean {
  return isRemovable(name) && !xattrs.some(([wanted]) => wanted === name);
}

/**
 * Whether an attribute that was not stored is to go. Labels that the system or the file system gives (`security.selinux`,
 * `trusted.*`, …) are not ours to take away.
 */
function isRemovable(name: ByteString): boolean {
  return name.startsWith('user.') || name === ACCESS_ACL || name === DEFAULT_ACL || name === 'security.capability';
}

function sameBytes(found: Uint8Array | null, value: Uint8Array): boolean {
  return found !== null && Buffer.compare(found, value) === 0;
}

/** Root in a container may lack the right to give files away; then setuid bits would serve the wrong owner. */
function tryChown(chown: () => void, notes: AttributeNotes): boolean {
  try {
    chown();
    return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    notes.owners++;
    return false;
  }
}

function tryXattr(name: ByteString, call: () => void, notes: AttributeNotes): void {
  try {
    call();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    notes.xattr(name, code);
  }
}

/** Whether the system refuses: EPERM, EINVAL (a number that this user name space does not have), ENOTSUP. */
export function isRefusal(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPERM' || code === 'EINVAL' || code === 'ENOTSUP';
}

import fs from 'node:fs';
import { type ByteString, fromBytes } from '../bytes.js';
import { isDarwin, isLinux } from './constants.js';
import { processes } from './processes.js';

/** One mounted file system. */
export interface Mount {
  /** As `StatBuffer.mntId`; by position where the system has no such number. */
  readonly id: number;
  /** The mount that this one lies on. */
  readonly parent: number;
  readonly major: number;
  readonly minor: number;
  /** What part of the file system is mounted: `/` for all, more for bind mounts and btrfs subvolumes. */
  readonly root: ByteString;
  /** Where, as an absolute path. */
  readonly path: ByteString;
  /** `ext4`, `tmpfs`, `fuse.sshfs` … */
  readonly type: string;
  /** What, as the file system calls it: a device, `server:/path`, or any word. */
  readonly source: ByteString;
  readonly readOnly: boolean;
}

/**
 * File systems that are an interface to the kernel: their files are made up when read. tmpfs, ramfs and overlay hold
 * real files, and are not among them.
 */
export const PSEUDO_FILE_SYSTEMS: ReadonlySet<string> = new Set([
  'autofs',
  'bdev',
  'binder',
  'binfmt_misc',
  'bpf',
  'cgroup',
  'cgroup2',
  'configfs',
  'cpuset',
  'debugfs',
  'devfs',
  'devpts',
  'devtmpfs',
  'efivarfs',
  'fdescfs',
  'functionfs',
  'fusectl',
  'fuse.lxcfs',
  'hugetlbfs',
  'linprocfs',
  'linsysfs',
  'mqueue',
  'nfsd',
  'nsfs',
  'pidfs',
  'pipefs',
  'proc',
  'procfs',
  'pstore',
  'resctrl',
  'rpc_pipefs',
  'securityfs',
  'selinuxfs',
  'smackfs',
  'sockfs',
  'sysfs',
  'tracefs',
  'usbfs',
  'xenfs',
]);

/** Whether files of this type of file system are never worth saving. */
export function isPseudo(type: string): boolean {
  return PSEUDO_FILE_SYSTEMS.has(type);
}

/** What is mounted where, as this process sees it; empty where that cannot be told. */
export function mountTable(): Mount[] {
  if (isLinux) {
    try {
      return parseMountInfo(fromBytes(fs.readFileSync('/proc/self/mountinfo')));
    } catch {
      return []; // no /proc here
    }
  }
  if (!isDarwin) return [];
  const { stdout } = processes().spawnSync('/sbin/mount', [], { encoding: 'latin1' });
  return parseMountCommand(stdout ?? '');
}

/**
 * Parses /proc/PID/mountinfo (proc_pid_mountinfo(5)): id, parent, major:minor, root, path, options, optional fields, a
 * hyphen, type, source, options of the file system. Space, tab, newline and backslash come as octal escapes.
 */
export function parseMountInfo(text: ByteString): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const fields = line.split(' ');
    const rest = fields.indexOf('-', 6);
    if (rest < 0 || fields.length < rest + 3) continue;
    const [major, minor] = fields[2].split(':');
    const options = `${fields[5]},${fields[rest + 3] ?? ''}`.split(',');
    mounts.push({
      id: Number(fields[0]),
      parent: Number(fields[1]),
      major: Number(major),
      minor: Number(minor),
      root: unescapeOctal(fields[3]),
      path: unescapeOctal(fields[4]),
      type: unescapeOctal(fields[rest + 1]),
      source: unescapeOctal(fields[rest + 2]),
      readOnly: options.includes('ro'),
    });
  }
  return mounts;
}

function unescapeOctal(text: ByteString): ByteString {
  if (!text.includes('\\')) return text;
  return text.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** Parses what `mount` prints on macOS: `SOURCE on PATH (type, option, …)`. Each lies on the nearest one above it. */
export function parseMountCommand(text: ByteString): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const match = /^(.*?) on (\/.*) \(([^()]*)\)$/.exec(line);
    if (match === null) continue;
    const [, source, path, list] = match;
    const [type, ...options] = list.split(', ');
    const parent =
      mounts.filter((m) => isUnder(path, m.path)).sort((a, b) => b.path.length - a.path.length)[0]?.id ?? 0;
    const readOnly = options.includes('read-only');
    mounts.push({ id: mounts.length + 1, parent, major: 0, minor: 0, root: '/', path, type, source, readOnly });
  }
  return mounts;
}

function isUnder(path: ByteString, base: ByteString): boolean {
  return base === '/' ? path.startsWith('/') : path === base || path.startsWith(`${base}/`);
}

/**
 * The mount that holds an absolute path, null if none is known. Goes by the text of the path: resolve symlinks first,
 * or better look up `StatBuffer.mntId`. A mount that a later one covers is not found by mistake: the tree of mounts is
 * walked down as the kernel does.
 */
export function mountOf(path: ByteString, table: readonly Mount[] = mountTable()): Mount | null {
  const ids = new Set(table.map((mount) => mount.id));
  const clean = path.length > 1 ? path.replace(/\/+$/, '') || '/' : path;
  const nearest = (candidates: Mount[]): Mount | null =>
    candidates.reduce<Mount | null>((best, m) => (best === null || m.path.length < best.path.length ? m : best), null);
  const above = table.filter((mount) => isUnder(clean, mount.path));
  let current = nearest(above.filter((mount) => !ids.has(mount.parent) || mount.parent === mount.id));
  for (let next = current; next !== null; ) {
    current = next;
    const { id } = next;
    next = nearest(above.filter((mount) => mount.parent === id && mount.id !== id));
  }
  return current;
}

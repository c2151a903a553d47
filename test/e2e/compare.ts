import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { expect } from 'vitest';
import { type ByteString, fromDisplay, toDisplay } from '../../src/bytes.js';
import {
  closeFd,
  getXattrAt,
  listXattrsAt,
  openDirectory,
  openDirectoryAt,
  openFileAt,
  readDirectory,
  readLinkAt,
  StatBuffer,
  statAt,
  statFd,
} from '../../src/platform/index.js';
import { hasProgram } from './cli.js';

/** All that a restore must bring back of one entry, as text. */
export type Picture = Map<ByteString, string>;

export interface PictureOptions {
  /** Leave out of the picture. */
  without?: ('owner' | 'mode' | 'links' | 'xattrs' | 'mtime')[];
}

/**
 * A picture of a tree: for every path below `root` (and the root itself, as ``) its type, mode, owner, time, size, digest,
 * target, device number, extended attributes (ACLs are among them), and which names are one inode. By descriptors, so
 * that no path is too long.
 */
export function pictureOf(root: string, { without = [] }: PictureOptions = {}): Picture {
  const picture: Picture = new Map();
  const inodes = new Map<string, ByteString>();
  const stat = new StatBuffer();
  const has = (what: NonNullable<PictureOptions['without']>[number]) => !without.includes(what);

  const describe = (dir: number, name: ByteString, path: ByteString): void => {
    if (name === '.') statFd(dir, stat);
    else statAt(dir, name, stat);
    const parts = [`type ${stat.type}`];
    if (has('mode') && !stat.isSymlink) parts.push(`mode ${stat.perm.toString(8)}`);
    if (has('owner')) parts.push(`owner ${stat.uid}:${stat.gid}`);
    if (has('mtime')) parts.push(`mtime ${stat.mtimeNs}`);
    if (stat.type === 2 || stat.type === 6) parts.push(`device ${stat.rdevMajor}:${stat.rdevMinor}`);
    if (has('links') && !stat.isDirectory && stat.nlink > 1) {
      const inode = `${stat.devMajor}:${stat.devMinor}:${stat.inoBig}`;
      if (!inodes.has(inode)) inodes.set(inode, path);
      parts.push(`one of ${stat.nlink} names of ${inodes.get(inode)}`);
    }
    const isFile = stat.isFile;
    if (isFile) parts.push(`size ${stat.size}`, `sha256 ${digest(dir, name)}`);
    else if (stat.isSymlink) parts.push(`target ${readLinkAt(dir, name)}`);
    if (has('xattrs'))
      for (const attribute of listXattrsAt(dir, name))
        parts.push(`${attribute}=${getXattrAt(dir, name, attribute)?.toString('hex')}`);
    picture.set(path, parts.join(', '));
  };

  const walk = (dir: number, path: ByteString): void => {
    for (const { name } of readDirectory(dir)) {
      const child = path === '' ? name : `${path}/${name}`;
      describe(dir, name, child);
      statAt(dir, name, stat);
      if (!stat.isDirectory) continue;
      const fd = openDirectoryAt(dir, name);
      try {
        walk(fd, child);
      } finally {
        closeFd(fd);
      }
    }
  };

  const top = openDirectory(fromDisplay(root));
  try {
    describe(top, '.', '');
    walk(top, '');
  } finally {
    closeFd(top);
  }
  return picture;
}

function digest(dir: number, name: ByteString): string {
  const fd = openFileAt(dir, name);
  try {
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (;;) {
      const count = readSync(fd, buffer, 0, buffer.length, null);
      if (count === 0) return hash.digest('hex');
      hash.update(buffer.subarray(0, count));
    }
  } finally {
    closeFd(fd);
  }
}

/** Fails with the lines that differ. */
export function expectSamePicture(is: Picture, was: Picture): void {
  const differences: string[] = [];
  for (const path of new Set([...was.keys(), ...is.keys()])) {
    if (was.get(path) === is.get(path)) continue;
    differences.push(
      `${toDisplay(path) || '.'}\n  was ${was.get(path) ?? 'not there'}\n  is  ${is.get(path) ?? 'not there'}`,
    );
  }
  expect(differences.slice(0, 20).join('\n')).toBe('');
}

/** Two trees are equal to the last nanosecond; a second opinion is asked of rsync where it is there. */
export function expectSameTree(is: string, was: string, options: PictureOptions = {}): void {
  expectSamePicture(pictureOf(is, options), pictureOf(was, options));
  if (options.without === undefined) expect(rsyncDifferences(is, was)).toBe('');
}

/** What rsync would do to make `is` the same as `was`; nothing when it is not installed. */
export function rsyncDifferences(is: string, was: string): string {
  if (!hasProgram('rsync')) return '';
  // Sockets it does not send; -@-1 compares nanoseconds.
  const args = ['-aHXAnci', '--numeric-ids', '--delete', '--modify-window=-1', '--specials', `${was}/`, `${is}/`];
  const { stdout, stderr, status } = spawnSync('rsync', args, { encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`rsync: exit code ${status}: ${stderr}`);
  return stdout;
}

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type ByteString, fromBytes, fromDisplay } from '../../src/bytes.js';
import {
  CWD,
  chownAt,
  closeFd,
  createFileAt,
  linkAt,
  makeDeviceAt,
  makeDirectoryAt,
  makeFifoAt,
  makeSocketAt,
  openDirectory,
  openDirectoryAt,
  setTimesAt,
  setXattrAt,
  symlinkAt,
} from '../../src/platform/index.js';
import { isRoot } from './cli.js';

/** The same bytes for the same seed, which do not compress; cheap. */
export function noise(length: number, seed: string): Buffer {
  const block = 1 << 16;
  const bytes = Buffer.alloc(length);
  for (let at = 0, i = 0; at < length; at += block, i++)
    createHash('shake256', { outputLength: Math.min(block, length - at) })
      .update(`${seed} ${i}`)
      .digest()
      .copy(bytes, at);
  return bytes;
}

/** Text lines that compress and do not repeat. */
export function lines(length: number, seed: string): string {
  const parts: string[] = [];
  for (let size = 0, i = 0; size < length; i++) {
    const line = `${i} ${seed} ${createHash('md5').update(`${seed}${i}`).digest('hex')} and so on, line after line\n`;
    parts.push(line);
    size += line.length;
  }
  return parts.join('').slice(0, length);
}

/** A few hundred ordinary files in folders, some megabytes together. */
export function ordinaryTree(root: string, seed = 'a', files = 200): void {
  for (let i = 0; i < files; i++) {
    const folder = join(root, `folder ${i % 7}`, i % 3 === 0 ? 'deeper' : '');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(join(folder, `file ${i}.txt`), lines(100 + ((i * 977) % 9000), `${seed} ${i}`));
  }
  fs.writeFileSync(join(root, 'noise.bin'), noise(3_000_000, seed));
}

/** Everything that a file system of this system can hold, as far as the user may make it, and read it again. */
export function strangeTree(root: string, asRoot = isRoot): void {
  const at = (path: string) => join(root, path);
  const write = (path: string, content: string | Buffer = path) => {
    fs.mkdirSync(join(at(path), '..'), { recursive: true });
    fs.writeFileSync(at(path), content);
  };
  const bytes = (...codes: number[]) => fromBytes(Uint8Array.from(codes));

  // Contents
  write('contents/empty', '');
  write('contents/one byte', 'x');
  write('contents/text.txt', lines(300_000, 'text'));
  write('contents/noise', noise(5_000_000, 'strange'));
  write('contents/same noise', noise(5_000_000, 'strange'));
  write('contents/zeros', Buffer.alloc(2_000_000));
  for (let i = 0; i < 1500; i++) write(`many/file ${i}`, `content of ${i}\n`);
  // Order: a/b lies before a-b, which a comparison of whole paths gets wrong
  for (const path of ['a/b', 'a-b', 'a.b', 'a b/c', 'ab', 'a/b-c/d', 'a/b.c', 'A/b']) write(`order/${path}`);
  // Sparse
  const sparse = fs.openSync(at('contents/sparse'), 'w');
  fs.writeSync(sparse, Buffer.from('start'), 0, 5, 0);
  fs.writeSync(sparse, noise(70_000, 'middle'), 0, 70_000, 40_000_000);
  fs.ftruncateSync(sparse, 100_000_000);
  fs.closeSync(sparse);
  fs.closeSync(fs.openSync(at('contents/all hole'), 'w'));
  fs.truncateSync(at('contents/all hole'), 10_000_000);
  // Names
  write('names/new\nline');
  write('names/ lead and trail ');
  write('names/-dash');
  write('names/quote\'"`$\\');
  write('names/\u00e9');
  write('names/e\u0301');
  write(`names/${'n'.repeat(255)}`);
  write('names/*?[x]');
  write('names/\u{1f977}');
  write('names/.hidden/.too');
  const names = openDirectory(fromDisplay(at('names')));
  for (const name of [bytes(0xff, 0xfe), bytes(0x61, 0x80, 0x62), bytes(1, 2, 3), bytes(0xc3)])
    closeFd(createFileAt(names, name, 0o644));
  closeFd(names);
  deepFolder(root);
  // Links
  fs.mkdirSync(at('links'));
  fs.symlinkSync('../contents/text.txt', at('links/relative'));
  fs.symlinkSync('/etc/hostname', at('links/absolute'));
  fs.symlinkSync('nowhere/at all', at('links/dangling'));
  fs.symlinkSync('loop', at('links/loop'));
  fs.symlinkSync('..', at('links/up'));
  const links = openDirectory(fromDisplay(at('links')));
  symlinkAt(bytes(0xff, 0x2f, 0xfe), links, 'not utf-8');
  symlinkAt('long/'.repeat(819), links, 'long');
  setTimesAt(links, 'relative', 1_000_000_000, 123_456_789);
  write('links/hard one', 'one file, three names');
  linkAt(links, 'hard one', links, 'hard two');
  linkAt(links, 'hard one', CWD, fromDisplay(at('a hard third')));
  symlinkAt('target', links, 'hard link of a symlink');
  linkAt(links, 'hard link of a symlink', links, 'its second name');
  closeFd(links);
  // Special files
  fs.mkdirSync(at('special'));
  const special = openDirectory(fromDisplay(at('special')));
  makeFifoAt(special, 'fifo', 0o640);
  makeSocketAt(special, 'socket', 0o600);
  if (asRoot) {
    makeDeviceAt(special, 'null', 0o20666, 1, 3);
    makeDeviceAt(special, 'far', 0o60640, 259, 70_000);
  }
  closeFd(special);
  // Modes and owners
  const fileModes = [...(asRoot ? [0o000] : []), 0o400, 0o755, 0o4755, 0o2755, 0o1644, 0o7777];
  for (const mode of fileModes) write(`modes/${mode.toString(8).padStart(4, '0')}`);
  for (const mode of [0o500, 0o1777, 0o2770]) fs.mkdirSync(at(`modes/folder ${mode.toString(8)}`));
  const modes = openDirectory(fromDisplay(at('modes')));
  if (asRoot) {
    chownAt(modes, '0755', 12_345, 54_321);
    chownAt(modes, 'folder 1777', 1, 2);
    chownAt(modes, '4755', 1000, 1000);
    chownAt(modes, '0400', 4_000_000_000, 4_000_000_001);
  }
  for (const mode of fileModes) fs.chmodSync(at(`modes/${mode.toString(8).padStart(4, '0')}`), mode);
  for (const mode of [0o500, 0o1777, 0o2770]) fs.chmodSync(at(`modes/folder ${mode.toString(8)}`), mode);
  closeFd(modes);
  // Extended attributes
  write('attributes/file');
  fs.mkdirSync(at('attributes/folder'));
  fs.symlinkSync('file', at('attributes/symlink'));
  const attributes = openDirectory(fromDisplay(at('attributes')));
  if (hasXattrs(attributes)) {
    setXattrAt(attributes, 'file', 'user.empty', new Uint8Array());
    setXattrAt(attributes, 'file', 'user.binary', Uint8Array.of(0, 255, 10, 0));
    setXattrAt(attributes, 'folder', 'user.of a folder', Buffer.from('value'));
    if (asRoot) {
      setXattrAt(attributes, 'file', 'trusted.secret', Buffer.from('of root'));
      setXattrAt(attributes, 'symlink', 'trusted.secret', Buffer.from('of the symlink itself'));
      setXattrAt(
        attributes,
        'file',
        'security.capability',
        Buffer.from('0100000200200000000000000000000000000000', 'hex'),
      );
      setXattrAt(attributes, 'file', 'system.posix_acl_access', acl(6));
      setXattrAt(attributes, 'folder', 'system.posix_acl_default', acl(7));
      setXattrAt(attributes, 'folder', 'system.posix_acl_access', acl(5));
    }
  }
  closeFd(attributes);
  // Times
  const times: [string, number, number][] = [
    ['nanoseconds', 1_234_567_890, 123_456_789],
    ['one nanosecond', 1_600_000_000, 1],
    ['all nines', 1_600_000_000, 999_999_999],
    ['before 1970', -86_400 * 365, 987_654_321],
    ['epoch', 0, 0],
    ['after 2038', 5_000_000_000, 500],
    ['far away', 15_000_000_000, 500_000_000],
    ['soon', Math.floor(Date.now() / 1000) + 3 * 86_400, 7],
  ];
  for (const [name] of times) write(`times/${name}`);
  fs.mkdirSync(at('times/folder'));
  const folder = openDirectory(fromDisplay(at('times')));
  for (const [name, sec, nsec] of times) setTimesAt(folder, fromDisplay(name), sec, nsec);
  setTimesAt(folder, 'folder', 1_111_111_111, 222_222_222);
  closeFd(folder);
  // Empty folders, last: making things changes their times
  fs.mkdirSync(at('empty/in/empty'), { recursive: true });
  setTimesAt(CWD, fromDisplay(root), 1_444_444_444, 444_444_444);
}

/** Folders in folders, past the 4,096 bytes that a path may have in one call, with a file at the end. */
function deepFolder(root: string): void {
  let dir = openDirectory(fromDisplay(root));
  for (let i = 0; i < 30; i++) {
    const name: ByteString = `${i} `.padEnd(200, 'd');
    makeDirectoryAt(dir, name, 0o755);
    const next = openDirectoryAt(dir, name);
    closeFd(dir);
    dir = next;
  }
  const fd = createFileAt(dir, 'at the end', 0o644);
  fs.writeSync(fd, 'deep down');
  closeFd(fd);
  closeFd(dir);
}

function hasXattrs(dir: number): boolean {
  try {
    setXattrAt(dir, 'file', 'user.test', Buffer.from('x'));
    return true;
  } catch {
    return false;
  }
}

/** A POSIX ACL as the kernel has it: user 12345 and a group get `perm`. */
function acl(perm: number): Buffer {
  const rows: [tag: number, perm: number, id: number][] = [
    [0x01, 6, 0xffffffff],
    [0x02, perm, 12_345],
    [0x04, 4, 0xffffffff],
    [0x08, perm, 54_321],
    [0x10, 7, 0xffffffff],
    [0x20, 4, 0xffffffff],
  ];
  const bytes = Buffer.alloc(4 + 8 * rows.length);
  bytes.writeUInt32LE(2);
  for (const [i, [tag, rights, id]] of rows.entries()) {
    bytes.writeUInt16LE(tag, 4 + 8 * i);
    bytes.writeUInt16LE(rights, 6 + 8 * i);
    bytes.writeUInt32LE(id, 8 + 8 * i);
  }
  return bytes;
}

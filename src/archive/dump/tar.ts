import { type ByteString, fromDisplay, isUtf8, toBytes } from '../../bytes.js';
import { aclText } from './acl-text.js';

/**
 * Tar as of POSIX.1-2001: a block of 512 bytes for each entry, with what does not fit there in a pax header before it.
 * Names are bytes, which packages for tar do not offer.
 */
export const TarType = {
  file: '0',
  link: '1',
  symlink: '2',
  chardev: '3',
  blockdev: '4',
  dir: '5',
  fifo: '6',
} as const;
export type TarType = (typeof TarType)[keyof typeof TarType];

/** One entry of a tar file. */
export interface TarEntry {
  type: TarType;
  /** Without leading slash. */
  name: ByteString;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes that follow; 0 for all but files. */
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  /** Target of a link: of a symbolic one as it is, of a hard one the other entry's name. */
  target?: ByteString;
  user?: string;
  group?: string;
  device?: { major: number; minor: number };
  xattrs?: readonly [name: ByteString, value: Uint8Array][];
}

const BLOCK = 512;

/** Under which names pax headers hold ACLs. */
const ACLS = new Map([
  ['system.posix_acl_access', 'SCHILY.acl.access'],
  ['system.posix_acl_default', 'SCHILY.acl.default'],
]);

/** Where the fields of a header block are, and how long. */
const NAME = [0, 100] as const;
const MODE = [100, 8] as const;
const UID = [108, 8] as const;
const GID = [116, 8] as const;
const SIZE = [124, 12] as const;
const MTIME = [136, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const TARGET = [157, 100] as const;
const MAGIC = 257;
const USER = [265, 32] as const;
const GROUP = [297, 32] as const;
const MAJOR = [329, 8] as const;
const MINOR = [337, 8] as const;

type Field = readonly [offset: number, length: number];

/** The header of an entry; its bytes and `tarPadding` follow. */
export function tarHeader(entry: TarEntry): Uint8Array {
  const pax = paxRecords(entry);
  const block = header(entry, entry.type, entry.name, entry.size);
  if (pax.length === 0) return block;
  // The name is for programs that know no pax headers, and would make a file of it.
  const about = header({ ...entry, mode: 0o644, target: undefined }, 'x', 'PaxHeaders/entry', pax.length);
  return Buffer.concat([about, pax, tarPadding(pax.length), block]);
}

/** What fills up the last block after so many bytes. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** What ends a tar file. */
export function tarEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK);
}

function header(entry: TarEntry, type: TarType | 'x', name: ByteString, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  text(block, NAME, name);
  octal(block, MODE, entry.mode);
  octal(block, UID, entry.uid);
  octal(block, GID, entry.gid);
  octal(block, SIZE, size);
  octal(block, MTIME, entry.mtimeSec);
  block[TYPE] = type.charCodeAt(0);
  text(block, TARGET, entry.target ?? '');
  block.write('ustar\x0000', MAGIC, 'latin1');
  text(block, USER, fromDisplay(entry.user ?? ''));
  text(block, GROUP, fromDisplay(entry.group ?? ''));
  octal(block, MAJOR, entry.device?.major ?? 0);
  octal(block, MINOR, entry.device?.minor ?? 0);
  // The checksum counts its own field as spaces.
  block.fill(' ', CHECKSUM[0], CHECKSUM[0] + CHECKSUM[1]);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM[0], 'latin1');
  return block;
}

function text(block: Buffer, [offset, length]: Field, value: ByteString): void {
  block.write(value.slice(0, length), offset, 'latin1');
}

function octal(block: Buffer, [offset, length]: Field, value: number): void {
  // What does not fit stands in the pax header.
  const digits = fitsOctal(value, length) ? value.toString(8) : '0';
  block.write(digits.padStart(length - 1, '0'), offset, 'latin1');
}

function fitsOctal(value: number, length: number): boolean {
  return value >= 0 && value < 8 ** (length - 1);
}

/** `length key=value\n` for each thing that the header block cannot hold; the length counts itself. */
function paxRecords(entry: TarEntry): Buffer {
  const records: Buffer[] = [];
  const add = (key: ByteString, value: Uint8Array): void => {
    const rest = key.length + value.length + 3;
    let length = rest + String(rest).length;
    if (String(length).length + rest !== length) length = rest + String(length).length;
    records.push(Buffer.from(`${length} ${key}=`, 'latin1'), Buffer.from(value), Buffer.from('\n'));
  };
  const bytes = (key: string, value: ByteString | undefined, field: Field): void => {
    if (value === undefined || (value.length <= field[1] && (isPlain(value) || !isUtf8(value)))) return;
    // Pax headers are UTF-8 unless they say otherwise, which not every program understands.
    if (!isUtf8(value)) add('hdrcharset', Buffer.from('BINARY'));
    add(key, toBytes(value));
  };
  const number = (key: string, value: number, field: Field): void => {
    if (!fitsOctal(value, field[1])) add(key, Buffer.from(String(value)));
  };
  bytes('path', entry.name, NAME);
  bytes('linkpath', entry.target, TARGET);
  number('size', entry.size, SIZE);
  number('uid', entry.uid, UID);
  number('gid', entry.gid, GID);
  if (entry.user !== undefined) bytes('uname', fromDisplay(entry.user), USER);
  if (entry.group !== undefined) bytes('gname', fromDisplay(entry.group), GROUP);
  if (entry.mtimeNsec !== 0 || !fitsOctal(entry.mtimeSec, MTIME[1]))
    add('mtime', Buffer.from(decimalTime(entry.mtimeSec, entry.mtimeNsec)));
  for (const [name, value] of entry.xattrs ?? []) {
    add(`SCHILY.xattr.${name}`, value);
    // Programs take ACLs from text; told to set ACLs, tar would clear what it finds only as attributes.
    const record = ACLS.get(name);
    const acl = record && aclText(value);
    if (acl !== undefined) add(record!, Buffer.from(acl));
  }
  return Buffer.concat(records);
}

function isPlain(value: ByteString): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7e || value.charCodeAt(i) < 0x20) return false;
  return true;
}

/** Seconds as a decimal: the nanoseconds count upwards, the sign is that of the whole. */
function decimalTime(sec: number, nsec: number): string {
  if (sec >= 0) return `${sec}.${String(nsec).padStart(9, '0')}`;
  if (nsec === 0) return String(sec);
  return `-${-(sec + 1)}.${String(1_000_000_000 - nsec).padStart(9, '0')}`;
}

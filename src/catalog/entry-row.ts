import type { ByteString } from '../bytes.js';
import { type ChunkClass, type Entry, type EntryType, ID_LENGTH } from '../format/entry.js';
import { ByteReader, ByteWriter, expectEnd } from '../format/varint.js';

/**
 * One entry, without its key, as a row of the database holds it. Two entries are equal if and only if their rows are.
 *
 * A segment of one entry would do, but takes twice the space and forty times as long to write, and a rebuild writes a
 * row for each ended version. Nothing but a catalog has these bytes, so they may change with its schema.
 */
const HAS = { user: 1, group: 2, target: 4, rdev: 8, link: 16, xattrs: 32, replaced: 64, kept: 128 } as const;

const writer = new ByteWriter(4096);

/** The row of an entry. */
export function encodeRow(e: Entry): Uint8Array {
  const w = writer;
  w.reset();
  const xattrs = e.xattrs !== undefined && e.xattrs.length > 0 ? e.xattrs : undefined;
  let has = 0;
  if (e.user !== undefined) has |= HAS.user;
  if (e.group !== undefined) has |= HAS.group;
  if (e.target !== undefined) has |= HAS.target;
  if (e.rdev !== undefined) has |= HAS.rdev;
  if (e.link !== undefined) has |= HAS.link;
  if (xattrs !== undefined) has |= HAS.xattrs;
  if (e.replaced !== undefined) has |= HAS.replaced;
  if (e.kept !== undefined) has |= HAS.kept;
  w.byte(has);
  w.byte(e.type);
  w.varint(e.mode);
  w.varint(e.uid);
  w.varint(e.gid);
  w.varint(e.size);
  w.signed(e.mtimeSec);
  w.varint(e.mtimeNsec);
  w.signed(e.ctimeSec);
  w.varint(e.ctimeNsec);
  w.varint(e.ino);
  writeContent(e.chunkClass, e.depth, e.ids);
  if (e.user !== undefined) writeText(e.user);
  if (e.group !== undefined) writeText(e.group);
  if (e.target !== undefined) writeByteString(e.target);
  if (e.rdev !== undefined) {
    w.varint(e.rdev.major);
    w.varint(e.rdev.minor);
  }
  if (e.link !== undefined) writeBytes(e.link);
  if (xattrs !== undefined) {
    w.varint(xattrs.length);
    for (const [name, value] of xattrs) {
      writeByteString(name);
      writeBytes(value);
    }
  }
  if (e.replaced !== undefined) {
    w.varint(e.replaced.size);
    writeContent(e.replaced.chunkClass, e.replaced.depth, e.replaced.ids);
  }
  if (e.kept !== undefined) {
    writeText(String(e.kept.first));
    writeText(String(e.kept.last));
  }
  return w.take();
}

/** The entry of a row. Its bytes are views into the row. */
export function decodeRow(key: ByteString, row: Uint8Array): Entry {
  const r = new ByteReader(row);
  const has = r.byte();
  const entry: Entry = {
    key,
    type: r.byte() as EntryType,
    mode: r.varint(),
    uid: r.varint(),
    gid: r.varint(),
    size: r.varint(),
    mtimeSec: r.signed(),
    mtimeNsec: r.varint(),
    ctimeSec: r.signed(),
    ctimeNsec: r.varint(),
    ino: r.varint(),
    ...readContent(r),
  };
  if (has & HAS.user) entry.user = readText(r);
  if (has & HAS.group) entry.group = readText(r);
  if (has & HAS.target) entry.target = readByteString(r);
  if (has & HAS.rdev) entry.rdev = { major: r.varint(), minor: r.varint() };
  if (has & HAS.link) entry.link = r.bytes(r.varint());
  if (has & HAS.xattrs) {
    const count = r.varint();
    entry.xattrs = [];
    for (let i = 0; i < count; i++) entry.xattrs.push([readByteString(r), r.bytes(r.varint())]);
  }
  if (has & HAS.replaced) entry.replaced = { size: r.varint(), ...readContent(r) };
  if (has & HAS.kept) entry.kept = { first: BigInt(readText(r)), last: BigInt(readText(r)) };
  expectEnd(r);
  return entry;
}

function writeContent(chunkClass: ChunkClass, depth: number, ids: Uint8Array): void {
  writer.byte((depth << 1) | chunkClass);
  writer.varint(ids.length / ID_LENGTH);
  writer.bytes(ids);
}

function readContent(r: ByteReader): { chunkClass: ChunkClass; depth: number; ids: Uint8Array } {
  const cut = r.byte();
  return { chunkClass: (cut & 1) as ChunkClass, depth: cut >> 1, ids: r.bytes(r.varint() * ID_LENGTH) };
}

function writeBytes(bytes: Uint8Array): void {
  writer.varint(bytes.length);
  writer.bytes(bytes);
}

function writeByteString(text: ByteString): void {
  writer.varint(text.length);
  writer.text(text);
}

function writeText(text: string): void {
  writeBytes(Buffer.from(text, 'utf8'));
}

function readByteString(r: ByteReader): ByteString {
  return asBuffer(r.bytes(r.varint())).toString('latin1');
}

function readText(r: ByteReader): string {
  return asBuffer(r.bytes(r.varint())).toString('utf8');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/*
 * Makes archives in the form of the Python tool, written from the description of its format and sharing no code with
 * src/legacy: sources over some backups in, table, files and key out.
 */

const MIB = 1024 * 1024;

/** What a path held at one backup. */
export interface SourceFile {
  content: Buffer;
  /** Seconds. */
  mtime?: number;
}

export interface GenerateOptions {
  /** Bytes per piece; the tool's is 16 MiB. */
  piece?: number;
  /** Stop storing after a piece that compressed below the size of one, as the tool does. */
  faulty?: boolean;
  /** Milliseconds between log rows of one backup. */
  step?: number;
}

export interface Generated {
  dir: string;
  config: string;
  key: Buffer;
  table: TableJson;
  fileOf(content: Buffer | string): string;
  /** Writes archive.json again, after changes to `table`. */
  save(): void;
}

interface RowJson {
  timestamp: string;
  event: string;
  path: string;
}

export interface EntryJson {
  checksum: string;
  fptrs: { path: string; ino: number; mtime: number; size: number }[];
  log: RowJson[];
  arch_size: number;
}

export interface TableJson {
  active: EntryJson[];
  history: EntryJson[];
  backup_roots: string[];
}

/** A Fernet token as urlsafe base64 text. */
export function fernetToken(key: Buffer, plain: Buffer, iv = randomBytes(16), time = 1_600_000_000): Buffer {
  const head = Buffer.alloc(9);
  head[0] = 0x80;
  head.writeBigUInt64BE(BigInt(time), 1);
  const cipher = createCipheriv('aes-128-cbc', key.subarray(16), iv);
  const signed = Buffer.concat([head, iv, cipher.update(plain), cipher.final()]);
  const mac = createHmac('sha256', key.subarray(0, 16)).update(signed).digest();
  const text = Buffer.concat([signed, mac]).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  return Buffer.from(text);
}

/** The tokens of a content, each with its length in front: what the outer gzip is around. */
export function sealPieces(key: Buffer, content: Buffer, piece = 16 * MIB, faulty = false): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < content.length; at += piece) {
    const packed = gzipSync(content.subarray(at, at + piece), { level: 1 });
    const token = fernetToken(key, packed);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(token.length);
    parts.push(length, token);
    if (faulty && packed.length < piece) break;
  }
  return Buffer.concat(parts);
}

/** A whole `.enc` file. */
export function encFile(key: Buffer, content: Buffer, piece?: number, faulty?: boolean): Buffer {
  return gzipSync(sealPieces(key, content, piece, faulty), { level: 1 });
}

export function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Runs backups of changing sources: `backups[i].files` is all that is there at the i-th. */
export function generate(
  dir: string,
  roots: string[],
  backups: { time: string; files: Record<string, SourceFile> }[],
  { piece, faulty, step = 0.05 }: GenerateOptions = {},
): Generated {
  const key = randomBytes(32);
  const table: TableJson = { active: [], history: [], backup_roots: roots };
  const fileOf = (content: Buffer | string) => {
    const name = typeof content === 'string' ? content : sha256(content);
    return join(dir, 'files', name.slice(0, 2), `${name}.enc`);
  };
  const entryOf = (content: Buffer): EntryJson => {
    const checksum = sha256(content);
    const known = table.active.find((entry) => entry.checksum === checksum);
    if (known) return known;
    const old = table.history.findIndex((entry) => entry.checksum === checksum);
    const entry = old < 0 ? { checksum, fptrs: [], log: [], arch_size: 0 } : table.history.splice(old, 1)[0];
    table.active.push(entry);
    if (old < 0) {
      const bytes = encFile(key, content, piece, faulty);
      mkdirSync(dirname(fileOf(content)), { recursive: true });
      writeFileSync(fileOf(content), bytes);
      entry.arch_size = bytes.length;
    }
    return entry;
  };
  let before: Record<string, SourceFile> = {};
  for (const { time, files } of backups) {
    let now = Date.parse(time) * 1000;
    const stamp = () => {
      now += Math.round(step * 1000);
      const seconds = new Date(Math.floor(now / 1000)).toISOString().slice(0, 19);
      return `${seconds}.${String(now % 1_000_000).padStart(6, '0')}+00:00`;
    };
    for (const [path, { content }] of Object.entries(before)) {
      if (files[path]?.content.equals(content)) continue;
      const entry = entryOf(content);
      entry.fptrs = entry.fptrs.filter((pointer) => pointer.path !== path);
      entry.log.push({ timestamp: stamp(), event: 'REMOVED', path });
    }
    for (const [path, { content, mtime = 1_600_000_000.5 }] of Object.entries(files)) {
      if (before[path]?.content.equals(content)) continue;
      const entry = entryOf(content);
      entry.fptrs.push({ path, ino: entry.fptrs.length + 100, mtime, size: content.length });
      entry.log.push({ timestamp: stamp(), event: 'ADDED', path });
    }
    for (const entry of table.active) if (entry.fptrs.length === 0) table.history.push(entry);
    table.active = table.active.filter((entry) => entry.fptrs.length > 0);
    before = files;
  }
  const config = join(dir, 'backup_config.json');
  const save = () => writeFileSync(join(dir, 'table', 'archive.json'), JSON.stringify(table));
  mkdirSync(join(dir, 'table'), { recursive: true });
  mkdirSync(join(dir, 'files'), { recursive: true });
  save();
  writeFileSync(join(dir, 'key'), key.toString('base64').replaceAll('+', '-').replaceAll('/', '_'));
  const settings = { table_dir: './table', file_dir: './files', key_path: './key', hard_remove: false };
  writeFileSync(config, JSON.stringify({ ...settings, restore_dir: './restore', backup_roots: roots }));
  return { dir, config, key, table, fileOf, save };
}

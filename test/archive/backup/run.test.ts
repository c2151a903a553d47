import { expect, it } from 'vitest';
import { ActiveCursor } from '../../../src/archive/backup/active-cursor.js';
import type { FileToRead, Ingest } from '../../../src/archive/backup/ingest.js';
import type { ListingBuilder } from '../../../src/archive/backup/listing-builder.js';
import { ReadQueue } from '../../../src/archive/backup/read-queue.js';
import { BackupRun, type RunRules } from '../../../src/archive/backup/run.js';
import { type FilesResult, ReadStatus, STAT_FIELDS, Stat } from '../../../src/archive/ingest/messages.js';
import type { ActiveSegment, Catalog, SourceId, Stage } from '../../../src/catalog/index.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { type Entry, EntryType, ID_LENGTH, NO_CONTENT } from '../../../src/format/entry.js';
import { encodeSegment, type Segment } from '../../../src/format/segment.js';
import { FACTS, ScanEntry } from '../../../src/scan/index.js';

/** A file as fstat sees it, and one byte of which its content consists. */
interface Inode {
  ino: number;
  nlink: number;
  size: number;
  mtimeSec: number;
  ctimeSec: number;
  content: number;
}

/** What reading a path gives: how it went, and which file was there. */
interface Reading extends Inode {
  status: ReadStatus;
}

const keyring = createFullKeyring(native);
const GONE: Partial<Reading> = { status: ReadStatus.vanished };

function inode(fields: Partial<Inode> = {}): Inode {
  return { ino: 7, nlink: 2, size: 10, mtimeSec: 1000, ctimeSec: 2000, content: 1, ...fields };
}

function scanned(key: string, { ino, nlink, size, mtimeSec, ctimeSec }: Inode): ScanEntry {
  const facts = new Float64Array(FACTS);
  facts.set([EntryType.file, 0o644, 54_321, 54_321, size, mtimeSec, 0, ctimeSec, 0, ino, 5, nlink]);
  return new ScanEntry(key, facts, 0, '', undefined);
}

function ids(content: number): Uint8Array {
  return new Uint8Array(ID_LENGTH).fill(content);
}

/** The version that a backup of it made. */
function version(key: string, { ino, size, mtimeSec, ctimeSec, content }: Inode): Entry {
  const times = { mtimeSec, mtimeNsec: 0, ctimeSec, ctimeNsec: 0 };
  return {
    ...NO_CONTENT,
    ...{ key, type: EntryType.file, mode: 0o644, uid: 54_321, gid: 54_321, size, ...times, ino, ids: ids(content) },
  };
}

/** A run over paths that the scan saw in one way, and that are found in another when they are read. */
class Lab {
  readonly reads: string[] = [];
  readonly entries: Entry[] = [];
  readonly unsettled: string[] = [];
  readonly run: BackupRun;
  private readonly found: Record<string, Partial<Reading>>;

  constructor(found: Record<string, Partial<Reading>>, before: Entry[] = [], rules: Partial<RunRules> = {}) {
    this.found = found;
    const rows = before.length === 0 ? [] : [{ firstKey: before[0].key, bytes: encodeSegment(before) }];
    const active = { page: (_: unknown, after?: string) => (after === undefined ? rows : []) as ActiveSegment[] };
    const ingest = { workers: 1, files: (files: FileToRead[]) => Promise.resolve(this.read(files)) };
    const queue = new ReadQueue(ingest as unknown as Ingest);
    this.run = new BackupRun({
      rules: {
        ...{ mode: 'soft', dryRun: false, ignoreCtime: false, ignoreInode: false, unsettled: new Set() },
        isCovered: () => true,
        isAbove: () => false,
        ...rules,
      },
      cursor: new ActiveCursor({ active } as Catalog, 1 as SourceId),
      builder: {
        add: (entry: Entry) => this.entries.push({ ...entry, ids: entry.ids.slice() }),
        carry: (_row: unknown, segment: Segment, from: number, to: number) => {
          for (let i = from; i < to; i++) this.entries.push(segment.entry(i));
        },
      } as unknown as ListingBuilder,
      stage: { unsettled: (key: string) => this.unsettled.push(key) } as unknown as Stage,
      keyring,
      queue: () => queue,
    });
    this.finish = () => this.run.finish(() => queue.drain());
  }

  readonly finish: () => Promise<void>;

  private read(files: readonly FileToRead[]): FilesResult {
    const stats = new Float64Array(files.length * STAT_FIELDS);
    const contents = files.map(({ key }, i) => {
      this.reads.push(key);
      const { status, content, ...fields }: Reading = { status: ReadStatus.ok, ...inode(), ...this.found[key] };
      const row = i * STAT_FIELDS;
      stats[row + Stat.status] = status;
      stats[row + Stat.mode] = 0o644;
      stats[row + Stat.uid] = 54_321;
      stats[row + Stat.gid] = 54_321;
      for (const name of ['ino', 'nlink', 'size', 'mtimeSec', 'ctimeSec'] as const)
        stats[row + Stat[name]] = fields[name];
      stats[row + Stat.started] = 1e9;
      stats[row + Stat.idCount] = 1;
      return ids(content);
    });
    const nothing = { errors: [], xattrs: [], nodes: [], packs: [], bytesRead: 0, bytesNew: 0 };
    return { kind: 'files', stats, ids: Buffer.concat(contents), ...nothing };
  }
}

/** Content and inode of each entry, by key. */
function saved(lab: Lab): Record<string, [content: number, ino: number]> {
  return Object.fromEntries(lab.entries.map(({ key, ids, ino }) => [key, [ids[0], ino]]));
}

const MOVED = { ino: 9, nlink: 1, content: 4 };

it.each<[what: string, first: Partial<Reading>, reads: string[], saved: ReturnType<typeof saved>]>([
  ['is shared', {}, ['a'], { a: [1, 7], b: [1, 7], c: [1, 7] }],
  [
    'is not, when another file was moved over the first name',
    MOVED,
    ['a', 'b', 'c'],
    { a: [4, 9], b: [1, 7], c: [1, 7] },
  ],
  ['is not, when the first name vanished', GONE, ['a', 'b', 'c'], { b: [1, 7], c: [1, 7] }],
  [
    'is not, when the first name could not be read',
    { status: ReadStatus.unreadable },
    ['a', 'b', 'c'],
    { b: [1, 7], c: [1, 7] },
  ],
  [
    'is not, when the file changed meanwhile',
    { status: ReadStatus.changed, content: 3 },
    ['a', 'b', 'c'],
    { a: [3, 7], b: [1, 7], c: [1, 7] },
  ],
  [
    'is not, when a new file got the inode number',
    { nlink: 1, ctimeSec: 3000, content: 3 },
    ['a', 'b', 'c'],
    { a: [3, 7], b: [1, 7], c: [1, 7] },
  ],
])('the reading of a file with several names %s', async (_, first, reads, expected) => {
  const lab = new Lab({ a: first });
  for (const key of ['a', 'b', 'c']) lab.run.take(scanned(key, inode()));
  await lab.finish();
  expect(lab.reads).toEqual(reads);
  expect(saved(lab)).toEqual(expected);
  expect(lab.run.counts.errors.map(({ path }) => path)).toEqual(first.status === undefined ? [] : ['a']);
});

it('names that are met after the first was read are judged in the same way', async () => {
  const lab = new Lab({ a: MOVED });
  lab.run.take(scanned('a', inode()));
  await lab.finish();
  lab.run.take(scanned('b', inode()));
  await lab.finish();
  expect(lab.reads).toEqual(['a', 'b']);
  expect(saved(lab)).toEqual({ a: [4, 9], b: [1, 7] });
});

it.each([
  ['of a file that was left alone is silent', ReadStatus.ok, true],
  ['of a file that was written to while it was read is not', ReadStatus.changed, false],
])('other content under unchanged metadata %s', async (_, status, silent) => {
  const file = inode({ nlink: 1 });
  const lab = new Lab({ a: { ...file, status, content: 2 } }, [version('a', file)], { mode: 'full' });
  lab.run.take(scanned('a', file));
  await lab.finish();
  expect(saved(lab)).toEqual({ a: [2, 7] });
  expect(lab.run.counts.silentChanges).toEqual(silent ? ['a'] : []);
  expect(lab.entries[0].replaced?.ids).toEqual(silent ? ids(1) : undefined);
  expect(lab.unsettled).toEqual(silent ? [] : ['a']);
  expect(lab.run.counts.files).toMatchObject({ changed: 1, changed_while_read: silent ? 0 : 1 });
});

it.each([
  ['a link was made to', undefined, 2500],
  ['a link was made to, whatever its ctime says', undefined, 2000],
  ['several names were known of', new Uint8Array(16).fill(1), 2500],
])('where ctimes are ignored, a known file that %s', async (_, link, ctimeSec) => {
  const now = inode({ ctimeSec });
  const known: Entry = { ...version('a', inode()), ...(link !== undefined && { link }) };
  const lab = new Lab({ a: now, b: now }, [known], { ignoreCtime: true });
  for (const key of ['a', 'b']) lab.run.take(scanned(key, now));
  await lab.finish();
  expect(lab.reads).toEqual([link === undefined ? 'a' : 'b']);
  const [a, b] = lab.entries;
  expect(b.link).toHaveLength(16);
  expect(a.link).toEqual(link ?? b.link);
});

import type { ByteString } from '../../bytes.js';
import type { ActiveSegment, Stage } from '../../catalog/index.js';
import type { Keyring } from '../../crypto/keyring.js';
import { reasonOf } from '../../errors.js';
import { type Content, type Entry, EntryType, NO_CONTENT, sameContent } from '../../format/entry.js';
import type { Segment, SegmentWalk } from '../../format/segment.js';
import {
  closeFd,
  getXattrAt,
  getXattrFd,
  groupName,
  listXattrsAt,
  listXattrsFd,
  openDirectory,
  openParent,
  userName,
} from '../../platform/index.js';
import { afterSubtree, FACTS, type KeepItem, pathOf, type ScanEntry, type ScanItem } from '../../scan/index.js';
import { ReadStatus } from '../ingest/messages.js';
import { keyedHash } from '../repository.js';
import type { ActiveCursor } from './active-cursor.js';
import type { FileRead } from './file-read.js';
import type { ListingBuilder } from './listing-builder.js';
import type { MovedFiles } from './moved-files.js';
import type { QueuedFile, ReadQueue } from './read-queue.js';
import type { ScanRows } from './scan-rows.js';
import { hasFacts, unchangedRows } from './unchanged-rows.js';
import { UnreadKeys } from './unread.js';

/** Writes through mmap move a file's mtime only after up to half a minute: a file this young is read again next time. */
const SETTLED_MTIME_MS = 60_000;
/** A ctime this young may not have seen its last change: the clock ticks coarsely. */
const SETTLED_CTIME_MS = 2_000;

/** Slots waiting for workers; beyond this the scan waits. */
const MOST_WAITING = 100_000;

/** Said of a version that neither store nor disk has. */
const LOST = 'its content is missing in the store and cannot be read from the disk: left out';

/** What a run does with what it meets. */
export interface RunRules {
  mode: 'soft' | 'full';
  /** Nothing is read or kept. */
  dryRun: boolean;
  ignoreCtime: boolean;
  ignoreInode: boolean;
  /** Keys whose active version may be out of date, sorted: they are read whatever their metadata says. */
  unsettled: ReadonlySet<ByteString>;
  /** Whether an active key that the scan does not yield is gone (true) or merely was not looked at (false). */
  isCovered(key: ByteString): boolean;
  /** Whether a directory is only recorded because it lies above a root. */
  isAbove(key: ByteString): boolean;
  /** Whether all that the version needs is still in the store; undefined when nothing is missing there. */
  isWhole?: (segment: Segment, position: number) => boolean;
}

/** Counts of a run, as its result shows them. */
export class RunCounts {
  files = { new: 0, changed: 0, unchanged: 0, removed: 0, unreadable: 0, changed_while_read: 0 };
  dirs = 0;
  /** Regular files and their bytes in the new listing. */
  activeFiles = 0;
  activeBytes = 0;
  bytesScanned = 0;
  readonly errors: { path: ByteString; message: string }[] = [];
  readonly silentChanges: ByteString[] = [];
  /** Other file systems that were not entered. */
  readonly skipped: { path: ByteString; reason: string }[] = [];
}

/** Something in key order that goes into the listing once it is known. */
type Slot = Carried | Fresh;

/** Versions of a segment that stay as they are, from `position` to `end`. */
interface Carried {
  row: ActiveSegment;
  segment: Segment;
  position: number;
  end: number;
}

/** What may be new; once it is ready, it is an entry, a version that stays, or nothing. */
interface Fresh {
  ready: boolean;
  result: Entry | Carried | undefined;
  /** The version in whose place it is. */
  old: Carried | undefined;
}

/** The version that an entry of the scan may replace, and the entry that it is if that of a file. */
interface OldVersion {
  place: Carried;
  file: Entry | undefined;
}

/**
 * Compares what is on disk with what was there last time, both in key order, and builds the new listing.
 *
 * Files to be read go to the workers; whatever comes after such a file waits in a queue, so that entries reach the
 * listing in order although files are read out of order.
 */
export class BackupRun {
  readonly counts = new RunCounts();
  /** What could not be read, or was left out as a whole, not by a rule: of it the listing tells nothing new. */
  readonly unread = new UnreadKeys();
  private readonly rules: RunRules;
  private readonly cursor: ActiveCursor;
  private readonly builder: ListingBuilder;
  private readonly stage: Stage | undefined;
  /** Made when the first file has to be read. */
  private readonly queue: () => ReadQueue;
  private readonly linkKey: Uint8Array;
  private readonly slots: Slot[] = [];
  private head = 0;
  /** Keys whose active versions stay, because the disk could not be asked. */
  private kept: { from: ByteString; end: ByteString } | undefined;
  private readonly linked = new Map<string, LinkedFile>();
  private readonly moved: MovedFiles | undefined;
  private readonly facts = new Float64Array(FACTS);
  private readonly unsettledKeys: readonly ByteString[];
  /** The first of them that the cursor's segment may have. */
  private unsettledAhead = 0;
  private comparedInRows: { row: ActiveSegment | undefined; is: boolean } = { row: undefined, is: false };

  constructor(parts: {
    rules: RunRules;
    cursor: ActiveCursor;
    builder: ListingBuilder;
    stage: Stage | undefined;
    keyring: Keyring;
    queue: () => ReadQueue;
    /** Where a new path's old one is looked for, if it is. */
    moved?: MovedFiles | undefined;
  }) {
    this.rules = parts.rules;
    this.cursor = parts.cursor;
    this.builder = parts.builder;
    this.stage = parts.stage;
    this.queue = parts.queue;
    this.moved = parts.moved;
    this.unsettledKeys = [...parts.rules.unsettled];
    this.linkKey = parts.keyring.shared.hardlink;
  }

  /**
   * Takes as many entries of the scan as are what the versions from the cursor on say: without a string or an object of
   * any. @returns how many
   */
  takeUnchanged(rows: ScanRows): number {
    const { cursor, rules } = this;
    const { row, version } = cursor;
    if (row === undefined || version === undefined || !this.isComparedInRows(row, version)) return 0;
    const from = version.position;
    const { count, files, dirs, bytes } = unchangedRows(version, rows, rules);
    if (count === 0) return 0;
    this.counts.files.unchanged += files;
    this.counts.dirs += dirs;
    this.counts.bytesScanned += bytes;
    this.countActive(files, bytes);
    this.carryStretch(row, version.segment, from, from + count);
    if (from + count === version.segment.length) cursor.next();
    return count;
  }

  /** Takes the next item of the scan. */
  take(item: ScanItem): void {
    this.passUnseen(item.key);
    switch (item.kind) {
      case 'entry':
        this.compare(item);
        return;
      case 'keep':
        this.keep(item);
        this.unread.add(item.key, item.end);
        if (item.error) this.fail(item.key, item.reason);
        return;
      case 'failed':
        this.unread.add(item.key, afterSubtree(item.key));
        this.fail(item.key, item.reason);
        return;
      case 'skipped':
        this.unread.add(item.key, afterSubtree(item.key));
        this.counts.skipped.push({ path: item.key, reason: item.reason });
        return;
      default:
        return;
    }
  }

  /** Takes what was read from standard input, at its place in the order. */
  takeStream(key: ByteString, entry: Entry): void {
    this.passUnseen(key);
    const old = this.cursor.key === key ? this.oldVersion() : undefined;
    if (old !== undefined) this.cursor.next();
    this.counts.files[old === undefined ? 'new' : 'changed']++;
    this.countActive(1, entry.size);
    this.counts.bytesScanned += entry.size;
    this.slots.push({ ready: true, result: entry, old: old?.place });
  }

  /** Takes the end of the scan, and waits for the workers. */
  async finish(drain: () => Promise<void>): Promise<void> {
    this.passUnseen(undefined);
    await drain();
    this.flush();
    if (this.head < this.slots.length) throw new Error('files were handed out that never came back');
  }

  /** Whether so much waits for the workers that the scan should pause. */
  get congested(): boolean {
    return this.slots.length - this.head > MOST_WAITING;
  }

  /** Hands what is known to the listing. */
  flush(): void {
    const { slots, builder } = this;
    while (this.head < slots.length) {
      const slot = slots[this.head];
      if ('ready' in slot) {
        if (!slot.ready) break;
        const { result, old } = slot;
        if (slot instanceof FileSlot && slot.read !== undefined) builder.add(this.entryOf(slot, slot.read), old);
        else if (result !== undefined && 'segment' in result) carryInto(builder, result);
        else if (result !== undefined) builder.add(result, old);
      } else carryInto(builder, slot);
      this.head++;
    }
    if (this.head === slots.length) {
      slots.length = 0;
      this.head = 0;
    } else if (this.head > 10_000) {
      slots.splice(0, this.head);
      this.head = 0;
    }
  }

  /** Goes over active versions before `key` that the scan did not yield. */
  private passUnseen(key: ByteString | undefined): void {
    const { cursor } = this;
    while (cursor.key !== undefined && (key === undefined || cursor.key < key)) {
      if (this.isKept(cursor.key) || !this.rules.isCovered(cursor.key)) this.carryIfWhole();
      else if (cursor.version?.type === EntryType.file) this.counts.files.removed++;
      cursor.next();
    }
  }

  private isKept(key: ByteString): boolean {
    return this.kept !== undefined && key >= this.kept.from && key < this.kept.end;
  }

  /** Ranges may lie in one another: what still holds is taken together. */
  private keep({ key, end }: KeepItem): void {
    const { kept } = this;
    const isInside = kept !== undefined && key < kept.end;
    this.kept = isInside ? { from: kept.from, end: kept.end > end ? kept.end : end } : { from: key, end };
  }

  private compare(item: ScanEntry): void {
    const { cursor, rules } = this;
    const known = cursor.key === item.key;
    const isFile = item.type === EntryType.file;
    if (isFile) this.counts.bytesScanned += item.size;
    else if (item.type === EntryType.dir) this.counts.dirs++;
    if (known && (this.isUnchanged(item) || this.isSameAbove(item))) {
      // A dry run reads nothing, so it says of files what their metadata says.
      const mustRead = isFile && !rules.dryRun && (rules.mode === 'full' || rules.unsettled.has(item.key));
      if (!mustRead) {
        this.carry();
        cursor.next();
        return;
      }
    }
    const old = known ? this.oldVersion() : undefined;
    if (known) cursor.next();
    if (!known && item.type === EntryType.dir) this.moved?.enter(item);
    const moved = known || !isFile ? undefined : this.moved?.find(item);
    if (moved !== undefined) this.addMoved(item, moved);
    else if (isFile) this.readFile(item, old);
    else this.addOther(item, old?.place);
  }

  /** Whether the entries of a segment may be compared many at a time: nothing else decides than what the scan says. */
  private isComparedInRows(row: ActiveSegment, { segment }: SegmentWalk): boolean {
    const { mode, isWhole, unsettled } = this.rules;
    if (mode === 'full' || isWhole !== undefined) return false;
    if (unsettled.size === 0) return true;
    if (this.comparedInRows.row !== row) {
      const { unsettledKeys } = this;
      while (this.unsettledAhead < unsettledKeys.length && unsettledKeys[this.unsettledAhead] < row.firstKey)
        this.unsettledAhead++;
      const ahead = unsettledKeys.at(this.unsettledAhead);
      this.comparedInRows = { row, is: ahead === undefined || ahead > segment.keyAt(segment.length - 1) };
    }
    return this.comparedInRows.is;
  }

  /** Whether metadata says that the version under the cursor is what is on disk. */
  private isUnchanged(item: ScanEntry): boolean {
    const { version } = this.cursor;
    if (version === undefined) return false;
    const { rules, facts } = this;
    item.writeFacts(facts, 0);
    return hasFacts(version, facts, 0, rules) && rules.isWhole?.(version.segment, version.position) !== false;
  }

  /**
   * Whether a directory above the roots is as it was but for its times. Those move with whatever else is made beside the
   * roots: a home directory's would cost every run a new version of it.
   */
  private isSameAbove(item: ScanEntry): boolean {
    const { version } = this.cursor;
    if (version === undefined || item.type !== EntryType.dir || !this.rules.isAbove(item.key)) return false;
    const old = version.entry();
    const now = withXattrs(baseEntry(item));
    return (
      old.type === now.type &&
      old.mode === now.mode &&
      old.uid === now.uid &&
      old.gid === now.gid &&
      old.user === now.user &&
      old.group === now.group &&
      sameXattrs(old.xattrs ?? [], now.xattrs ?? []) &&
      this.rules.isWhole?.(version.segment, version.position) !== false
    );
  }

  private oldVersion(): OldVersion {
    const { row, version } = this.cursor;
    if (row === undefined || version === undefined) throw new Error('nothing under the cursor');
    const { segment, position } = version;
    const file = version.type === EntryType.file ? version.entry() : undefined;
    return { place: { row, segment, position, end: position + 1 }, file };
  }

  /** Takes the version under the cursor over as it is. */
  private carry(): void {
    const { row, version } = this.cursor;
    if (row === undefined || version === undefined) throw new Error('nothing under the cursor');
    if (version.type === EntryType.file) {
      this.counts.files.unchanged++;
      this.countActive(1, version.size);
      if (this.rules.unsettled.has(version.key)) this.stage?.unsettled(version.key);
    }
    this.carryStretch(row, version.segment, version.position, version.position + 1);
  }

  private carryStretch(row: ActiveSegment, segment: Segment, position: number, end: number): void {
    if (this.head === this.slots.length) this.builder.carry(row, segment, position, end);
    else this.slots.push({ row, segment, position, end });
  }

  /** Takes over what could not be looked at, unless its content is lost in the store as well. */
  private carryIfWhole(): void {
    const { version } = this.cursor;
    if (version !== undefined && this.rules.isWhole?.(version.segment, version.position) === false)
      this.fail(version.key, LOST);
    else this.carry();
  }

  private addOther(item: ScanEntry, old: Carried | undefined): void {
    const entry = withXattrs(baseEntry(item));
    if (item.target !== undefined) entry.target = item.target;
    if (isDevice(item.type)) entry.rdev = { major: item.rdevMajor, minor: item.rdevMinor };
    if (item.nlink > 1 && item.type !== EntryType.dir) entry.link = this.linkGroup(item.ino, item.mountKey);
    this.slots.push({ ready: true, result: entry, old });
  }

  /** Adds a file that was at another path before: what it was then, without reading it. */
  private addMoved(item: ScanEntry, { size, chunkClass, depth, ids, xattrs }: Entry): void {
    this.counts.files.new++;
    this.countActive(1, size);
    const entry: Entry = { ...baseEntry(item), size, chunkClass, depth, ids };
    if (xattrs !== undefined) entry.xattrs = xattrs;
    if (item.nlink > 1) entry.link = this.linkGroup(item.ino, item.mountKey);
    this.slots.push({ ready: true, result: entry, old: undefined });
  }

  /** Has a file read; its slot is filled in when the worker has answered. */
  private readFile(item: ScanEntry, old: OldVersion | undefined): void {
    if (this.rules.dryRun) {
      this.countDry(old?.file !== undefined, item.size);
      this.slots.push({ ready: true, result: old?.place ?? baseEntry(item), old: old?.place });
      return;
    }
    const twin = item.nlink > 1 ? this.twinOf(item) : undefined;
    const first = item.nlink > 1 && twin === undefined ? this.firstOf(item) : undefined;
    const slot = new FileSlot(this, item, old, first);
    this.slots.push(slot);
    if (twin !== undefined) twin.answerOrRead(slot);
    else this.enqueue(slot, item.size);
  }

  /** Has a worker read a file. @param size expected bytes */
  enqueue(slot: FileSlot, size: number): void {
    this.queue().add(slot, size);
  }

  /** Names of one file are read once, if its times have not moved in between. */
  private twinOf(item: ScanEntry): LinkedFile | undefined {
    const twin = this.linked.get(`${item.dev}:${item.ino}`);
    return twin !== undefined && sameFileMetadata(twin.item, item) ? twin : undefined;
  }

  private firstOf(item: ScanEntry): LinkedFile {
    const file = new LinkedFile(item);
    this.linked.set(`${item.dev}:${item.ino}`, file);
    return file;
  }

  /** Says of a file what its reading gave: an entry, or the old version where it is the same or could not be read. */
  settle(slot: FileSlot, read: FileRead): void {
    const { counts } = this;
    const { key, old: carried, oldFile: old } = slot;
    if (
      read.status === ReadStatus.unreadable ||
      read.status === ReadStatus.vanished ||
      read.status === ReadStatus.retyped
    ) {
      counts.files.unreadable++;
      this.unread.add(key, afterSubtree(key));
      this.fail(key, readFailure(read));
      // What was there before stays until the disk can be asked again. What cannot be whole any more does not.
      if (carried === undefined || old === undefined) return;
      if (this.rules.isWhole?.(carried.segment, carried.position) === false) {
        this.fail(key, LOST);
        return;
      }
      this.countActive(1, old.size);
      if (this.rules.unsettled.has(key)) this.stage?.unsettled(key);
      slot.result = carried;
      return;
    }
    const unsettled = read.status === ReadStatus.changed || isUnsettled(read);
    if (unsettled) this.stage?.unsettled(key);
    if (read.status === ReadStatus.changed) {
      counts.files.changed_while_read++;
      this.fail(key, 'changed while it was read');
    }
    this.countActive(1, read.size);
    if (old === undefined) {
      counts.files.new++;
      slot.read = read;
      return;
    }
    const entry = this.entryOf(slot, read);
    if (carried !== undefined && isSameVersion(old, entry)) {
      counts.files.unchanged++;
      slot.result = carried;
      return;
    }
    counts.files.changed++;
    const isExpected = read.status === ReadStatus.changed || this.rules.unsettled.has(key);
    this.noteSilentChange(old, entry, isExpected);
    slot.result = entry;
  }

  private entryOf({ key, mountKey }: FileSlot, read: FileRead): Entry {
    const entry = fileEntry(key, read);
    if (read.nlink > 1) entry.link = this.linkGroup(read.ino, mountKey);
    return entry;
  }

  /**
   * Other content under the same metadata: the disk, or what happened behind its back, changed it.
   * @param isExpected the metadata may not tell of the last writing yet
   */
  private noteSilentChange(old: Entry, entry: Entry, isExpected: boolean): void {
    if (!sameFileMetadata(old, entry)) return;
    if (sameContent(old, entry)) {
      if (old.replaced !== undefined) entry.replaced = old.replaced;
      return;
    }
    if (isExpected) return;
    this.counts.silentChanges.push(entry.key);
    entry.replaced = { chunkClass: old.chunkClass, depth: old.depth, ids: old.ids.slice(), size: old.size };
  }

  private countActive(files: number, bytes: number): void {
    this.counts.activeFiles += files;
    // Sparse files can be more together than a number tells exactly.
    this.counts.activeBytes = Math.min(this.counts.activeBytes + bytes, Number.MAX_SAFE_INTEGER);
  }

  private countDry(existed: boolean, size: number): void {
    if (existed) this.counts.files.changed++;
    else this.counts.files.new++;
    this.countActive(1, size);
  }

  private linkGroup(ino: number, mountKey: ByteString): Uint8Array {
    return keyedHash(this.linkKey, `${ino}\0${mountKey}`);
  }

  private fail(key: ByteString, message: string): void {
    this.counts.errors.push({ path: key, message });
  }
}

function carryInto(builder: ListingBuilder, { row, segment, position, end }: Carried): void {
  builder.carry(row, segment, position, end);
}

/**
 * A file that is to be read, at its place in the order: all that is kept of it until a worker has answered. There may be
 * tens of thousands.
 */
class FileSlot implements Fresh, QueuedFile {
  ready = false;
  result: Entry | Carried | undefined;
  /** What was read of it, when that gives its entry: that is made when it is due, since many may have to wait. */
  read: FileRead | undefined;
  readonly key: ByteString;
  readonly mountKey: ByteString;
  readonly old: Carried | undefined;
  readonly oldFile: Entry | undefined;
  private readonly run: BackupRun;
  private readonly names: LinkedFile | undefined;

  /** @param names the others of its names, if it has any and is the first that is met */
  constructor(run: BackupRun, item: ScanEntry, old: OldVersion | undefined, names: LinkedFile | undefined) {
    this.run = run;
    this.key = item.key;
    this.mountKey = item.mountKey;
    this.old = old?.place;
    this.oldFile = old?.file;
    this.names = names;
  }

  get chunkClass(): 0 | 1 | undefined {
    return this.oldFile?.chunkClass;
  }

  done(read: FileRead): void {
    this.run.settle(this, read);
    this.ready = true;
    this.names?.answer(read);
  }

  /** Has it read. */
  enqueue(size: number): void {
    this.run.enqueue(this, size);
  }
}

/**
 * A file with several names, and those of them that wait for the first to be read. By then another file may have been
 * moved over that, or it may be gone: the others take over only what was read of the file that the scan saw.
 */
class LinkedFile {
  readonly item: ScanEntry;
  private read: FileRead | undefined;
  private waiting: FileSlot[] = [];

  constructor(item: ScanEntry) {
    this.item = item;
  }

  /** Gives another of its names what was read of the first, or has it read itself. */
  answerOrRead(slot: FileSlot): void {
    const { item, read } = this;
    if (read === undefined) this.waiting.push(slot);
    else if (isReadingOf(item, read)) slot.done(read);
    else slot.enqueue(item.size);
  }

  answer(read: FileRead): void {
    this.read = read.alone();
    for (const slot of this.waiting) this.answerOrRead(slot);
    this.waiting = [];
  }
}

/** Whether what was read is the whole content of what the scan saw. */
function isReadingOf(item: ScanEntry, read: FileRead): boolean {
  return read.status === ReadStatus.ok && sameFileMetadata(item, read);
}

function baseEntry(item: ScanEntry): Entry {
  const entry: Entry = {
    key: item.key,
    type: item.type,
    mode: item.mode,
    uid: item.uid,
    gid: item.gid,
    size: 0,
    mtimeSec: item.mtimeSec,
    mtimeNsec: item.mtimeNsec,
    ctimeSec: item.ctimeSec,
    ctimeNsec: item.ctimeNsec,
    ino: item.ino,
    ...NO_CONTENT,
  };
  return withOwners(entry);
}

function fileEntry(key: ByteString, read: FileRead): Entry {
  const content: Content = { chunkClass: read.chunkClass, depth: read.depth, ids: read.ids };
  const entry: Entry = {
    key,
    type: EntryType.file,
    mode: read.perm,
    uid: read.uid,
    gid: read.gid,
    size: read.size,
    mtimeSec: read.mtimeSec,
    mtimeNsec: read.mtimeNsec,
    ctimeSec: read.ctimeSec,
    ctimeNsec: read.ctimeNsec,
    ino: read.ino,
    ...content,
  };
  if (read.xattrs !== undefined) entry.xattrs = read.xattrs;
  return withOwners(entry);
}

function withOwners(entry: Entry): Entry {
  const user = userName(entry.uid);
  const group = groupName(entry.gid);
  if (user !== null) entry.user = user;
  if (group !== null) entry.group = group;
  return entry;
}

type FileMetadata = Pick<Entry, 'size' | 'mtimeSec' | 'mtimeNsec' | 'ctimeSec' | 'ctimeNsec' | 'ino'>;

function sameFileMetadata(a: FileMetadata, b: FileMetadata): boolean {
  return (
    a.size === b.size &&
    a.mtimeSec === b.mtimeSec &&
    a.mtimeNsec === b.mtimeNsec &&
    a.ctimeSec === b.ctimeSec &&
    a.ctimeNsec === b.ctimeNsec &&
    a.ino === b.ino
  );
}

/** Whether reading a file again gave the version that is known. Attributes cannot change without the ctime. */
function isSameVersion(old: Entry, entry: Entry): boolean {
  return (
    sameFileMetadata(old, entry) &&
    sameContent(old, entry) &&
    old.mode === entry.mode &&
    old.uid === entry.uid &&
    old.gid === entry.gid &&
    old.user === entry.user &&
    old.group === entry.group &&
    (old.link !== undefined || entry.link === undefined)
  );
}

function isUnsettled(read: FileRead): boolean {
  const mtime = read.mtimeSec * 1000 + read.mtimeNsec / 1e6;
  const ctime = read.ctimeSec * 1000 + read.ctimeNsec / 1e6;
  return mtime > read.started - SETTLED_MTIME_MS || ctime > read.started - SETTLED_CTIME_MS;
}

function isDevice(type: EntryType): boolean {
  return type === EntryType.chardev || type === EntryType.blockdev;
}

function readFailure(read: FileRead): string {
  switch (read.status) {
    case ReadStatus.vanished:
      return 'vanished before it could be read';
    case ReadStatus.retyped:
      return 'was replaced by something that is no regular file before it could be read';
    default:
      return read.error === undefined ? 'could not be read' : `cannot be read: ${reasonOf(read.error)}`;
  }
}

function withXattrs(entry: Entry): Entry {
  const xattrs = readXattrs(pathOf(entry.key));
  if (xattrs.length > 0) entry.xattrs = xattrs;
  return entry;
}

function sameXattrs(a: NonNullable<Entry['xattrs']>, b: NonNullable<Entry['xattrs']>): boolean {
  const values = new Map(b);
  return (
    a.length === b.length &&
    a.every(([name, value]) => {
      const other = values.get(name);
      return other !== undefined && Buffer.compare(value, other) === 0;
    })
  );
}

function readXattrs(path: ByteString): [ByteString, Uint8Array][] {
  try {
    // The root of all has no name in a directory above.
    const { dir, name } = path === '/' ? { dir: openDirectory(path), name: '' } : openParent(path);
    try {
      const pairs: [ByteString, Uint8Array][] = [];
      for (const attribute of name === '' ? listXattrsFd(dir) : listXattrsAt(dir, name)) {
        const value = name === '' ? getXattrFd(dir, attribute) : getXattrAt(dir, name, attribute);
        if (value !== null) pairs.push([attribute, value]);
      }
      return pairs;
    } finally {
      closeFd(dir);
    }
  } catch (error) {
    // What vanished meanwhile, or has none to give, is saved without them.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return [];
  }
}

import type { ByteString } from '../../bytes.js';
import type { ActiveSegment, Catalog, SourceId } from '../../catalog/index.js';
import { type Entry, EntryType } from '../../format/entry.js';
import { KeyReader } from '../../format/path-keys.js';
import { openSegment, type Segment, SegmentWalk } from '../../format/segment.js';
import { ByteReader } from '../../format/varint.js';
import { FACTS, type ScanEntry } from '../../scan/index.js';
import { childKey, isBelow, nameOf, parentKey } from '../../scan/keys.js';
import { hasFacts, type Ignored } from './unchanged-rows.js';

/** Which versions may be relied on. */
export interface MovedRules {
  /** Keys of versions that may be out of date. */
  unsettled: ReadonlySet<ByteString>;
  /** Whether all that a version needs is still in the store; undefined when nothing is missing there. */
  isWhole?: (segment: Segment, position: number) => boolean;
}

/** Where to ask for segments. */
type ActiveSegments = Pick<Catalog['active'], 'page' | 'covering'>;

/**
 * So many files in new directories, of so many bytes, are read before it is looked up where those come from, which goes
 * over the whole listing.
 */
const FEW_FILES = 32;
const FEW_BYTES = 4 * 1024 * 1024;

/** Segments that are looked through at a time. */
const PAGE = 32;

/** A coarser clock may give different files one time; sixty files of a camera's card, for example, that are all one size. */
const FINE_NANOSECONDS = 1_000_000;

const NONE_IGNORED: Ignored = { ignoreCtime: false, ignoreInode: false };

/** A directory that the listing does not have under this path. */
interface NewDirectory {
  key: ByteString;
  ino: number;
  /** What it may have been called, once that has been looked up. */
  old: readonly ByteString[] | undefined;
}

/**
 * Finds what files in a new directory were called before, when it is an old one: renamed, or in a snapshot of the file
 * system that lies elsewhere. The system renames a directory without touching what is in it, so that a file in it has the
 * inode, size and times of an old version; then it is that version, by the rule by which a file that was not moved is
 * unchanged. To be asked in key order.
 */
export class MovedFiles {
  private readonly segments: ActiveSegments;
  private readonly source: SourceId;
  private readonly rules: MovedRules;
  /** The new directories that the current one is in, outermost first. */
  private readonly above: NewDirectory[] = [];
  private readonly facts = new Float64Array(FACTS);
  private files = 0;
  private bytes = 0;
  /** Keys by inode; several, since file systems that are mounted in one another count alike. */
  private directories: Map<number, ByteString[]> | undefined;
  private row: ActiveSegment | undefined;
  private walk: SegmentWalk | undefined;

  constructor(segments: ActiveSegments, source: SourceId, rules: MovedRules) {
    this.segments = segments;
    this.source = source;
    this.rules = rules;
  }

  /** Takes a directory that the listing does not have. */
  enter({ key, ino }: ScanEntry): void {
    this.leaveFor(key);
    this.above.push({ key, ino, old: undefined });
  }

  /** The version that a file which the listing does not have was before. */
  find(item: ScanEntry): Entry | undefined {
    this.leaveFor(item.key);
    const directory = this.above.at(-1);
    if (directory === undefined || directory.key !== parentKey(item.key)) return undefined;
    if (item.ctimeNsec % FINE_NANOSECONDS === 0 || this.areFew(item.size)) return undefined;
    this.directories ??= this.directoriesByInode();
    directory.old ??= this.directories.get(directory.ino) ?? [];
    const { facts } = this;
    item.writeFacts(facts, 0);
    for (const old of directory.old) {
      const walk = this.walkTo(childKey(old, nameOf(item.key)));
      if (walk !== undefined && hasFacts(walk, facts, 0, NONE_IGNORED))
        return this.isReliable(walk) ? walk.entry() : undefined;
    }
    return undefined;
  }

  /** Whether those in new directories have been few so far, with one more of this size. */
  private areFew(size: number): boolean {
    this.files++;
    this.bytes += size;
    return this.files <= FEW_FILES && this.bytes <= FEW_BYTES;
  }

  private leaveFor(key: ByteString): void {
    while (this.above.length > 0 && !isBelow(key, this.above.at(-1)!.key)) this.above.pop();
  }

  private directoriesByInode(): Map<number, ByteString[]> {
    const found = new Map<number, ByteString[]>();
    for (let after: ByteString | undefined; ; ) {
      const page = this.segments.page(this.source, after, PAGE);
      for (const { bytes } of page) addDirectories(found, openSegment(bytes));
      if (page.length < PAGE) return found;
      after = page.at(-1)!.firstKey;
    }
  }

  private isReliable({ key, segment, position }: SegmentWalk): boolean {
    return !this.rules.unsettled.has(key) && this.rules.isWhole?.(segment, position) !== false;
  }

  /** Stands on the version with this key, if there is one. */
  private walkTo(key: ByteString): SegmentWalk | undefined {
    const last = this.walk?.segment.keyAt(this.walk.segment.length - 1);
    if (last === undefined || key < this.row!.firstKey || key > last) {
      this.row = this.segments.covering(this.source, key);
      this.walk = undefined;
    }
    if (this.row === undefined || this.row.entries === 0) return undefined;
    if (this.walk === undefined || this.walk.key > key) {
      this.walk = new SegmentWalk(this.walk?.segment ?? openSegment(this.row.bytes));
      this.walk.next();
    }
    const { walk } = this;
    while (walk.key < key && walk.position + 1 < walk.segment.length) walk.next();
    return walk.key === key ? walk : undefined;
  }
}

/** Only types, inodes and paths are decoded. */
function addDirectories(found: Map<number, ByteString[]>, { stored, types }: Segment): void {
  const keys = new KeyReader(new ByteReader(stored.key));
  const inos = new ByteReader(stored.ino);
  let ino = 0;
  for (let i = 0; i < types.length; i++) {
    keys.skip();
    ino += inos.signed();
    if (types[i] !== EntryType.dir) continue;
    const others = found.get(ino);
    if (others === undefined) found.set(ino, [keys.text()]);
    else others.push(keys.text());
  }
}

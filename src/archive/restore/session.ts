import fs from 'node:fs';
import { promisify } from 'node:util';
import { areZeros, type ByteString, toDisplay } from '../../bytes.js';
import type { BlobHasher } from '../../crypto/blob-id.js';
import { ExitCode, FormatError, UserError } from '../../errors.js';
import { holeLength } from '../../format/chunk-list.js';
import { type Entry, EntryType, ID_LENGTH } from '../../format/entry.js';
import {
  allocate,
  canWriteDirectly,
  chmodFd,
  closeFd,
  createFileAt,
  openFileAt,
  readFully,
  removeFileAt,
  StatBuffer,
  setDirect,
} from '../../platform/index.js';
import { jsonPath } from '../../report/json-path.js';
import { StoreError } from '../../store/index.js';
import type { Context } from '../context.js';
import { pathOf } from '../past.js';
import type { PathProblem } from '../types.js';
import { AttributePlan, type Attributes, applyToOpen } from './attributes.js';
import { Conflict } from './conflict.js';
import { chunks, type NodeReader } from './content.js';
import { type Dir, type Directories, descriptorLimit, ignoring } from './directories.js';
import { type LinkGroup, LinkGroups, linkKey } from './links.js';
import { type ExtractResult, UnitFlag } from './messages.js';
import { BlobPlaces, type Fallback, type Locator, type Place } from './places.js';
import type { ExtractPool } from './pool.js';
import { Seams } from './seams.js';
import { type Decision, type Overwrite, Target } from './target.js';
import {
  type BigFile,
  cutTasks,
  type Part,
  type Pieces,
  type PlannedTask,
  type PlannedUnit,
  TASK_BYTES,
  type WholeFile,
} from './window.js';

/** What a restore works with. */
export interface SessionParts {
  context: Pick<Context, 'report' | 'signal'>;
  index: Locator;
  fallback?: Fallback;
  reader: NodeReader;
  /** Ids of data blobs. */
  hash: BlobHasher;
  pool: ExtractPool;
  directories: Directories;
  overwrite: Overwrite;
  dryRun: boolean;
  verify: boolean;
  /** One version is asked for by name: others of its path may have its size and time. */
  isOneVersion: boolean;
  /** Owners by number, not by name. */
  numericOwner?: boolean;
  /** What must never be removed or replaced. */
  isProtected: (stat: StatBuffer) => boolean;
  /** Files and bytes to come, where known. */
  totals?: { files: number; bytes: number };
}

/** A directory that is complete: nothing more will be put into it. */
export interface ClosedDir {
  entry: Entry;
  dir: Dir;
  /** What to set; undefined: only `loosened` is taken back. */
  want: Attributes | undefined;
}

/** A further name of a file. */
interface PendingLink {
  entry: Entry;
  dir: Dir;
  name: ByteString;
  decision: Decision;
  group: LinkGroup;
}

/** A file, and where it belongs. */
type PlacedFile = Pick<BigFile, 'entry' | 'dir' | 'name'>;

const flush = promisify(fs.fdatasync);

/** Some consecutive entries. What they need is read sorted by where it lies; what needs them done waits for the end. */
interface Window {
  units: PlannedUnit[];
  /** Of whole files. */
  bytes: number;
  /** How many of the units are pieces of big files, and of how many bytes. */
  pieces: number;
  pieceBytes: number;
  pinned: Set<Dir>;
  /** Big files whose last pieces are in this window or before. */
  bigs: BigFile[];
  openBigs: number;
  links: PendingLink[];
  closed: ClosedDir[];
  /** Units that are to be tried again, at other places or in another way. */
  again: PlannedUnit[];
  /** What pieces in this window fill of files that are written directly, ascending. */
  stretches: Map<BigFile, [from: number, to: number][]>;
}

/** Files up to this size are made whole, by one worker, in one burst. */
const SMALL = 1024 * 1024;

/**
 * A window is closed when it has as many bytes as the workers take at a time, within these limits, or so many entries; the
 * first one early, so that the workers have something to do.
 */
const LEAST_WINDOW_BYTES = 24 * 1024 * 1024;
const MOST_WINDOW_BYTES = 48 * 1024 * 1024;
const FIRST_WINDOW_BYTES = 12 * 1024 * 1024;
const WINDOW_ENTRIES = 8192;

/**
 * Of pieces of big files alone a window may have more, and the next four times as much: within a window frames are opened in
 * their order, each once or twice, however often what is in it recurs in the files. But what pieces share of blocks waits in
 * memory until the others are there, so there are not too many.
 */
const MOST_PIECE_BYTES = 1024 * 1024 * 1024;
const WINDOW_PIECES = 4096;

/** So many windows are worked on while the next is planned. */
const WINDOWS = 2;

/** Pieces of big files are handed over in units of so many chunks. */
const PIECE_CHUNKS = 64;

/** Restores entries one by one, in key order, as many at a time as there are workers. */
export class RestoreSession {
  restored = 0;
  skipped = 0;
  bytes = 0;
  readonly errors: PathProblem[] = [];
  readonly attributes: AttributePlan;
  private readonly parts: SessionParts;
  private readonly directories: Directories;
  private readonly target: Target;
  private readonly places: BlobPlaces;
  private readonly groups = new LinkGroups();
  private readonly stat = new StatBuffer();
  private readonly openBigs = new Set<BigFile>();
  private readonly mostDirs: number;
  private readonly mostBigs: number;
  private window: Window = newWindow();
  private readonly mostWindowBytes: number;
  private windowBytes = FIRST_WINDOW_BYTES;
  private pieceBytes = FIRST_WINDOW_BYTES;
  private inFlight = 0;
  private tail: Promise<void> = Promise.resolve();
  private failure: unknown;
  private wake: (() => void) | undefined;
  private seenFiles = 0;
  private seenBytes = 0;

  constructor(parts: SessionParts) {
    this.parts = parts;
    this.attributes = new AttributePlan(parts.numericOwner);
    this.directories = parts.directories;
    this.places = new BlobPlaces(parts.index, parts.fallback);
    const { overwrite, dryRun, verify, isProtected } = parts;
    this.target = new Target({
      directories: this.directories,
      overwrite,
      dryRun,
      verify,
      notes: this.attributes.notes,
      isProtected,
    });
    const atOnce = parts.pool.atOnce * TASK_BYTES;
    this.mostWindowBytes = Math.min(MOST_WINDOW_BYTES, Math.max(LEAST_WINDOW_BYTES, atOnce));
    const descriptors = descriptorLimit();
    this.mostDirs = Math.min(1024, Math.max(16, Math.floor(descriptors / 16)));
    this.mostBigs = Math.min(128, Math.max(8, Math.floor(descriptors / 32)));
  }

  /** Restores what is no directory. Waits only where it must: undefined means that the next may follow at once. */
  item(entry: Entry, dir: Dir, name: ByteString): Promise<void> | undefined {
    this.throwFailure();
    try {
      return this.plan(entry, dir, name) ?? this.flushIfFull();
    } catch (error) {
      this.problem(entry, error);
      return undefined;
    }
  }

  /** Sets a directory's attributes, once all that came before is there. */
  closeDirectory(closed: ClosedDir): Promise<void> | undefined {
    if (this.parts.dryRun) return undefined;
    this.throwFailure();
    this.window.closed.push(closed);
    return this.flushIfFull();
  }

  /** Waits until everything is done. */
  async finish(): Promise<void> {
    await this.flush();
    await this.tail;
    this.throwFailure();
  }

  /** Gives up: nothing is written any more when this resolves, and no half-written big file is left. */
  async abort(): Promise<void> {
    this.failure ??= new Error('given up');
    this.wake?.();
    await this.parts.pool.close();
    await this.tail.catch(() => undefined);
    for (const file of this.openBigs) {
      file.failure ??= 'given up';
      this.dropBig(file);
    }
  }

  /** Records what went wrong with an entry. Throws instead when nothing could go on. */
  problem(entry: Entry, error: unknown): void {
    if (error instanceof UserError && !(error instanceof StoreError)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined && !(error instanceof Conflict) && !(error instanceof FormatError)) throw error;
    const full = this.targetFailure(code, message);
    if (full !== undefined) throw full;
    this.error(entry, message);
  }

  /** Records an error about an entry's path. */
  error(entry: Entry, message: string): void {
    this.errors.push({ ...jsonPath(pathOf(entry.key)), message });
  }

  private plan(entry: Entry, dir: Dir, name: ByteString): Promise<void> | undefined {
    const decision = this.target.decide(entry, dir, name);
    if (decision === 'keep') {
      this.skip(entry);
      return undefined;
    }
    const key = linkKey(entry);
    const known = key === undefined ? undefined : this.groups.get(key);
    if (known !== undefined) {
      if (this.parts.dryRun) this.dryLink(entry, dir, name, decision, known);
      else this.window.links.push({ entry, dir, name, decision, group: known });
      return undefined;
    }
    const group = key === undefined ? undefined : this.groups.begin(key, dir, name);
    return this.planContent(entry, dir, name, decision, group, this.window);
  }

  /** Plans an entry that is not to become a link. */
  private planContent(
    entry: Entry,
    dir: Dir,
    name: ByteString,
    decision: Decision,
    group: LinkGroup | undefined,
    window: Window,
  ): Promise<void> | undefined {
    const want = this.attributes.of(entry);
    const check = this.parts.verify && entry.type === EntryType.file;
    let todo = decision;
    if (todo === 'matches' && !check) {
      if (this.target.refresh(entry, dir, name, want)) {
        if (group !== undefined) group.state = 'there';
        this.skip(entry);
        return this.mayLookAlike(entry) ? this.tellOfOtherContent({ entry, dir, name }) : undefined;
      }
      todo = 'replace';
    }
    if (this.parts.dryRun) {
      if (todo === 'matches') return this.dryVerify({ entry, dir, name }, want, group);
      this.dryContent(entry, group);
      return undefined;
    }
    if (entry.type !== EntryType.file) {
      try {
        this.target.make(entry, dir, name, want, todo);
      } catch (error) {
        if (group !== undefined) group.state = 'failed';
        throw error;
      }
      if (group !== undefined) group.state = 'there';
      this.done(entry);
      return undefined;
    }
    if (entry.size <= SMALL && entry.depth === 0) {
      this.planSmall({ kind: 'file', entry, dir, name, want, flags: flagsOf(todo), parts: [], group }, window);
      return undefined;
    }
    return this.planBig(entry, dir, name, todo, want, group, window);
  }

  /** A file looks right: says what would become of it once its bytes have been compared. */
  private async dryVerify(file: PlacedFile, want: Attributes, group: LinkGroup | undefined): Promise<void> {
    const { entry, dir, name } = file;
    try {
      if ((await this.hasBytes(file)) && this.target.refresh(entry, dir, name, want)) this.skip(entry);
      else this.dryContent(entry, group);
    } catch (error) {
      this.problem(entry, error);
    }
  }

  private dryContent(entry: Entry, group: LinkGroup | undefined): void {
    this.parts.context.report.detail(`would restore ${toDisplay(pathOf(entry.key))}`);
    if (group !== undefined) group.wouldBeNew = true;
    this.done(entry);
  }

  /** Whether size and time tell less than usual: a silent change left them as they were. */
  private mayLookAlike({ type, replaced }: Entry): boolean {
    return type === EntryType.file && (this.parts.isOneVersion || replaced !== undefined);
  }

  /** A file was left as its size and time are right: says so if its content is not. */
  private async tellOfOtherContent(file: PlacedFile): Promise<void> {
    if (await this.hasBytes(file)) return;
    this.error(
      file.entry,
      'left as it is, since its size and time are those of this version, but its content was not found to be; --overwrite always replaces it',
    );
  }

  private planSmall(file: WholeFile, window: Window): void {
    const { entry } = file;
    let offset = 0;
    for (let at = 0; at < entry.ids.length; at += ID_LENGTH) {
      const hole = holeLength(entry.ids, at);
      if (hole !== undefined) {
        offset += hole;
        continue;
      }
      const place = this.places.find(entry.ids, at);
      if (typeof place === 'string') {
        this.unitFailed(file, place, true);
        return;
      }
      file.parts.push({ offset, ids: entry.ids, at, place });
      offset += lengthOf(place);
    }
    if (offset !== entry.size) {
      this.unitFailed(file, wrongSize(offset, entry.size), true);
      return;
    }
    this.pin(file.dir, window);
    window.units.push(file);
    window.bytes += entry.size;
  }

  /** A big file is made here and written by the workers; its pieces may go through many windows. */
  private async planBig(
    entry: Entry,
    dir: Dir,
    name: ByteString,
    decision: Decision,
    want: Attributes,
    group: LinkGroup | undefined,
    window: Window,
  ): Promise<void> {
    const inPlace = window !== this.window;
    const file: BigFile = {
      entry,
      dir,
      name,
      want,
      group,
      fd: -1,
      seams: undefined,
      failure: undefined,
      damaged: false,
    };
    try {
      if (decision === 'matches') {
        if ((await this.hasBytes(file)) && this.target.refresh(entry, dir, name, want)) {
          if (group !== undefined) group.state = 'there';
          this.skip(entry);
          return;
        }
      }
      this.openBig(file, decision === 'create' ? 'create' : 'replace');
    } catch (error) {
      if (group !== undefined) group.state = 'failed';
      if (this.openBigs.has(file)) this.dropBig(file);
      this.problem(entry, error);
      return;
    }
    await this.planPieces(file, inPlace ? window : undefined);
    const last = inPlace ? window : this.window;
    last.bigs.push(file);
    last.openBigs++;
    if (!inPlace) await this.flushIfFull();
  }

  private openBig(file: BigFile, decision: 'create' | 'replace'): void {
    const { dir, name, entry } = file;
    const fd = this.directories.fd(dir);
    if (decision === 'replace') ignoring('ENOENT', () => removeFileAt(fd, name));
    try {
      file.fd = createFileAt(fd, name, 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || this.parts.overwrite === 'never') throw error;
      removeFileAt(fd, name);
      file.fd = createFileAt(fd, name, 0o600);
    }
    this.directories.pin(dir);
    this.openBigs.add(file);
    fs.ftruncateSync(file.fd, entry.size);
    // What is read back to be verified had better not be written so that the disk has to be waited for.
    if (!this.parts.verify && canWriteDirectly(file.fd) && setDirect(file.fd, true)) file.seams = new Seams();
  }

  /** Cuts a big file's content into units. @param only the window to put them in; undefined: whichever is open */
  private async planPieces(file: BigFile, only: Window | undefined): Promise<void> {
    const { entry } = file;
    let offset = 0;
    let parts: Part[] = [];
    const emit = (): void => {
      if (parts.length === 0) return;
      const window = only ?? this.window;
      window.units.push({ kind: 'pieces', file, parts });
      window.pieces++;
      parts = [];
    };
    let previous: Place | undefined;
    try {
      for await (const { ids, at, hole } of chunks(entry, this.parts.reader)) {
        if (file.failure !== undefined) break;
        if (hole !== undefined) {
          offset += hole;
          continue;
        }
        const place = this.places.find(ids, at);
        if (typeof place === 'string') {
          this.bigFailed(file, place, true);
          break;
        }
        // Units are sorted by their first chunk: those from another frame belong elsewhere.
        if (parts.length >= PIECE_CHUNKS || (previous !== undefined && !sameFrame(previous, place))) emit();
        previous = place;
        const length = lengthOf(place);
        if (offset + length > entry.size) {
          this.bigFailed(file, wrongSize(offset + length, entry.size), true);
          break;
        }
        parts.push({ offset, ids, at, place });
        const window = only ?? this.window;
        noteStretch(window, file, offset, offset + length);
        offset += length;
        window.pieceBytes += length;
        if (only === undefined && this.isFull()) {
          emit();
          await this.flushIfFull();
        }
      }
      if (file.failure === undefined && offset !== entry.size)
        this.bigFailed(file, wrongSize(offset, entry.size), true);
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      this.bigFailed(file, `its chunk list cannot be read: ${(error as Error).message}`, true);
    }
    emit();
  }

  /** Whether what is there in a file's place holds its bytes. */
  private async hasBytes(file: PlacedFile): Promise<boolean> {
    const { entry, dir, name } = file;
    let fd: number;
    try {
      fd = openFileAt(this.directories.fd(dir), name);
    } catch {
      return false;
    }
    try {
      const id = new Uint8Array(ID_LENGTH);
      let buffer: Uint8Array = new Uint8Array(1024 * 1024);
      let offset = 0;
      for await (const { ids, at, hole } of chunks(entry, this.parts.reader)) {
        const place = hole === undefined ? this.places.find(ids, at) : undefined;
        if (typeof place === 'string') return false;
        const length = place === undefined ? hole! : lengthOf(place);
        for (let done = 0; done < length; ) {
          const want = place === undefined ? Math.min(length - done, buffer.length) : length;
          if (buffer.length < want) buffer = new Uint8Array(want);
          if (!readFully(fd, buffer, want, offset + done)) return false;
          if (place === undefined) {
            if (!areZeros(buffer.subarray(0, want))) return false;
          } else {
            this.parts.hash(buffer, 0, want, id, 0);
            if (Buffer.compare(id, ids.subarray(at, at + ID_LENGTH)) !== 0) return false;
          }
          done += want;
        }
        offset += length;
      }
      return offset === entry.size;
    } catch (error) {
      if (!isAboutContent(error)) throw error;
      return false;
    } finally {
      closeFd(fd);
    }
  }

  private pin(dir: Dir, window: Window): void {
    if (window.pinned.has(dir)) return;
    this.directories.pin(dir);
    window.pinned.add(dir);
  }

  private isFull(): boolean {
    const { window } = this;
    const most = window.bytes > 0 ? this.windowBytes : this.pieceBytes;
    return (
      window.bytes + window.pieceBytes >= most ||
      window.pieces >= WINDOW_PIECES ||
      window.units.length + window.links.length + window.closed.length >= WINDOW_ENTRIES ||
      window.pinned.size >= this.mostDirs ||
      window.openBigs >= this.mostBigs
    );
  }

  private flushIfFull(): Promise<void> | undefined {
    return this.isFull() ? this.flush() : undefined;
  }

  /** Hands the window over to the workers and opens the next, as soon as there is room. */
  private async flush(): Promise<void> {
    while (this.inFlight >= WINDOWS && this.failure === undefined)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    this.throwFailure();
    const { window } = this;
    this.window = newWindow();
    this.windowBytes = Math.min(this.mostWindowBytes, this.windowBytes * 2);
    this.pieceBytes = Math.min(MOST_PIECE_BYTES, this.pieceBytes * 4);
    this.inFlight++;
    const tasks = this.runUnits(window.units, window);
    window.units = [];
    this.tail = this.tail
      .then(() => tasks)
      .then(() => this.complete(window))
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.inFlight--;
        this.wake?.();
      });
    // Whoever awaits the tail hears of it.
    tasks.catch((error: unknown) => {
      this.failure ??= error;
      this.wake?.();
    });
  }

  private async runUnits(units: PlannedUnit[], window: Window): Promise<void> {
    for (const [file, stretches] of window.stretches)
      for (const [from, to] of stretches) this.attempt(file, () => allocate(file.fd, from, to - from));
    window.stretches.clear();
    await Promise.all(cutTasks(units, this.attributes).map((task) => this.runTask(task, window)));
  }

  private async runTask(planned: PlannedTask, window: Window): Promise<void> {
    if (this.failure !== undefined) return;
    const result = await this.parts.pool.run(planned.task);
    this.handle(planned, result, window);
  }

  private handle(planned: PlannedTask, result: ExtractResult, window: Window): void {
    for (const [frame, message] of result.badFrames) {
      const { pack, number } = planned.frames[frame];
      this.places.markFrame(pack, number, message);
    }
    const { notes } = this.attributes;
    for (const [name, code] of result.xattrFailures) notes.xattr(name, code);
    notes.owners += result.chownFailures;
    if (result.full !== undefined) throw this.targetFailure('ENOSPC', result.full);
    this.joinSeams(planned, result);
    const bad = new Set(result.badFrames.map(([frame]) => planned.frames[frame]));
    const settled = new Set(result.matched);
    for (const { unit, code, message, blobs } of result.failures) {
      settled.add(unit);
      if (blobs !== undefined) {
        for (const blob of blobs) {
          const place = planned.places[blob];
          const frame = place.pack.frameOf[place.blob];
          const isFrames = [...bad].some(({ pack, number }) => pack === place.pack && number === frame);
          if (!isFrames) this.places.markBlob(place);
        }
        this.relocate(planned.units[unit], new Set(blobs.map((blob) => placeKey(planned.places[blob]))), window);
      } else this.refused(planned.units[unit], code, message, window);
    }
    planned.units.forEach((unit, i) => {
      if (unit.kind === 'file' && !settled.has(i)) this.unitDone(unit);
    });
    for (const number of result.matched) this.matched(planned.units[number] as WholeFile, window);
    this.seenBytes += planned.bytes;
    this.progress();
  }

  private joinSeams({ units }: PlannedTask, { seams }: ExtractResult): void {
    for (const [number, offset, bytes] of seams) {
      const { file } = units[number] as Pieces;
      file.seams!.add(offset, bytes);
      this.attempt(file, () => file.seams!.relieve(file.fd));
    }
  }

  /** Does something to a big file; it fails when that does. */
  private attempt(file: BigFile, work: () => void): void {
    if (file.failure !== undefined) return;
    try {
      work();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.failure ??= this.targetFailure(code, message);
      this.bigFailed(file, message, false);
    }
  }

  /** A worker found that a file that looked right is right. */
  private matched(file: WholeFile, window: Window): void {
    if (this.target.refresh(file.entry, file.dir, file.name, file.want)) {
      if (file.group !== undefined) file.group.state = 'there';
      this.skip(file.entry);
      return;
    }
    file.flags = UnitFlag.replace;
    window.again.push(file);
  }

  /** Some blobs were bad where they were looked for: tries other places, or gives up. */
  private relocate(unit: PlannedUnit, bad: Set<number>, window: Window): void {
    const parts = unit.kind === 'file' ? unit.parts : unit.parts.filter((part) => bad.has(placeKey(part.place)));
    for (const part of parts) {
      if (!bad.has(placeKey(part.place))) continue;
      const place = this.places.find(part.ids, part.at);
      if (typeof place === 'string') {
        this.unitFailed(unit, place, true);
        return;
      }
      part.place = place;
    }
    window.again.push(unit.kind === 'file' ? unit : { kind: 'pieces', file: unit.file, parts });
  }

  /** The system refused a unit. */
  private refused(unit: PlannedUnit, code: string | undefined, message: string, window: Window): void {
    const isNew = unit.kind === 'file' && (unit.flags & UnitFlag.replace) === 0;
    // Names that differ here may be one where it is restored (upper and lower case).
    if (code === 'EEXIST' && isNew && this.parts.overwrite !== 'never') {
      unit.flags |= UnitFlag.replace;
      window.again.push(unit);
      return;
    }
    const failure = this.targetFailure(code, message);
    if (failure !== undefined) throw failure;
    this.unitFailed(unit, message, false);
  }

  private unitFailed(unit: PlannedUnit, message: string, damaged: boolean): void {
    if (unit.kind === 'pieces') {
      this.bigFailed(unit.file, message, damaged);
      return;
    }
    failGroup(unit.group, message, damaged);
    this.error(unit.entry, message);
  }

  private bigFailed(file: BigFile, message: string, damaged: boolean): void {
    if (file.failure !== undefined) return;
    file.failure = message;
    file.damaged = damaged;
  }

  private unitDone(file: WholeFile): void {
    if (file.group !== undefined) file.group.state = 'there';
    this.restored++;
    this.bytes += file.entry.size;
    this.seenFiles++;
  }

  /** Does what had to wait for the files of a window: big files, links, directories. */
  private async complete(window: Window): Promise<void> {
    await this.settle(window);
    for (const link of window.links) await this.link(link);
    if (this.failure !== undefined) return;
    for (const closed of window.closed) this.closeNow(closed);
    for (const dir of window.pinned) this.directories.unpin(dir);
    this.progress();
  }

  /** Tries again what is to be tried again, and ends the big files. */
  private async settle(window: Window): Promise<void> {
    while (window.again.length > 0 && this.failure === undefined) {
      const units = window.again;
      window.again = [];
      await this.runUnits(units, window);
    }
    if (this.failure !== undefined) return;
    await Promise.all(window.bigs.map((file) => this.flushBig(file)));
    for (const file of window.bigs) this.endBig(file);
    window.bigs = [];
  }

  /**
   * Big files have their size before their content. Were the machine to lose power, one with its size and its time would
   * look restored to the next restore, whatever had come to the disk of it: so its content goes there before its time.
   */
  private async flushBig(file: BigFile): Promise<void> {
    this.attempt(file, () => {
      if (file.seams === undefined) return;
      setDirect(file.fd, false);
      file.seams.finish(file.fd);
    });
    if (file.failure !== undefined) return;
    try {
      await flush(file.fd);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      this.failure ??= this.targetFailure(code, message);
      this.bigFailed(file, message, false);
    }
  }

  private endBig(file: BigFile): void {
    const { entry, group } = file;
    if (file.failure === undefined) {
      try {
        applyToOpen(file.fd, file.want, this.stat, this.attributes.notes);
        this.closeBig(file);
        if (group !== undefined) group.state = 'there';
        this.restored++;
        this.bytes += entry.size;
        this.seenFiles++;
        return;
      } catch (error) {
        file.failure = (error as Error).message;
      }
    }
    failGroup(group, file.failure, file.damaged);
    this.dropBig(file);
    this.error(entry, file.failure);
  }

  private dropBig(file: BigFile): void {
    try {
      removeFileAt(file.dir.fd, file.name);
    } catch {
      // It is gone, or cannot be removed; either way it lacks its time, so the next restore makes it anew.
    }
    this.closeBig(file);
  }

  private closeBig(file: BigFile): void {
    this.openBigs.delete(file);
    closeFd(file.fd);
    this.directories.unpin(file.dir);
  }

  private async link(link: PendingLink): Promise<void> {
    if (this.failure !== undefined) return;
    const { entry, dir, name, group } = link;
    if (group.state === 'damaged') {
      this.error(entry, group.reason);
      return;
    }
    try {
      if (group.state === 'there') {
        const made = this.target.link(group, dir, name, link.decision);
        if (made === 'same') this.skip(entry);
        else if (made === 'made') {
          this.restored++;
          this.seen(entry);
        }
        if (made !== 'impossible') return;
      }
    } catch (error) {
      this.problem(entry, error);
      return;
    }
    await this.standIn(link);
  }

  /** The group has no first name yet, or none that can be linked to: this one gets the content. */
  private async standIn(link: PendingLink): Promise<void> {
    const { entry, dir, name, group } = link;
    const window = newWindow();
    try {
      if (group.state !== 'there') Object.assign(group, { dir, name, state: 'pending' });
      await this.planContent(entry, dir, name, link.decision, group, window);
    } catch (error) {
      this.problem(entry, error);
    }
    await this.runUnits(window.units, window);
    await this.settle(window);
    for (const pinned of window.pinned) this.directories.unpin(pinned);
  }

  private dryLink(entry: Entry, dir: Dir, name: ByteString, decision: Decision, group: LinkGroup): void {
    const isKept = decision !== 'create' && !group.wouldBeNew;
    if (isKept && this.target.sameFile(group.dir, group.name, dir, name)) this.skip(entry);
    else {
      if (decision !== 'create') this.target.giveWay(dir, name);
      this.restored++;
      this.parts.context.report.detail(`would restore ${toDisplay(pathOf(entry.key))}`);
    }
  }

  private closeNow({ entry, dir, want }: ClosedDir): void {
    try {
      const fd = this.directories.fd(dir);
      if (want !== undefined) applyToOpen(fd, want, this.stat, this.attributes.notes);
      else if (dir.loosened !== undefined) chmodFd(fd, dir.loosened);
    } catch (error) {
      this.problem(entry, error);
    }
  }

  private skip(entry: Entry): void {
    this.skipped++;
    this.seen(entry);
    this.seenBytes += entry.size;
  }

  private done(entry: Entry): void {
    this.restored++;
    this.bytes += entry.size;
    this.seen(entry);
  }

  /** Totals count files only. */
  private seen({ type }: Entry): void {
    if (type === EntryType.file) this.seenFiles++;
  }

  private progress(): void {
    const { totals, context } = this.parts;
    context.report.progress({
      files: this.seenFiles,
      bytes: this.seenBytes,
      ...(totals && { totalFiles: totals.files, totalBytes: totals.bytes }),
    });
  }

  /** Failures of the target after which nothing can be restored any more. */
  private targetFailure(code: string | undefined, message: string): UserError | undefined {
    if (code === 'ENOSPC' || code === 'EDQUOT')
      return new UserError(
        ExitCode.failed,
        `no space left where it is restored, ${message}; free some, then run the same restore again: it goes on where it stopped`,
      );
    if (code === 'EROFS')
      return new UserError(ExitCode.failed, `the target is read-only, ${message}; choose another target`);
    if (code === 'EMFILE' || code === 'ENFILE')
      return new UserError(ExitCode.failed, `too many open files, ${message}; raise 'ulimit -n'`);
    return undefined;
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
    this.parts.context.signal.throwIfAborted();
  }
}

function newWindow(): Window {
  return {
    units: [],
    bytes: 0,
    pieces: 0,
    pieceBytes: 0,
    pinned: new Set(),
    bigs: [],
    openBigs: 0,
    links: [],
    closed: [],
    again: [],
    stretches: new Map(),
  };
}

function noteStretch({ stretches }: Window, file: BigFile, from: number, to: number): void {
  if (file.seams === undefined) return;
  const known = stretches.get(file);
  const last = known?.at(-1);
  if (last !== undefined && last[1] === from) last[1] = to;
  else if (known !== undefined) known.push([from, to]);
  else stretches.set(file, [[from, to]]);
}

function flagsOf(decision: Decision): number {
  if (decision === 'create') return 0;
  return decision === 'matches' ? UnitFlag.compare | UnitFlag.replace : UnitFlag.replace;
}

function failGroup(group: LinkGroup | undefined, reason: string, damaged: boolean): void {
  if (group !== undefined) Object.assign(group, { state: damaged ? 'damaged' : 'failed', reason });
}

function lengthOf(place: Place): number {
  return place.pack.directory.lengths[place.blob];
}

function placeKey(place: Place): number {
  return place.pack.number * 2 ** 24 + place.blob;
}

function sameFrame(a: Place, b: Place): boolean {
  return a.pack === b.pack && a.pack.frameOf[a.blob] === b.pack.frameOf[b.blob];
}

function wrongSize(found: number, size: number): string {
  return `its chunks hold ${found} bytes, its entry says ${size}: damaged in the store`;
}

/** Whether an error is about what was to be read, not about the store as a whole. */
function isAboutContent(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof StoreError && error.code !== 'gone');
}

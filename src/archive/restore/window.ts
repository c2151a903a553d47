import type { ByteString } from '../../bytes.js';
import { type Entry, ID_LENGTH } from '../../format/entry.js';
import type { Attributes } from './attributes.js';
import type { Dir } from './directories.js';
import type { LinkGroup } from './links.js';
import {
  BLOB_FIELDS,
  Blob,
  type ExtractTask,
  FRAME_FIELDS,
  Frame,
  PART_FIELDS,
  UNIT_FIELDS,
  Unit,
  UnitFlag,
} from './messages.js';
import type { PackPlaces, Place } from './places.js';
import type { Seams } from './seams.js';

/** One chunk of a file: where it goes, what its id is and where it lies. */
export interface Part {
  offset: number;
  ids: Uint8Array;
  at: number;
  place: Place;
}

/** A file that is made whole by one worker. */
export interface WholeFile {
  kind: 'file';
  entry: Entry;
  dir: Dir;
  name: ByteString;
  want: Attributes;
  flags: number;
  parts: Part[];
  group: LinkGroup | undefined;
}

/** Pieces of a file that the main thread has open. */
export interface Pieces {
  kind: 'pieces';
  file: BigFile;
  parts: Part[];
}

/** A file that is written piece by piece. */
export interface BigFile {
  entry: Entry;
  dir: Dir;
  name: ByteString;
  want: Attributes;
  group: LinkGroup | undefined;
  fd: number;
  /** Where it is written past the page cache: the blocks that pieces share. */
  seams: Seams | undefined;
  /** Why it cannot be whole any more. */
  failure: string | undefined;
  /** Whether `failure` is about the store, so that other names of the file share it. */
  damaged: boolean;
}

export type PlannedUnit = WholeFile | Pieces;

/** A task with what its numbers stand for. */
export interface PlannedTask {
  task: ExtractTask;
  units: PlannedUnit[];
  /** The place of each of the task's blobs, and what each of its frames is. */
  places: Place[];
  frames: { pack: PackPlaces; number: number }[];
  /** Bytes of files in it. */
  bytes: number;
}

/** How large tasks get: bytes of files, units, and frames that only single units need. */
export const TASK_BYTES = 6 * 1024 * 1024;
const TASK_UNITS = 1024;
const TASK_FRAMES = 32;

/** What depends on this process when a file is made. */
export interface Creation {
  uid: number;
  gid: number;
  umask: number;
}

/**
 * Cuts units into tasks: sorted by where their first chunk lies, so that each frame is needed by as few tasks as
 * possible, and the packs are read from front to back.
 */
export function cutTasks(units: PlannedUnit[], creation: Creation): PlannedTask[] {
  const sorted = units.map((unit) => ({ unit, order: orderOf(unit) })).sort((a, b) => a.order - b.order);
  const tasks: PlannedTask[] = [];
  let builder = new TaskBuilder(creation);
  for (const { unit } of sorted) {
    if (builder.isFull(unit)) {
      tasks.push(builder.build());
      builder = new TaskBuilder(creation);
    }
    builder.add(unit);
  }
  if (builder.units.length > 0) tasks.push(builder.build());
  return tasks;
}

function orderOf(unit: PlannedUnit): number {
  if (unit.parts.length === 0) return -1;
  const { pack, blob } = unit.parts[0].place;
  return pack.number * 2 ** 24 + blob;
}

class TaskBuilder {
  readonly units: PlannedUnit[] = [];
  private readonly creation: Creation;
  private readonly frames = new Map<number, { place: Place; frame: number; number: number }>();
  private readonly blobs = new Map<number, number>();
  private readonly places: Place[] = [];
  private readonly ids: [ids: Uint8Array, at: number][] = [];
  private rows = new Float64Array(256 * UNIT_FIELDS);
  private parts = new Float64Array(512 * PART_FIELDS);
  private partCount = 0;
  private readonly names: ByteString[] = [];
  private readonly xattrs: ExtractTask['xattrs'] = [];
  private bytes = 0;

  constructor(creation: Creation) {
    this.creation = creation;
  }

  /** Whether this unit should go into the next task. */
  isFull(next: PlannedUnit): boolean {
    if (this.units.length === 0) return false;
    if (this.units.length >= TASK_UNITS || this.bytes >= 2 * TASK_BYTES) return true;
    if (this.bytes < TASK_BYTES && this.frames.size < TASK_FRAMES) return false;
    // Better cut where a frame ends, than have it opened twice.
    const first = next.parts.at(0);
    return first === undefined || !this.frames.has(frameKey(first.place));
  }

  add(unit: PlannedUnit): void {
    const number = this.units.push(unit) - 1;
    for (const part of unit.parts) {
      if (this.partCount * PART_FIELDS >= this.parts.length) this.parts = grown(this.parts);
      this.parts[this.partCount * PART_FIELDS] = part.offset;
      this.parts[this.partCount * PART_FIELDS + 1] = this.blobOf(part);
      this.partCount++;
      this.bytes += part.place.pack.directory.lengths[part.place.blob];
    }
    const at = number * UNIT_FIELDS;
    if (at >= this.rows.length) this.rows = grown(this.rows);
    const { rows } = this;
    rows[at + Unit.parts] = unit.parts.length;
    if (unit.kind === 'pieces') {
      rows[at + Unit.fd] = unit.file.fd;
      rows[at + Unit.flags] = unit.file.seams === undefined ? 0 : UnitFlag.direct;
      rows[at + Unit.name] = -1;
      return;
    }
    const { dir, entry, want } = unit;
    if (want.xattrs.length > 0) this.xattrs.push([number, want.xattrs as [ByteString, Uint8Array][]]);
    rows[at + Unit.fd] = dir.fd;
    rows[at + Unit.flags] = unit.flags | UnitFlag.whole | (dir.handsAclDown ? UnitFlag.clearAcl : 0);
    rows[at + Unit.size] = entry.size;
    rows[at + Unit.mtimeSec] = want.mtimeSec;
    rows[at + Unit.mtimeNsec] = want.mtimeNsec;
    rows[at + Unit.name] = this.names.push(unit.name) - 1;
    this.creationOf(unit, at);
  }

  /** With which bits, and by which later calls, a file gets its owner and permissions. */
  private creationOf(unit: WholeFile, at: number): void {
    const { want, dir } = unit;
    const { rows, creation } = this;
    const gives = want.uid !== -1 && (want.uid !== creation.uid || want.gid !== dir.groupOfNew);
    const hasXattrs = want.xattrs.length > 0;
    // Where an ACL is to come the group bits are its mask, not the group's rights: nobody else gets in before.
    let createMode = hasXattrs ? (want.perm & 0o700) | 0o600 : want.perm & 0o777;
    if (dir.handsAclDown) createMode &= 0o700;
    const exact = (createMode & ~creation.umask) === want.perm && !dir.handsAclDown && !hasXattrs;
    rows[at + Unit.createMode] = createMode;
    rows[at + Unit.chmod] = exact ? -1 : want.perm;
    rows[at + Unit.uid] = gives ? want.uid : -1;
    rows[at + Unit.gid] = gives ? want.gid : -1;
  }

  build(): PlannedTask {
    const packs: string[] = [];
    const packNumbers = new Map<string, number>();
    const order = [...this.frames.values()].sort(
      (a, b) => a.place.pack.number - b.place.pack.number || a.frame - b.frame,
    );
    const renumbered = new Uint32Array(order.length);
    const frames = new Float64Array(order.length * FRAME_FIELDS);
    order.forEach(({ place, frame, number }, i) => {
      renumbered[number] = i;
      const { name, directory } = place.pack;
      let pack = packNumbers.get(name);
      if (pack === undefined) {
        pack = packs.push(name) - 1;
        packNumbers.set(name, pack);
      }
      const at = i * FRAME_FIELDS;
      const info = directory.frames[frame];
      frames[at + Frame.pack] = pack;
      frames[at + Frame.number] = frame;
      frames[at + Frame.offset] = info.offset;
      frames[at + Frame.length] = info.length;
      frames[at + Frame.plainLength] = info.plainLength;
      frames[at + Frame.raw] = info.raw ? 1 : 0;
    });
    const blobs = new Uint32Array(this.places.length * BLOB_FIELDS);
    const ids = new Uint8Array(this.places.length * ID_LENGTH);
    this.places.forEach((place, i) => {
      const at = i * BLOB_FIELDS;
      blobs[at + Blob.frame] = renumbered[this.frames.get(frameKey(place))!.number];
      blobs[at + Blob.start] = place.pack.startOf[place.blob];
      blobs[at + Blob.length] = place.pack.directory.lengths[place.blob];
      const [source, from] = this.ids[i];
      for (let k = 0; k < ID_LENGTH; k++) ids[i * ID_LENGTH + k] = source[from + k];
    });
    const task: ExtractTask = {
      packs,
      frames,
      blobs,
      ids,
      units: this.rows.slice(0, this.units.length * UNIT_FIELDS),
      parts: this.parts.slice(0, this.partCount * PART_FIELDS),
      names: this.names.join('/'),
      xattrs: this.xattrs,
    };
    return {
      task,
      units: this.units,
      places: this.places,
      frames: order.map(({ place, frame }) => ({ pack: place.pack, number: frame })),
      bytes: this.bytes,
    };
  }

  private blobOf(part: Part): number {
    const { pack, blob } = part.place;
    const key = pack.number * 2 ** 24 + blob;
    let number = this.blobs.get(key);
    if (number === undefined) {
      number = this.places.push(part.place) - 1;
      this.blobs.set(key, number);
      this.ids.push([part.ids, part.at]);
      const frame = frameKey(part.place);
      if (!this.frames.has(frame))
        this.frames.set(frame, { place: part.place, frame: pack.frameOf[blob], number: this.frames.size });
    }
    return number;
  }
}

function frameKey(place: Place): number {
  return place.pack.number * 2 ** 24 + place.pack.frameOf[place.blob];
}

function grown(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}

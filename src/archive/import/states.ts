import type { ByteString } from '../../bytes.js';
import { type Entry, EntryType } from '../../format/entry.js';
import type { LegacyRun, LegacyVersion } from '../../legacy/index.js';
import { type EntryMaker, keyOfStored, keysAbove } from './entries.js';
import type { Changes } from './growing-listing.js';

/** What the old tool's sources held after each of its runs, one after the other, with the directories that needs. */
export class ArchiveState {
  readonly counts = { files: 0, dirs: 0, bytes: 0 };
  private readonly maker: EntryMaker;
  private readonly roots: ReadonlySet<ByteString>;
  /** The files that are there now. When a version began tells those of a path apart. */
  private readonly files = new Map<ByteString, Entry>();
  /** How many files lie below each directory. */
  private readonly holding = new Map<ByteString, number>();

  /** @param roots keys of the roots */
  constructor(maker: EntryMaker, roots: ReadonlySet<ByteString>) {
    this.maker = maker;
    this.roots = roots;
  }

  /** Takes over the state of a snapshot that was imported before, as changes of an empty one. */
  resume(entries: Iterable<Entry>): Changes {
    const state = new Map<ByteString, Entry>();
    for (const entry of entries) {
      state.set(entry.key, entry);
      if (entry.type === EntryType.file) this.enter(entry);
    }
    return state;
  }

  /**
   * Goes on to the state after the next run.
   * @param entries of versions by their place in `versions`; those whose content is lost are not there
   * @returns what differs from the state before
   */
  advance(run: LegacyRun, versions: readonly LegacyVersion[], entries: ReadonlyMap<number, Entry>): Changes {
    const touched = new Set<ByteString>();
    // What comes goes first, so that a directory whose files are all replaced is the same one.
    for (const i of run.began) {
      const entry = entries.get(i);
      if (entry === undefined) continue;
      for (const key of this.enter(entry)) touched.add(key);
    }
    for (const i of run.ended) {
      const key = keyOfStored(versions[i].path);
      if (this.files.get(key)?.kept?.first === versions[i].from) for (const gone of this.leave(key)) touched.add(gone);
    }
    return new Map([...touched].map((key) => [key, this.at(key, run.time)]));
  }

  /** Returns the keys at which something is different now. */
  private enter(entry: Entry): ByteString[] {
    const { key } = entry;
    const before = this.files.get(key);
    this.files.set(key, entry);
    this.counts.bytes += entry.size - (before?.size ?? 0);
    const touched = [key];
    if (before !== undefined) return touched;
    this.counts.files++;
    for (const above of keysAbove(key)) {
      const held = this.holding.get(above) ?? 0;
      this.holding.set(above, held + 1);
      if (held === 0) touched.push(above);
    }
    this.counts.dirs = this.holding.size;
    return touched;
  }

  private leave(key: ByteString): ByteString[] {
    this.counts.bytes -= this.files.get(key)?.size ?? 0;
    this.counts.files--;
    this.files.delete(key);
    const touched = [key];
    for (const above of keysAbove(key)) {
      const held = this.holding.get(above) ?? 0;
      if (held > 1) this.holding.set(above, held - 1);
      else {
        this.holding.delete(above);
        touched.push(above);
      }
    }
    this.counts.dirs = this.holding.size;
    return touched;
  }

  /** What is at a key now. Where the log has a file and files below it, the file is what can be told for sure. */
  private at(key: ByteString, time: bigint): Entry | undefined {
    const file = this.files.get(key);
    if (file !== undefined) return file;
    if (!this.holding.has(key)) return undefined;
    const isAncestor = ![...keysAbove(key), key].some((above) => this.roots.has(above));
    return this.maker.directory(key, time, isAncestor);
  }
}

/**
 * Versions spread over as few listings as hold them all, since a listing has each path once: in the first the newest
 * version of every path, in the next the one before it, and so on.
 */
export function layersOf(entries: readonly Entry[]): Map<ByteString, Entry>[] {
  const byPath = new Map<ByteString, Entry[]>();
  for (const entry of entries) {
    const known = byPath.get(entry.key);
    if (known === undefined) byPath.set(entry.key, [entry]);
    else known.push(entry);
  }
  const layers: Map<ByteString, Entry>[] = [];
  for (const [key, versions] of byPath) {
    for (const [i, entry] of versions.toReversed().entries()) {
      layers[i] ??= new Map();
      layers[i].set(key, entry);
    }
  }
  return layers;
}

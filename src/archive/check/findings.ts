import type { BlobKind } from '../../crypto/keyring.js';
import { ID_LENGTH } from '../../format/entry.js';
import type { Folder } from '../../store/index.js';
import type { CheckProblem } from '../types.js';

/** A blob that snapshots need and that cannot be had. */
export interface LostBlob {
  id: Uint8Array;
  kind: BlobKind;
  /** The damaged or missing object that it lay in, where that is known. */
  cause: CheckProblem | undefined;
}

/** A small object that is damaged or gone. */
export interface BadObject {
  folder: Exclude<Folder, 'packs'>;
  name: string;
  what: 'damaged' | 'missing';
}

/** A pack that is damaged, with what is said of it. */
export interface BadPack {
  name: string;
  problem: CheckProblem;
}

/** What a check has found. */
export class Findings {
  readonly problems: CheckProblem[] = [];
  readonly objects: BadObject[] = [];
  /** Plain files of the store that are missing or damaged. */
  readonly plain: ('config.json' | 'README.txt' | 'restore.html')[] = [];
  /** Packs in the store of which not everything can be read, by name. */
  readonly packs = new Map<string, BadPack>();
  /** Packs that are needed and that no index names. */
  readonly unindexed = new Set<string>();
  /** By `blobKey`. */
  readonly lost = new Map<string, LostBlob>();
  /** Names of the snapshots whose listings lack blobs. */
  readonly cutListings = new Set<string>();
  /** Names of the snapshots that are not whole. */
  readonly hurt = new Set<string>();
  /** Bytes of packs read. */
  read = 0;

  /** Notes a problem. */
  add(problem: CheckProblem): CheckProblem {
    if (!this.problems.includes(problem)) this.problems.push(problem);
    return problem;
  }

  /** Notes a lost blob; what is said first of it stays. */
  lose(id: Uint8Array, kind: BlobKind, cause: CheckProblem | undefined): void {
    const key = blobKey(id);
    if (!this.lost.has(key)) this.lost.set(key, { id: id.slice(), kind, cause });
  }

  isLost(ids: Uint8Array, at: number): boolean {
    return this.lost.size > 0 && this.lost.has(blobKey(ids, at));
  }
}

/** A new problem, not noted yet. */
export function problem(kind: string, object: string, message: string): CheckProblem {
  return { kind, object, paths: [], snapshots: [], message };
}

/** An id as a key of maps. */
export function blobKey(ids: Uint8Array, at = 0): string {
  return Buffer.from(ids.buffer, ids.byteOffset + at, ID_LENGTH).latin1Slice();
}

/** Every id of a row of them. */
export function* eachId(ids: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < ids.length; at += ID_LENGTH) yield ids.subarray(at, at + ID_LENGTH);
}

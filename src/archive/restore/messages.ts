import type { ByteString } from '../../bytes.js';
import type { KeyringData } from '../../crypto/keyring.js';
import type { OpenOptions } from '../../store/index.js';

/** What every extract worker is started with. */
export interface ExtractSetup {
  storeUrl: string;
  storeOptions: OpenOptions;
  keyring: KeyringData;
  /** Read back what was written, and compare ids. */
  verify: boolean;
}

/** Numbers per frame in ExtractTask.frames, and their places. */
export const FRAME_FIELDS = 6;
export const Frame = { pack: 0, number: 1, offset: 2, length: 3, plainLength: 4, raw: 5 } as const;

/** Numbers per blob in ExtractTask.blobs: the frame it lies in, where in it, and how long it is. */
export const BLOB_FIELDS = 3;
export const Blob = { frame: 0, start: 1, length: 2 } as const;

/** Numbers per unit in ExtractTask.units, and their places. */
export const UNIT_FIELDS = 11;
export const Unit = {
  /**
   * A file's directory (UnitFlag.whole), or the open big file itself. Descriptors belong to the process, so the main
   * thread's are good here; it keeps them open until the task is done.
   */
  fd: 0,
  flags: 1,
  /** How many parts it has, in the order of the units. */
  parts: 2,
  size: 3,
  /** Permission bits to create with, before the umask; and those to set afterwards, or -1 when creating is enough. */
  createMode: 4,
  chmod: 5,
  /** New owner and group, or -1 when creating is enough. */
  uid: 6,
  gid: 7,
  mtimeSec: 8,
  mtimeNsec: 9,
  /** Which of the task's names is the file's; -1 for pieces. */
  name: 10,
} as const;

export const UnitFlag = {
  /** A file that is made whole; otherwise pieces of one that the main thread has open. */
  whole: 1,
  /** What is there gives way. Otherwise nothing is expected there, and anything is an error (EEXIST). */
  replace: 2,
  /** The directory hands an ACL down that is not the file's own. */
  clearAcl: 4,
  /** Something of the right size and time is there: it stays when its bytes are right. */
  compare: 8,
  /** The open big file takes whole blocks only (O_DIRECT). */
  direct: 16,
} as const;

/** Numbers per part in ExtractTask.parts: where in the file, and which of the task's blobs. Ascending in a file. */
export const PART_FIELDS = 2;

/** Files to be made whole, and pieces of big files. */
export interface ExtractTask {
  /** Names of the packs that frames refer to. */
  packs: string[];
  frames: Float64Array;
  blobs: Uint32Array;
  /** Ids of the blobs. */
  ids: Uint8Array;
  units: Float64Array;
  parts: Float64Array;
  /** Names of the files, joined by slashes. */
  names: ByteString;
  xattrs: [unit: number, pairs: [name: ByteString, value: Uint8Array][]][];
}

/** Why a unit was not restored. */
export interface UnitFailure {
  unit: number;
  /** What the system said; undefined when blobs are bad. */
  code?: string;
  message: string;
  /** Numbers in the task of the blobs that could not be had. */
  blobs?: number[];
}

export interface ExtractResult {
  failures: UnitFailure[];
  /** Units that had been there with the right bytes. */
  matched: number[];
  /** Frames (numbers in the task) that do not open. */
  badFrames: [frame: number, message: string][];
  /** Attributes that could not be set, by name, with what the system said. */
  xattrFailures: [name: ByteString, code: string][];
  /** Owners that could not be set. */
  chownFailures: number;
  /** What pieces of direct files have of blocks that they do not fill: of which unit's file, where, and what. */
  seams: [unit: number, offset: number, bytes: Uint8Array][];
  /** Set when going on makes no sense: the target is full. The rest of the task was not done. */
  full?: string;
}

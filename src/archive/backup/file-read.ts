import type { ByteString } from '../../bytes.js';
import { type ReadStatus, Stat } from '../ingest/messages.js';

/** What reading a file gave. */
export interface FileRead {
  status: ReadStatus;
  /** Why, when it could not be read. */
  error?: string;
  perm: number;
  uid: number;
  gid: number;
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  ino: number;
  nlink: number;
  chunkClass: 0 | 1;
  depth: number;
  ids: Uint8Array;
  xattrs: [ByteString, Uint8Array][] | undefined;
  /** When reading began, milliseconds since 1970. */
  started: number;
}

/** Unpacks a file's row of a worker's answer. */
export function fileRead(
  row: Float64Array,
  ids: Uint8Array,
  error: string | undefined,
  xattrs: [ByteString, Uint8Array][] | undefined,
): FileRead {
  return {
    status: row[Stat.status] as ReadStatus,
    error,
    perm: row[Stat.mode],
    uid: row[Stat.uid],
    gid: row[Stat.gid],
    size: row[Stat.size],
    mtimeSec: row[Stat.mtimeSec],
    mtimeNsec: row[Stat.mtimeNsec],
    ctimeSec: row[Stat.ctimeSec],
    ctimeNsec: row[Stat.ctimeNsec],
    ino: row[Stat.ino],
    nlink: row[Stat.nlink],
    chunkClass: (row[Stat.cut] & 1) as 0 | 1,
    depth: row[Stat.cut] >> 1,
    ids,
    xattrs,
    started: row[Stat.started],
  };
}

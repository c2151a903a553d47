import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fromDisplay } from '../../bytes.js';
import { ExitCode, UserError } from '../../errors.js';
import { ContentError, type LegacyArchive } from '../../legacy/index.js';
import { toStored } from '../../platform/index.js';
import { keyOf } from '../../scan/index.js';
import type { FileRead } from '../backup/file-read.js';
import type { ReadQueue } from '../backup/read-queue.js';
import { ReadStatus } from '../ingest/messages.js';
import type { StoredContent } from './entries.js';

/** How the folders are called in which contents lie between being decrypted and being stored. */
const SPOOL = 'import-';

/** Decrypted bytes that may wait for the workers before more is decrypted. */
const MOST_WAITING = 128 * 1024 * 1024;

/** Contents decrypted at a time: decrypting waits for threads and disk more than it computes. */
const AT_ONCE = 4;

/** A content to be taken over. */
export interface WantedContent {
  checksum: string;
  /** As the archive names it, if it does. */
  size?: number;
}

/**
 * Takes contents of an archive over into the store, in the order given. Each is decrypted into a file of its own in the
 * folder of the catalog, which workers read like any other; it goes as soon as it is stored.
 * @param progress is told of every content when it was decrypted
 * @returns by checksum: where a content is in the store, or why the archive lacks it
 */
export async function storeContents(
  archive: LegacyArchive,
  wanted: readonly WantedContent[],
  queue: ReadQueue,
  options: { tableDir: string; signal: AbortSignal; progress(contents: number, bytes: number): void },
): Promise<Map<string, StoredContent | ContentError>> {
  const { tableDir, signal, progress } = options;
  removeLeftovers(tableDir);
  const spool = mkdtempSync(join(tableDir, SPOOL));
  const stored = new Map<string, StoredContent | ContentError>();
  let waiting = 0;
  let total = 0;
  /** Contents being decrypted, in order. */
  const underWay: { checksum: string; file: string; decrypted: Promise<number | ContentError> }[] = [];
  const takeFirst = async () => {
    const { checksum, file, decrypted } = underWay[0];
    const size = await decrypted;
    underWay.shift();
    if (size instanceof ContentError) stored.set(checksum, size);
    else {
      waiting += size;
      total += size;
      const done = (read: FileRead) => {
        waiting -= size;
        stored.set(checksum, contentOf(read, file, size));
        unlink(file).catch(() => undefined);
      };
      queue.add({ key: keyOf(toStored(fromDisplay(file))), chunkClass: undefined, done }, size);
    }
    while (queue.full) await queue.room();
    if (waiting > MOST_WAITING) await queue.drain();
  };
  try {
    for (const [i, { checksum, size }] of wanted.entries()) {
      signal.throwIfAborted();
      const file = join(spool, checksum);
      const decrypted = decrypt(archive, checksum, file, size, signal);
      // A failure is looked at when its turn comes.
      decrypted.catch(() => undefined);
      underWay.push({ checksum, file, decrypted });
      if (underWay.length === AT_ONCE) await takeFirst();
      progress(i + 1, total);
    }
    while (underWay.length > 0) await takeFirst();
    await queue.drain();
    return stored;
  } finally {
    await Promise.allSettled(underWay.map(({ decrypted }) => decrypted));
    rmSync(spool, { recursive: true, force: true });
  }
}

/** Decrypts a content into a new file. Returns its size, or what is wrong with it; the file is gone then. */
async function decrypt(
  archive: LegacyArchive,
  checksum: string,
  file: string,
  expected: number | undefined,
  signal: AbortSignal,
): Promise<number | ContentError> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'wx', 0o600);
    const out = handle;
    return await archive.read(checksum, (bytes) => out.writeFile(bytes), { size: expected, signal });
  } catch (error) {
    if (!(error instanceof ContentError)) throw spoolError(error, file);
    await unlink(file);
    return error;
  } finally {
    await handle?.close();
  }
}

function contentOf(read: FileRead, file: string, size: number): StoredContent {
  if (read.status !== ReadStatus.ok || read.size !== size)
    throw new UserError(
      ExitCode.failed,
      `cannot read back ${file} (${read.error ?? 'it was changed'}); leave that folder alone, and run import again`,
    );
  // The ids are a view into the answer for a whole batch.
  return { chunkClass: read.chunkClass, depth: read.depth, ids: read.ids.slice(), size };
}

function spoolError(error: unknown, file: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error;
  return new UserError(
    ExitCode.failed,
    `no space left for ${file}; import needs room for the largest file of the archive in table_dir`,
    { cause: error },
  );
}

/** What a killed import has left behind. The catalog's lock sees to it that no other is running. */
function removeLeftovers(tableDir: string): void {
  for (const name of readdirSync(tableDir))
    if (name.startsWith(SPOOL)) rmSync(join(tableDir, name), { recursive: true, force: true });
}

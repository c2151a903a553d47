import { expect, it } from 'vitest';
import type { FileRead } from '../../../src/archive/backup/file-read.js';
import type { FileToRead, Ingest } from '../../../src/archive/backup/ingest.js';
import { type QueuedFile, ReadQueue } from '../../../src/archive/backup/read-queue.js';
import { type FilesResult, STAT_FIELDS } from '../../../src/archive/ingest/messages.js';

const batches: string[][] = [];

/** Reads every file at once, and finds nothing in it. */
const ingest = {
  workers: 1,
  files(files: readonly FileToRead[]): Promise<FilesResult> {
    batches.push(files.map((file) => file.key));
    const stats = new Float64Array(files.length * STAT_FIELDS);
    const none = { ids: new Uint8Array(0), errors: [], xattrs: [], nodes: [], packs: [] };
    return Promise.resolve({ kind: 'files', stats, bytesRead: 0, bytesNew: 0, ...none });
  },
} as unknown as Ingest;

function file(key: string, done: (read: FileRead) => void): QueuedFile {
  return { key, chunkClass: undefined, done };
}

it('reads what has been added when room is waited for, though it is no full batch', async () => {
  batches.length = 0;
  const queue = new ReadQueue(ingest);
  let done = 0;
  queue.add(
    file('a', () => done++),
    1,
  );
  expect(batches).toEqual([]);
  await queue.room();
  expect({ batches, done }).toEqual({ batches: [['a']], done: 1 });
});

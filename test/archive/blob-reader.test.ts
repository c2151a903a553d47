import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobIndex } from '../../src/archive/blob-index.js';
import { BlobReader } from '../../src/archive/blob-reader.js';
import { FrameBuilder } from '../../src/archive/ingest/frame-builder.js';
import { newRunId, PackWriter } from '../../src/archive/ingest/pack-writer.js';
import { blobId } from '../../src/crypto/blob-id.js';
import { createFullKeyring } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { decodeDirectory } from '../../src/format/pack.js';
import { Compressor } from '../../src/format/zstd.js';
import { type ObjectStore, openStore } from '../../src/store/index.js';

let folder: string;
let store: ObjectStore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bn-blob-reader-'));
  store = await openStore(join(folder, 'store'), { create: true });
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const keyring = createFullKeyring(native);
const blobs = Array.from({ length: 60 }, (_, i) => Buffer.alloc(10_000, `segment ${i} `));
const ids = blobs.map((blob) => blobId(keyring, 'listing', blob));

/** A reader of one metadata pack with all blobs in one frame, and how often it asks the store. */
async function readerOfOneFrame(): Promise<{ reader: BlobReader; asked: { ranges: number; fail: boolean } }> {
  const writer = new PackWriter(store, keyring, 'meta', { run: newRunId(), writer: new Uint8Array(32) });
  const frames = new FrameBuilder(new Compressor(3), (frame) => writer.add(frame));
  for (const [i, blob] of blobs.entries()) frames.add(blob, 0, blob.length, ids[i], 0);
  frames.flush();
  const { name, directory } = await writer.finish();
  const asked = { ranges: 0, fail: false };
  const counting = Object.create(store, {
    readRange: {
      value: (...given: Parameters<ObjectStore['readRange']>) => {
        asked.ranges++;
        return asked.fail ? Promise.reject(new Error('the line is down')) : store.readRange(...given);
      },
    },
  }) as ObjectStore;
  const index = {
    find: (id: Uint8Array) => ({ pack: 1, name, blob: ids.findIndex((other) => Buffer.compare(id, other) === 0) }),
    locations: () => [],
    directory: () => decodeDirectory(directory),
  } as unknown as BlobIndex;
  return { reader: new BlobReader(counting, keyring, index), asked };
}

test('many who ask for blobs of one frame at once have it read once', async () => {
  const { reader, asked } = await readerOfOneFrame();
  const read = await Promise.all(ids.map((id) => reader.read('listing', id)));
  expect(read.map((blob) => Buffer.from(blob))).toEqual(blobs);
  // The header with the pack's key, and the frame.
  expect(asked.ranges).toBe(2);
});

test('what could not be read is asked for again', async () => {
  const { reader, asked } = await readerOfOneFrame();
  asked.fail = true;
  await expect(reader.read('listing', ids[3])).rejects.toThrow('the line is down');
  asked.fail = false;
  expect(Buffer.from(await reader.read('listing', ids[3]))).toEqual(blobs[3]);
});

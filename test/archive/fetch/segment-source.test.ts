import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BlobIndex, BlobLocation } from '../../../src/archive/blob-index.js';
import { BlobReader } from '../../../src/archive/blob-reader.js';
import type { Context } from '../../../src/archive/context.js';
import { SegmentSource } from '../../../src/archive/fetch/segment-source.js';
import { FrameBuilder } from '../../../src/archive/ingest/frame-builder.js';
import { newRunId, PackWriter } from '../../../src/archive/ingest/pack-writer.js';
import { blobId } from '../../../src/crypto/blob-id.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { FormatError } from '../../../src/errors.js';
import { decodeDirectory, type PackDirectory } from '../../../src/format/pack.js';
import { Compressor } from '../../../src/format/zstd.js';
import { type ObjectStore, objectPath, openStore } from '../../../src/store/index.js';

let folder: string;
let url: string;
let store: ObjectStore;
let reads: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bn-segments-'));
  url = join(folder, 'store');
  store = await openStore(url, { create: true });
  // A store is where its config is.
  writeFileSync(join(url, 'config.json'), '{}');
  reads = 0;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const keyring = createFullKeyring(native);
const blobs = Array.from({ length: 300 }, (_, i) => Buffer.alloc(9000, `segment ${i} `));
const texts = blobs.map(String);
const ids = blobs.map((blob) => blobId(keyring, 'listing', blob));

async function pack(level: number): Promise<{ name: string; directory: PackDirectory }> {
  const writer = new PackWriter(store, keyring, 'meta', { run: newRunId(), writer: new Uint8Array(32) });
  const frames = new FrameBuilder(new Compressor(level), (frame) => writer.add(frame));
  for (const [i, blob] of blobs.entries()) frames.add(blob, 0, blob.length, ids[i], 0);
  frames.flush();
  const { name, directory } = await writer.finish();
  return { name, directory: decodeDirectory(directory) };
}

/** Every blob lies in each of the packs; `blobsInAll` says how many blobs of metadata there seem to be. */
function sourceOf(packs: { name: string; directory: PackDirectory }[], blobsInAll: number): SegmentSource {
  const placesOf = (id: Uint8Array): BlobLocation[] => {
    const blob = ids.findIndex((other) => Buffer.compare(id, other) === 0);
    return blob < 0 ? [] : packs.map(({ name }, i) => ({ pack: i + 1, name, blob }));
  };
  const index = {
    find: (id: Uint8Array) => placesOf(id)[0],
    locations: placesOf,
    directory: (number: number) => packs[number - 1].directory,
  } as unknown as BlobIndex;
  const counting = Object.create(store, {
    readRange: {
      value: (...given: Parameters<ObjectStore['readRange']>) => {
        reads++;
        return store.readRange(...given);
      },
    },
  }) as ObjectStore;
  const context = { config: { store: { url }, tableDir: folder } } as unknown as Context;
  const reader = new BlobReader(counting, keyring, index);
  return new SegmentSource({ context, keyring, index, reader, blobs: blobsInAll });
}

/** Changes a byte of a pack's first frame. */
function damage({ name, directory }: { name: string; directory: PackDirectory }): void {
  const path = join(url, objectPath('packs', name));
  const bytes = readFileSync(path);
  bytes[directory.frames[0].offset + 5] ^= 1;
  rmSync(path);
  writeFileSync(path, bytes);
}

async function fetchAll(source: SegmentSource, wanted = ids): Promise<string[]> {
  try {
    return (await source.fetch(wanted)).map((blob) => Buffer.from(blob).toString());
  } finally {
    await source.close();
  }
}

test('few segments are read here', async () => {
  expect(await fetchAll(sourceOf([await pack(3)], 300))).toEqual(texts);
  expect(reads).toBeGreaterThan(0);
});

test('many are read by a thread, in the order asked for', async () => {
  const wanted = [...ids.keys()].reverse();
  const found = await fetchAll(
    sourceOf([await pack(3)], 1_000_000),
    wanted.map((i) => ids[i]),
  );
  expect(found).toEqual(wanted.map((i) => texts[i]));
  expect(reads).toBe(0);
});

test('what is damaged in one pack comes from another', async () => {
  const packs = [await pack(3), await pack(4)];
  expect(packs[0].name).not.toBe(packs[1].name);
  damage(packs[0]);
  expect(await fetchAll(sourceOf(packs, 1_000_000))).toEqual(texts);
});

test('what is damaged everywhere, or in no pack, is told', async () => {
  const only = await pack(3);
  damage(only);
  await expect(fetchAll(sourceOf([only], 1_000_000))).rejects.toThrow(FormatError);
  await expect(fetchAll(sourceOf([await pack(3)], 1_000_000), [ids[0], new Uint8Array(24)])).rejects.toThrow(
    /in no pack of the store/,
  );
});

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type FinishedPack, newRunId, PackWriter } from '../../../src/archive/ingest/pack-writer.js';
import { type PackVerdict, PackVerifier } from '../../../src/archive/verify/verify-pack.js';
import { blobId } from '../../../src/crypto/blob-id.js';
import { createFullKeyring } from '../../../src/crypto/keyring.js';
import { native } from '../../../src/crypto/native.js';
import { ID_LENGTH } from '../../../src/format/entry.js';
import { decodeDirectory, PACK_HEADER_LENGTH } from '../../../src/format/pack.js';
import { type ObjectStore, objectPath, openStore, StoreError } from '../../../src/store/index.js';

const FRAMES = 9;
const FRAME = 700 * 1024;

const keyring = createFullKeyring(native);
const base = fs.mkdtempSync(join(os.tmpdir(), 'verify-'));
let store: ObjectStore;
/** Longer than is read at a time. */
let pack: FinishedPack;
let file: string;
let whole: Buffer;

beforeAll(async () => {
  store = await openStore(join(base, 'store'), { create: true });
  const writer = new PackWriter(store, keyring, 'data', { run: newRunId(), writer: new Uint8Array(32) });
  for (let i = 0; i < FRAMES; i++) {
    const blobs = [randomBytes(FRAME - 1000), randomBytes(1000)];
    writer.add({
      data: Buffer.concat(blobs),
      raw: true,
      ids: Buffer.concat(blobs.map((blob) => blobId(keyring, 'data', blob))),
      lengths: Uint32Array.from(blobs, ({ length }) => length),
    });
  }
  pack = await writer.finish();
  file = join(base, 'store', objectPath('packs', pack.name));
  whole = fs.readFileSync(file);
});

afterAll(async () => {
  await store.close();
  fs.rmSync(base, { recursive: true });
});

beforeEach(() => fs.writeFileSync(file, whole));

/** What the pack says that it holds. */
const directory = () => decodeDirectory(pack.directory);

/** Ids of the blobs in some frames. */
function idsOf(...numbers: number[]): string {
  const { frames, ids } = directory();
  const parts = numbers.map((number) => {
    const { firstBlob, blobs } = frames[number]!;
    return ids.subarray(firstBlob * ID_LENGTH, (firstBlob + blobs) * ID_LENGTH);
  });
  return Buffer.concat(parts).toString('hex');
}

async function verify(
  from: Partial<ObjectStore> = {},
  signal?: AbortSignal,
): Promise<Omit<PackVerdict, 'lostIds'> & { lost: string }> {
  const asked: Partial<ObjectStore> = {
    kind: 'local',
    size: (path) => store.size(path),
    read: (path, into) => store.read(path, into),
    readRange: (path, offset, length, into) => store.readRange(path, offset, length, into),
    ...from,
  };
  const { lostIds, ...rest } = await new PackVerifier(asked as ObjectStore, keyring).verify(pack, signal);
  return { ...rest, lost: Buffer.from(lostIds).toString('hex') };
}

/** Changes a byte. */
function damage(at: number): void {
  const bytes = Buffer.from(whole);
  bytes[at]! ^= 1;
  fs.writeFileSync(file, bytes);
}

const sound = () => ({ name: pack.name, bytes: pack.size, problems: [], lost: '' });

test('a sound pack is read a few frames at a time, each byte once', async () => {
  const read: [from: number, to: number][] = [];
  const readRange: ObjectStore['readRange'] = async (path, offset, length, into) => {
    read.push([offset, offset + length]);
    return store.readRange(path, offset, length, into);
  };
  expect(await verify({ readRange })).toEqual(sound());
  expect(read.length).toBeGreaterThan(2);
  expect(read[0]![0]).toBe(0);
  read.slice(1).forEach(([from], i) => {
    expect(from).toBe(read[i]![1]);
  });
  expect(read.at(-1)![1]).toBe(pack.size);
  for (const [from, to] of read) expect(to - from).toBeLessThanOrEqual(3 * FRAME);
});

test('it is not read on when that is over', async () => {
  const over = new AbortController();
  let underWay = 0;
  let reads = 0;
  const readRange: ObjectStore['readRange'] = async (path, offset, length, into) => {
    reads++;
    underWay++;
    if (reads === 2) over.abort(new Error('enough'));
    try {
      return await store.readRange(path, offset, length, into);
    } finally {
      underWay--;
    }
  };
  await expect(verify({ readRange }, over.signal)).rejects.toThrow('enough');
  expect({ reads, underWay }).toEqual({ reads: 2, underWay: 0 });
});

test('from a server it is read at once', async () => {
  const never = () => Promise.reject(new Error('not asked for'));
  expect(await verify({ kind: 's3', size: never, readRange: never })).toEqual(sound());
});

test('one verifier reads one pack after the other', async () => {
  const verifier = new PackVerifier(store, keyring);
  for (let i = 0; i < 3; i++) expect((await verifier.verify(pack)).problems).toEqual([]);
});

test.each(Array.from({ length: FRAMES }, (_, frame) => frame))(
  'a changed byte in frame %i costs its blobs',
  async (frame) => {
    damage(directory().frames[frame]!.offset + 100);
    expect(await verify()).toEqual({
      ...sound(),
      problems: [{ kind: 'damaged', message: expect.stringMatching(new RegExp(`^frame ${frame}: does not open`)) }],
      lost: idsOf(frame),
    });
  },
);

test('a changed byte in the header costs all', async () => {
  damage(PACK_HEADER_LENGTH - 1);
  const { problems, lost } = await verify();
  expect(problems.length).toBeGreaterThan(0);
  expect(lost).toBe(idsOf(...directory().frames.keys()));
});

test('a changed byte in the directory costs no blob', async () => {
  damage(pack.size - 10);
  const { problems, lost } = await verify();
  expect(problems).toEqual([{ kind: 'damaged', message: expect.stringMatching(/^directory: does not open/) }]);
  expect(lost).toBe('');
});

test('bytes of no frame, and a directory that is another', async () => {
  const end = directory().frames.at(-1)!;
  const start = end.offset + end.length;
  fs.writeFileSync(file, Buffer.concat([whole.subarray(0, start), Buffer.alloc(10), whole.subarray(start)]));
  expect((await verify()).problems).toEqual([
    { kind: 'damaged', message: 'directory: before it are bytes that belong to no frame' },
  ]);
  fs.writeFileSync(file, whole);
  const known = pack;
  const other = Buffer.from(pack.directory);
  other[other.indexOf(directory().ids.subarray(0, 8))]! ^= 1;
  pack = { ...pack, directory: other };
  try {
    const { problems, lost } = await verify();
    expect(problems).toEqual([{ kind: 'damaged', message: 'directory: it is not the one that the index has' }]);
    expect(lost).toBe(idsOf(0).slice(0, 2 * ID_LENGTH));
  } finally {
    pack = known;
  }
});

test('a pack that is cut has lost what comes after', async () => {
  const { frames } = directory();
  fs.writeFileSync(file, whole.subarray(0, frames[6]!.offset + 5));
  const { problems, lost, bytes } = await verify();
  expect(bytes).toBe(frames[6]!.offset + 5);
  expect(lost).toBe(idsOf(6, 7, 8));
  expect(problems.map(({ message }) => message.split(':')[0])).toEqual(['frame 6', 'frame 7', 'frame 8', 'directory']);
  fs.writeFileSync(file, whole.subarray(0, 20));
  expect((await verify()).lost).toBe(idsOf(...frames.keys()));
});

test('a pack that is not there is missing', async () => {
  await store.delete(objectPath('packs', pack.name));
  const { problems, lost } = await verify();
  expect(problems).toEqual([{ kind: 'missing', message: expect.stringContaining(pack.name) }]);
  expect(lost).toBe(idsOf(...directory().frames.keys()));
});

test('where the disk cannot read a sector, only the frame with it is lost', async () => {
  const bad = directory().frames[4]!.offset + 5000;
  const readRange: ObjectStore['readRange'] = async (path, offset, length, into) => {
    if (offset <= bad && bad < offset + length) throw new StoreError('io', 'cannot read it', path);
    return store.readRange(path, offset, length, into);
  };
  const { problems, lost } = await verify({ readRange });
  expect(problems).toEqual([{ kind: 'damaged', message: 'frame 4: cannot read it' }]);
  expect(lost).toBe(idsOf(4));
});

test('a store that cannot be reached any more is no damage', async () => {
  let reads = 0;
  const readRange: ObjectStore['readRange'] = (path, offset, length, into) => {
    if (++reads === 2) throw new StoreError('gone', 'the store is gone', path);
    return store.readRange(path, offset, length, into);
  };
  await expect(verify({ readRange })).rejects.toThrow('the store is gone');
});

test('what gives up early waits for what is being read: the memory is used again', async () => {
  damage(0);
  let underWay = 0;
  const readRange: ObjectStore['readRange'] = async (path, offset, length, into) => {
    underWay++;
    if (offset > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const bytes = await store.readRange(path, offset, length, into);
    underWay--;
    return bytes;
  };
  expect((await verify({ readRange })).lost).toBe(idsOf(...directory().frames.keys()));
  expect(underWay).toBe(0);
});

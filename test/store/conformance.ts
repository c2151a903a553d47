import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isMissing, type ObjectStore, objectPath } from '../../src/store/index.js';

/** What a kind of store must bring to be put through the suite. */
export interface Harness {
  /** Opens the store under test; `create` at the first time. Each call gives another instance on the same store. */
  open(create: boolean): Promise<ObjectStore>;
  /** Writes any file into the store behind its back; undefined where that cannot be done. */
  writeForeign?(path: string, bytes: Uint8Array): Promise<void>;
}

/** Bytes with the path that their checksum gives them. */
export function object(folder: Parameters<typeof objectPath>[0], bytes: Uint8Array): { path: string; name: string } {
  const name = createHash('sha256').update(bytes).digest('hex');
  return { path: objectPath(folder, name), name };
}

/** The promises of `ObjectStore`, for every kind alike. */
export function storeConformance(kind: string, setUp: () => Promise<Harness>): void {
  describe(`${kind} keeps the promises of ObjectStore`, () => {
    let harness: Harness;
    let store: ObjectStore;

    beforeAll(async () => {
      harness = await setUp();
      store = await harness.open(true);
      await store.put('config.json', Buffer.from('{}'));
    });
    afterAll(async () => store.close());

    it('gives back what was put, from another instance too', async () => {
      const bytes = randomBytes(100_000);
      const { path } = object('packs', bytes);
      await store.put(path, bytes);
      expect(Buffer.compare(await store.read(path), bytes)).toBe(0);
      const other = await harness.open(false);
      expect(Buffer.compare(await other.read(path), bytes)).toBe(0);
      const roomy = new Uint8Array(bytes.length + 1).fill(0xee);
      const cramped = new Uint8Array(9);
      for (const read of [
        (into: Uint8Array<ArrayBuffer>) => store.read(path, into),
        (into: Uint8Array<ArrayBuffer>) => store.readRange(path, 0, bytes.length, into),
      ]) {
        const inPlace = await read(roomy);
        expect(inPlace.buffer).toBe(roomy.buffer);
        expect(Buffer.compare(inPlace, bytes)).toBe(0);
        expect(roomy[bytes.length]).toBe(0xee);
        expect(Buffer.compare(await read(cramped), bytes)).toBe(0);
      }
      expect(Buffer.compare(await store.readRange(path, 7, 5, roomy), bytes.subarray(7, 12))).toBe(0);
      expect(await other.size(path)).toBe(bytes.length);
      await other.close();
    });

    it('stores an empty object', async () => {
      const { path } = object('records', Buffer.alloc(0));
      await store.put(path, Buffer.alloc(0));
      expect(await store.size(path)).toBe(0);
      expect((await store.read(path)).length).toBe(0);
      await store.delete(path);
    });

    it('reads ranges exactly, many at once, and says when an object is too short', async () => {
      const bytes = randomBytes(300_000);
      const { path } = object('packs', bytes);
      await store.put(path, bytes);
      const ranges = Array.from({ length: 60 }, (_, i) => ({ offset: i * 4999, length: (i * 37) % 5000 }));
      const read = await Promise.all(ranges.map((range) => store.readRange(path, range.offset, range.length)));
      ranges.forEach(({ offset, length }, i) => {
        expect(Buffer.compare(read[i], bytes.subarray(offset, offset + length))).toBe(0);
      });
      expect(Buffer.compare(await store.readRange(path, 299_990, 10), bytes.subarray(299_990))).toBe(0);
      await expect(store.readRange(path, 299_990, 11)).rejects.toMatchObject({ code: 'short', path });
      await expect(store.readRange(path, 400_000, 1)).rejects.toMatchObject({ code: 'short' });
    });

    it('says that an object is missing', async () => {
      const { path } = object('index', Buffer.from('never put'));
      expect(await store.size(path)).toBeUndefined();
      const error = await store.read(path).catch((e: unknown) => e);
      expect(isMissing(error)).toBe(true);
      await expect(store.readRange(path, 0, 1)).rejects.toSatisfy(isMissing);
    });

    it('lists objects with their sizes, sorted, each folder for itself', async () => {
      const put = async (folder: 'snapshots' | 'records' | 'tombstones' | 'keys' | 'certs' | 'index', text: string) => {
        const { path, name } = object(folder, Buffer.from(text));
        await store.put(path, Buffer.from(text));
        return { name, size: text.length };
      };
      const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
      const snapshots = [await put('snapshots', 'a'), await put('snapshots', 'bb'), await put('snapshots', 'ccc')];
      expect(await store.list('snapshots')).toEqual(snapshots.sort(byName));
      const record = await put('records', 'record');
      const tombstone = await put('tombstones', 'tombstone');
      expect(await store.list('records')).toEqual([record]);
      expect(await store.list('tombstones')).toEqual([tombstone]);
      expect(await store.list('keys')).toEqual([]);
      await put('certs', 'cert');
      expect(await store.list('certs')).toHaveLength(1);
    });

    it('lists packs of all their folders', async () => {
      const before = await store.list('packs');
      const names: string[] = [];
      for (let i = 0; i < 20; i++) {
        const bytes = randomBytes(10 + i);
        const { path, name } = object('packs', bytes);
        await store.put(path, bytes);
        names.push(name);
      }
      const after = await store.list('packs');
      expect(after).toHaveLength(before.length + 20);
      expect(after.map((pack) => pack.name)).toEqual(after.map((pack) => pack.name).sort());
      for (const name of names) expect(after.some((pack) => pack.name === name)).toBe(true);
    });

    it('puts the same object twice', async () => {
      const bytes = randomBytes(1000);
      const { path } = object('snapshots', bytes);
      await store.put(path, bytes);
      await store.put(path, bytes);
      expect(Buffer.compare(await store.read(path), bytes)).toBe(0);
      const other = await harness.open(false);
      await other.put(path, bytes);
      await other.close();
    });

    it('lets two put the same object at once', async () => {
      const other = await harness.open(false);
      const bytes = randomBytes(200_000);
      const { path } = object('packs', bytes);
      await Promise.all([store.put(path, bytes), other.put(path, bytes), store.put(path, bytes)]);
      expect(Buffer.compare(await store.read(path), bytes)).toBe(0);
      await other.close();
    });

    it('never puts a plain file over another, unless told', async () => {
      await store.put('README.txt', Buffer.from('one'));
      await store.put('README.txt', Buffer.from('one'));
      await expect(store.put('README.txt', Buffer.from('two'))).rejects.toMatchObject({ code: 'conflict' });
      expect(Buffer.from(await store.read('README.txt')).toString()).toBe('one');
      await store.put('README.txt', Buffer.from('three'), { replace: true });
      expect(Buffer.from(await store.read('README.txt')).toString()).toBe('three');
      await expect(store.put('config.json', Buffer.from('{"other":1}'))).rejects.toMatchObject({ code: 'conflict' });
    });

    it('takes finished files from its spool', async () => {
      const bytes = randomBytes(500_000);
      const { path } = object('packs', bytes);
      const spool = join(store.spoolDir(), 'pack-1');
      fs.writeFileSync(spool, bytes);
      await store.putFile(path, spool);
      expect(fs.existsSync(spool)).toBe(false);
      expect(Buffer.compare(await store.read(path), bytes)).toBe(0);
      fs.writeFileSync(spool, bytes);
      await store.putFile(path, spool);
      expect(fs.existsSync(spool)).toBe(false);
    });

    it('gives each instance a spool of its own, and empties it when closed', async () => {
      const other = await harness.open(false);
      const folder = other.spoolDir();
      expect(folder).toBe(other.spoolDir());
      expect(folder).not.toBe(store.spoolDir());
      fs.writeFileSync(join(folder, 'half'), 'written');
      await other.close();
      expect(fs.existsSync(join(folder, 'half'))).toBe(false);
      expect(fs.existsSync(store.spoolDir())).toBe(true);
    });

    it('deletes, and does not mind what is not there', async () => {
      for (const folder of ['packs', 'snapshots'] as const) {
        const bytes = randomBytes(2000);
        const { path, name } = object(folder, bytes);
        await store.put(path, bytes);
        await store.readRange(path, 0, 10);
        await store.delete(path);
        expect(await store.size(path)).toBeUndefined();
        await expect(store.readRange(path, 0, 10)).rejects.toSatisfy(isMissing);
        expect((await store.list(folder)).some((item) => item.name === name)).toBe(false);
        await store.delete(path);
      }
    });

    it('refuses paths that are not its own', async () => {
      for (const path of [
        '../config.json',
        '/etc/passwd',
        'packs/x',
        'packs/ab/../../config.json',
        'tmp/x',
        'lock',
        '',
      ]) {
        await expect(store.read(path)).rejects.toBeInstanceOf(TypeError);
        await expect(store.put(path, Buffer.alloc(1))).rejects.toBeInstanceOf(TypeError);
        await expect(store.delete(path)).rejects.toBeInstanceOf(TypeError);
      }
    });

    it('replaces an object of the wrong size only by the right bytes', async (context) => {
      if (harness.writeForeign === undefined) return context.skip();
      const bytes = randomBytes(5000);
      const { path } = object('packs', bytes);
      await harness.writeForeign(path, bytes.subarray(0, 100));
      expect(await store.size(path)).toBe(100);
      await expect(store.put(path, randomBytes(5000))).rejects.toMatchObject({ code: 'conflict' });
      expect(await store.size(path)).toBe(100);
      await store.put(path, bytes);
      expect(Buffer.compare(await store.read(path), bytes)).toBe(0);
    });

    it('lists foreign files apart', async (context) => {
      if (harness.writeForeign === undefined) return context.skip();
      const before = await store.list('index');
      const { path } = object('index', Buffer.from('index'));
      await store.put(path, Buffer.from('index'));
      const misplaced = object('packs', Buffer.from('misplaced')).path.replace(/packs\/../, 'packs/zz');
      const foreign = ['index/notes.txt', `${path}.part`, 'index/ABC.idx', 'stranger', misplaced];
      for (const file of foreign) await harness.writeForeign(file, Buffer.from('12345'));
      expect(await store.list('index')).toHaveLength(before.length + 1);
      const found = await store.listForeign();
      expect(found).toEqual(foreign.sort().map((file) => ({ path: file, size: 5 })));
    });

    it('has no temporary files left over after all this', async () => {
      expect((await store.listForeign()).filter((file) => file.path.includes('tmp'))).toEqual([]);
      expect(await store.cleanTemporaries()).toBe(0);
    });
  });
}

import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeKeyFile } from '../../src/crypto/key-file.js';
import { keyringForRole } from '../../src/crypto/keyring.js';
import { native } from '../../src/crypto/native.js';
import { encodeRecoveryKey } from '../../src/crypto/recovery-key.js';
import { holeId } from '../../src/format/chunk-list.js';
import { type Entry, EntryType } from '../../src/format/entry.js';
import { objectName } from '../../src/format/object.js';
import { openPortableStore, type PortableEntry, type PortableStore, type Secret } from '../../src/portable/index.js';
import { objectPath } from '../../src/store/index.js';
import { entryOf, Gatherer, MemoryFiles, StoreMaker } from './store-maker.js';

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const KEY: Secret = { kind: 'key-file', content: encodeKeyFile(SECRET) };

const chunk = (seed: string, length: number) =>
  Uint8Array.from({ length }, (_, i) =>
    i % 64 === 0 ? createHash('sha256').update(`${seed} ${i}`).digest()[0] : i & 7,
  );

const sha = (parts: Iterable<Uint8Array>) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Everything that a reader gives of a snapshot: paths, and the checksums of contents. */
async function shaOf(store: PortableStore, entry: PortableEntry): Promise<string> {
  return sha(await collect(store.content(entry)));
}

/** A file entry with these chunks, and the checksum that its content must have. */
function file(g: Gatherer, key: string, chunks: (Uint8Array | number)[]): { entry: Entry; sha: string } {
  const content = g.content(chunks.map((one) => (typeof one === 'number' ? { id: holeId(one), length: one } : one)));
  const plain = chunks.map((one) => (typeof one === 'number' ? new Uint8Array(one) : one));
  return { entry: entryOf(key, { type: EntryType.file, mode: 0o640, ...content }), sha: sha(plain) };
}

describe('a store', () => {
  const maker = new StoreMaker();
  const shas = new Map<string, string>();
  let listed: Entry[];

  beforeAll(async () => {
    await maker.slot({ method: 'key-file', bytes: SECRET });
    await maker.slot({ method: 'recovery', bytes: SECRET.toReversed() }, 'restore');
    await maker.slot({ method: 'passphrase', text: 'Größe' });
    await maker.slot({ method: 'passphrase', text: 'backup only' }, 'backup');
    const g = new Gatherer(maker);
    const files = [
      file(g, 'home\0ann\0empty', []),
      file(g, 'home\0ann\0hole', [2_500_000]),
      file(
        g,
        'home\0ann\0many',
        Array.from({ length: 1500 }, (_, i) => chunk(`m${i}`, 40 + (i % 60))),
      ),
      file(g, 'home\0ann\0mixed', [chunk('a', 1000), 5000, chunk('b', 2000), 1]),
      file(g, 'home\0ann\0two\nlines', [chunk('x', 300_000), chunk('y', 1)]),
      ...Array.from({ length: 900 }, (_, i) =>
        file(g, `home\0bob\0f${String(i).padStart(3, '0')}`, [chunk(`b${i}`, 50)]),
      ),
    ];
    for (const one of files) shas.set(one.entry.key, one.sha);
    listed = [
      ...['', 'home', 'home\0ann', 'home\0bob', 'home\0bob\0sub', 'home\0bob\0sub\0deep'].map((key) => entryOf(key)),
      ...files.map((one) => one.entry),
      entryOf('home\0bob-link', { type: EntryType.symlink, target: 'bob\0\xff' }),
      entryOf('home\0bob\x01', { type: EntryType.fifo }),
      entryOf('srv', { xattrs: [['user.a', Uint8Array.of(1)]], user: 'ann', group: 'staff' }),
    ].sort((a, b) => (a.key < b.key ? -1 : 1));
    const listing = g.listing(listed);
    expect(listing.depth).toBeGreaterThan(0);
    maker.index(g.packs());
    maker.snapshot({ listing }, undefined, ['pin']);
  });

  const open = (secret: Secret, files = maker.files) => openPortableStore(files, secret);
  const copy = () => new MemoryFiles(new Map(maker.files.map));
  const onlySnapshot = async (store: PortableStore) => (await store.snapshots())[0];

  it.each<[string, Secret]>([
    ['its key file', KEY],
    [
      'a recovery key with the role restore',
      { kind: 'recovery', text: encodeRecoveryKey(native, SECRET.toReversed()) },
    ],
    ['a passphrase, however its letters are composed', { kind: 'passphrase', text: 'Größe'.normalize('NFD') }],
  ])('is read with %s', async (_, secret) => {
    const store = await open(secret);
    const snapshot = await onlySnapshot(store);
    expect(snapshot).toMatchObject({
      state: 'counts',
      source: 'laptop',
      host: 'laptop.local',
      tags: ['pin'],
      time: 2n,
    });
    expect(snapshot.roots).toEqual([{ path: '/home', adHoc: false }]);
    expect(store.problems).toEqual([]);
    expect((await collect(store.entries(snapshot))).map((entry) => entry.key)).toEqual(
      listed.map((entry) => entry.key),
    );
  });

  it('gives every byte of every file', async () => {
    const store = await open(KEY);
    let seen = 0;
    for await (const entry of store.entries(await onlySnapshot(store))) {
      if (entry.type !== 'file') continue;
      expect(await shaOf(store, entry), entry.path).toBe(shas.get(entry.key));
      seen++;
    }
    expect(seen).toBe(shas.size);
  });

  it('gives holes as such where that is wanted', async () => {
    const store = await open(KEY);
    const entry = await store.entry(await onlySnapshot(store), 'home\0ann\0mixed');
    const pieces = await collect(store.pieces(entry!));
    expect(pieces.map(({ offset, length, bytes }) => [offset, length, bytes?.length])).toEqual([
      [0, 1000, 1000],
      [1000, 5000, undefined],
      [6000, 2000, 2000],
      [8000, 1, undefined],
    ]);
  });

  it('lists a directory without what is below, and finds single paths', async () => {
    const store = await open(KEY);
    const snapshot = await onlySnapshot(store);
    const names = async (key: string) => (await collect(store.children(snapshot, key))).map((entry) => entry.key);
    expect(await names('')).toEqual(['home', 'srv']);
    expect(await names('home')).toEqual(['home\0ann', 'home\0bob', 'home\0bob\x01', 'home\0bob-link']);
    expect((await names('home\0bob')).length).toBe(901);
    expect(await names('home\0bob\0sub')).toEqual(['home\0bob\0sub\0deep']);
    expect(await names('nowhere')).toEqual([]);
    expect((await store.entry(snapshot, 'srv'))?.user).toBe('ann');
    expect(await store.entry(snapshot, 'srv2')).toBeUndefined();
    const part = await collect(store.entries(snapshot, { from: 'home\0bob\0f898', before: 'home\0bob\0sub\0' }));
    expect(part.map((entry) => entry.path)).toEqual(['/home/bob/f898', '/home/bob/f899', '/home/bob/sub']);
  });

  it('is read without any index, out of the packs themselves', async () => {
    const files = copy();
    for (const path of files.map.keys()) if (path.startsWith('index/')) files.map.delete(path);
    const store = await open(KEY, files);
    const entry = await store.entry(await onlySnapshot(store), 'home\0ann\0many');
    expect(await shaOf(store, entry!)).toBe(shas.get('home\0ann\0many'));
  });

  it('is read where files can only be read whole', async () => {
    const { map } = maker.files;
    const files = new MemoryFiles(map);
    const store = await openPortableStore({ list: (f) => files.list(f), read: (p) => files.read(p) }, KEY);
    const entry = await store.entry(await onlySnapshot(store), 'home\0ann\0two\nlines');
    expect(await shaOf(store, entry!)).toBe(shas.get('home\0ann\0two\nlines'));
  });

  it('does not open with what is not its key', async () => {
    const wrong = (secret: Secret) => expect(open(secret)).rejects.toMatchObject({ code: 'wrong-key' });
    await wrong({ kind: 'key-file', content: encodeKeyFile(SECRET.toReversed()) });
    await wrong({ kind: 'key-file', content: 'rubbish' });
    await wrong({ kind: 'recovery', text: encodeRecoveryKey(native, SECRET) });
    await wrong({ kind: 'passphrase', text: 'größe' });
    await expect(open({ kind: 'passphrase', text: 'backup only' })).rejects.toThrow(/may only add backups/);
  });

  it('is none without config.json, and refused with one that was changed', async () => {
    const files = copy();
    const text = Buffer.from(files.map.get('config.json')!).toString();
    for (const bad of ['{}', 'x', text.replace('"version": 1', '"version": 2')]) {
      files.map.set('config.json', Buffer.from(bad));
      await expect(open(KEY, files)).rejects.toMatchObject({ code: 'no-store' });
    }
    for (const bad of [text.replace('"shared"', '"exclusive"'), text.replace(/"min": 16384/, '"min": 16385')]) {
      expect(bad).not.toBe(text);
      files.map.set('config.json', Buffer.from(bad));
      await expect(open(KEY, files)).rejects.toMatchObject({ code: 'damaged' });
    }
    files.map.delete('config.json');
    await expect(open(KEY, files)).rejects.toMatchObject({ code: 'no-store' });
  });

  it('gives no byte of a frame that was changed, and all of the others', async () => {
    const files = copy();
    for (const [path, bytes] of files.map) {
      if (!path.startsWith('packs/')) continue;
      const changed = bytes.slice();
      changed[72 + 5] ^= 1; // in the first frame
      files.map.set(path, changed);
    }
    const store = await open(KEY, files);
    // Metadata is needed to get anywhere: leave its packs as they were.
    for (const [path, bytes] of maker.files.map) if (bytes[4] === 4) files.map.set(path, bytes);
    let lost = 0;
    for await (const entry of store.entries(await onlySnapshot(store))) {
      if (entry.type !== 'file') continue;
      try {
        expect(await shaOf(store, entry)).toBe(shas.get(entry.key));
      } catch (error) {
        expect(error).toMatchObject({ code: 'damaged' });
        lost++;
      }
    }
    expect(lost).toBeGreaterThan(100);
    expect(lost).toBeLessThan(shas.size / 2);
  });

  it('names what is missing', async () => {
    const files = copy();
    for (const [path, bytes] of files.map) if (bytes[4] === 3 && path.startsWith('packs/')) files.map.delete(path);
    const store = await open(KEY, files);
    const entry = await store.entry(await onlySnapshot(store), 'home\0ann\0mixed');
    await expect(shaOf(store, entry!)).rejects.toMatchObject({ code: 'missing' });
  });

  it('does not believe an index about a pack of another size', async () => {
    const files = copy();
    const grown = new Map(files.map);
    for (const [path, bytes] of grown) {
      if (path.startsWith('packs/')) grown.set(path, new Uint8Array(Buffer.concat([bytes, Buffer.from([0])])));
    }
    const store = await open(KEY, new MemoryFiles(grown));
    const snapshot = await onlySnapshot(store);
    await expect(collect(store.entries(snapshot))).rejects.toMatchObject({ code: 'missing' });
  });

  it('takes another copy of a blob where one is damaged', async () => {
    const second = new StoreMaker();
    await second.slot({ method: 'key-file', bytes: SECRET });
    const g = new Gatherer(second);
    const one = file(g, 'f', [chunk('twice', 5000)]);
    const listing = g.listing([one.entry]);
    second.index(g.packs());
    const again = new Gatherer(second);
    again.content([chunk('twice', 5000)]);
    second.index(again.packs());
    second.snapshot({ listing });
    const packs = [...second.files.map].filter(([path, bytes]) => path.startsWith('packs/') && bytes[4] === 3);
    expect(packs.length).toBe(2);
    for (const [path, bytes] of packs) {
      const files = new MemoryFiles(new Map(second.files.map));
      files.map.set(path, new Uint8Array(bytes.length));
      const store = await open(KEY, files);
      const entry = await store.entry(await onlySnapshot(store), 'f');
      expect(await shaOf(store, entry!)).toBe(one.sha);
    }
  });

  it('finds what is in a pack although an index says other of it', async () => {
    for (const isThere of [true, false]) {
      const second = new StoreMaker();
      await second.slot({ method: 'key-file', bytes: SECRET });
      const g = new Gatherer(second);
      const one = file(g, 'f', [chunk('true', 5000)]);
      const listing = g.listing([one.entry]);
      const packs = g.packs();
      const honest = second.index(packs);
      second.snapshot({ listing });
      const liar = second.key('backup', ['laptop']);
      const other = second.pack(
        'data',
        [{ blobs: [new Uint8Array(10)], ids: [new Uint8Array(24).fill(5)], raw: true }],
        liar,
      );
      const lies = packs.map((pack) => ({ ...pack, writer: liar.signer(), directory: other.directory }));
      // Which is read first depends on their names.
      for (let name = ''; name === '' || name > honest; ) {
        if (name !== '') second.files.map.delete(objectPath('index', name));
        name = second.index(lies, liar);
      }
      if (!isThere) second.files.map.delete(objectPath('index', honest));
      const store = await open(KEY, second.files);
      const entry = await store.entry(await onlySnapshot(store), 'f');
      expect(await shaOf(store, entry!)).toBe(one.sha);
    }
  });

  it('passes over an object under a false name', async () => {
    const files = copy();
    const [path, bytes] = [...files.map].find(([name]) => name.startsWith('snapshots/'))!;
    const falsePath = path.replace(/[0-9a-f]{64}/, '0'.repeat(64));
    files.map.set(falsePath, bytes);
    const store = await open(KEY, files);
    expect((await store.snapshots()).map(({ name }) => name)).toEqual([objectName(native, bytes)]);
    expect(store.problems.map((problem) => problem.path)).toEqual([falsePath]);
  });

  it('does not give more or less of a file than its size', async () => {
    const second = new StoreMaker();
    await second.slot({ method: 'key-file', bytes: SECRET });
    const g = new Gatherer(second);
    const one = file(g, 'f', [chunk('a', 100)]).entry;
    const listing = g.listing([
      { ...one, key: 'long', size: 99 },
      { ...one, key: 'short', size: 101 },
    ]);
    second.index(g.packs());
    second.snapshot({ listing });
    const store = await open(KEY, second.files);
    for await (const entry of store.entries(await onlySnapshot(store)))
      await expect(shaOf(store, entry)).rejects.toMatchObject({ code: 'damaged' });
  });
});

describe('which snapshots count', () => {
  const maker = new StoreMaker();
  let listing: { id: Uint8Array; depth: number };
  const states = async () => {
    const store = await openPortableStore(maker.files, KEY);
    return new Map((await store.snapshots()).map(({ name, state, tags }) => [name, { state, tags }]));
  };

  beforeAll(async () => {
    await maker.slot({ method: 'key-file', bytes: SECRET });
    const g = new Gatherer(maker);
    listing = g.listing([entryOf('a')]);
    maker.index(g.packs());
  });

  it('depends on certificates', async () => {
    const laptop = maker.key('backup', ['laptop']);
    const nobody = maker.key('backup', 'none');
    const everywhere = maker.key('backup', '*');
    const ours = maker.snapshot({ listing }, laptop);
    const others = maker.snapshot({ listing, source: 'server' }, laptop);
    const unknown = maker.snapshot({ listing }, nobody);
    const any = maker.snapshot({ listing, source: 'server' }, everywhere);
    const found = await states();
    expect([ours, others, unknown, any].map((name) => found.get(name)!.state)).toEqual([
      'counts',
      'foreign',
      'foreign',
      'counts',
    ]);
  });

  it('depends on certificates that the root signed', async () => {
    const self = keyringForRole(maker.full, 'backup');
    const other = new StoreMaker();
    other.certify(self, 'full', '*');
    for (const [path, bytes] of other.files.map) if (path.startsWith('certs/')) maker.files.map.set(path, bytes);
    const name = maker.snapshot({ listing }, self);
    expect((await states()).get(name)!.state).toBe('foreign');
  });

  it('depends on revocations, which accept by name', async () => {
    const stolen = maker.key('backup', '*');
    const before = maker.snapshot({ listing, time: 5n }, stolen);
    const after = maker.snapshot({ listing, time: 1n }, stolen);
    maker.record({ type: 'revoke', time: 9n, signer: stolen.signer(), accept: [before] }, maker.key('backup', '*'));
    expect((await states()).get(after)!.state).toBe('counts');
    maker.record({ type: 'revoke', time: 9n, signer: stolen.signer(), accept: [before] });
    const found = await states();
    expect(found.get(before)!.state).toBe('counts');
    expect(found.get(after)!.state).toBe('foreign');
    maker.record({ type: 'revoke', time: 10n, signer: stolen.signer(), accept: [before, after] });
    expect((await states()).get(after)!.state).toBe('counts');
  });

  it('depends on what full keys replaced or forgot, not on what backup keys say', async () => {
    const backup = maker.key('backup', '*');
    const [a, b, c, d] = [1, 2, 3, 4].map((sequence) => maker.snapshot({ listing, sequence, source: 'replacing' }));
    maker.snapshot({ listing, source: 'replacing', sequence: 5, replaces: [a] });
    maker.snapshot({ listing, source: 'replacing', sequence: 6, replaces: [b] }, backup);
    maker.record({ type: 'forget', time: 1n, snapshots: [c] });
    maker.record({ type: 'forget', time: 1n, snapshots: [b] }, backup);
    maker.record({ type: 'replaced', time: 1n, snapshots: [d], by: [a] });
    const found = await states();
    expect([a, b, c, d].map((name) => found.get(name)!.state)).toEqual(['replaced', 'counts', 'forgotten', 'replaced']);
  });

  it('depends on completion', async () => {
    const writer = maker.key('backup', '*');
    const names = [1, 2, 3, 4].map((sequence) => maker.snapshot({ listing, sequence, pending: true }, writer));
    maker.record({ type: 'complete', time: 1n, snapshot: names[0] }, writer);
    maker.record({ type: 'complete', time: 1n, snapshot: names[1] }, maker.key('backup', '*'));
    maker.record({ type: 'complete', time: 1n, snapshot: names[2] });
    const found = await states();
    expect(names.map((name) => found.get(name)!.state)).toEqual(['counts', 'pending', 'counts', 'pending']);
  });

  it('has the tags that records add and take away', async () => {
    const backup = maker.key('backup', ['laptop']);
    const name = maker.snapshot({ listing }, undefined, ['pin']);
    maker.record({ type: 'tag', time: 3n, snapshot: name, add: ['late'], remove: ['early'] });
    maker.record({ type: 'tag', time: 2n, snapshot: name, add: ['early', 'x'], remove: [] }, backup);
    maker.record({ type: 'tag', time: 4n, snapshot: name, add: [], remove: ['pin'] }, backup);
    maker.record({ type: 'tag', time: 5n, snapshot: name, add: ['y'], remove: [] }, maker.key('backup', ['server']));
    expect((await states()).get(name)!.tags).toEqual(['late', 'pin', 'x']);
  });

  it('comes with all of them sorted by source and age', async () => {
    const store = await openPortableStore(maker.files, KEY);
    const order = (await store.snapshots()).map(({ source, sequence, time, name }) => [source, sequence, time, name]);
    const sorted = [...order].sort((a, b) => {
      const at = a.findIndex((value, i) => value !== b[i]);
      return at < 0 ? 0 : a[at] < b[at] ? -1 : 1;
    });
    expect(order).toEqual(sorted);
  });
});

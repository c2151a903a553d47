import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromBytes, toBytes } from '../../src/bytes.js';
import { native } from '../../src/crypto/native.js';
import { buildChunkList, decodeChunkListNode, encodeChunkListNode, holeId } from '../../src/format/chunk-list.js';
import { contentId } from '../../src/format/content-id.js';
import { type Entry, EntryType } from '../../src/format/entry.js';
import {
  decodeListingNode,
  encodeListingNode,
  halfSipHash,
  type ListingChild,
  ListingCutter,
  ListingTreeBuilder,
} from '../../src/format/listing.js';
import { createSealer, DIRECTORY_FRAME, ObjectKind, objectName, openSeal } from '../../src/format/object.js';
import { decodeDirectory, encodeDirectory, type FrameInfo } from '../../src/format/pack.js';
import { decodeSegment, encodeSegment } from '../../src/format/segment.js';
import * as zstd from '../../src/format/zstd.js';
import { Blobs } from '../../src/portable/blobs.js';
import { keysOfMaster } from '../../src/portable/crypto.js';
import { holeOf, readChunkListNode, readListingNode, readSegment } from '../../src/portable/listing.js';
import { fixedKeyring, fixedRandom, hex, toHex } from '../crypto/support.js';

/**
 * Metadata blobs and packs, written down: what goes in and what comes out. As with objects.json, a change that breaks these
 * breaks every store there is; `UPDATE_VECTORS=1 npx vitest run test/format/metadata-vectors` writes the files anew.
 */
const update = process.env.UPDATE_VECTORS !== undefined;

function vectors<T>(name: string, make: () => T): T {
  const file = new URL(`../vectors/${name}.json`, import.meta.url);
  if (update) writeFileSync(file, `${JSON.stringify(make(), null, 1)}\n`);
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

const keyring = fixedKeyring('vectors');
const id = (n: number) => new Uint8Array(24).map((_, i) => n * 31 + i * 7);

// Byte strings and numbers as JSON has them.

function entryToJson(entry: Entry): Record<string, unknown> {
  const { key, target, ids, link, xattrs, replaced, kept, ...plain } = entry;
  return {
    key: toHex(toBytes(key)),
    ...plain,
    ids: toHex(ids),
    ...(target !== undefined && { target: toHex(toBytes(target)) }),
    ...(link && { link: toHex(link) }),
    ...(xattrs && { xattrs: xattrs.map(([name, value]) => [toHex(toBytes(name)), toHex(value)]) }),
    ...(replaced && { replaced: { ...replaced, ids: toHex(replaced.ids) } }),
    ...(kept && { kept: { first: String(kept.first), last: String(kept.last) } }),
  };
}

const file = (key: string, change: Partial<Entry> = {}): Entry => ({
  key,
  type: EntryType.file,
  mode: 0o644,
  uid: 1000,
  gid: 100,
  size: 5,
  mtimeSec: 1_700_000_000,
  mtimeNsec: 123_456_789,
  ctimeSec: 1_700_000_003,
  ctimeNsec: 0,
  ino: 1234,
  chunkClass: 0,
  depth: 0,
  ids: id(1),
  ...change,
});
const other = (key: string, type: EntryType, change: Partial<Entry> = {}) =>
  file(key, { type, size: 0, ids: new Uint8Array(0), ...change });

const SEGMENTS: Record<string, Entry[]> = {
  empty: [],
  'one file': [file('home\0ann\0letter')],
  'every type and field': [
    other('', EntryType.dir, { mode: 0o755, uid: 0, gid: 0, user: 'root', group: 'root', ino: 2 }),
    other('dev', EntryType.dir, { mode: 0o1777, mtimeSec: -1, mtimeNsec: 999_999_999 }),
    other('dev\0block', EntryType.blockdev, { rdev: { major: 8, minor: 1_048_575 } }),
    other('dev\0char', EntryType.chardev, { rdev: { major: 1, minor: 3 } }),
    other('dev\0fifo', EntryType.fifo),
    other('dev\0socket', EntryType.socket),
    file('home\0ann\0big', { chunkClass: 1, depth: 2, ids: id(2), size: 2 ** 53 - 1, ino: 2 ** 53 - 1, user: 'ann' }),
    file('home\0ann\0empty', { size: 0, ids: new Uint8Array(0) }),
    file('home\0ann\0hole', { size: 70_000, ids: Uint8Array.from([...id(3), ...holeId(65_536), ...id(4)]) }),
    file('home\0ann\0linked', { link: id(5).slice(0, 16) }),
    file('home\0ann\0rotten', { replaced: { chunkClass: 0, depth: 1, ids: id(6), size: 4_000_000 } }),
    other('home\0ann\0symlink', EntryType.symlink, { target: '../\xff', size: 4 }),
    file('home\0ann\0xattrs', {
      xattrs: [
        ['system.posix_acl_access', Uint8Array.of(2, 0, 0, 0)],
        ['user.empty', new Uint8Array(0)],
      ],
    }),
    file('home\0ann-b', { kept: { first: -1n, last: 2n ** 62n } }),
    file('home\0\xff\xfe'),
  ],
};

describe('segment vectors', () => {
  const list = vectors('segments', () =>
    Object.entries(SEGMENTS).map(([label, entries]) => ({
      label,
      entries: entries.map(entryToJson),
      bytes: toHex(encodeSegment(entries)),
    })),
  );

  it.each(list)('$label: written byte for byte, and read by both', ({ label, entries, bytes }) => {
    expect(toHex(encodeSegment(SEGMENTS[label]))).toBe(bytes);
    const segment = decodeSegment(hex(bytes));
    // Owners' names hold for all entries of a segment.
    const named = segment.keys.map((_, i) => entryToJson(segment.entry(i)));
    expect(named.map(({ user: _, group: __, ...rest }) => rest)).toEqual(
      entries.map(({ user: _, group: __, ...rest }) => rest),
    );
    const portable = readSegment(hex(bytes));
    expect(
      portable.map((entry) => [toHex(toBytes(entry.key)), entry.size, entry.mode, toHex(entry.content.ids)]),
    ).toEqual(entries.map(({ key, size, mode, ids }) => [key, size, mode, ids]));
  });
});

const CHILDREN: ListingChild[] = [
  { firstKey: '', id: id(1), entries: 16 },
  { firstKey: 'home\0ann\0a', id: id(2), entries: 80 },
  { firstKey: 'home\0ann\0b\xff', id: id(3), entries: 2 ** 40 },
];

/** Cuts so many entries into segments and these into nodes: what a writer does. */
function listingOf(count: number) {
  const cutter = new ListingCutter(keyring.shared.listingCut);
  // Where nodes are cut does not depend on ids: any will do.
  const blobId = (bytes: Uint8Array) => native.sha256(bytes).slice(0, 24);
  const nodes: number[] = [];
  const tree = new ListingTreeBuilder(cutter, (bytes) => {
    nodes.push(decodeListingNode(bytes).level);
    return blobId(bytes);
  });
  const cuts: number[] = [];
  let run: Entry[] = [];
  const close = () => {
    tree.add({ firstKey: run[0].key, id: blobId(encodeSegment(run)), entries: run.length });
    run = [];
  };
  for (let i = 0; i < count; i++) {
    const entry = file(`k${String(i).padStart(6, '0')}`);
    if (cutter.cutsBefore(entry.key, run.length)) {
      cuts.push(i);
      close();
    }
    run.push(entry);
  }
  close();
  const root = tree.finish();
  const perLevel = Array.from({ length: root.depth }, (_, i) => nodes.filter((level) => level === i + 1).length);
  return { count, firstCuts: cuts.slice(0, 12), segments: cuts.length + 1, nodes: perLevel, depth: root.depth };
}

describe('listing vectors', () => {
  const made = () => ({
    listingCut: toHex(keyring.shared.listingCut),
    hashes: ['', 'home', 'home\0x', '\xff'.repeat(300)].flatMap((key) =>
      [0, 1, 2].map((level) => {
        const view = Buffer.from(keyring.shared.listingCut);
        const value = halfSipHash(view.readUInt32LE(0), view.readUInt32LE(4) ^ level, key);
        return { key: toHex(toBytes(key)), level, hash: value };
      }),
    ),
    nodes: [
      {
        level: 1,
        children: CHILDREN.map((child) => ({
          firstKey: toHex(toBytes(child.firstKey)),
          id: toHex(child.id),
          entries: child.entries,
        })),
        bytes: toHex(encodeListingNode({ level: 1, children: CHILDREN })),
      },
    ],
    trees: [1, 1000, 100_000].map(listingOf),
  });
  const written = vectors('listings', made);

  it('are written byte for byte, and cut where they were', () => {
    expect(made()).toEqual(written);
  });

  it('are read by both', () => {
    const { bytes, children } = written.nodes[0];
    const mine = decodeListingNode(hex(bytes));
    expect(mine.children.map((child) => [toHex(toBytes(child.firstKey)), toHex(child.id), child.entries])).toEqual(
      children.map(({ firstKey, id: childId, entries }) => [firstKey, childId, entries]),
    );
    const portable = readListingNode(hex(bytes), 1);
    expect(portable.firstKeys.map((key) => toHex(toBytes(key)))).toEqual(children.map(({ firstKey }) => firstKey));
    expect(portable.ids.map(toHex)).toEqual(children.map((child) => child.id));
  });
});

/** Ids that look as random as ids do, so that a few of them are cuts. */
const manyIds = (count: number) => fixedRandom('chunks')(count * 24);

function chunkTree(count: number, sparse: boolean) {
  const list = manyIds(count);
  if (sparse) for (let i = 0; i < count; i += 3) list.set(holeId(65_536), i * 24);
  const nodes: { level: number; ids: number }[] = [];
  const { depth, ids } = buildChunkList(list, new Array(count).fill(65_536), (bytes) => {
    const node = decodeChunkListNode(bytes);
    nodes.push({ level: node.level, ids: node.sizes.length });
    return native.sha256(bytes).slice(0, 24);
  });
  const level = (n: number) => nodes.filter((node) => node.level === n).map((node) => node.ids);
  return {
    count,
    holes: sparse ? 'every third id, from the first' : 'none',
    depth,
    firstNodes: level(1).slice(0, 10),
    nodes: Array.from({ length: depth }, (_, i) => level(i + 1).length),
    // With SHA-256, cut to 24 bytes, in place of the keyed id.
    root: toHex(ids).slice(0, depth === 0 ? 0 : 48),
  };
}

describe('chunk-list vectors', () => {
  const made = () => ({
    holes: [0, 1, 65_536, 2 ** 53 - 1].map((length) => ({ length, id: toHex(holeId(length)) })),
    nodes: [
      {
        level: 2,
        ids: toHex(Uint8Array.from([...id(1), ...id(2)])),
        sizes: [1_000_000, 2 ** 53 - 1],
        bytes: toHex(
          encodeChunkListNode({
            level: 2,
            ids: Uint8Array.from([...id(1), ...id(2)]),
            sizes: [1_000_000, 2 ** 53 - 1],
          }),
        ),
      },
    ],
    idsOfTrees: 'SHA-256("chunks 0") ‖ SHA-256("chunks 1") ‖ …, in pieces of 24 bytes',
    trees: [
      [16, false],
      [17, false],
      [5000, false],
      [50_000, false],
      [5000, true],
    ].map(([count, sparse]) => chunkTree(count as number, sparse as boolean)),
    contentIds: [
      { chunkClass: 0 as const, depth: 0, ids: '' },
      { chunkClass: 1 as const, depth: 0, ids: toHex(id(1)) },
      { chunkClass: 0 as const, depth: 2, ids: toHex(id(1)) },
    ].map((content) => ({ ...content, contentId: contentId({ ...content, ids: hex(content.ids) }) })),
  });
  const written = vectors('chunk-lists', made);

  it('are written byte for byte, and cut where they were', () => {
    expect(made()).toEqual(written);
  });

  it('are read by both', () => {
    const { bytes, ids, sizes, level } = written.nodes[0];
    const mine = decodeChunkListNode(hex(bytes));
    expect([toHex(mine.ids), mine.sizes]).toEqual([ids, sizes]);
    const portable = readChunkListNode(hex(bytes), level);
    expect([toHex(portable.ids), portable.sizes]).toEqual([ids, sizes]);
    for (const { length, id: holeBytes } of written.holes) expect(holeOf(hex(holeBytes))).toBe(length);
  });
});

interface FrameVector {
  raw: boolean;
  /** What is sealed: the blobs, or one zstd frame of them. */
  payload: string;
  blobs: { id: string; bytes: string }[];
}

interface PackVector {
  kind: 'data' | 'meta';
  /** What the random source gave: the salt, then the ephemeral secret. */
  random: string;
  run: string;
  writer: string;
  frames: FrameVector[];
  directory: string;
  name: string;
  bytes: string;
}

function packOf(kind: 'data' | 'meta', frames: FrameVector[]): PackVector {
  const random = fixedRandom(`pack ${kind}`);
  const objectKind = kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack;
  const { header, cipher } = createSealer(keyring, objectKind, undefined, random);
  const infos: FrameInfo[] = [];
  const parts: Uint8Array[] = [header];
  let offset = header.length;
  let firstBlob = 0;
  frames.forEach(({ raw, payload, blobs }, number) => {
    const sealed = cipher.seal(number, hex(payload));
    const plainLength = blobs.reduce((sum, blob) => sum + blob.bytes.length / 2, 0);
    infos.push({ offset, length: sealed.length, raw, firstBlob, blobs: blobs.length, plainLength });
    parts.push(sealed);
    offset += sealed.length;
    firstBlob += blobs.length;
  });
  const blobs = frames.flatMap((frame) => frame.blobs);
  const run = fixedRandom('run')(16);
  const directory = encodeDirectory({
    run,
    writer: hex(keyring.signer()),
    frames: infos,
    ids: hex(blobs.map((blob) => blob.id).join('')),
    lengths: Uint32Array.from(blobs.map((blob) => blob.bytes.length / 2)),
  });
  const sealed = cipher.seal(DIRECTORY_FRAME, directory);
  const trailer = Buffer.alloc(4);
  trailer.writeUInt32LE(sealed.length);
  const bytes = Uint8Array.from(Buffer.concat([...parts, sealed, trailer]));
  return {
    kind,
    random: toHex(fixedRandom(`pack ${kind}`)(64)),
    run: toHex(run),
    writer: keyring.signer(),
    frames,
    directory: toHex(directory),
    name: objectName(native, bytes),
    bytes: toHex(bytes),
  };
}

describe('pack vectors', () => {
  const blob = (kind: 'data' | 'listing' | 'chunk-list', bytes: Uint8Array) => {
    const mac = new Uint8Array(24);
    native.macFunction(keyring.idKey(kind))(bytes, 0, bytes.length, mac, 0, 24);
    return { id: toHex(mac), bytes: toHex(bytes) };
  };
  const text = (value: string) => Uint8Array.from(Buffer.from(value));
  const frame = (raw: boolean, blobs: { id: string; bytes: string }[]): FrameVector => {
    const plain = hex(blobs.map(({ bytes }) => bytes).join(''));
    return { raw, payload: toHex(raw ? plain : zstd.compress(plain)), blobs };
  };
  const { packs, ...keys } = vectors('packs', () => ({
    master: toHex(keyring.master()),
    storeId: keyring.storeIdHex,
    packs: [
      packOf('data', [
        frame(false, [blob('data', text('hello '.repeat(30))), blob('data', text('hello again '.repeat(9)))]),
        frame(true, [blob('data', text('as it is')), blob('data', text(''))]),
      ]),
      packOf('meta', [
        frame(false, [
          blob('listing', encodeSegment(SEGMENTS['every type and field'])),
          blob('listing', encodeListingNode({ level: 1, children: CHILDREN })),
          blob('chunk-list', encodeChunkListNode({ level: 1, ids: id(9), sizes: [65_536] })),
        ]),
      ]),
    ],
  }));

  it.each(packs)('$kind: written byte for byte', (pack) => {
    // The payloads are taken as they are: another version of zstd may compress otherwise.
    expect(packOf(pack.kind, pack.frames)).toEqual(pack);
  });

  it.each(packs)('$kind: read by both', async (pack) => {
    const bytes = hex(pack.bytes);
    const length = Buffer.from(bytes).readUInt32LE(bytes.length - 4);
    const kind = pack.kind === 'data' ? ObjectKind.pack : ObjectKind.metaPack;
    const cipher = openSeal(keyring, bytes.subarray(0, 72), kind);
    const directory = decodeDirectory(cipher.open(DIRECTORY_FRAME, bytes.subarray(bytes.length - 4 - length, -4)));
    const last = directory.frames[directory.frames.length - 1];
    expect(last.offset + last.length).toBe(bytes.length - 4 - length);
    directory.frames.forEach((info, number) => {
      const payload = cipher.open(number, bytes.subarray(info.offset, info.offset + info.length));
      const plain = info.raw ? payload : zstd.decompress(payload, info.plainLength);
      expect(toHex(plain)).toBe(pack.frames[number].blobs.map((one) => one.bytes).join(''));
    });
    expect(fromBytes(directory.ids)).toBe(
      fromBytes(hex(pack.frames.flatMap((f) => f.blobs.map((b) => b.id)).join(''))),
    );

    const files = {
      list: async () => [],
      read: async () => bytes,
    };
    const blobs = new Blobs(
      files,
      keysOfMaster(hex(keys.master), hex(keys.storeId)),
      new Map([[pack.name, bytes.length]]),
    );
    for (const one of pack.frames.flatMap((f) => f.blobs)) {
      const kinds = pack.kind === 'data' ? (['data'] as const) : (['listing', 'chunk-list'] as const);
      const read = await Promise.allSettled(kinds.map((kindOf) => blobs.read(kindOf, hex(one.id))));
      const found = read.flatMap((result) => (result.status === 'fulfilled' ? [toHex(result.value)] : []));
      expect(found).toEqual([one.bytes]);
    }
  });
});

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';
import {
  decodeListingNode,
  encodeListingNode,
  halfSipHash,
  type ListingChild,
  ListingCutter,
  type ListingRoot,
  ListingTreeBuilder,
} from '../../src/format/listing.js';
import { ids, keys, size } from './arbitrary.js';

const SECRET = Uint8Array.from({ length: 32 }, (_, i) => i);

const idOf = (data: string | Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest()).slice(0, 24);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('HalfSipHash', () => {
  it('gives the values that its authors publish', () => {
    // First of vectors_hsip32 of the reference implementation: key 00…07, message 00, 01, …, read little-endian.
    const expected = ['a9359f5b', '27475ab8', 'fa62a603', '8afee704', '2a6e4689', 'c5fab669', '5863fc23', '8bcf63c5'];
    expected.forEach((tag, length) => {
      const message = String.fromCharCode(...Array.from({ length }, (_, i) => i));
      const value = halfSipHash(0x03020100, 0x07060504, message);
      expect(value).toBe(Buffer.from(tag, 'hex').readUInt32LE());
    });
  });

  it('takes all 32 bits of each word of the key', () => {
    const seen = new Set<number>();
    for (const k0 of [0, 1, 0x80000000, 0xffffffff])
      for (const k1 of [0, 1, 0x80000000, 0xffffffff]) seen.add(halfSipHash(k0, k1, 'home\0x'));
    expect(seen.size).toBe(16);
  });
});

/** Cuts keys as entries are cut into segments. */
function segmentsOf(cutter: ListingCutter, list: readonly string[]): ListingChild[] {
  const children: ListingChild[] = [];
  let run: string[] = [];
  const close = () => {
    children.push({ firstKey: run[0] ?? '', id: idOf(run.join('\n')), entries: run.length });
    run = [];
  };
  for (const key of list) {
    if (cutter.cutsBefore(key, run.length)) close();
    run.push(key);
  }
  if (run.length > 0 || children.length === 0) close();
  return children;
}

interface Tree {
  root: ListingRoot;
  /** By hex id. */
  nodes: Map<string, Uint8Array>;
  segments: ListingChild[];
}

function treeOf(secret: Uint8Array, list: readonly string[]): Tree {
  const cutter = new ListingCutter(secret);
  const nodes = new Map<string, Uint8Array>();
  const segments = segmentsOf(cutter, list);
  const builder = new ListingTreeBuilder(cutter, (bytes) => {
    const id = idOf(bytes);
    nodes.set(hex(id), bytes);
    return id;
  });
  for (const segment of segments) builder.add(segment);
  return { root: builder.finish(), nodes, segments };
}

/** The segments as a reader of the tree finds them; checks levels and counts on the way. */
function leaves({ root, nodes, segments }: Tree): ListingChild[] {
  if (root.depth === 0) return segments.filter((segment) => hex(segment.id) === hex(root.id));
  const below = (id: Uint8Array, level: number): ListingChild[] => {
    const node = decodeListingNode(nodes.get(hex(id))!);
    expect(node.level).toBe(level);
    if (level === 1) return node.children;
    return node.children.flatMap((child) => {
      const list = below(child.id, level - 1);
      expect(list[0].firstKey).toBe(child.firstKey);
      expect(list.reduce((sum, segment) => sum + segment.entries, 0)).toBe(child.entries);
      return list;
    });
  };
  return below(root.id, root.depth);
}

const comparable = (list: ListingChild[]) => list.map((child) => `${hex(child.id)} ${child.entries} ${child.firstKey}`);

describe('listing nodes', () => {
  const children = fc.tuple(keys(20), fc.infiniteStream(size), ids(20, 20)).map(([sorted, counts, idBytes]) =>
    sorted.map((firstKey, i) => ({
      firstKey,
      id: idBytes.slice(i * 24, (i + 1) * 24),
      entries: counts.next().value as number,
    })),
  );

  it('come back as they were', () => {
    fc.assert(
      fc.property(children, fc.integer({ min: 1, max: 32 }), (list, level) => {
        fc.pre(list.length > 0);
        const node = decodeListingNode(encodeListingNode({ level, children: list }));
        expect(node.level).toBe(level);
        expect(comparable(node.children)).toEqual(comparable(list));
      }),
    );
  });

  it('are refused when they are none', () => {
    const good = encodeListingNode({
      level: 1,
      children: [
        { firstKey: 'a', id: idOf('a'), entries: 1 },
        { firstKey: 'b', id: idOf('b'), entries: 2 },
      ],
    });
    const columns = decode(good) as Record<string, unknown>;
    const changes: Record<string, unknown>[] = [
      { level: 0 },
      { level: 33 },
      { level: 'x' },
      { n: 0, key: new Uint8Array(0), entries: new Uint8Array(0), ids: new Uint8Array(0) },
      { n: 1 },
      { n: Number.MAX_SAFE_INTEGER },
      { key: Uint8Array.of(0, 1, 98, 0, 1, 97) },
      { key: undefined },
      { entries: Uint8Array.of(1) },
      { entries: Uint8Array.of(1, 2, 3) },
      { ids: new Uint8Array(47) },
    ];
    for (const change of changes)
      expect(() => decodeListingNode(encode({ ...columns, ...change }))).toThrow(FormatError);
    for (const value of [null, 1, 'x', [], {}]) expect(() => decodeListingNode(encode(value))).toThrow(FormatError);
    expect(() => decodeListingNode(good.subarray(1))).toThrow(FormatError);
  });
});

describe('listing tree', () => {
  const paths = (count: number) => Array.from({ length: count }, (_, i) => `home\0x\0${String(i).padStart(7, '0')}`);

  it('is one segment when there is little', () => {
    for (const list of [[], ['a'], paths(15)]) {
      const tree = treeOf(SECRET, list);
      expect(tree.root).toEqual({ id: tree.segments[0].id, depth: 0 });
      expect(tree.nodes.size).toBe(0);
    }
    expect(() => new ListingTreeBuilder(new ListingCutter(SECRET), idOf).finish()).toThrow(RangeError);
  });

  it('holds every segment, in order, whatever the size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30_000 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (count, key) => {
          const tree = treeOf(key, paths(count));
          expect(comparable(leaves(tree))).toEqual(comparable(tree.segments));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has segments and nodes of 16 to 512 items but for the last ones, about 80 in the mean', () => {
    const tree = treeOf(SECRET, paths(300_000));
    const nodes = [...tree.nodes.values()].map(decodeListingNode);
    const inner = [tree.segments.map((segment) => segment.entries)];
    for (const node of nodes) {
      inner[node.level] ??= [];
      inner[node.level].push(node.children.length);
    }
    expect(tree.root.depth).toBe(inner.length - 1);
    inner.forEach((counts, level) => {
      expect(Math.max(...counts)).toBeLessThanOrEqual(512);
      const whole = counts.slice(0, -1);
      if (whole.length > 0) expect(Math.min(...whole)).toBeGreaterThanOrEqual(16);
      // The mean of 16 and a geometric distribution of 64; nodes above few segments are too few to tell.
      if (level < 2) expect(whole.reduce((sum, n) => sum + n, 0) / whole.length).toBeGreaterThan(50);
      if (level < 2) expect(whole.reduce((sum, n) => sum + n, 0) / whole.length).toBeLessThan(120);
    });
  });

  it('changes near an insertion only, on every level', () => {
    const list = paths(300_000);
    const before = treeOf(SECRET, list);
    for (const at of [0, 1000, 150_000, 299_999]) {
      // So many new entries that at least one segment comes in between.
      const added = Array.from({ length: 600 }, (_, i) => `${list[at]}-${String(i).padStart(3, '0')}`);
      const after = treeOf(SECRET, [...list.slice(0, at + 1), ...added, ...list.slice(at + 1)]);
      expect(after.segments.length).toBeGreaterThan(before.segments.length);
      const fresh = [...after.nodes.keys()].filter((id) => !before.nodes.has(id));
      expect(after.nodes.size).toBeGreaterThan(40);
      expect(fresh.length).toBeLessThan(12);
    }
  });

  it('depends on the secret', () => {
    const other = SECRET.slice();
    other[3] ^= 0x80;
    const a = treeOf(SECRET, paths(5000)).segments.map((segment) => segment.firstKey);
    const b = treeOf(other, paths(5000)).segments.map((segment) => segment.firstKey);
    expect(a.filter((key) => b.includes(key)).length).toBeLessThan(a.length / 4);
  });
});

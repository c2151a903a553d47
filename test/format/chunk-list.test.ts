import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';
import {
  buildChunkList,
  decodeChunkListNode,
  encodeChunkListNode,
  holeId,
  holeLength,
  INLINE_CHUNKS,
  readChunkList,
} from '../../src/format/chunk-list.js';
import { ids, size } from './arbitrary.js';

const idOf = (data: string | Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest()).slice(0, 24);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const concat = (list: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(list));

interface Tree {
  depth: number;
  ids: Uint8Array;
  nodes: Map<string, Uint8Array>;
}

function treeOf(list: Uint8Array, sizes: readonly number[]): Tree {
  const nodes = new Map<string, Uint8Array>();
  const root = buildChunkList(list, sizes, (bytes) => {
    const id = idOf(bytes);
    nodes.set(hex(id), bytes);
    return id;
  });
  return { ...root, nodes };
}

function readTree(tree: Tree): { ids: Uint8Array; sizes: number[] | undefined } {
  const parts = [...readChunkList(tree, (id) => tree.nodes.get(hex(id))!)];
  const sizes = tree.depth === 0 ? undefined : parts.flatMap((part) => part.sizes!);
  return { ids: concat(parts.map((part) => part.ids)), sizes };
}

/** Ids of so many chunks, as a file has them. */
const chunks = (count: number, of = 'file') => Array.from({ length: count }, (_, i) => idOf(`${of} ${i}`));

describe('holes', () => {
  it('have an id of their own that says how long they are', () => {
    expect(hex(holeId(0x0102030405))).toBe(`${'00'.repeat(16)}0504030201000000`);
    fc.assert(
      fc.property(size, fc.uint8Array({ maxLength: 5 }), (length, before) => {
        expect(holeLength(concat([before, holeId(length)]), before.length)).toBe(length);
      }),
    );
  });

  it('are not taken for blobs, nor blobs for holes', () => {
    for (let i = 0; i < 16; i++) {
      const id = new Uint8Array(24);
      id[i] = 1;
      expect(holeLength(id)).toBeUndefined();
    }
    expect(holeLength(new Uint8Array(24))).toBe(0);
  });

  it('are shorter than 2^53', () => {
    const id = new Uint8Array(24);
    id[22] = 0x20;
    expect(() => holeLength(id)).toThrow(FormatError);
  });
});

describe('chunk-list nodes', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(ids(1, 30), fc.integer({ min: 1, max: 32 }), fc.infiniteStream(size), (list, level, stream) => {
        const sizes = Array.from({ length: list.length / 24 }, () => stream.next().value as number);
        const node = decodeChunkListNode(encodeChunkListNode({ level, ids: list, sizes }));
        expect(node.level).toBe(level);
        expect(hex(node.ids)).toBe(hex(list));
        expect(node.sizes).toEqual(sizes);
      }),
    );
  });

  it('are refused when they are none', () => {
    const good = encodeChunkListNode({ level: 1, ids: concat(chunks(2)), sizes: [1, 300] });
    const columns = decode(good) as Record<string, unknown>;
    const changes: Record<string, unknown>[] = [
      { level: 0 },
      { level: 33 },
      { level: 'x' },
      { ids: new Uint8Array(0), sizes: new Uint8Array(0) },
      { ids: new Uint8Array(47) },
      { ids: undefined },
      { sizes: Uint8Array.of(1) },
      { sizes: Uint8Array.of(1, 2, 3) },
      { sizes: 5 },
    ];
    for (const change of changes)
      expect(() => decodeChunkListNode(encode({ ...columns, ...change }))).toThrow(FormatError);
    for (const value of [null, 1, [], {}]) expect(() => decodeChunkListNode(encode(value))).toThrow(FormatError);
  });
});

describe('chunk-list tree', () => {
  it('is none for up to 16 chunks', () => {
    for (const count of [0, 1, INLINE_CHUNKS]) {
      const list = concat(chunks(count));
      const tree = treeOf(list, new Array(count).fill(1));
      expect(tree.depth).toBe(0);
      expect(tree.nodes.size).toBe(0);
      expect(readTree(tree)).toEqual({ ids: list, sizes: undefined });
    }
    expect(treeOf(concat(chunks(INLINE_CHUNKS + 1)), new Array(INLINE_CHUNKS + 1).fill(1)).depth).toBe(1);
  });

  it('names every chunk, in order, with its size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 17, max: 20_000 }), fc.integer(), fc.boolean(), (count, seed, sparse) => {
        const list: Uint8Array[] = chunks(count, String(seed));
        const sizes = list.map((_, i) => ((i * 7919) % 100_000) + 1);
        if (sparse) for (let i = 0; i < count; i += 3) list[i] = holeId(sizes[i]);
        const tree = treeOf(concat(list), sizes);
        const back = readTree(tree);
        expect(Buffer.compare(back.ids, concat(list))).toBe(0);
        expect(back.sizes).toEqual(sizes);
        const root = decodeChunkListNode(tree.nodes.get(hex(tree.ids))!);
        expect(root.level).toBe(tree.depth);
        expect(root.sizes.reduce((sum, n) => sum + n)).toBe(sizes.reduce((sum, n) => sum + n));
      }),
      { numRuns: 25 },
    );
  });

  it('is cut after ids whose byte 22 is a multiple of 64, holes apart, into nodes of 16 to 512', () => {
    const cut = () => {
      const id = idOf(Math.random().toString());
      id[22] &= 0xc0;
      return id;
    };
    const whole = (i: number) => {
      const id = idOf(`whole ${i}`);
      id[22] |= 1;
      return id;
    };
    const lengths = (list: Uint8Array[]) => {
      const tree = treeOf(concat(list), new Array(list.length).fill(1));
      return [...readChunkList(tree, (id) => tree.nodes.get(hex(id))!)].map((part) => part.sizes!.length);
    };
    const run = (count: number) => Array.from({ length: count }, (_, i) => whole(i));
    expect(lengths(run(1100))).toEqual([512, 512, 76]);
    expect(lengths([...run(99), cut(), ...run(50)])).toEqual([100, 50]);
    // Too early: the cut after the 15th id does not count, that after the 16th does.
    expect(lengths([...run(14), cut(), ...run(50)])).toEqual([65]);
    expect(lengths([...run(15), cut(), ...run(50)])).toEqual([16, 50]);
    expect(lengths([...run(99), holeId(4096), ...run(50)])).toEqual([150]);
    expect(lengths(new Array(600).fill(holeId(4096)))).toEqual([512, 88]);
  });

  it.each([
    ['a file of blobs', false],
    ['a file full of holes', true],
  ])('changes near an edit only: %s', (_, sparse) => {
    const list = chunks(60_000).map((id, i) => (sparse && i % 2 === 0 ? holeId(65_536) : id));
    const before = treeOf(concat(list), new Array(list.length).fill(65_536));
    for (const at of [0, 30_000, 59_999]) {
      const edited = [...list.slice(0, at), ...chunks(3, 'new'), ...list.slice(at + 1)];
      const after = treeOf(concat(edited), new Array(edited.length).fill(65_536));
      const fresh = [...after.nodes.keys()].filter((id) => !before.nodes.has(id));
      expect(after.nodes.size).toBeGreaterThan(300);
      expect(fresh.length).toBeLessThan(15);
    }
  });

  it('is refused with a node of the wrong level, or without a root', () => {
    const tree = treeOf(concat(chunks(5000)), new Array(5000).fill(1));
    expect(() => readTree({ ...tree, depth: tree.depth - 1 })).toThrow(FormatError);
    expect(() => readTree({ ...tree, depth: tree.depth + 1 })).toThrow(FormatError);
    expect(() => readTree({ ...tree, ids: concat([tree.ids, tree.ids]) })).toThrow(FormatError);
    expect(() => readTree({ ...tree, ids: new Uint8Array(0) })).toThrow(FormatError);
  });
});

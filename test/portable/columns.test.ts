import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeKeyFile } from '../../src/crypto/key-file.js';
import { native } from '../../src/crypto/native.js';
import { decodeRecoveryKey, encodeRecoveryKey } from '../../src/crypto/recovery-key.js';
import { FormatError } from '../../src/errors.js';
import { decode, encode } from '../../src/format/cbor.js';
import { decodeChunkListNode, encodeChunkListNode, holeId, holeLength } from '../../src/format/chunk-list.js';
import type { Entry } from '../../src/format/entry.js';
import { decodeListingNode, encodeListingNode } from '../../src/format/listing.js';
import { decodeSegment, encodeSegment } from '../../src/format/segment.js';
import { ByteReader } from '../../src/format/varint.js';
import { decodeMap } from '../../src/portable/cbor.js';
import { Column } from '../../src/portable/columns.js';
import { PortableError } from '../../src/portable/index.js';
import {
  holeOf,
  type PortableEntry,
  readChunkListNode,
  readListingNode,
  readSegment,
} from '../../src/portable/listing.js';
import { readKeyFile, readRecoveryKey } from '../../src/portable/secrets.js';
import { entries, ids, keys, size } from '../format/arbitrary.js';

const TYPES = ['dir', 'file', 'symlink', 'fifo', 'socket', 'chardev', 'blockdev'];
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');
const ns = (sec: number, nsec: number) => BigInt(sec) * 1_000_000_000n + BigInt(nsec);
const contentOf = (content: { chunkClass: number; depth: number; ids: Uint8Array }) =>
  `${content.chunkClass} ${content.depth} ${hex(content.ids)}`;

/** Both kinds of entries as one. */
function fromNative(entry: Entry): unknown {
  const { replaced } = entry;
  return {
    ...entry,
    type: TYPES[entry.type],
    mtime: ns(entry.mtimeSec, entry.mtimeNsec),
    ctime: ns(entry.ctimeSec, entry.ctimeNsec),
    content: contentOf(entry),
    target: entry.target === undefined ? undefined : Buffer.from(entry.target, 'latin1').toString('hex'),
    link: hex(entry.link),
    xattrs: entry.xattrs?.map(([name, value]) => [Buffer.from(name, 'latin1').toString('hex'), hex(value)]),
    replaced: replaced && `${contentOf(replaced)} ${replaced.size}`,
    ...Object.fromEntries(
      ['mtimeSec', 'mtimeNsec', 'ctimeSec', 'ctimeNsec', 'ids', 'depth', 'chunkClass'].map((name) => [name, undefined]),
    ),
  };
}

function fromPortable(entry: PortableEntry): unknown {
  const { replaced } = entry;
  return {
    ...entry,
    path: undefined,
    content: contentOf(entry.content),
    target: hex(entry.target),
    xattrs: entry.xattrs?.map(({ name, value }) => [hex(name), hex(value)]),
    replaced: replaced && `${contentOf(replaced)} ${replaced.size}`,
  };
}

/** What one of the readers makes of bytes: a value, or that it refuses them. */
function outcome(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof PortableError) return 'refused';
    throw error;
  }
}

/** Good bytes with some of them changed, cut or repeated. */
const spoilt = (good: fc.Arbitrary<Uint8Array>) =>
  fc
    .tuple(good, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.integer({ min: -2, max: 2 }))
    .map(([bytes, changes, more]) => {
      const changed = new Uint8Array(Math.max(0, bytes.length + more));
      changed.set(bytes.subarray(0, changed.length));
      for (const [at, value] of changes) if (changed.length > 0) changed[at % changed.length] = value;
      return changed;
    });

describe('the two decoders agree on', () => {
  it('integers, whatever bytes they are given', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0x81, 0xff), { maxLength: 12 }).map((list) => Uint8Array.from(list)),
      fc.integer({ min: 1, max: 400 }).map((length) => new Uint8Array(length).fill(0x80).fill(1, length - 1)),
    );
    fc.assert(
      fc.property(bytes, (column) => {
        expect(outcome(() => new Column(column).unsigned())).toEqual(outcome(() => new ByteReader(column).varint()));
        expect(outcome(() => new Column(column).signed())).toEqual(outcome(() => new ByteReader(column).signed()));
      }),
      { numRuns: 1000 },
    );
  });

  it('CBOR, whatever bytes they are given', () => {
    const value = fc.dictionary(
      fc.string({ maxLength: 4 }),
      fc.letrec((tie) => ({
        any: fc.oneof(
          { maxDepth: 3 },
          fc.boolean(),
          fc.constant(null),
          fc.maxSafeInteger(),
          fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
          fc.uint8Array({ maxLength: 5 }),
          fc.string({ maxLength: 5 }),
          fc.array(tie('any'), { maxLength: 3 }),
          fc.dictionary(fc.string({ maxLength: 3 }), tie('any'), { maxKeys: 3 }),
        ),
      })).any,
      { maxKeys: 4 },
    );
    fc.assert(
      fc.property(spoilt(value.map((map) => encode(map))), (bytes) => {
        const theirs = outcome(() => decode(bytes));
        const isMap = typeof theirs === 'object' && theirs !== null && !Array.isArray(theirs);
        const expected = isMap && !(theirs instanceof Uint8Array) ? theirs : 'refused';
        expect(outcome(() => decodeMap(bytes, 'a map').values)).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('segments', () => {
    fc.assert(
      fc.property(entries(10), (list) => {
        const mine = readSegment(encodeSegment(list));
        expect(mine.map(fromPortable)).toEqual(list.map(fromNative));
      }),
      { numRuns: 200 },
    );
  });

  it('spoilt segments', () => {
    fc.assert(
      fc.property(spoilt(entries(4).map((list) => encodeSegment(list))), (bytes) => {
        const theirs = outcome(() => {
          const segment = decodeSegment(bytes);
          return segment.keys.map((_, i) => fromNative(segment.entry(i)));
        });
        // A segment without entries is not looked through for rare values by the one, but is by the other.
        fc.pre(!(Array.isArray(theirs) && theirs.length === 0));
        expect(outcome(() => readSegment(bytes).map(fromPortable))).toEqual(theirs);
      }),
      { numRuns: 1000 },
    );
  });

  it('listing nodes and chunk-list nodes, spoilt ones too', () => {
    const listing = fc.tuple(keys(8), ids(8, 8), fc.infiniteStream(size)).map(([list, bytes, counts]) =>
      encodeListingNode({
        level: 2,
        children: list.map((firstKey, i) => ({
          firstKey,
          id: bytes.slice(24 * i, 24 * i + 24),
          entries: counts.next().value as number,
        })),
      }),
    );
    fc.assert(
      fc.property(spoilt(listing), (bytes) => {
        const theirs = outcome(() => {
          const { level, children } = decodeListingNode(bytes);
          if (level !== 2) throw new FormatError('');
          return children.map(({ firstKey, id }) => [firstKey, hex(id)]);
        });
        const mine = outcome(() => {
          const { firstKeys, ids: list } = readListingNode(bytes, 2);
          return firstKeys.map((key, i) => [key, hex(list[i])]);
        });
        expect(mine).toEqual(theirs);
      }),
      { numRuns: 1000 },
    );
    const chunkList = fc.tuple(ids(1, 8), fc.infiniteStream(size)).map(([list, sizes]) =>
      encodeChunkListNode({
        level: 1,
        ids: list,
        sizes: Array.from({ length: list.length / 24 }, () => sizes.next().value as number),
      }),
    );
    fc.assert(
      fc.property(spoilt(chunkList), (bytes) => {
        const theirs = outcome(() => {
          const { level, ids: list, sizes } = decodeChunkListNode(bytes);
          if (level !== 1) throw new FormatError('');
          return [hex(list), sizes];
        });
        const mine = outcome(() => {
          const node = readChunkListNode(bytes, 1);
          return [hex(node.ids), node.sizes];
        });
        expect(mine).toEqual(theirs);
      }),
      { numRuns: 1000 },
    );
  });

  it('holes', () => {
    fc.assert(
      fc.property(fc.oneof(size.map(holeId), fc.uint8Array({ minLength: 24, maxLength: 24 })), (id) => {
        expect(outcome(() => holeOf(id))).toEqual(outcome(() => holeLength(id)));
      }),
    );
    const long = new Uint8Array(24).fill(255, 16);
    expect(outcome(() => holeOf(long))).toBe('refused');
  });

  it('key files and recovery keys', () => {
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(secret, fc.boolean(), (bytes, shout) => {
        expect(hex(readKeyFile(` ${encodeKeyFile(bytes)}\n`))).toBe(hex(bytes));
        expect(hex(readKeyFile(Buffer.from(encodeKeyFile(bytes))))).toBe(hex(bytes));
        const key = encodeRecoveryKey(native, bytes);
        const typed = shout ? key.toUpperCase() : key.toLowerCase().replaceAll('0', 'o').replaceAll('1', 'l');
        expect(hex(readRecoveryKey(typed))).toBe(hex(bytes));
      }),
      { numRuns: 50 },
    );
    fc.assert(
      fc.property(secret, fc.nat(), fc.constantFrom(...'0123456789ABCDEFGHJKMNPQRSTVWXYZU'), (bytes, at, char) => {
        const key = encodeRecoveryKey(native, bytes).replace(/[-\n]/g, '');
        const place = at % key.length;
        const typed = key.slice(0, place) + char + key.slice(place + 1);
        const theirs = hex(tryRead(() => decodeRecoveryKey(native, typed)));
        expect(hex(tryRead(() => readRecoveryKey(typed)))).toBe(theirs);
      }),
      { numRuns: 200 },
    );
    for (const text of [
      '',
      'x',
      `${'A'.repeat(43)}`,
      `${'A'.repeat(42)}B=`,
      `${'A'.repeat(43)}=A`,
      `${'+'.repeat(43)}=`,
    ])
      expect(() => readKeyFile(text)).toThrow(PortableError);
    for (const text of ['', '0'.repeat(59), '0'.repeat(61)]) expect(() => readRecoveryKey(text)).toThrow(PortableError);
  });
});

function tryRead(read: () => Uint8Array): Uint8Array | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

describe('the portable reader', () => {
  it('imports nothing that a browser lacks, and nothing of the other decoder', () => {
    const folder = new URL('../../src/portable/', import.meta.url);
    const forNode = ['node.ts', 'main.ts'];
    const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !forNode.includes(name));
    expect(files.length).toBeGreaterThan(10);
    for (const name of files) {
      const source = readFileSync(new URL(name, folder), 'utf8');
      const imported = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1]);
      for (const path of imported) expect(path).toMatch(/^(\.\/|@noble\/|cborg$|fzstd$)/);
      expect(source).not.toMatch(/\b(Buffer|process|require|globalThis)\b/);
    }
  });
});

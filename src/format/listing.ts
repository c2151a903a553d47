import type { ByteString } from '../bytes.js';
import { FormatError } from '../errors.js';
import { decode, encode } from './cbor.js';
import { ID_LENGTH, MAX_DEPTH } from './entry.js';
import { readKeys, writeKey } from './path-keys.js';
import { ByteReader, ByteWriter, expectEnd } from './varint.js';

/** Where a listing begins: the id of its top blob, and how many levels of nodes lie above the segments. */
export interface ListingRoot {
  id: Uint8Array;
  depth: number;
}

/** A segment or node as its parent names it. */
export interface ListingChild {
  firstKey: ByteString;
  id: Uint8Array;
  /** Entries below it. */
  entries: number;
}

const FEWEST = 16;
const MOST = 512;
const CUT_MASK = 63;

/**
 * Decides where listings are cut, for segments (whose items are entries) and nodes (whose items are children) alike:
 * before an item whose key hashes to a multiple of 64, but never with fewer than 16 or more than 512 items.
 * So an insertion moves the cuts near it only, and equal stretches of two listings are the same blobs.
 *
 * Each level hashes with a key of its own: the children of a node begin where the level below was cut, so by that
 * level's hash every one of them would be a cut, nodes would be cut by counting, and an insertion would move them all.
 */
export class ListingCutter {
  private readonly k0: number;
  private readonly k1: number;

  /** @param secret the listing-cut key; its first 8 bytes are the hash key */
  constructor(secret: Uint8Array) {
    const view = new DataView(secret.buffer, secret.byteOffset, 8);
    this.k0 = view.getUint32(0, true);
    this.k1 = view.getUint32(4, true);
  }

  /**
   * Whether a cut lies before the item with this key, when the current run already holds `count` items.
   * @param level 0 for the entries of segments, n for the children of nodes of level n
   */
  cutsBefore(key: ByteString, count: number, level = 0): boolean {
    if (count < FEWEST) return false;
    return count >= MOST || (halfSipHash(this.k0, this.k1 ^ level, key) & CUT_MASK) === 0;
  }
}

/** HalfSipHash-2-4 with a 32-bit result (Aumasson and Bernstein, "SipHash", 2012, and its reference's half variant). */
export function halfSipHash(k0: number, k1: number, text: ByteString): number {
  let v0 = k0;
  let v1 = k1;
  let v2 = 0x6c796765 ^ k0;
  let v3 = 0x74656462 ^ k1;
  const length = text.length;
  const words = length >> 2;
  for (let w = 0; w <= words; w++) {
    const at = w * 4;
    let m: number;
    if (w < words) {
      m =
        text.charCodeAt(at) |
        (text.charCodeAt(at + 1) << 8) |
        (text.charCodeAt(at + 2) << 16) |
        (text.charCodeAt(at + 3) << 24);
    } else {
      m = length << 24;
      for (let i = at; i < length; i++) m |= text.charCodeAt(i) << ((i - at) * 8);
    }
    v3 ^= m;
    for (let round = 0; round < 2; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    v0 ^= m;
  }
  v2 ^= 0xff;
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  return (v1 ^ v3) >>> 0;
}

/** A node of a listing: its level (1 is just above the segments) and its children in key order. */
export interface ListingNode {
  level: number;
  children: ListingChild[];
}

/** The bytes of a listing node. */
export function encodeListingNode(node: ListingNode): Uint8Array {
  const keys = new ByteWriter(4096);
  const entries = new ByteWriter();
  const ids = new Uint8Array(node.children.length * ID_LENGTH);
  let previous = '';
  node.children.forEach((child, i) => {
    writeKey(keys, previous, child.firstKey);
    previous = child.firstKey;
    entries.varint(child.entries);
    ids.set(child.id, i * ID_LENGTH);
  });
  return encode({ level: node.level, n: node.children.length, key: keys.take(), entries: entries.take(), ids });
}

/** Reads a listing node; bytes that are not one are a FormatError. */
export function decodeListingNode(bytes: Uint8Array): ListingNode {
  const node = decode(bytes) as { level: number; n: number; key: Uint8Array; entries: Uint8Array; ids: Uint8Array };
  const wellFormed =
    typeof node === 'object' &&
    node !== null &&
    Number.isSafeInteger(node.level) &&
    node.level > 0 &&
    node.level <= MAX_DEPTH &&
    Number.isSafeInteger(node.n) &&
    node.n > 0 &&
    node.key instanceof Uint8Array &&
    node.entries instanceof Uint8Array &&
    node.ids instanceof Uint8Array &&
    node.ids.length === node.n * ID_LENGTH;
  if (!wellFormed) throw new FormatError('not a listing node');
  const keys = readKeys(node.key, node.n);
  const counts = new ByteReader(node.entries);
  const children = keys.map((firstKey, i) => ({
    firstKey,
    id: node.ids.subarray(i * ID_LENGTH, (i + 1) * ID_LENGTH),
    entries: counts.varint(),
  }));
  expectEnd(counts);
  return { level: node.level, children };
}

/**
 * Builds the nodes above a listing's segments, which are added in key order.
 * Every finished node is handed to `emit`, which returns its blob id.
 */
export class ListingTreeBuilder {
  private readonly levels: ListingChild[][] = [];
  private readonly cutter: ListingCutter;
  private readonly emit: (bytes: Uint8Array) => Uint8Array;

  constructor(cutter: ListingCutter, emit: (bytes: Uint8Array) => Uint8Array) {
    this.cutter = cutter;
    this.emit = emit;
  }

  /** Adds the next segment. */
  add(segment: ListingChild): void {
    this.addAt(0, segment);
  }

  /** The finished listing. There must be at least one segment (an empty listing has one without entries). */
  finish(): ListingRoot {
    if (this.levels.length === 0) throw new RangeError('a listing without segments');
    for (let level = 0; ; level++) {
      const children = this.levels[level];
      const isTop = level === this.levels.length - 1;
      if (isTop && children.length === 1) return { id: children[0].id, depth: level };
      if (children.length > 0) this.addAt(level + 1, this.close(level));
    }
  }

  private addAt(level: number, child: ListingChild): void {
    this.levels[level] ??= [];
    if (this.cutter.cutsBefore(child.firstKey, this.levels[level].length, level + 1))
      this.addAt(level + 1, this.close(level));
    this.levels[level].push(child);
  }

  private close(level: number): ListingChild {
    const children = this.levels[level];
    this.levels[level] = [];
    let entries = 0;
    for (const child of children) entries += child.entries;
    const id = this.emit(encodeListingNode({ level: level + 1, children }));
    return { firstKey: children[0].firstKey, id, entries };
  }
}

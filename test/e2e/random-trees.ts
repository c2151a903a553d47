import * as fs from 'node:fs';
import fc from 'fast-check';
import { type ByteString, fromBytes, fromDisplay } from '../../src/bytes.js';
import {
  CWD,
  chmodAt,
  chownAt,
  closeFd,
  createFileAt,
  linkAt,
  makeDeviceAt,
  makeDirectoryAt,
  makeFifoAt,
  makeSocketAt,
  openDirectory,
  openDirectoryAt,
  setTimesAt,
  setXattrAt,
  symlinkAt,
} from '../../src/platform/index.js';
import { isRoot, sh } from './cli.js';
import { noise } from './trees.js';

/** What a random file, directory or other thing has besides its content. */
interface Attributes {
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  mtimeNsec: number;
  xattrs: [name: string, value: Uint8Array][];
}

type Content =
  | { kind: 'noise' | 'text' | 'zeros'; size: number; seed: number }
  /** Data of `length` at each offset, holes between and up to `size`. */
  | { kind: 'sparse'; size: number; data: { offset: number; length: number }[] };

type Item =
  | { kind: 'file'; content: Content }
  | { kind: 'symlink'; target: ByteString }
  | { kind: 'fifo' | 'socket' }
  | { kind: 'device'; block: boolean; major: number; minor: number }
  /** A further name of one of the things made before, if any may have one. */
  | { kind: 'link'; pick: number }
  | { kind: 'dir'; children: Node[] };

/** One name in a random tree. */
export interface Node {
  name: ByteString;
  item: Item;
  attributes: Attributes;
}

/** Powers of two and their neighbours: borders of chunks, frames, buffers and whole files are among them. */
const border = (most: number) =>
  fc
    .tuple(fc.integer({ min: 9, max: most }), fc.constantFrom(-1, 0, 1), fc.constantFrom(1, 1, 1, 3))
    .map(([power, more, times]) => Math.max(0, 2 ** power * times + more));

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 5000 }) },
  { weight: 5, arbitrary: border(18) },
  { weight: 1, arbitrary: border(22) },
);

const sparse = fc
  .tuple(
    fc.array(fc.record({ gap: fc.oneof(border(20), fc.constant(0)), length: border(17) }), { maxLength: 4 }),
    fc.oneof(border(21), fc.constant(0)),
  )
  .map(([stretches, end]) => {
    const data: { offset: number; length: number }[] = [];
    let at = 0;
    for (const { gap, length } of stretches) {
      data.push({ offset: at + gap, length });
      at += gap + length;
    }
    return { kind: 'sparse' as const, size: at + end, data };
  });

const content: fc.Arbitrary<Content> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('noise', 'text', 'zeros'), size, seed: fc.nat(20) }),
  },
  { weight: 1, arbitrary: sparse },
);

const anyBytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength, min: 1 }).map((bytes) => fromBytes(bytes));

const name: fc.Arbitrary<ByteString> = fc
  .oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom('a', 'b', 'a-b', 'a.b', 'ab', 'A', '-x', '*', '~', 'a\nb', "'", '"', '\\'),
    },
    // One letter, composed and decomposed: two names.
    { weight: 2, arbitrary: fc.constantFrom('\u00e9', 'e\u0301', '\u212b', '\u00c5').map(fromDisplay) },
    { weight: 3, arbitrary: anyBytes(1, 12) },
    { weight: 1, arbitrary: anyBytes(255, 255) },
  )
  .map((bytes) => bytes.replaceAll('/', '|'))
  .filter((bytes) => bytes !== '.' && bytes !== '..' && bytes !== '.backupninjaignore');

const target = fc.oneof(
  fc.constantFrom('a', '../a', '/', '.', 'nowhere/at/all'),
  anyBytes(1, 40),
  fc.constant('long/'.repeat(819)),
);

const xattrs = fc.oneof(
  { weight: 6, arbitrary: fc.constant<[string, Uint8Array][]>([]) },
  {
    weight: 1,
    arbitrary: fc.uniqueArray(
      fc.tuple(
        fc.oneof(
          fc.constantFrom('user.a', 'user.b'),
          anyBytes(1, 20).map((bytes) => `user.${bytes}`),
        ),
        fc.uint8Array({ maxLength: 300 }),
      ),
      { maxLength: 3, selector: ([attribute]) => attribute },
    ),
  },
);

/** Attributes of all kinds; a plain user's when `asRoot` is false. */
const attributes = (asRoot: boolean): fc.Arbitrary<Attributes> => {
  const id = asRoot ? fc.oneof(fc.constant(0), fc.nat(70_000), fc.constant(4_294_967_294)) : fc.constant(-1);
  return fc.record({
    mode: asRoot
      ? fc.oneof(fc.constantFrom(0o644, 0o755), fc.integer({ min: 0, max: 0o7777 }))
      : fc.integer({ min: 0, max: 0o777 }).map((mode) => mode | 0o500),
    uid: id,
    gid: id,
    // What ext4 holds, and a little more.
    mtimeSec: fc.oneof(
      fc.integer({ min: 1_500_000_000, max: 1_800_000_000 }),
      fc.integer({ min: -(2 ** 31) - 9, max: 2 ** 34 }),
    ),
    mtimeNsec: fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.integer({ min: 0, max: 999_999_999 })),
    xattrs,
  });
};

/** The contents of a directory: some dozens of names of all kinds, some levels deep. */
export function randomTree(asRoot: boolean): fc.Arbitrary<Node[]> {
  const { children } = fc.letrec<{ children: Node[]; item: Item }>((tie) => ({
    children: fc.uniqueArray(fc.record({ name, item: tie('item'), attributes: attributes(asRoot) }), {
      minLength: 1,
      maxLength: 9,
      selector: (node) => node.name,
    }),
    item: fc.oneof(
      { maxDepth: 3, depthSize: 'medium' },
      { weight: 7, arbitrary: fc.record({ kind: fc.constant('file' as const), content }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('symlink' as const), target }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('fifo' as const, 'socket' as const) }) },
      {
        weight: asRoot ? 1 : 0,
        arbitrary: fc.record({
          kind: fc.constant('device' as const),
          block: fc.boolean(),
          major: fc.nat(0xfff),
          minor: fc.nat(0xf_ffff),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('link' as const), pick: fc.nat() }) },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('dir' as const), children: tie('children') }) },
    ),
  }));
  // A root that has become empty is another matter.
  return children.filter((nodes) => nodes.some(({ item }) => item.kind !== 'link'));
}

/** Makes a random tree in an empty directory. Returns how many things there are in it. */
export function plant(root: string, nodes: readonly Node[]): number {
  let count = 0;
  const linkable: { path: ByteString; name: ByteString }[] = [];
  const top: ByteString = fromDisplay(root);

  const plantIn = (dir: number, path: ByteString, children: readonly Node[]): void => {
    for (const { name, item, attributes: wanted } of children) {
      if (make(dir, path, name, item)) {
        count++;
        if (item.kind !== 'link') setAttributes(dir, name, item, wanted);
      }
    }
  };

  const make = (dir: number, path: ByteString, name: ByteString, item: Item): boolean => {
    switch (item.kind) {
      case 'dir': {
        makeDirectoryAt(dir, name, 0o700);
        const fd = openDirectoryAt(dir, name);
        plantIn(fd, `${path}/${name}`, item.children);
        closeFd(fd);
        return true;
      }
      case 'link': {
        const other = linkable[item.pick % Math.max(1, linkable.length)];
        if (other === undefined) return false;
        const from = openDirectory(other.path);
        linkAt(from, other.name, dir, name);
        closeFd(from);
        return true;
      }
      case 'file':
        fill(createFileAt(dir, name, 0o600), item.content);
        break;
      case 'symlink':
        symlinkAt(item.target, dir, name);
        break;
      case 'fifo':
        makeFifoAt(dir, name, 0o600);
        break;
      case 'socket':
        makeSocketAt(dir, name, 0o600);
        break;
      case 'device':
        makeDeviceAt(dir, name, item.block ? 0o60600 : 0o20600, item.major, item.minor);
        break;
    }
    linkable.push({ path, name });
    return true;
  };

  const fd = openDirectory(top);
  plantIn(fd, top, nodes);
  closeFd(fd);
  return count;
}

function setAttributes(dir: number, name: ByteString, item: Item, wanted: Attributes): void {
  if (wanted.uid !== -1) chownAt(dir, name, wanted.uid, wanted.gid);
  if (item.kind === 'file' || item.kind === 'dir')
    for (const [attribute, value] of wanted.xattrs) {
      try {
        setXattrAt(dir, name, attribute, value);
      } catch {
        // more than this file system takes
      }
    }
  if (item.kind !== 'symlink') chmodAt(dir, name, wanted.mode);
  setTimesAt(dir, name, wanted.mtimeSec, wanted.mtimeNsec);
}

function fill(fd: number, wanted: Content): void {
  try {
    if (wanted.kind === 'sparse') {
      for (const { offset, length } of wanted.data) write(fd, noise(length, `sparse ${offset}`), offset);
      fs.ftruncateSync(fd, wanted.size);
      return;
    }
    const { kind, size: length, seed } = wanted;
    if (kind === 'noise') write(fd, noise(length, `random ${seed}`), 0);
    else if (kind === 'zeros') write(fd, Buffer.alloc(length), 0);
    else write(fd, Buffer.alloc(length, `line of text number ${seed}, again and again\n`), 0);
  } finally {
    closeFd(fd);
  }
}

function write(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done, bytes.length - done, offset + done);
}

/** Takes away what is in a directory. */
export function uproot(root: string): void {
  if (!isRoot) sh('chmod', '-R', 'u+rwX', root);
  sh('rm', '-rf', root);
  fs.mkdirSync(root);
  chmodAt(CWD, fromDisplay(root), 0o755);
}

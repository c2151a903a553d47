import { createHash } from 'node:crypto';
import { type ByteString, fromDisplay } from '../../src/bytes.js';
import type { PortableEntry, PortableSnapshot, PortableStore } from '../../src/portable/index.js';
import type { Picture } from './compare.js';

const TYPE = { fifo: 1, chardev: 2, dir: 4, blockdev: 6, file: 8, symlink: 10, socket: 12 };

/** The picture that `pictureOf` would make of a directory, made from what the portable reader says of it. */
export async function portablePicture(
  store: PortableStore,
  snapshot: PortableSnapshot,
  root: string,
): Promise<Picture> {
  const key = fromDisplay(root).slice(1).replaceAll('/', '\0');
  const entries: PortableEntry[] = [];
  for await (const entry of store.entries(snapshot, { from: key, before: `${key}\x01` })) entries.push(entry);
  const groups = new Map<string, PortableEntry[]>();
  for (const entry of entries)
    if (entry.link !== undefined) groups.set(entry.link, [...(groups.get(entry.link) ?? []), entry]);
  const picture: Picture = new Map();
  const pathOf = (entry: PortableEntry): ByteString => entry.key.slice(key.length + 1).replaceAll('\0', '/');
  for (const entry of entries) {
    const parts = [`type ${TYPE[entry.type]}`];
    if (entry.type !== 'symlink') parts.push(`mode ${entry.mode.toString(8)}`);
    parts.push(`owner ${entry.uid}:${entry.gid}`, `mtime ${entry.mtime}`);
    if (entry.rdev) parts.push(`device ${entry.rdev.major}:${entry.rdev.minor}`);
    if (entry.link !== undefined) {
      const names = groups.get(entry.link)!;
      parts.push(`one of ${names.length} names of ${pathOf(names[0])}`);
    }
    if (entry.type === 'file') {
      const hash = createHash('sha256');
      let size = 0;
      for await (const bytes of store.content(entry)) {
        hash.update(bytes);
        size += bytes.length;
      }
      parts.push(`size ${size}`, `sha256 ${hash.digest('hex')}`);
    }
    if (entry.target !== undefined) parts.push(`target ${Buffer.from(entry.target).latin1Slice()}`);
    for (const { name, value } of entry.xattrs ?? [])
      parts.push(`${Buffer.from(name).latin1Slice()}=${Buffer.from(value).toString('hex')}`);
    picture.set(pathOf(entry), parts.join(', '));
  }
  return picture;
}

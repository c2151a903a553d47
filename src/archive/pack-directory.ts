import type { PackInput, PackRow } from '../catalog/index.js';
import type { Keyring } from '../crypto/keyring.js';
import { FormatError } from '../errors.js';
import { DIRECTORY_FRAME, ObjectKind, openSeal, parseHeader } from '../format/object.js';
import { decodeDirectory, PACK_HEADER_LENGTH, PACK_TRAILER_LENGTH } from '../format/pack.js';
import { type ObjectStore, objectPath } from '../store/index.js';
import { isDamage } from './small-objects.js';

/** Where packs are, and the key to them. */
interface Packs {
  store: ObjectStore;
  keyring: Keyring;
}

/** Stands for a writer that nobody vouches for: what a pack says of its own writer is not signed. */
export const NOBODY = '0'.repeat(64);

/** What a pack says of itself. Throws FormatError. */
export async function readPackDirectory({ store, keyring }: Packs, name: string, size: number): Promise<PackInput> {
  const path = objectPath('packs', name);
  if (size < PACK_HEADER_LENGTH + PACK_TRAILER_LENGTH) throw new FormatError('the pack is cut');
  const header = await store.readRange(path, 0, PACK_HEADER_LENGTH);
  const { kind } = parseHeader(header, ObjectKind.pack, ObjectKind.metaPack);
  const end = size - PACK_TRAILER_LENGTH;
  const trailer = await store.readRange(path, end, PACK_TRAILER_LENGTH);
  const length = new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true);
  if (length > end - PACK_HEADER_LENGTH) throw new FormatError('the pack is cut');
  const cipher = openSeal(keyring, header, ObjectKind.pack, ObjectKind.metaPack);
  const directory = cipher.open(DIRECTORY_FRAME, await store.readRange(path, end - length, length));
  const { run, lengths } = decodeDirectory(directory);
  return {
    name,
    size,
    kind: kind === ObjectKind.pack ? 'data' : 'meta',
    run: Buffer.from(run).toString('hex'),
    writer: NOBODY,
    opened: false,
    directory,
    blobs: lengths.length,
  };
}

/** The same, or undefined if this key cannot read that or the pack is damaged or gone. */
export async function ownDirectory(packs: Packs, name: string, size: number): Promise<PackInput | undefined> {
  if (!packs.keyring.canRead) return undefined;
  try {
    return await readPackDirectory(packs, name, size);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return undefined;
  }
}

/** What is said of a pack that its bytes decide. */
type Holds = Pick<PackRow, 'kind' | 'size'> & { directory: Uint8Array };

/** Whether both say the same of what a pack holds. */
export function holdSame(a: Holds, b: Holds): boolean {
  return a.kind === b.kind && a.size === b.size && Buffer.compare(a.directory, b.directory) === 0;
}

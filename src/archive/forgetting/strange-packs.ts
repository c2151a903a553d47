import type { Keyring } from '../../crypto/keyring.js';
import { FormatError, UserError } from '../../errors.js';
import { DIRECTORY_FRAME, ObjectKind, openSeal, parseHeader } from '../../format/object.js';
import { decodeDirectory, PACK_HEADER_LENGTH, PACK_TRAILER_LENGTH } from '../../format/pack.js';
import { type ObjectStore, objectPath } from '../../store/index.js';
import { PackVerifier } from '../verify/verify-pack.js';
import type { PackUse } from './prune-plan.js';
import type { Workshop } from './workshop.js';

/** Stands for a writer that nobody vouches for: what a pack says of its own writer is not signed. */
export const NOBODY = '0'.repeat(64);

/**
 * Takes packs into the catalog that the store has and no index names, from their own directories: a killed run left
 * them, or their index was lost. Nobody relies on them before they have been opened.
 * Those that cannot be read are left alone.
 * @returns names of those that were taken
 */
export async function adoptStrangePacks(shop: Workshop): Promise<string[]> {
  const { catalog, reconciled, context } = shop;
  const adopted: string[] = [];
  for (const { name, size } of reconciled.packs) {
    if (catalog.packs.byName(name) !== undefined || reconciled.marks.objects.has(objectPath('packs', name))) continue;
    context.signal.throwIfAborted();
    try {
      catalog.packs.add([{ name, size, ...(await readPackDirectory(shop, name, size)) }]);
      adopted.push(name);
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof UserError)) throw error;
      context.report.warn(`left alone, as it cannot be read: ${objectPath('packs', name)} (${error.message})`);
    }
  }
  return adopted;
}

/** What a pack says of itself. Throws FormatError. */
export async function readPackDirectory(
  { store, keyring }: { store: ObjectStore; keyring: Keyring },
  name: string,
  size: number,
) {
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
    kind: kind === ObjectKind.pack ? ('data' as const) : ('meta' as const),
    run: Buffer.from(run).toString('hex'),
    writer: NOBODY,
    opened: false,
    directory,
    blobs: lengths.length,
  };
}

/**
 * Opens packs and compares every blob with its id. Those that are right count as opened from now on.
 * @returns names of the others
 */
export async function openPacks(shop: Workshop, packs: readonly PackUse[]): Promise<string[]> {
  const { catalog, context, keyring, store } = shop;
  const verifier = new PackVerifier(store, keyring);
  const wrong: string[] = [];
  for (const { row } of packs) {
    context.signal.throwIfAborted();
    const directory = catalog.packs.directory(row.number)!;
    const verdict = await verifier.verify({ name: row.name, kind: row.kind, directory });
    if (verdict.problems.length === 0 && verdict.lostIds.length === 0) catalog.packs.markOpened([row.number]);
    else {
      context.report.warn(`damaged: ${objectPath('packs', row.name)}; run 'backup-ninja check --read-data'`);
      wrong.push(row.name);
    }
  }
  return wrong;
}

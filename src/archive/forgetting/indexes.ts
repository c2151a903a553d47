import type { PackRow } from '../../catalog/index.js';
import { openIndex, sealIndex } from '../../format/index-object.js';
import { decodeDirectory } from '../../format/pack.js';
import { zstdCodec } from '../../format/zstd.js';
import { objectPath } from '../../store/index.js';
import { noteIndex, packsOfIndex } from '../index-notes.js';
import type { FinishedPack, PackOrigin } from '../ingest/pack-writer.js';
import type { Workshop } from './workshop.js';

/** Indexes below this are merged. */
const SMALL_INDEX = 1024 * 1024;

/** An index holds about this many bytes of directories. */
const INDEX_TARGET = 64 * 1024 * 1024;

/**
 * Puts new indexes for packs that none names, and in the place of those that name packs which go, or are small and
 * several. They are durable on return; those that they supersede are still there.
 * @param listed the indexes of the store
 * @param going packs that are about to be deleted
 * @param changed packs whose row says more than their index
 * @returns names of the indexes that may go now
 */
export async function renewIndexes(
  shop: Workshop,
  listed: readonly { name: string; size: number }[],
  going: ReadonlySet<string>,
  changed: ReadonlySet<string>,
): Promise<string[]> {
  const { catalog } = shop;
  const rows = new Map(catalog.packs.all().map((row) => [row.name, row]));
  const stays = (name: string): boolean => rows.get(name)?.present === true && !going.has(name);
  const known = catalog.objects.names('index');
  const small = listed.filter(({ name, size }) => size < SMALL_INDEX && known.has(name));
  const superseded: string[] = [];
  const named = new Set<string>();
  const wanted = new Set<string>();
  for (const index of listed) {
    // What this catalog did not merge is nothing that counts.
    if (!known.has(index.name)) continue;
    const packs = await packsNamed(shop, index.name);
    const isSuperseded = (small.length > 1 && small.includes(index)) || packs.some((pack) => !stays(pack));
    if (isSuperseded) superseded.push(index.name);
    for (const pack of packs) {
      if (!stays(pack)) continue;
      named.add(pack);
      if (isSuperseded) wanted.add(pack);
    }
  }
  for (const name of rows.keys()) if (stays(name) && (!named.has(name) || changed.has(name))) wanted.add(name);
  const chosen = [...rows.values()].filter((row) => wanted.has(row.name));
  for (const part of inParts(shop, chosen)) await putIndex(shop, part, superseded);
  return superseded;
}

/** Deletes indexes that newer ones have superseded. */
export async function dropIndexes(shop: Workshop, names: readonly string[]): Promise<void> {
  for (const name of names) await shop.store.delete(objectPath('index', name));
  shop.catalog.objects.remove('index', names);
}

/** Notes new packs, each blob of which was compared with its id on the way, so that they count as opened. */
export function noteOpened(shop: Workshop, packs: readonly FinishedPack[], origin: PackOrigin): void {
  shop.catalog.packs.add(
    packs.map((pack) => ({
      ...pack,
      run: Buffer.from(origin.run).toString('hex'),
      writer: Buffer.from(origin.writer).toString('hex'),
      opened: true,
      blobs: decodeDirectory(pack.directory).lengths.length,
    })),
  );
}

/** Notes new packs as `noteOpened` does, and names them in an index. */
export async function indexOpened(shop: Workshop, packs: readonly FinishedPack[], origin: PackOrigin): Promise<void> {
  if (packs.length === 0) return;
  noteOpened(shop, packs, origin);
  await indexPacks(
    shop,
    packs.map(({ name }) => name),
  );
}

/** Names new packs in an index of their own. */
export async function indexPacks(shop: Workshop, names: readonly string[]): Promise<void> {
  const rows = names.map((name) => shop.catalog.packs.byName(name)).filter((row) => row !== undefined);
  for (const part of inParts(shop, rows)) await putIndex(shop, part, []);
}

interface DescribedPack extends PackRow {
  directory: Uint8Array;
}

function* inParts(shop: Workshop, rows: readonly PackRow[]): Generator<DescribedPack[]> {
  let part: DescribedPack[] = [];
  let bytes = 0;
  for (const row of rows) {
    const directory = shop.catalog.packs.directory(row.number);
    if (directory === undefined) continue;
    part.push({ ...row, directory });
    bytes += directory.length;
    if (bytes < INDEX_TARGET) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}

async function putIndex(shop: Workshop, packs: readonly DescribedPack[], supersedes: string[]): Promise<void> {
  const index = sealIndex(
    shop.keyring,
    {
      packs: packs.map(({ name, size, kind, run, writer, opened, directory }) => ({
        name,
        size,
        kind,
        run,
        writer,
        opened,
        directory,
      })),
      supersedes,
    },
    zstdCodec,
  );
  await shop.store.put(objectPath('index', index.name), index.bytes);
  noteIndex(shop.catalog, index.name, packs);
}

async function packsNamed(shop: Workshop, index: string): Promise<string[]> {
  const body = shop.catalog.objects.get('index', index)?.body;
  if (body !== undefined) return packsOfIndex(body);
  const bytes = await shop.store.read(objectPath('index', index));
  const { packs } = openIndex(shop.keyring, bytes, zstdCodec).index;
  noteIndex(shop.catalog, index, packs);
  return packs.map(({ name }) => name);
}

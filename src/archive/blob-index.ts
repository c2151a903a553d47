import { closeSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Catalog } from '../catalog/index.js';
import { ID_LENGTH } from '../format/entry.js';
import { decodeDirectory, directoryIds, type PackDirectory } from '../format/pack.js';
import { writeFully } from '../platform/index.js';
import { ClaimTable, createClaims, type KnownIdReader } from './ingest/claim-table.js';

/** Where a blob lies. */
export interface BlobLocation {
  /** The pack's number in the catalog, and its name. */
  pack: number;
  name: string;
  /** Number of the blob in the pack's directory. */
  blob: number;
}

/** A pack of the index: the blobs from `first` on are its own, in the order of its directory. */
export interface IndexedPack {
  /** In the catalog. */
  number: number;
  name: string;
  /** Number of its first blob in this index. */
  first: number;
  blobs: number;
}

/** A pack row of the catalog, as far as deciding whether its blobs may be used goes. */
export type UsablePack = (pack: ReturnType<Catalog['packs']['all']>[number]) => boolean;

/** Packs that are in the store whole and not doomed: what restores may read. */
export const readable: UsablePack = (pack) => pack.present;

/** Decoded directories that are kept at hand. */
const CACHED_DIRECTORIES = 64;

/**
 * Which blobs there are and where they lie, from the catalog's copies of the pack directories.
 *
 * Blobs are numbered by pack and place. In memory are 12 bytes per blob and table slot; the ids themselves go to a flat
 * file, from which a hit is confirmed.
 */
export class BlobIndex {
  readonly claims: ClaimTable;
  /** The flat file of ids. */
  readonly file: string;
  /** Its packs, by number. */
  readonly packs: readonly IndexedPack[];
  private readonly catalog: Catalog;
  private readonly directories = new Map<number, PackDirectory>();
  private readonly idReader: IdFileReader;

  private constructor(
    catalog: Catalog,
    file: string,
    packs: IndexedPack[],
    claims: ClaimTable,
    idReader: IdFileReader,
  ) {
    this.catalog = catalog;
    this.file = file;
    this.packs = packs;
    this.claims = claims;
    this.idReader = idReader;
  }

  /**
   * Builds the index over the packs that `usable` lets through.
   * @param file where to put the flat file; removed by `close`
   * @param more how many further blobs may be claimed; where many are known, fewer are expected
   */
  static load(catalog: Catalog, file: string, usable: UsablePack, more = 0): BlobIndex {
    const rows = catalog.packs.all().filter(usable);
    const packs: IndexedPack[] = [];
    let blobs = 0;
    for (const row of rows) {
      packs.push({ number: row.number, name: row.name, first: blobs, blobs: row.blobs });
      blobs += row.blobs;
    }
    const idReader = new IdFileReader(file);
    const claims = new ClaimTable(createClaims(blobs, roomFor(more, blobs)), (number, out) =>
      idReader.read(number, out),
    );
    const fd = openSync(file, 'w', 0o600);
    try {
      const byNumber = new Map(packs.map((pack) => [pack.number, pack]));
      for (const { number, directory } of catalog.packs.directories()) {
        const pack = byNumber.get(number);
        if (pack === undefined) continue;
        const ids = directoryIds(directory);
        writeFully(fd, ids, pack.first * ID_LENGTH);
        claims.load(ids, pack.first);
      }
    } finally {
      closeSync(fd);
    }
    return new BlobIndex(catalog, file, packs, claims, idReader);
  }

  /** Where the blob with the id at this place lies, or undefined. Blobs claimed in this run are not found. */
  find(ids: Uint8Array, at = 0): BlobLocation | undefined {
    const number = this.claims.find(ids, at);
    return number < 0 || number >= this.claims.shared.known ? undefined : this.locate(number);
  }

  /** Every place where the blob with the id at this place lies. */
  locations(ids: Uint8Array, at = 0): BlobLocation[] {
    return this.claims
      .findAll(ids, at)
      .filter((number) => number < this.claims.shared.known)
      .map((number) => this.locate(number));
  }

  /** Whether a blob with the id at this place is there (or has been claimed). */
  has(ids: Uint8Array, at = 0): boolean {
    return this.claims.find(ids, at) >= 0;
  }

  /** The directory of a pack. */
  directory(pack: number): PackDirectory {
    const known = this.directories.get(pack);
    if (known !== undefined) return known;
    const bytes = this.catalog.packs.directory(pack);
    if (bytes === undefined) throw new Error(`pack ${pack} is not in the catalog`);
    const directory = decodeDirectory(bytes);
    if (this.directories.size >= CACHED_DIRECTORIES) {
      const [oldest] = this.directories.keys();
      this.directories.delete(oldest);
    }
    this.directories.set(pack, directory);
    return directory;
  }

  /** Removes the flat file. */
  close(): void {
    this.idReader.close();
    rmSync(this.file, { force: true });
  }

  private locate(number: number): BlobLocation {
    let low = 0;
    let high = this.packs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.packs[middle].first <= number) low = middle;
      else high = middle - 1;
    }
    const pack = this.packs[low];
    return { pack: pack.number, name: pack.name, blob: number - pack.first };
  }
}

/** For so many blobs that will be claimed there is room at once: the table's memory is cleared when it is used first. */
function roomFor(more: number, known: number): number {
  return known === 0 ? more : Math.min(more, 16_384 + Math.ceil(known / 4));
}

/** Reads ids from the flat file by number. The file is opened at the first use. */
export function knownIdReader(file: string): KnownIdReader {
  const reader = new IdFileReader(file);
  return (number, out) => reader.read(number, out);
}

/** Ids that are read from the flat file at a time, and how many such blocks are kept. */
const BLOCK = 1024;
const BLOCKS = 8;

/** Neighbours are asked for after one another: what was stored together is needed together. */
class IdFileReader {
  private readonly file: string;
  private fd: number | undefined;
  /** The blocks at hand, each at the place that its number gives it. */
  private readonly blocks: Uint8Array[] = [];
  private readonly numbers = new Array<number>(BLOCKS).fill(-1);

  constructor(file: string) {
    this.file = file;
  }

  read(number: number, out: Uint8Array): void {
    const block = Math.floor(number / BLOCK);
    const place = block % BLOCKS;
    if (this.numbers[place] !== block) this.load(block, place);
    const from = (number % BLOCK) * ID_LENGTH;
    const ids = this.blocks[place];
    for (let i = 0; i < ID_LENGTH; i++) out[i] = ids[from + i];
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private load(block: number, place: number): void {
    this.fd ??= openSync(this.file, 'r');
    this.blocks[place] ??= new Uint8Array(BLOCK * ID_LENGTH);
    readSync(this.fd, this.blocks[place], 0, BLOCK * ID_LENGTH, block * BLOCK * ID_LENGTH);
    this.numbers[place] = block;
  }
}

const TEMPORARY = /^(?:blobs|catalog)-(\d+)-[a-z0-9]+\.tmp$/;

/** Removes the temporary files of processes that have ended without doing so. */
export function removeStaleFiles(tableDir: string): void {
  for (const name of readdirSync(tableDir)) {
    const pid = TEMPORARY.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(tableDir, name), { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Where the flat file of blob ids lies; several processes may have one at a time. */
export function indexFile(tableDir: string): string {
  return temporaryFile(tableDir, 'blobs');
}

/** A file beside the catalog for the time of this process. */
export function temporaryFile(tableDir: string, kind: 'blobs' | 'catalog'): string {
  return join(tableDir, `${kind}-${process.pid}-${Math.random().toString(36).slice(2, 8)}.tmp`);
}

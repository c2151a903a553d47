import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

/** Where `npm run build` puts the page: beside src in dist; from the sources, in the dist that was built last. */
const PLACES = ['../../restore.html', '../../dist/restore.html'];

/** The text that lies in every store for whoever finds it. */
export function storeReadme(): Uint8Array {
  return Buffer.from(
    [
      'This folder is a backup-ninja store: encrypted, deduplicated backups.',
      '',
      'Do not change, rename or delete anything in it by hand. To copy it, copy all of it.',
      'Every file in packs, index, snapshots, records, tombstones, keys and certs is named by',
      'the SHA-256 checksum of its bytes, so copies can be verified with sha256sum, without a key.',
      '',
      'To get files back you need a key file, the passphrase or the recovery key of this store, and',
      'one of these:',
      '',
      '- The program: npm install -g backup-ninja; backup-ninja restore --help',
      '- restore.html, in this folder: open it in a browser and choose this folder. It needs no network',
      '  and no program. First compare its SHA-256 with the one on the recovery sheet.',
      '- Any reader written after docs/FORMAT.md of the program, which describes every byte.',
      '',
    ].join('\n'),
  );
}

/** The page that reads a store in a browser; undefined where nothing was built. Recovery sheets name its SHA-256. */
export function readerPage(): Uint8Array | undefined {
  const place = PLACES.map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  return place === undefined ? undefined : readFileSync(place);
}

/** SHA-256 of such a page in hex, as `sha256sum restore.html` prints it. */
export function pageChecksum(page: Uint8Array): string {
  return createHash('sha256').update(page).digest('hex');
}

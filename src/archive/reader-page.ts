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
      'To get files back you need a key file, a passphrase or the recovery key of this store, and',
      'the program (npm install -g backup-ninja; backup-ninja restore --help).',
      '',
    ].join('\n'),
  );
}

/** The page that reads a store in a browser, if this build has one. */
export function readerPage(): Uint8Array | undefined {
  return undefined;
}

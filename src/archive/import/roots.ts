import { type ByteString, fromDisplay } from '../../bytes.js';
import type { SnapshotBody } from '../../format/snapshot.js';
import type { LegacyArchive } from '../../legacy/index.js';
import { osKind, toStored } from '../../platform/index.js';
import { globMatches, isGlob } from '../../scan/glob.js';
import { pathOf } from '../past.js';
import { keyOfStored, keysAbove } from './entries.js';

/**
 * The roots that imported snapshots name: those of the archive, patterns replaced by what they match in it, and the
 * folders of active files that lie in none of these. Those that the config does not name are ad hoc.
 * @param configured `backup_roots` of the config
 */
export function importedRoots(archive: LegacyArchive, configured: readonly string[]): SnapshotBody['roots'] {
  const active = archive.versions
    .filter(({ to }) => to === undefined)
    .map(({ path }) => keyOfStored(path))
    .map((key) => [...keysAbove(key), key]);
  const holders = new Set(active.flat());
  // As for roots of our own: literal if that is there, else a pattern.
  const isLiteral = (root: ByteString) => !isGlob(root) || holders.has(keyOfStored(root));
  const keys = new Set(archive.roots.filter(isLiteral).map(keyOfStored));
  const globs = archive.roots.filter((root) => !isLiteral(root));
  for (const chain of active) {
    if (chain.some((key) => keys.has(key))) continue;
    const matched = chain.find((key) => globs.some((glob) => globMatches(glob, pathOf(key))));
    keys.add(matched ?? chain.at(-2) ?? chain[0]);
  }
  const named = configured.map((root) => (osKind === 'windows' ? toStored(fromDisplay(root)) : fromDisplay(root)));
  return [...keys].sort().map((key) => ({ path: pathOf(key), adHoc: !isNamed(key, named) }));
}

/** Whether a path is or lies in a root of the config, or a pattern of the config matches it. */
function isNamed(key: ByteString, named: readonly ByteString[]): boolean {
  const path = pathOf(key);
  return named.some(
    (root) => path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`) || globMatches(root, path),
  );
}

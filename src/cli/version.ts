import { readFileSync } from 'node:fs';

/** The version in package.json, found upwards from this file (it lies at other depths in src/ and in dist/). */
export function version(): string {
  for (let folder = new URL('./', import.meta.url); ; ) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8'));
      if (name === 'backup-ninja') return version;
    } catch {
      // not here
    }
    const parent = new URL('../', folder);
    if (parent.href === folder.href) return 'unknown';
    folder = parent;
  }
}

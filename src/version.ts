import { readFileSync } from 'node:fs';

/** The version of this program, as its package says. */
export const version: string = readVersion();

/** Name and version, as snapshots record what made them. */
export const programName = `backup-ninja ${version}`;

function readVersion(): string {
  // One level up from src/, two from dist/src/, three from the bundles there.
  for (const up of ['../package.json', '../../package.json', '../../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      // Not here: look further up.
    }
  }
  return 'unknown';
}

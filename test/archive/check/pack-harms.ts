import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import { cut, flip, scramble } from './patient.js';

/** Where a pack's sealed directory begins. */
export function directoryAt(pack: string): number {
  const bytes = readFileSync(pack);
  return bytes.length - 4 - bytes.readUInt32LE(bytes.length - 4);
}

/** What befalls a pack, and how much of it is lost for good. */
export type Harm = [name: string, harm: (pack: string) => void, lost: 'nothing' | 'some' | 'all'];

export const harms: Harm[] = [
  ['deleted', (pack) => rmSync(pack), 'all'],
  ['cut', (pack) => cut(pack), 'some'],
  ['made longer', (pack) => appendFileSync(pack, 'more'), 'nothing'],
  ['with one bit turned in its header', (pack) => flip(pack, 50), 'nothing'],
  ['with its header in shreds', (pack) => scramble(pack, 40, 20), 'all'],
  ['with one bit turned in a frame', (pack) => flip(pack, 90), 'some'],
  ['with one bit turned in its directory', (pack) => flip(pack, directoryAt(pack) + 9), 'nothing'],
];

import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { cut, flip, type Patient, scramble, swap } from './patient.js';

/** What befalls a small object; some take another of the same folder. */
export type Harm = [name: string, harm: (one: string, other: string) => void];
export const harms: Harm[] = [
  ['deleted', (one) => rmSync(one)],
  ['cut', (one) => cut(one)],
  ['empty', (one) => truncateSync(one, 0)],
  ['with one bit turned', (one) => flip(one, 100)],
  ['in shreds', (one) => scramble(one, 60, 30)],
  ['exchanged with another', swap],
];

/** A store that has been mended is as good as new, with its catalog and without it. */
export async function expectWhole(patient: Patient): Promise<void> {
  await patient.check(['--read-data'], 0);
  const rows = await patient.snapshots();
  expect(rows).toHaveLength(2);
  expect(rows.some(({ damaged, foreign }) => damaged || foreign)).toBe(false);
  expect(rows[1]!.tags).toEqual(['one', 'two']);
  rmSync(join(patient.folder, 'tables'), { recursive: true });
  await patient.json('catalog rebuild', [], 0);
  expect(await patient.snapshots()).toEqual(rows);
  await patient.expectRest(rows[0]!.id, patient.first, []);
  await patient.expectRest(rows[1]!.id, patient.second, []);
  await patient.json('prune', [], 0);
}

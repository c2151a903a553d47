import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ImportResult, SnapshotRow } from '../../../src/archive/types.js';
import type { TableJson } from '../../legacy/generate.js';
import { Setup, sorted } from './setup.js';

const FIXTURE = join(import.meta.dirname, '../../fixtures/legacy');

interface Expected {
  backups: { backup: string; files: Record<string, { sha256: string; size: number }> }[];
}

describe('the archive that the Python tool made', () => {
  const LOST = '/home/legacy-user/docs/big-compressible.txt';
  const expected = JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8')) as Expected;
  let setup: Setup;
  let result: ImportResult;
  beforeAll(async () => {
    setup = await Setup.make('/home/legacy-user/docs');
    result = await setup.json(3, 'import', join(FIXTURE, 'backup_config.json'));
  });

  /** What the archive can give of one backup. */
  function given({ files }: Expected['backups'][number]): Record<string, string> {
    const whole = Object.entries(files).filter(([path]) => path !== LOST);
    return sorted(whole.map(([path, file]) => [path, file.sha256]));
  }

  /** The log's times of every path: when it came to have a content, and when it ceased to. */
  function logged(): Map<string, { checksum: string; from: string; to: string | null }[]> {
    const table = JSON.parse(readFileSync(join(FIXTURE, 'table', 'archive.json'), 'utf8')) as TableJson;
    const paths = new Map<string, { checksum: string; from: string; to: string | null }[]>();
    for (const { checksum, log } of [...table.active, ...table.history]) {
      for (const { timestamp, event, path } of log) {
        const time = timestamp.replace('+00:00', '000Z');
        const versions = paths.get(path) ?? [];
        paths.set(path, versions);
        if (event === 'ADDED') versions.push({ checksum, from: time, to: null });
        else versions.find((version) => version.checksum === checksum && version.to === null)!.to = time;
      }
    }
    for (const versions of paths.values()) versions.sort((a, b) => (a.from < b.from ? -1 : 1));
    return paths;
  }

  test('is taken over but for the file that it cut off, which is named', () => {
    expect(result).toMatchObject({ files: 9, versions: 15 });
    const message = expect.stringMatching(/2022-01-02.*first 16777216 of 19660800 bytes/);
    expect(result.damaged).toEqual([{ path: LOST, message }]);
    expect(setup.leftovers()).toEqual([]);
  });

  test('each backup is a snapshot, dated by the log, which restores to what its sources held', async () => {
    const rows = await setup.json<SnapshotRow[]>(0, 'snapshots');
    expect(rows.map(({ time }) => time.slice(0, 16).replace('T', ' '))).toEqual(
      expected.backups.map((one) => one.backup.slice(0, 16)),
    );
    expect(rows.at(-1)).toMatchObject({ id: result.snapshot, source: hostname(), files: 9 });
    for (const { roots } of rows) expect(roots).toEqual(['/home/legacy-user/docs', '/home/legacy-user/pics']);
    for (const [i, { id }] of rows.entries())
      expect(await setup.restore('--snapshot', id)).toEqual(given(expected.backups[i]));
    expect(await setup.restore('--snapshot', '2021-12-24')).toEqual(given(expected.backups[1]));
  });

  test('every version of every path is dated by the log, and restored by its id', async () => {
    const sizes = new Map(expected.backups.flatMap(({ files }) => Object.values(files)).map((f) => [f.sha256, f.size]));
    for (const [path, versions] of logged()) {
      if (path === LOST) continue;
      const found = await setup.versions(path);
      expect(found.map(({ from, to, size }) => ({ from, to, size }))).toEqual(
        versions.map(({ from, to, checksum }) => ({ from, to, size: sizes.get(checksum) })),
      );
      for (const [i, { id }] of found.entries())
        expect(await setup.restore(path, '--version-id', id)).toEqual({ [path]: versions[i].checksum });
    }
    expect((await setup.run('history', LOST)).code).toBe(1);
  });

  test('is searched like any other, and whole', async () => {
    const found = await setup.json<{ path: string; versions: unknown[] }[]>(0, 'find', '*.txt', '--all');
    expect(found.map(({ path, versions }) => [path.split('/').at(-1), versions.length])).toEqual([
      ['comeback.txt', 1],
      ['letter.txt', 4],
      ['to-delete.txt', 2],
    ]);
    expect(await setup.json(0, 'check', '--read-data')).toMatchObject({ ok: true });
  });

  test('a second import adds nothing, and says again what is lost', async () => {
    const parts = ['--files', join(FIXTURE, 'files'), '--legacy-key', join(FIXTURE, 'key')];
    const again = await setup.json<ImportResult>(3, 'import', join(FIXTURE, 'table'), ...parts);
    expect(again).toEqual({ snapshot: null, files: 0, versions: 0, damaged: result.damaged });
  });

  test('a rebuilt catalog says the same', async () => {
    const path = '/home/legacy-user/docs/letter.txt';
    const before = await setup.versions(path);
    await setup.rebuild();
    expect(await setup.versions(path)).toEqual(before);
  });
});

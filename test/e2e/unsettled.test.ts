import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { Archive } from './archive.js';
import { sh } from './cli.js';

/** An archive with a file that was saved moments after it was written; ctimes are not looked at. */
async function savedAtOnce(): Promise<{ archive: Archive; file: string }> {
  const archive = await Archive.make({ config: { ignore_ctime: true } });
  const file = join(archive.tree, 'file');
  writeFileSync(file, 'what it was\n');
  expect((await archive.backup()).files.new).toBe(1);
  return { archive, file };
}

/** Other content, of the same size and with the same mtime to the nanosecond. */
function editUnseen(file: string): void {
  sh('touch', '-r', file, `${file}.time`);
  writeFileSync(file, 'what it is!\n');
  sh('touch', '-r', `${file}.time`, file);
  sh('rm', `${file}.time`);
}

async function expectSeen(archive: Archive, args: string[] = [], code = 0): Promise<void> {
  const { files, silent_changes } = await archive.backup(['--soft', ...args], code);
  expect({ ...files, silent: silent_changes.length }).toMatchObject({ changed: 1, unchanged: 0, silent: 0 });
}

test('a file saved moments after it was written is read again by the next run', async () => {
  const { archive, file } = await savedAtOnce();
  editUnseen(file);
  await expectSeen(archive);
});

test('so it is after the catalog was made anew', async () => {
  const { archive, file } = await savedAtOnce();
  await archive.json('catalog', ['rebuild']);
  editUnseen(file);
  await expectSeen(archive);
});

test('so it is after a kill between taking snapshots from the store and finding such files', async () => {
  const { archive, file } = await savedAtOnce();
  const catalog = new Database(join(archive.tables, 'catalog.db'));
  const { id } = catalog.prepare('SELECT id FROM sources').get() as { id: number };
  catalog.exec('DELETE FROM unsettled');
  catalog.prepare('INSERT INTO meta (key, value) VALUES (?, ?)').run('x-unsettled-due', String(id));
  catalog.close();
  editUnseen(file);
  await expectSeen(archive);
});

/** Ways in which the newest snapshot goes, and what the next backup is told then, and ends with. */
const goings: [string, (archive: Archive, snapshot: string) => Promise<[args: string[], code: number]>][] = [
  [
    'is forgotten',
    async (archive, snapshot) => {
      expect((await archive.run(['forget', snapshot, '--yes'])).code).toBe(0);
      return [[], 0];
    },
  ],
  [
    'is lost, and given up',
    async (archive, snapshot) => {
      for (const path of archive.files('snapshots').keys())
        if (path.includes(snapshot)) rmSync(join(archive.store, path));
      return [['--accept-rollback'], 3];
    },
  ],
];

test.each(goings)('so it is when a later snapshot, in which it was settled, %s', async (_, go) => {
  const { archive, file } = await savedAtOnce();
  editUnseen(file);
  const { snapshot, files } = await archive.backup(['--soft']);
  expect(files.changed).toBe(1);
  // As if a minute had passed before.
  const catalog = new Database(join(archive.tables, 'catalog.db'));
  catalog.exec('DELETE FROM unsettled');
  catalog.close();
  const [args, code] = await go(archive, snapshot!);
  await expectSeen(archive, args, code);
});

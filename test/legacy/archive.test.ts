import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toDisplay } from '../../src/bytes.js';
import { ExitCode, UserError } from '../../src/errors.js';
import { parseTable, type Table } from '../../src/legacy/archive.js';
import { type LegacyArchive, openLegacy, runsOf } from '../../src/legacy/index.js';
import { archivePath, logTime, pythonPath, statTime } from '../../src/legacy/text.js';
import { type LegacyVersion, versionsOf } from '../../src/legacy/versions.js';
import { rfc3339 } from '../../src/report/time.js';
import { type EntryJson, generate, sha256 } from './generate.js';

const FIXTURE = join(import.meta.dirname, '../fixtures/legacy');
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'legacy-archive-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What is there after each run: path → checksum. */
function states({ versions }: { versions: LegacyVersion[] }): { time: string; files: Record<string, string> }[] {
  const files = new Map<string, number>();
  return runsOf(versions).map(({ time, began, ended }) => {
    for (const i of ended) if (files.get(versions[i].path) === i) files.delete(versions[i].path);
    for (const i of began) if (!ended.includes(i)) files.set(versions[i].path, i);
    const now = [...files].map(([path, i]): [string, string] => [toDisplay(path), versions[i].checksum]);
    return { time: rfc3339(time), files: Object.fromEntries(now.sort()) };
  });
}

describe('the archive that the Python tool made', () => {
  let archive: LegacyArchive;
  beforeAll(async () => {
    archive = await openLegacy({ path: join(FIXTURE, 'backup_config.json') });
  });

  test('gives at each backup what its sources held', () => {
    const expected = JSON.parse(readFileSync(join(FIXTURE, 'expected.json'), 'utf8')) as {
      backups: { backup: string; files: Record<string, { sha256: string; size: number }> }[];
    };
    const found = states(archive);
    expect(found.map(({ time }) => time.slice(0, 16).replace('T', ' '))).toEqual(
      expected.backups.map(({ backup }) => backup.slice(0, 16)),
    );
    expected.backups.forEach(({ files }, i) => {
      const now = Object.entries(files).map(([path, file]): [string, string] => [path, file.sha256]);
      expect(found[i].files).toEqual(Object.fromEntries(now.sort()));
    });
  });

  test('dates versions by its log, to the microsecond', () => {
    const of = (path: string) =>
      archive.versions
        .filter((version) => toDisplay(version.path) === path)
        .map(({ from, to }) => [rfc3339(from), to === undefined ? null : rfc3339(to)]);
    expect(of('/home/legacy-user/docs/letter.txt')).toEqual([
      ['2021-03-01T09:00:02.205553000Z', '2021-08-15T21:30:02.299699000Z'],
      ['2021-08-15T21:30:02.299834000Z', '2022-01-02T08:00:01.856198000Z'],
      ['2022-01-02T08:00:01.856441000Z', '2023-11-05T10:00:03.000820000Z'],
      ['2023-11-05T10:00:03.000954000Z', null],
    ]);
    // One content, three paths, one of them gone while the content stayed.
    expect(of('/home/legacy-user/docs/copy-b')).toEqual([
      ['2021-03-01T09:00:02.205532000Z', '2021-08-15T21:30:02.299602000Z'],
    ]);
    expect(of('/home/legacy-user/docs/to-delete.txt')).toHaveLength(2);
  });

  test('knows size, mtime and inode of what is active, and roots', () => {
    const active = archive.versions.filter((version) => version.to === undefined);
    expect(active).toHaveLength(10);
    expect(active.find(({ path }) => path.endsWith('empty'))).toMatchObject({
      size: 0,
      ino: 1482871,
      mtime: 1795246331450553700n,
    });
    const ended = archive.versions.filter((version) => version.to !== undefined);
    expect(ended).toHaveLength(6);
    for (const version of ended) expect(version).not.toHaveProperty('size');
    expect(archive.roots).toEqual(['/home/legacy-user/docs', '/home/legacy-user/pics']);
    expect(archive.problems).toEqual([]);
  });

  test('contents are read by their name', async () => {
    const parts: Buffer[] = [];
    const name = '629f49dc4604bfc0e5b463947bf12913746a33ebd2f9461c6e299813c92b5f87';
    expect(await archive.read(name, (bytes) => void parts.push(bytes))).toBe(9);
    expect(sha256(Buffer.concat(parts))).toBe(name);
  });
});

describe('opening', () => {
  const failing = async (paths: Parameters<typeof openLegacy>[0]) => {
    const error = await openLegacy(paths).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  };

  test('by config, by its folder, by archive.json and by folders', async () => {
    const files = join(FIXTURE, 'files');
    const key = join(FIXTURE, 'key');
    for (const paths of [
      { path: join(FIXTURE, 'backup_config.json') },
      { path: FIXTURE },
      { path: join(FIXTURE, 'table'), files, key },
      { path: join(FIXTURE, 'table', 'archive.json'), files, key },
    ]) {
      expect((await openLegacy(paths)).versions).toHaveLength(16);
    }
  });

  test('what is missing is named', async () => {
    const table = join(FIXTURE, 'table');
    expect(await failing({ path: table })).toMatchObject({
      exit: ExitCode.usage,
      message: expect.stringMatching(/--files.*--legacy-key/),
    });
    expect(await failing({ path: join(dir, 'none') })).toMatchObject({
      exit: ExitCode.usage,
      message: expect.stringMatching(/none/),
    });
    expect(await failing({ path: dir, files: dir, key: join(FIXTURE, 'key') })).toMatchObject({
      exit: ExitCode.usage,
      message: expect.stringMatching(/archive\.json/),
    });
    const missing = join(dir, 'missing');
    expect(await failing({ path: table, files: missing, key: join(FIXTURE, 'key') })).toMatchObject({
      message: expect.stringMatching(/missing.*--files/),
    });
    expect(await failing({ path: table, files: join(FIXTURE, 'files'), key: missing })).toMatchObject({
      message: expect.stringMatching(/missing.*--legacy-key/),
    });
  });

  test('a wrong key is exit 12; a right one is not called wrong for damaged files', async () => {
    const home = mkdtempSync(join(dir, 'key-'));
    const content = Buffer.from('some words');
    const one = {
      '/d/a': { content },
      '/d/b': { content: Buffer.from('others') },
      '/d/e': { content: Buffer.alloc(0) },
    };
    const made = generate(home, ['/d'], [{ time: '2020-01-01T00:00:00Z', files: one }]);
    const key = join(home, 'other-key');
    writeFileSync(key, `${Buffer.alloc(32, 7).toString('base64url')}=`);
    expect(await failing({ path: made.config, key })).toMatchObject({ exit: ExitCode.wrongKey });
    writeFileSync(key, 'no key at all');
    expect(await failing({ path: made.config, key })).toMatchObject({ exit: ExitCode.wrongKey });
    // The first content is under another key, the rest is not.
    const foreign = generate(mkdtempSync(join(dir, 'key-')), ['/d'], [{ time: '2020-01-01T00:00:00Z', files: one }]);
    writeFileSync(made.fileOf(content), readFileSync(foreign.fileOf(content)));
    const archive = await openLegacy({ path: made.config });
    await expect(archive.read(sha256(content), () => undefined)).rejects.toMatchObject({ problem: 'authentication' });
  });

  test('a damaged archive.json is said to be so', async () => {
    const made = generate(mkdtempSync(join(dir, 'bad-')), ['/d'], []);
    const file = join(made.dir, 'table', 'archive.json');
    for (const [text, message] of [
      ['{"active": [', /not JSON/],
      ['{"history": []}', /active/],
      ['{"active": [{"checksum": "zz"}]}', /active\[0\]\.checksum/],
    ] as const) {
      writeFileSync(file, text);
      expect(await failing({ path: made.config })).toMatchObject({
        exit: ExitCode.failed,
        message: expect.stringMatching(message),
      });
    }
  });
});

describe('what the generator makes', () => {
  test('comes back, run by run, with paths of Windows and renamed, removed and returned files', async () => {
    const [a, b, c] = ['one', 'two', 'three'].map((text) => ({ content: Buffer.from(text) }));
    const backups: { time: string; files: Record<string, { content: Buffer }> }[] = [
      { time: '2020-01-01T10:00:00Z', files: { 'C:\\Users\\x\\a.txt': a, 'C:\\Users\\x\\b': b } },
      { time: '2020-01-02T10:00:00Z', files: { 'C:\\Users\\x\\a.txt': b, 'C:\\Users\\x\\c': a } },
      { time: '2020-01-03T10:00:00Z', files: { 'C:\\Users\\x\\a.txt': c } },
      { time: '2020-01-04T10:00:00Z', files: { 'C:\\Users\\x\\a.txt': a, 'C:\\Users\\x\\b': b } },
    ];
    const made = generate(mkdtempSync(join(dir, 'win-')), ['C:\\Users\\x'], backups);
    const archive = await openLegacy({ path: made.config });
    expect(archive.roots).toEqual(['C:/Users/x']);
    expect(states(archive).map(({ files }) => files)).toEqual(
      backups.map(({ files }) =>
        Object.fromEntries(
          Object.entries(files)
            .map(([path, { content }]) => [path.replaceAll('\\', '/'), sha256(content)])
            .sort(),
        ),
      ),
    );
    expect(readdirSync(join(made.dir, 'files')).length).toBeGreaterThan(0);
  });

  test('backups minutes or less apart are told apart where a file changed in both', async () => {
    const files = (text: string) => ({ '/d/x': { content: Buffer.from(text) }, '/d/y': { content: Buffer.from('y') } });
    const made = generate(
      mkdtempSync(join(dir, 'near-')),
      ['/d'],
      ['00:00', '00:20', '00:40'].map((time, i) => ({ time: `2020-01-01T00:${time}Z`, files: files(`v${i}`) })),
    );
    const archive = await openLegacy({ path: made.config });
    expect(states(archive).map(({ files }) => files['/d/x'])).toEqual(
      ['v0', 'v1', 'v2'].map((v) => sha256(Buffer.from(v))),
    );
  });
});

test.each([
  ['{}', 'active is missing'],
  ['{"active": {}}', 'active should be a list'],
  ['{"active": [{"checksum": 5}]}', 'active[0].checksum should be a text'],
  ['{"active": [{"checksum": "x"}]}', 'active[0].checksum is not a SHA-256 in hex'],
  ['[]', 'the document should be an object'],
])('a table %s: says what is wrong in it, and what to do', (text, what) => {
  expect(() => parseTable(text, 'archive.json')).toThrow(
    `archive.json is not an archive of the Python backup-ninja: ${what}; name the folder of the right archive.json, or take an undamaged copy of it`,
  );
});

describe('tables that are odd', () => {
  const name = (letter: string) => letter.repeat(64);
  const entry = (checksum: string, log: [string, string, string][], paths: string[] = []): EntryJson => ({
    checksum,
    fptrs: paths.map((path) => ({ path, ino: 1, mtime: 2.5, size: 3 })),
    log: log.map(([timestamp, event, path]) => ({ timestamp: `2020-01-0${timestamp}T00:00:00+00:00`, event, path })),
    arch_size: 1,
  });
  const of = (active: EntryJson[], history: EntryJson[] = []) => {
    const table: Table = { active, history, backup_roots: [] };
    const { versions, problems } = versionsOf(table, '/base', BigInt(Date.parse('2021-01-01')) * 1_000_000n);
    const day = (ns: bigint | undefined) => (ns === undefined ? undefined : Number(rfc3339(ns).slice(8, 10)));
    return {
      problems,
      rows: versions.map(({ path, checksum, from, to }) => [path, checksum[0], day(from), day(to)]),
    };
  };

  test('a pointer without log is dated by the last backup', () => {
    expect(of([entry(name('a'), [], ['/x']), entry(name('b'), [['3', 'ADDED', '/y']], ['/y'])]).rows).toEqual([
      ['/x', 'a', 3, undefined],
      ['/y', 'b', 3, undefined],
    ]);
    expect(of([entry(name('a'), [], ['/x'])]).rows).toEqual([['/x', 'a', 1, undefined]]);
  });

  test('a version that nothing ended ends where the next begins, or by the last backup', () => {
    const added = (day: string, path: string): [string, string, string] => [day, 'ADDED', path];
    expect(
      of([entry(name('b'), [added('3', '/x')], ['/x'])], [entry(name('a'), [added('1', '/x'), added('2', '/z')])]).rows,
    ).toEqual([
      ['/x', 'a', 1, 3],
      ['/x', 'b', 3, undefined],
      ['/z', 'a', 2, 3],
    ]);
  });

  test('what has a pointer stays active, whatever else the log has', () => {
    expect(
      of([entry(name('a'), [['1', 'ADDED', '/x']], ['/x']), entry(name('b'), [['2', 'ADDED', '/x']], ['/y'])]).rows,
    ).toEqual([
      ['/x', 'b', 2, 2],
      ['/x', 'a', 2, undefined],
      ['/y', 'b', 2, undefined],
    ]);
  });

  test('removed and added again with one content are two versions', () => {
    const log: [string, string, string][] = [
      ['1', 'ADDED', '/x'],
      ['2', 'REMOVED', '/x'],
      ['4', 'ADDED', '/x'],
    ];
    expect(of([entry(name('a'), log, ['/x'])]).rows).toEqual([
      ['/x', 'a', 1, 2],
      ['/x', 'a', 4, undefined],
    ]);
  });

  test('entries of one content are taken together; unknown events change nothing', () => {
    expect(
      of(
        [entry(name('a'), [['3', 'ADDED', '/y']], ['/y'])],
        [
          entry(name('A'), [
            ['1', 'ADDED', '/x'],
            ['2', 'RENAMED', '/x'],
            ['3', 'REMOVED', '/x'],
          ]),
        ],
      ).rows,
    ).toEqual([
      ['/x', 'a', 1, 3],
      ['/y', 'a', 3, undefined],
    ]);
  });

  test('paths and times that are none are named, the rest is taken', () => {
    const { rows, problems } = of([
      entry(
        name('a'),
        [
          ['1', 'ADDED', '/x'],
          ['1', 'ADDED', '/a/../b'],
          ['?', 'ADDED', '/w'],
        ],
        ['/x', 'rel/ative'],
      ),
    ]);
    expect(rows.map(([path]) => path)).toEqual(['/base/rel/ative', '/w', '/x'].filter((path) => path !== '/w'));
    expect(problems.map(({ path }) => path).sort()).toEqual(['/a/../b', '/w']);
  });

  test('fields that the tool leaves out are not asked for', () => {
    const text = JSON.stringify({ active: [{ checksum: name('a'), log: [] }] });
    expect(parseTable(text, 'archive.json')).toMatchObject({ history: [], backup_roots: [], active: [{ fptrs: [] }] });
  });
});

describe('paths and times', () => {
  test('as Python writes them', () => {
    expect(pythonPath('/a/\udce4\udcff/é😀')).toBe(
      Buffer.from([47, 97, 47, 0xe4, 0xff, 47, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80]).toString('latin1'),
    );
    expect(archivePath('c:\\Users\\.\\x\\', '/b')).toBe('C:/Users/x');
    expect(archivePath('\\\\srv\\share\\x', '/b')).toBe('//srv/share/x');
    expect(archivePath('/a\\b//c/', '/b')).toBe('/a\\b/c');
    expect(archivePath('./x', '/b')).toBe('/b/x');
    expect(() => archivePath('/a/../b', '/b')).toThrow(RangeError);
    expect(logTime('2021-03-01T09:00:02.205471+00:00')).toBe(1614589202205471000n);
    expect(logTime('2021-03-01T10:00:02+01:00')).toBe(1614589202000000000n);
    expect(logTime('2021-03-01T09:00:02')).toBe(BigInt(new Date(2021, 2, 1, 9, 0, 2).getTime()) * 1_000_000n);
    expect(logTime('yesterday')).toBeNull();
    expect(statTime(1795246331.4506183)).toBe(1795246331450618300n);
    expect(statTime(0)).toBe(0n);
    expect(statTime(-1.5)).toBe(-1500000000n);
    expect(statTime(1e-7)).toBe(100n);
    expect(statTime(1e21)).toBe(10n ** 30n);
  });
});

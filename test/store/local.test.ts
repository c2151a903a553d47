import { type ChildProcess, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { ExitCode } from '../../src/errors.js';
import { type ObjectStore, objectPath, openStore } from '../../src/store/index.js';
import { killNode, nodeCommand, runNode, startNode } from '../support/child.js';
import { object, storeConformance } from './conformance.js';

const base = fs.mkdtempSync(join(tmpdir(), 'store-test-'));
let count = 0;
const freshPath = () => join(base, String(count++));
const opened: ObjectStore[] = [];
const children: ChildProcess[] = [];

async function makeStore(path = freshPath()): Promise<{ path: string; store: ObjectStore }> {
  const store = await openStore(path, { create: true, command: 'test' });
  opened.push(store);
  await store.put('config.json', Buffer.from('{}'));
  return { path, store };
}

async function reopen(path: string, command?: string): Promise<ObjectStore> {
  const store = await openStore(path, { command });
  opened.push(store);
  return store;
}

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  for (const child of children.splice(0)) await killNode(child);
});
afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

storeConformance('a local store', async () => {
  const path = freshPath();
  return {
    open: (create) => openStore(path, { create }),
    writeForeign: async (file, bytes) => {
      fs.mkdirSync(dirname(join(path, file)), { recursive: true });
      fs.writeFileSync(join(path, file), bytes);
    },
  };
});

describe('temporaries of a worker thread', () => {
  it("lie in its main thread's folder and go with that, whatever the worker left", async () => {
    const { path, store } = await makeStore();
    const spool = store.spoolDir();
    const worker = await openStore(path, { spool });
    expect(worker.spoolDir()).toBe(spool);
    const bytes = randomBytes(100);
    const pack = object('packs', bytes).path;
    await Promise.all([worker.put(pack, bytes), store.put(pack, bytes)]);
    fs.writeFileSync(join(spool, 'half'), 'written by a thread that was ended');
    await store.close();
    expect(fs.readdirSync(join(path, 'tmp'))).toEqual([]);
    expect(Buffer.compare(await worker.read(pack), bytes)).toBe(0);
    await worker.close();
  });
});

describe('opening', () => {
  it('exits with 10 where there is no store: no path, an empty directory, a file', async () => {
    const empty = freshPath();
    fs.mkdirSync(empty);
    const file = freshPath();
    fs.writeFileSync(file, '');
    for (const path of [join(base, 'missing'), join(base, 'missing', 'deep'), empty, file, join(file, 'below')]) {
      await expect(openStore(path)).rejects.toMatchObject({
        exit: ExitCode.noStore,
        message: expect.stringContaining(path),
      });
    }
    expect(fs.readdirSync(empty)).toEqual([]);
  });

  it('names an unknown kind of URL without its secrets', async () => {
    await expect(openStore('gopher://user:secret@host/')).rejects.toMatchObject({
      exit: ExitCode.usage,
      message: expect.not.stringContaining('secret'),
    });
  });

  it('makes a store, twice if asked, that only its owner may enter', async () => {
    const { path, store } = await makeStore(join(freshPath(), 'a', 'b'));
    await store.close();
    const again = await openStore(path, { create: true });
    opened.push(again);
    expect(Buffer.from(await again.read('config.json')).toString()).toBe('{}');
    expect(fs.statSync(path).mode & 0o077).toBe(0);
  });
});

describe('a store that goes away while in use', () => {
  it('is not taken for an empty one', async () => {
    const { path, store } = await makeStore();
    const bytes = randomBytes(10);
    await store.put(object('packs', bytes).path, bytes);
    fs.renameSync(path, `${path}-away`);
    const gone = { code: 'gone', exit: ExitCode.noStore };
    await expect(store.list('packs')).rejects.toMatchObject(gone);
    // What is under an unmounted disk: an empty directory.
    fs.mkdirSync(path);
    await expect(store.list('packs')).rejects.toMatchObject(gone);
    await expect(store.list('snapshots')).rejects.toMatchObject(gone);
    await expect(store.size(objectPath('packs', '0'.repeat(64)))).rejects.toMatchObject(gone);
    await expect(store.read(objectPath('packs', '0'.repeat(64)))).rejects.toMatchObject(gone);
    await expect(store.put(object('packs', randomBytes(9)).path, randomBytes(9))).rejects.toMatchObject(gone);
    await expect(store.delete(object('index', bytes).path)).rejects.toMatchObject(gone);
    await expect(store.lock('shared', 0)).rejects.toMatchObject(gone);
    expect(() => store.spoolDir()).toThrow();
    expect(fs.readdirSync(path)).toEqual([]);
    fs.rmdirSync(path);
    fs.renameSync(`${path}-away`, path);
    expect(await store.list('packs')).toHaveLength(1);
  });

  it('gets nothing written under its mount point when a pack was on its way', async () => {
    const { path, store } = await makeStore();
    const bytes = randomBytes(10);
    const spool = join(store.spoolDir(), 'x');
    fs.renameSync(path, `${path}-away`);
    fs.mkdirSync(path);
    const outside = join(base, 'outside');
    fs.writeFileSync(outside, bytes);
    await expect(store.putFile(object('packs', bytes).path, spool)).rejects.toMatchObject({ code: 'gone' });
    await expect(store.putFile(object('packs', bytes).path, outside)).rejects.toMatchObject({ code: 'gone' });
    expect(fs.readdirSync(path)).toEqual([]);
  });
});

describe('what the file system refuses', () => {
  // A small tmpfs in a mount namespace of its own: needs root, as tests in containers have it.
  const run = (script: string) => spawnSync('unshare', ['-m', 'sh', '-ec', script], { encoding: 'utf8' });
  const canMount = process.getuid?.() === 0 && run('mount -t tmpfs none /mnt').status === 0;
  const program = `import { openStore, objectPath } from 'SRC/store/index.ts';
    import { createHash, randomBytes } from 'node:crypto'; import { readdirSync } from 'node:fs';
    const put = async (store, n) => { const b = randomBytes(n);
      await store.put(objectPath('packs', createHash('sha256').update(b).digest('hex')), b); };`;
  const node = (code: string) => nodeCommand(base, program + code).join(' ');

  it.skipIf(!canMount)('says in one line that the store is full, and leaves nothing half-written', () => {
    const result = run(`mount -t tmpfs -o size=2m none /mnt
      ${node(`const s = await openStore("/mnt/s", { create: true });
        await s.put("config.json", Buffer.from("{}"));
        try { for (;;) await put(s, 300_000); } catch (e) { console.log(e.name, e.code, e.exit, e.message); }
        console.log(readdirSync(s.spoolDir()).length, (await s.list("packs")).every((p) => p.size === 300_000));
        await put(s, 1000).catch(() => 0);
        await s.close(); console.log(readdirSync("/mnt/s/tmp").length);`)}`);
    expect(result.stderr).toBe('');
    const [error, left, tmp] = result.stdout.split('\n');
    expect(error).toMatch(/^UserError full 1 store is full, \/mnt\/s; /);
    expect(left).toBe('0 true');
    expect(tmp).toBe('0');
  });

  it.skipIf(!canMount)('reads and locks a store that is mounted read-only, and says why it cannot write', () => {
    const result = run(`mount -t tmpfs none /mnt
      ${node(`const s = await openStore("/mnt/s", { create: true });
        await s.put("config.json", Buffer.from("{}")); await s.close();`)}
      mount -o remount,ro /mnt
      ${node(`const s = await openStore("/mnt/s");
        const l = await s.lock("shared", 0); console.log((await s.read("config.json")).length); await l.release();
        await put(s, 10).catch((e) => console.log(e.code, e.exit, e.message)); await s.close();`)}`);
    expect(result.stderr).toBe('');
    expect(result.stdout).toMatch(/^2\nread-only 1 cannot write packs\/\S+ in \/mnt\/s: .*read-only/);
  });

  it.skipIf(process.getuid?.() !== 0)('lets readers read, and says so when they want to write', async () => {
    const { path } = await makeStore();
    const script = `${program} process.setgid(65534); process.setuid(65534);
      const s = await openStore("${path}"); const l = await s.lock("shared", 0);
      console.log((await s.read("config.json")).length); await l.release();
      await put(s, 10).catch((e) => console.log(e.code, e.exit, e.message));
      await s.lock("exclusive", 0).catch((e) => console.log(e.code));
      await s.close();`;
    fs.chmodSync(base, 0o755);
    fs.chmodSync(path, 0o755);
    const reader = runNode(base, script);
    expect(reader.stderr).toBe('');
    expect(reader.stdout).toMatch(/^2\ndenied 1 no permission to write packs\/\S+ in .*\ndenied\n$/);
    fs.chmodSync(path, 0o700);
    expect(runNode(base, script).stderr).toContain('no permission to list');
  });
});

/** Starts another process that locks the store and then waits to be killed. */
async function startHolder(path: string, mode: string, before = ''): Promise<ChildProcess> {
  const child = await startNode(
    base,
    `import { openStore } from 'SRC/store/index.ts'; import * as fs from 'node:fs';
     const store = await openStore(${JSON.stringify(path)}, { command: 'backup' });
     ${mode === '' ? '' : `await store.lock('${mode}', 0);`} ${before}
     console.log('ready'); setInterval(() => {}, 1000);`,
  );
  children.push(child);
  return child;
}

describe('the lock', () => {
  it('is shared by sharers, and kept from all others by one who has it alone', async () => {
    const { path, store } = await makeStore();
    const other = await reopen(path, 'other');
    const locked = { exit: ExitCode.locked };
    const first = await store.lock('shared', 0);
    const second = await other.lock('shared', 0);
    await expect(other.lock('exclusive', 0)).rejects.toMatchObject(locked);
    await second.release();
    await second.release();
    await expect(other.lock('exclusive', 0)).rejects.toMatchObject(locked);
    await first.release();
    const alone = await other.lock('exclusive', 0);
    await expect(store.lock('shared', 0)).rejects.toMatchObject(locked);
    await expect(store.lock('exclusive', 0)).rejects.toMatchObject(locked);
    await other.close();
    await alone.release();
    await (await store.lock('exclusive', 0)).release();
  });

  it('waits as long as it is told', async () => {
    const { path, store } = await makeStore();
    const other = await reopen(path);
    const first = await store.lock('exclusive', 0);
    const started = performance.now();
    await expect(other.lock('shared', 250)).rejects.toMatchObject({ exit: ExitCode.locked });
    expect(performance.now() - started).toBeGreaterThanOrEqual(240);
    setTimeout(() => void first.release(), 200);
    await (await other.lock('exclusive', 5000)).release();
  });

  it('names who has it, and is free as soon as that process is killed', async () => {
    const { path, store } = await makeStore();
    const child = await startHolder(path, 'exclusive');
    const error = (await store.lock('shared', 0).catch((e: unknown) => e)) as Error;
    expect(error).toMatchObject({ exit: ExitCode.locked });
    expect(error.message).toContain(`backup (process ${child.pid} on ${hostname()}, since 20`);
    expect(error.message).not.toContain('\n');
    await killNode(child);
    await (await store.lock('exclusive', 0)).release();
  });

  it('excludes also when the lock file has been replaced meanwhile', async () => {
    const { path, store } = await makeStore();
    const lock = await store.lock('exclusive', 0);
    await lock.release();
    fs.rmSync(join(path, 'lock'));
    await store.lock('exclusive', 0);
    const other = await reopen(path);
    await expect(other.lock('shared', 0)).rejects.toMatchObject({ exit: ExitCode.locked });
  });
});

describe('temporary files', () => {
  const spoolSome = `fs.writeFileSync(store.spoolDir() + '/pack', 'half a pack'); fs.writeFileSync(store.spoolDir() + '/two', '');`;

  it('of a running program are left alone, those of a killed one go', async () => {
    const { path, store } = await makeStore();
    const child = await startHolder(path, 'shared', spoolSome);
    expect(await store.cleanTemporaries()).toBe(0);
    expect(fs.readdirSync(join(path, 'tmp')).some((name) => name.includes(`-${child.pid}-`))).toBe(true);
    await killNode(child);
    const spool = store.spoolDir();
    fs.writeFileSync(join(spool, 'mine'), 'x');
    expect(await store.cleanTemporaries()).toBe(2);
    expect(fs.readdirSync(join(path, 'tmp')).sort()).toEqual(
      [spool, `${spool}.live`].map((p) => p.slice(p.lastIndexOf('/') + 1)),
    );
    expect(fs.existsSync(join(spool, 'mine'))).toBe(true);
  });

  it('of another host go only after a day', async () => {
    const { path, store } = await makeStore();
    const child = await startHolder(path, '', spoolSome);
    await killNode(child);
    const live = fs
      .readdirSync(join(path, 'tmp'))
      .find((name) => name.includes(`-${child.pid}-`) && name.endsWith('.live'))!;
    const file = join(path, 'tmp', live);
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(JSON.stringify(hostname()), '"elsewhere"'));
    expect(await store.cleanTemporaries()).toBe(0);
    const old = Date.now() / 1000 - 25 * 3600;
    const folder = file.slice(0, -'.live'.length);
    for (const name of fs.readdirSync(folder)) fs.utimesSync(join(folder, name), old, old);
    for (const name of [folder, file]) fs.utimesSync(name, old, old);
    expect(await store.cleanTemporaries()).toBe(2);
    expect(fs.existsSync(folder) || fs.existsSync(file)).toBe(false);
  });

  it('that are not ours stay, and are listed as foreign', async () => {
    const { path, store } = await makeStore();
    fs.writeFileSync(join(path, 'tmp', 'notes'), 'abc');
    expect(await store.cleanTemporaries()).toBe(0);
    expect(await store.listForeign()).toEqual([{ path: 'tmp/notes', size: 3 }]);
  });

  it('of worker threads live and die with their thread', async () => {
    const { path, store } = await makeStore();
    const script = nodeCommand(
      base,
      `import { parentPort } from 'node:worker_threads'; import { writeFileSync } from 'node:fs';
       const { openStore } = await import('SRC/store/index.ts');
       const store = await openStore(${JSON.stringify(path)});
       writeFileSync(store.spoolDir() + '/pack', 'x');
       parentPort.postMessage('ready'); setInterval(() => {}, 1000);`,
    );
    const worker = new Worker(`import(${JSON.stringify(script[2])}).then(() => import(${JSON.stringify(script[3])}))`, {
      eval: true,
    });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    expect(await store.cleanTemporaries()).toBe(0);
    await worker.terminate();
    expect(await store.cleanTemporaries()).toBe(1);
  });
});

describe('crash safety', () => {
  it('a pack that was renamed but perhaps not synced is synced when put again', async () => {
    // What can be seen without pulling the plug: the second put goes through without writing.
    const { path, store } = await makeStore();
    const bytes = randomBytes(100);
    const file = join(path, object('packs', bytes).path);
    await store.put(object('packs', bytes).path, bytes);
    const before = fs.statSync(file);
    await store.put(object('packs', bytes).path, bytes);
    expect(fs.statSync(file)).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
  });

  it('syncs the file before it gets its name, and the directory after; a new directory in its parent too', async (context) => {
    if (spawnSync('strace', ['-V']).error !== undefined) return context.skip();
    const { path } = await makeStore();
    const bytes = Buffer.from('traced');
    const trace = join(base, 'trace');
    const command = nodeCommand(
      base,
      `import { openStore } from 'SRC/store/index.ts'; const s = await openStore(${JSON.stringify(path)});
       await s.put('${object('packs', bytes).path}', Buffer.from('traced')); await s.close();`,
    );
    spawnSync('strace', ['-f', '-y', '-o', trace, '-e', 'trace=fsync,fdatasync,rename,renameat2,mkdir', ...command]);
    const calls = fs
      .readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => line.includes(path))
      .map((line) => /(fsync|rename|mkdir).*/.exec(line)![0].replaceAll(path, ''));
    const prefix = dirname(object('packs', bytes).path);
    const order = [
      /^fsync\(\d+<\/tmp\/[^>]+\/\d+-\d+>\)/,
      new RegExp(`^mkdir\\("/${prefix}"`),
      new RegExp(`^rename\\("/tmp/.*", "/${prefix}/.*= 0`),
      new RegExp(`^fsync\\(\\d+</${prefix}>\\)`),
      /^fsync\(\d+<\/packs>\)/,
    ];
    const places = order.map((pattern) => calls.findIndex((call) => pattern.test(call)));
    expect(places, calls.join('\n')).toEqual([...places].sort((a, b) => a - b));
    expect(places).not.toContain(-1);
  });
});

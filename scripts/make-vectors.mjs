// Makes test/vectors/store: a small store as the program writes it, with its keys and what must come out of it. Once
// committed it stays: every later version must read it. Run `npm run build` first; needs Linux.
//
//   node scripts/make-vectors.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../dist/src/cli/main.cjs', import.meta.url));
const out = fileURLToPath(new URL('../test/vectors/store', import.meta.url));
const PASSPHRASE = 'Größe, Länge, Breite';
const folder = mkdtempSync(join(tmpdir(), 'vectors-'));
const tree = '/tmp/backup-ninja-vectors';

const config = join(folder, 'config.json');
writeFileSync(
  config,
  JSON.stringify({
    table_dir: join(folder, 'tables'),
    file_dir: join(folder, 'store'),
    key_path: join(folder, 'key'),
    restore_dir: join(folder, 'restored'),
    source: 'vectors',
    hard_remove: false,
    backup_roots: [tree],
  }),
);

function run(...args) {
  const env = { ...process.env, BACKUP_NINJA_PASSPHRASE: PASSPHRASE };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args, '-c', config, '--json'], {
    encoding: 'utf8',
    env,
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: exit code ${status}\n${stdout}${stderr}`);
  return JSON.parse(stdout);
}

/** Lines that compress well and never repeat. */
function lines(count, word) {
  return Array.from({ length: count }, (_, i) => `line ${i} of ${word}, and nothing more to say\n`).join('');
}

/** Bytes that do not compress. */
function noise(length, seed) {
  return createHash('shake256', { outputLength: length }).update(seed).digest();
}

function makeTree() {
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(join(tree, 'many'), { recursive: true });
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(join(tree, 'letter.txt'), 'Dear reader,\n\nall of this came out of a backup.\n');
  writeFileSync(join(tree, 'long.txt'), lines(40_000, 'a long text'));
  writeFileSync(join(tree, 'noise.bin'), noise(20_000, 'vectors'));
  writeFileSync(join(tree, 'sparse'), '');
  truncateSync(join(tree, 'sparse'), 1_000_000);
  writeFileSync(join(tree, 'sparse'), 'the end', { flag: 'a' });
  for (let i = 0; i < 150; i++) writeFileSync(join(tree, 'many', `file ${i}`), `number ${i}\n`);
  const odd = Buffer.concat([Buffer.from(`${tree}/not utf-8 `), Buffer.from([0xff, 0xfe])]);
  writeFileSync(odd, 'bytes, not text');
  symlinkSync('letter.txt', join(tree, 'link'));
  linkSync(join(tree, 'letter.txt'), join(tree, 'second name'));
  lutimesSync(join(tree, 'link'), '1000000000.5', '1000000000.5');
  utimesSync(join(tree, 'letter.txt'), '-86400.25', '-86400.25');
  utimesSync(join(tree, 'many'), '1234567890', '1234567890');
}

/** Every path of the tree with what a restore must bring back. */
function describe() {
  const found = [];
  const visit = (path) => {
    const stat = lstatSync(path, { bigint: true });
    const entry = {
      path: path.toString('hex'),
      type: stat.isDirectory() ? 'dir' : stat.isSymbolicLink() ? 'symlink' : 'file',
      mode: Number(stat.mode & 0o7777n),
      mtime: String(stat.mtimeNs),
    };
    if (entry.type === 'symlink') entry.target = readlinkSync(path, 'buffer').toString('hex');
    if (entry.type === 'file') {
      entry.size = Number(stat.size);
      entry.sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
    }
    found.push(entry);
    if (entry.type !== 'dir') return;
    for (const name of readdirSync(path, 'buffer').sort(Buffer.compare))
      visit(Buffer.concat([path, Buffer.from('/'), name]));
  };
  visit(Buffer.from(tree));
  return found;
}

const { recovery_key: recoveryKey } = run('init');
run('key', 'add', '--passphrase');
makeTree();
const snapshots = [{ id: run('backup').snapshot, entries: describe() }];
writeFileSync(
  join(tree, 'long.txt'),
  `${lines(20_000, 'a long text')}an insertion\n${lines(40_000, 'a long text').slice(1_000_000)}`,
);
writeFileSync(join(tree, 'many', 'file 151'), 'new');
rmSync(join(tree, 'many', 'file 7'));
snapshots.push({ id: run('backup', '--tag', 'pin').snapshot, entries: describe() });

rmSync(out, { recursive: true, force: true });
for (const name of ['config.json', 'keys', 'certs', 'packs', 'index', 'snapshots', 'records', 'tombstones'])
  cpSync(join(folder, 'store', name), join(out, 'store', name), { recursive: true });
cpSync(join(folder, 'key'), join(out, 'key'));
writeFileSync(join(out, 'secrets.json'), `${JSON.stringify({ recoveryKey, passphrase: PASSPHRASE }, null, 1)}\n`);
writeFileSync(join(out, 'expected.json'), `${JSON.stringify({ root: tree, snapshots }, null, 1)}\n`);
rmSync(folder, { recursive: true });
rmSync(tree, { recursive: true });

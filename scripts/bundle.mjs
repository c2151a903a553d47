// Puts the program and its threads' entries into a few files, for a quick start. The compiled modules stay
// beside them, for use as a library.
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const workers = readdirSync(`${dist}workers`).filter((name) => name.endsWith('.js'));

rmSync(`${dist}src/bundled`, { recursive: true, force: true });
const bundle = await rolldown({
  cwd: dist,
  input: {
    'src/cli/main': `${dist}src/cli/main.js`,
    ...Object.fromEntries(workers.map((name) => [`workers/${basename(name, '.js')}`, `${dist}workers/${name}`])),
  },
  platform: 'node',
  preserveEntrySignatures: 'allow-extension',
  // Packages for both worlds: their CommonJS side may require what a bundle cannot see.
  resolve: { mainFields: ['module', 'main'] },
  tsconfig: false,
  // What brings native code, or files of its own that it looks for.
  external: [/^(better-sqlite3|zstd-napi|koffi|piscina)(\/|$)/],
});
const { output } = await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  // As deep as the modules in it were, which look for files of the package.
  chunkFileNames: 'src/bundled/[name].js',
  // What several commands need is one file: finding and linking many takes longer than reading what is not needed.
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [{ name: 'core', minShareCount: 3, test: /dist\/src\/(?!cli\/main|portable|legacy|cli\/commands)/ }],
  },
});
await bundle.close();

for (const { fileName, code } of output) {
  if (code === undefined) continue;
  // V8 keeps a source as it is, in every thread: with one character beyond Latin-1 it takes twice the memory.
  const plain = code.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (plain !== code) writeFileSync(`${dist}${fileName}`, plain);
  const [missed] = code.match(/__require\(["']\.[^)]*\)/) ?? [];
  if (missed !== undefined) throw new Error(`${fileName} requires a file that is not in the bundle: ${missed}`);
}

// Puts the program into a few files, and what each kind of thread runs into one of its own, for a quick start. The
// compiled modules stay beside them, for use as a library.
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

rmSync(`${dist}src/bundled`, { recursive: true, force: true });
await bundle('src/cli/main', {
  chunkFileNames: 'src/bundled/[name].js',
  // What several commands need is one file: finding and linking many takes longer than reading what is not needed.
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [
      // What runs before the rest is loaded.
      {
        name: 'early',
        priority: 1,
        test: /dist\/src\/(errors|config\/find|config\/paths|config\/types|catalog\/paths|platform\/heaps|archive\/worker-file|archive\/thread-options|archive\/early-threads|archive\/backup\/early-scan|cli\/early)\.js$/,
      },
      // What starting threads takes.
      {
        name: 'threads',
        priority: 1,
        test: /dist\/src\/(platform\/|bytes\.js|lazily\.js|store\/errors\.js|archive\/(worker-pool|worker-errors|early-pool)\.js)/,
      },
      { name: 'core', minShareCount: 3, test: /dist\/src\/(?!cli\/main|portable|legacy|cli\/commands)/ },
    ],
  },
});
// Threads share no code at run time, and each reads only what it needs: a fifth of what the commands share.
for (const file of readdirSync(`${dist}workers`).filter((name) => name.endsWith('.js'))) {
  const name = basename(file, '.js');
  await bundle(`workers/${name}`, { chunkFileNames: `src/bundled/${name}-[name].js` });
}

/** Commander starts programs as subcommands, which there are none of here; what it would need for it takes 4 ms to load. */
function withoutChildProcess(code, id) {
  if (!/commander[\\/]lib[\\/]command\.js$/.test(id)) return null;
  const without = code.replace("require('node:child_process')", '{}');
  if (without === code) throw new Error('commander does not require child_process any more: this is of no use');
  return without;
}

/** Bundles one entry in place. Chunks go as deep as the modules in them were, which look for files of the package. */
async function bundle(entry, options) {
  const build = await rolldown({
    cwd: dist,
    input: { [entry]: `${dist}${entry}.js` },
    platform: 'node',
    preserveEntrySignatures: 'allow-extension',
    // Packages for both worlds: their CommonJS side may require what a bundle cannot see.
    resolve: { mainFields: ['module', 'main'] },
    tsconfig: false,
    plugins: [{ name: 'without-child-process', transform: withoutChildProcess }],
    // What brings native code, or files of its own that it looks for.
    external: [/^(@napi-rs\/blake-hash|better-sqlite3|zstd-napi|koffi|piscina)(\/|$)/],
  });
  const { output } = await build.write({ dir: dist, format: 'esm', entryFileNames: '[name].js', ...options });
  await build.close();
  for (const { fileName, code } of output) if (code !== undefined) finish(fileName, code);
}

function finish(fileName, code) {
  // V8 keeps a source as it is, in every thread: with one character beyond Latin-1 it takes twice the memory.
  const plain = code.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (plain !== code) writeFileSync(`${dist}${fileName}`, plain);
  const [missed] = code.match(/__require\(["']\.[^)]*\)/) ?? [];
  if (missed !== undefined) throw new Error(`${fileName} requires a file that is not in the bundle: ${missed}`);
}

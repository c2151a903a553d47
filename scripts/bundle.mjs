// Puts the program into a few files, and what each kind of thread runs into one of its own, for a quick start. They are
// CommonJS, which starts quicker, and of which V8's code can be kept (scripts/record-code.mjs). The compiled modules stay
// beside them; other programs may import the portable reader.
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));

const workers = readdirSync(`${dist}workers`)
  .filter((name) => name.endsWith('.js'))
  .map((name) => basename(name, '.js'));

rmSync(`${dist}src/bundled`, { recursive: true, force: true });
await bundle('src/quick-load', { entryFileNames: 'src/bundled/quick-load.cjs' });
await bundle('src/cli/main', {
  entryFileNames: 'src/bundled/cli.cjs',
  chunkFileNames: 'src/bundled/[name].cjs',
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
      // All that works on an archive: calls from one file to another are not inlined, and take longer.
      { name: 'core', test: /dist\/src\/(archive(?!\/import)|catalog|chunk|crypto|format|scan|store)(\/|\.js)/ },
      { name: 'common', minShareCount: 3, test: /dist\/src\/(?!cli\/main|portable|legacy|cli\/commands)/ },
    ],
  },
});
writeStart('src/cli/main.cjs', 'cli.cjs', '#!/usr/bin/env node\n');
// Threads share no code at run time, and each reads only what it needs: a fifth of what the commands share.
for (const name of workers) {
  await bundle(`workers/${name}`, {
    entryFileNames: `src/bundled/worker-${name}.cjs`,
    chunkFileNames: `src/bundled/worker-${name}-[name].cjs`,
  });
  writeStart(`workers/${name}.cjs`, `worker-${name}.cjs`);
}
// As modules they would start slowly.
for (const entry of ['src/cli/main', ...workers.map((name) => `workers/${name}`)])
  for (const ending of ['.js', '.js.map', '.d.ts']) rmSync(`${dist}${entry}${ending}`, { force: true });
chmodSync(`${dist}src/cli/main.cjs`, 0o755);
// It is read where it lies, so nothing is copied.
if (!existsSync(`${dist}../schema.sql`)) throw new Error('schema.sql is missing at the top of the package');

/** Writes what is run: it loads a bundle. */
function writeStart(file, bundle, firstLine = '') {
  const bundled = relative(dirname(`${dist}${file}`), `${dist}src/bundled`).replaceAll('\\', '/');
  const load = `require('${bundled}/quick-load.cjs').quickLoad`;
  const path = `require('node:path').join(__dirname, '${bundled}', '${bundle}')`;
  writeFileSync(`${dist}${file}`, `${firstLine}'use strict';\nmodule.exports = ${load}(${path});\n`);
}

/** Commander starts programs as subcommands, which there are none of here; what it would need for it takes 4 ms to load. */
function withoutChildProcess(code, id) {
  if (!/commander[\\/]lib[\\/]command\.js$/.test(id)) return null;
  const without = code.replace("require('node:child_process')", '{}');
  if (without === code) throw new Error('commander does not require child_process any more: this is of no use');
  return without;
}

/** Bundles one entry. All files are as deep as the modules in them were, which look for files of the package. */
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
  const { output } = await build.write({ dir: dist, format: 'cjs', dynamicImportInCjs: false, ...options });
  await build.close();
  for (const { fileName, code } of output) if (code !== undefined) finish(fileName, code);
}

function finish(fileName, bundled) {
  // Node's own modules need no copies, whose properties are getters.
  const code = bundled.replace(/(node_\w+) = \S*__toESM\(\1, 1\)/g, '$1 = { __proto__: $1, default: $1 }');
  // Read as Latin-1 (src/quick-load.ts), of which V8 keeps a byte for each character, in every thread.
  const plain = code.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (plain !== bundled) writeFileSync(`${dist}${fileName}`, plain);
  const [missed] = code.match(/__require\(["']\.[^)]*\)/) ?? [];
  if (missed !== undefined) throw new Error(`${fileName} requires a file that is not in the bundle: ${missed}`);
}

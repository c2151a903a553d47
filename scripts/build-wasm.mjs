// Compiles the chunker's fast path to WebAssembly and writes it, as base64, into a TypeScript module: so that the
// sources under vitest and the built package find it in the same way, and no file has to be copied or located.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const chunk = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'chunk');
const target = join(chunk, 'generated', 'wasm-bytes.ts');

let wasm;
const { error, stderr } = await asc.main(
  ['chunker.ts', '--outFile', 'chunker.wasm', '--runtime', 'stub', '--noAssert', '-O3', '--converge'],
  {
    readFile: (name) => (name === 'chunker.ts' ? readFileSync(join(chunk, 'assembly', name), 'utf8') : null),
    writeFile: (name, contents) => {
      if (name === 'chunker.wasm') wasm = contents;
    },
    listFiles: () => [],
  },
);
if (error || !wasm) {
  process.stderr.write(stderr.toString());
  throw error ?? new Error('asc wrote no chunker.wasm');
}

const source = `// Made by scripts/build-wasm.mjs from src/chunk/assembly/chunker.ts.
export const wasmBytes =
  '${Buffer.from(wasm).toString('base64')}';
`;
if (read(target) !== source) {
  // Renamed into place: a test run beside a build never sees half a file.
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(`${target}.${process.pid}`, source);
  renameSync(`${target}.${process.pid}`, target);
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

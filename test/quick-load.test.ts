import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import vm from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CODE, quickLoad, withChecksums } from '../src/quick-load.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bn-quick-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Writes a file of a bundle. @returns its path */
function write(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

describe('a bundled file', () => {
  test('has what CommonJS gives it, in strict mode', () => {
    const file = write(
      'a.cjs',
      `exports.is = [typeof require, __filename, __dirname, module.exports === exports, (function () { return this; })()];
       exports.b = require('./b.cjs').b;
       exports.fs = require('node:fs');`,
    );
    write('b.cjs', 'module.exports = { b: require("./a.cjs").is.length };');
    const a = quickLoad(file) as { is: unknown[]; b: number; fs: unknown };
    expect(a.is).toEqual(['function', file, folder, true, undefined]);
    expect(a.b).toBe(5); // of a circle, what is there by then
    expect(a.fs).toBe(createRequire(import.meta.url)('node:fs'));
    expect(quickLoad(file)).toBe(a);
  });

  test('finds packages from where it is', () => {
    expect(() => quickLoad(write('c.cjs', 'require("vitest-is-not-found-from-here");'))).toThrow(/Cannot find module/);
  });

  test('is named in a trace, with its line', () => {
    let trace = '';
    try {
      quickLoad(write('d.cjs', '\n\nthrow new Error("here");'));
    } catch (error) {
      trace = (error as Error).stack!;
    }
    expect(trace).toContain(`${join(folder, 'd.cjs')}:3:`);
  });
});

describe('code that is kept', () => {
  const SOURCE = 'exports.answer = (() => { const twice = (n) => 2 * n; return twice(21); })();';

  const { Script } = vm;
  afterEach(() => {
    vm.Script = Script;
  });

  interface Given {
    name: string;
    /** What V8 was given as its code; undefined for none. */
    code: Uint8Array | undefined;
    script: vm.Script;
  }

  /** The scripts that are made from now on. */
  function scripts(): Given[] {
    const all: Given[] = [];
    vm.Script = class extends Script {
      constructor(source: string, options: vm.ScriptOptions & { cachedData?: Buffer }) {
        super(source, options);
        all.push({ name: basename(options.filename!), code: options.cachedData, script: this });
      }
    };
    return all;
  }

  /** A file whose code is kept. */
  function recorded(name: string): string {
    const file = write(name, SOURCE);
    const all = scripts();
    quickLoad(write(`first-${name}`, SOURCE));
    writeFileSync(file + CODE, withChecksums(all[0]!.script.createCachedData(), readFileSync(file)));
    return file;
  }

  test('is taken', () => {
    const file = recorded('e.cjs');
    const all = scripts();
    expect(quickLoad(file)).toEqual({ answer: 42 });
    expect(all).toMatchObject([{ name: 'e.cjs', code: expect.any(Uint8Array), script: { cachedDataRejected: false } }]);
  });

  test.each([
    ['of another source of the same length', (file: string) => writeFileSync(file, SOURCE.replace('21', '23')), 46],
    ['of which nothing is left', (file: string) => writeFileSync(file + CODE, ''), 42],
    ['that ends early', (file: string) => writeFileSync(file + CODE, readFileSync(file + CODE).subarray(0, -8)), 42],
    [
      'with a changed bit',
      (file: string) => {
        const kept = readFileSync(file + CODE);
        kept[kept.length >> 1]! ^= 0x40;
        writeFileSync(file + CODE, kept);
      },
      42,
    ],
  ])('%s is left alone', (name, spoil, answer) => {
    const file = recorded(`f${name.length}.cjs`);
    spoil(file);
    const all = scripts();
    expect(quickLoad(file)).toEqual({ answer });
    expect(all).toMatchObject([{ code: undefined }]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PackedFiles, packFiles } from '../../../src/archive/ingest/messages.js';
import { joinPath } from '../../../src/platform/index.js';
import { pathOf } from '../../../src/scan/index.js';

const names = fc.constantFrom('a', 'b', 'ab', 'a\xff', 'a\n');
const keys = fc.array(names, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('\0'));

/** Paths as a worker gets them. */
function unpacked(packed: Uint8Array, count: number): { directory: string; name: string }[] {
  const files = new PackedFiles(packed);
  return Array.from({ length: count }, () => {
    files.next();
    return { directory: files.directory, name: files.name };
  });
}

describe('files that are handed to a worker', () => {
  it('come as directory and name, whatever lies next to what', () => {
    fc.assert(
      fc.property(fc.array(keys, { maxLength: 12 }), (files) => {
        const got = unpacked(packFiles(files), files.length);
        expect(got.map(({ directory, name }) => joinPath(directory, name))).toEqual(files.map(pathOf));
        for (const { name } of got) expect(name).not.toContain('/');
      }),
      { numRuns: 500 },
    );
  });

  it('name a directory once', () => {
    const few = packFiles(['a directory\0a', 'a directory\0b']);
    expect(packFiles(['a directory\0a', 'a directory\0b', 'a directory\0c']).length - few.length).toBe(4 + 4 + 1);
  });

  it('may lie in the root directory', () => {
    expect(unpacked(packFiles(['a', 'b\0c', 'd']), 3)).toEqual([
      { directory: '/', name: 'a' },
      { directory: '/b', name: 'c' },
      { directory: '/', name: 'd' },
    ]);
  });
});

import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ByteString, fromDisplay } from '../../src/bytes.js';
import { closeFd, openDirectory, openParent, StatBuffer, tryStatAt } from '../../src/platform/index.js';
import { keyOf, LeftOut, type LeftOutHere, pathOf, type ScanPlan, scan } from '../../src/scan/index.js';
import { ancestorsOf } from '../../src/scan/keys.js';
import { freshFolder, makeTree, planFor } from './support.js';

let base = '';
beforeEach(() => {
  base = freshFolder();
});

/** Whether a path is left out, as somebody finds who comes to it from above. */
function isLeftOut(plan: ScanPlan, path: ByteString): boolean {
  const leftOut = new LeftOut(plan);
  const key = keyOf(path);
  let here: LeftOutHere = leftOut.top();
  for (const above of ancestorsOf(key)) {
    if (above !== '') here = leftOut.below(here, above);
    const fd = openDirectory(pathOf(above));
    here = leftOut.inside(here, above, fd);
    closeFd(fd);
  }
  const stat = new StatBuffer();
  const { dir, name } = openParent(path);
  expect(tryStatAt(dir, name, stat)).toBe(true);
  closeFd(dir);
  return stat.isDirectory ? leftOut.below(here, key).isOut : leftOut.has(here, key, stat);
}

const TAG = 'Signature: 8a477f597d28d172789f06886806bc55';
const NAMES = ['a', 'b', 'c.o'];
const PATTERNS = ['a', '/b', 'a/', '*.o', '!a', '!*.o', 'b/a', '**/c.o', '!b/*', 'r'];

describe('what is left out', () => {
  it('is what a scan of the same disk does not yield', async () => {
    const patterns = fc.array(fc.constantFrom(...PATTERNS), { maxLength: 3 });
    const paths = fc.array(fc.array(fc.constantFrom(...NAMES), { minLength: 2, maxLength: 4 }), {
      minLength: 3,
      maxLength: 12,
    });
    let round = 0;
    await fc.assert(
      fc.asyncProperty(
        paths,
        patterns,
        patterns,
        fc.dictionary(fc.constantFrom('', 'a', 'b', 'a/b'), patterns),
        fc.constantFrom(undefined, 'a', 'b/a'),
        fc.boolean(),
        async (files, exclude, commandLine, ignoreFiles, cache, hasInnerRoot) => {
          const root = join(base, `${round++}`, 'r');
          const made: Record<string, string | null> = {};
          for (const [i, parts] of files.entries()) {
            const path = parts.join('/');
            if (!Object.keys(made).some((other) => other.startsWith(`${path}/`) || path.startsWith(`${other}/`)))
              made[path] = 'x'.repeat(i);
          }
          makeTree(root, {
            'a/b/x': '',
            'b/a/x': '',
            ...Object.fromEntries(Object.entries(made).filter(([path]) => !/^(a\/b|b\/a|a|b)$/.test(path))),
          });
          for (const [folder, lines] of Object.entries(ignoreFiles))
            fs.writeFileSync(join(root, folder, '.backupninjaignore'), lines.join('\n'));
          if (cache !== undefined) fs.writeFileSync(join(root, cache, 'CACHEDIR.TAG'), TAG);
          const roots = hasInnerRoot ? [root, join(root, 'a/b')] : [root];
          const config = { exclude, excludeCaches: true, excludeLargerThan: 8 };
          const { scan: plan } = await planFor(roots, { config, exclude: commandLine });
          const saved = new Set([...scan(plan)].flatMap((item) => (item.kind === 'entry' ? [item.key] : [])));
          for (const name of fs.readdirSync(root, { recursive: true }) as string[]) {
            const path = fromDisplay(join(root, name));
            // Directories on the way to a root are recorded, though nothing else in them is.
            const isAbove = plan.roots.some(({ key }) => ancestorsOf(key).includes(keyOf(path)));
            if (!isAbove) expect(isLeftOut(plan, path), name).toBe(!saved.has(keyOf(path)));
          }
        },
      ),
      {
        numRuns: 150,
        // A root that an ignore file of the one around it excludes, and of which the same file says more.
        examples: [
          [
            [
              ['a', 'b', 'a', 'a'],
              ['c.o', 'a'],
              ['a', 'a'],
            ],
            [],
            [],
            { a: ['a', '/b'] },
            undefined,
            true,
          ],
        ],
      },
    );
  });

  it('is not known where a file that tells is missing, or cannot be read', async () => {
    makeTree(base, { 'r/.backupninjaignore': 'x', 'r/d/e': '' });
    const { scan: plan } = await planFor([join(base, 'r')], { config: { excludeCaches: true } });
    const leftOut = new LeftOut(plan);
    const told = (path: string, names?: ReadonlySet<string>): string[] => {
      const key = keyOf(fromDisplay(join(base, path)));
      const fd = openDirectory(pathOf(key));
      const here = leftOut.inside(leftOut.below(leftOut.top(), key), key, fd, names);
      closeFd(fd);
      return leftOut.untold(here, key);
    };
    expect(told('r')).toEqual(['CACHEDIR.TAG']);
    expect(told('r/d')).toEqual(['.backupninjaignore', 'CACHEDIR.TAG']);
    expect(told('r/d', new Set(['e']))).toEqual(['.backupninjaignore', 'CACHEDIR.TAG']);
    // Above the roots no such file counts.
    expect(told('')).toEqual([]);
    expect(leftOut.untold(leftOut.top(), '')).toEqual([]);
  });
});

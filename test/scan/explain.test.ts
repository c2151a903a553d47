import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { fromDisplay } from '../../src/bytes.js';
import { explain, scan } from '../../src/scan/index.js';
import { freshFolder, makeTree, pathsBelow, planFor } from './support.js';

let base = '';
beforeEach(() => {
  base = freshFolder();
});

const at = (path: string) => fromDisplay(join(base, path));

describe('explain', () => {
  it('names the rule that decides, with its file and line, and the path that it is about', async () => {
    makeTree(base, {
      'r/.backupninjaignore': '# mine\nbuild/\n\n*.log\n',
      'r/build/deep/x': '',
      'r/a.log': '',
      'r/keep/.backupninjaignore': '!*.log\n',
      'r/keep/b.log': '',
      'r/x.tmp': '',
      'r/plain': '',
      patterns: '\n\nsecret\n',
      'r/secret': '',
      other: '',
    });
    const config = { exclude: ['*.o', '*.tmp'], excludeFiles: [join(base, 'patterns')] };
    const { scan: plan } = await planFor([join(base, 'r')], { config, exclude: ['*.never'] });
    const rule = (source: string, line: number, pattern: string, negated = false) =>
      expect.objectContaining({ source, line, pattern, negated });
    expect(explain(plan, at('r/build/deep/x'))).toEqual({
      saved: false,
      reason: `excluded by 'build/' (${base}/r/.backupninjaignore, line 2)`,
      rule: rule(`${base}/r/.backupninjaignore`, 2, 'build/'),
      at: at('r/build'),
    });
    expect(explain(plan, at('r/a.log'))).toMatchObject({
      saved: false,
      rule: rule(`${base}/r/.backupninjaignore`, 4, '*.log'),
    });
    expect(explain(plan, at('r/keep/b.log'))).toMatchObject({
      saved: true,
      reason: `taken back in by '!*.log' (${base}/r/keep/.backupninjaignore, line 1)`,
      rule: rule(`${base}/r/keep/.backupninjaignore`, 1, '!*.log', true),
    });
    expect(explain(plan, at('r/x.tmp'))).toMatchObject({ saved: false, rule: rule('exclude', 2, '*.tmp') });
    expect(explain(plan, at('r/y.never'))).toMatchObject({ saved: false, rule: rule('--exclude', 1, '*.never') });
    expect(explain(plan, at('r/secret'))).toMatchObject({
      saved: false,
      rule: rule(join(base, 'patterns'), 3, 'secret'),
    });
    expect(explain(plan, at('r/plain'))).toEqual({ saved: true, reason: `in the backup root ${base}/r`, at: at('r') });
    expect(explain(plan, at('other'))).toEqual({ saved: false, reason: 'not in any backup root', at: at('other') });
    expect(explain(plan, at('r/nothing'))).toMatchObject({
      saved: false,
      reason: 'is not there, or cannot be looked at',
    });
    expect(explain(plan, fromDisplay(base))).toMatchObject({
      saved: true,
      reason: expect.stringContaining('above a backup root'),
    });
  });

  it('tells of caches, sizes, and what belongs to the backup itself', async () => {
    makeTree(base, {
      'c/CACHEDIR.TAG': 'Signature: 8a477f597d28d172789f06886806bc55',
      'c/d/x': '',
      big: '1234567',
      'store/x': '',
    });
    const config = { excludeCaches: true, excludeLargerThan: 5 };
    const { scan: plan } = await planFor([base], { config, neverSaved: [at('store')] });
    expect(explain(plan, at('c/d/x'))).toEqual({
      saved: false,
      reason: 'in a cache, as its CACHEDIR.TAG tells (exclude_caches)',
      at: at('c'),
    });
    expect(explain(plan, at('c'))).toMatchObject({ saved: true });
    expect(explain(plan, at('c/CACHEDIR.TAG'))).toMatchObject({
      saved: false,
      reason: expect.stringContaining('larger than 5'),
    });
    expect(explain(plan, at('big'))).toMatchObject({
      saved: false,
      reason: 'larger than 5 bytes (exclude_larger_than)',
    });
    expect(explain(plan, at('store/x'))).toMatchObject({ saved: false, at: at('store') });
    expect(explain(plan, fromDisplay('/proc/self'))).toMatchObject({ saved: false });
  });

  it('agrees with the scan, whatever the rules and roots', async () => {
    const names = ['a', 'b', 'c.o', 'CACHEDIR.TAG'];
    const tree: Record<string, string> = {};
    for (const one of names.slice(0, 3)) {
      for (const two of names.slice(0, 2)) for (const three of names.slice(0, 3)) tree[`r/${one}/${two}/${three}`] = '';
    }
    tree['r/b/CACHEDIR.TAG'] = 'Signature: 8a477f597d28d172789f06886806bc55';
    tree['r/a/a/large'] = 'x'.repeat(100);
    makeTree(base, tree);
    const all = [
      'r',
      ...Object.keys(tree),
      ...new Set(Object.keys(tree).flatMap((path) => [path.slice(0, 3), path.slice(0, 5)])),
    ].filter((path) => fs.existsSync(join(base, path)));
    const pattern = fc
      .tuple(
        fc.constantFrom('', '!'),
        fc.constantFrom('a', 'b', '*.o', 'a/b', '**/b', 'b/', '*', `${base}/r/a`, `${base}/r/*/b`, 'a/**'),
      )
      .map(([not, body]) => not + body);
    const patterns = fc.array(pattern, { maxLength: 3 });
    const roots = fc.array(fc.constantFrom('r', 'r/a', 'r/b/a', 'r/a/b/c.o', 'r/*/b'), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(
        patterns,
        patterns,
        patterns,
        roots,
        fc.boolean(),
        async (top, inner, config, some, excludeCaches) => {
          fs.writeFileSync(join(base, 'r/.backupninjaignore'), top.join('\n'));
          fs.writeFileSync(join(base, 'r/a/.backupninjaignore'), inner.join('\n'));
          const changes = { config: { exclude: config, excludeCaches, excludeLargerThan: 99 } };
          const plan = await planFor(
            some.map((root) => join(base, root)),
            changes,
          );
          const saved = new Set(pathsBelow(scan(plan.scan), base));
          for (const path of all) expect([path, explain(plan.scan, at(path)).saved]).toEqual([path, saved.has(path)]);
        },
      ),
      { numRuns: 100 },
    );
  });
});

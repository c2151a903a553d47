import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromDisplay } from '../../src/bytes.js';
import { codeOf, fileSystemTests } from './suite.js';

// Each test file has a process of its own, so this switch is for this file only.
process.env.BACKUP_NINJA_NO_FFI = '1';
const p = await import('../../src/platform/index.js');

describe.runIf(process.platform === 'linux')('without libc', () => {
  it('tells the user once what is lost', () => {
    expect(p.nativeAvailable()).toBe(false);
    expect(p.platformNotes()).toHaveLength(1);
    expect(p.platformNotes()[0]).toMatch(/koffi: switched off.*extended attributes.*microsecond/);
  });

  fileSystemTests(p, false);

  it('has no attributes, and says so when one is to be set', () => {
    const base = fs.mkdtempSync(path.join(os.tmpdir(), 'fallback-'));
    const dir = p.openDirectory(fromDisplay(base));
    fs.writeFileSync(`${base}/file`, '');
    expect(p.listXattrsAt(dir, 'file')).toEqual([]);
    expect(p.listXattrsFd(dir)).toEqual([]);
    expect(p.getXattrAt(dir, 'file', 'user.x')).toBeNull();
    expect(codeOf(() => p.setXattrAt(dir, 'file', 'user.x', Buffer.from('1')))).toBe('ENOTSUP');
    p.closeFd(dir);
    fs.rmSync(base, { recursive: true });
  });
});

import { expect, test } from 'vitest';
import { Machine } from './machine.js';

test.each([['snapshots'], ['info'], ['ls'], ['status'], ['find', 'x'], ['history', '/']])(
  '%s of a source that is not there is exit 2, which names those that are',
  async (...args) => {
    const machine = await Machine.make();
    await machine.json('backup');
    const { code, stderr } = await machine.run([...args, '--source', 'nope']);
    expect(code).toBe(2);
    expect(stderr).toContain('no source named nope; there is test');
  },
);

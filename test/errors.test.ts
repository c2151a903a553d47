import { expect, test } from 'vitest';
import { reasonOf } from '../src/errors.js';
import { SystemError } from '../src/platform/index.js';

test.each([
  [new SystemError(-13, 'open', '/x, y'), 'permission denied (EACCES)'],
  [new Error("ENOENT: no such file or directory, open '/nowhere'"), 'no such file or directory (ENOENT)'],
  ['EIO: i/o error, read', 'i/o error (EIO)'],
  ['its content is too large', 'its content is too large'],
])('%s is %j', (error, reason) => {
  expect(reasonOf(error)).toBe(reason);
});

import { expect, test } from 'vitest';
import { loadVerb, type VerbName, verbNames } from '../../src/cli/verbs.js';
import { ExitCode } from '../../src/errors.js';

test.each(verbNames)('%s is found where the command line looks for it', async (name) => {
  expect(await loadVerb(name)).toBeTypeOf('function');
});

test('a verb that this version lacks is told of in one line', async () => {
  await expect(loadVerb('nothing' as VerbName)).rejects.toMatchObject({ exit: ExitCode.failed });
});

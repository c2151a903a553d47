import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Machine } from './machine.js';

test('joining with the recovery key: it is what is asked for, and what an error names', async () => {
  const machine = await Machine.make();
  rmSync(machine.store, { recursive: true });
  rmSync(machine.tables, { recursive: true });
  const env = { BACKUP_NINJA_PASSPHRASE: 'secret' };
  const made = await machine.json('init', ['--passphrase'], 0, { env });
  rmSync(machine.key, { force: true });
  const unanswered = await machine.run(['init', '--recovery']);
  expect(unanswered.code).toBe(12);
  expect(unanswered.stderr).toContain('BACKUP_NINJA_RECOVERY_KEY');
  const wrong = await machine.run(['init', '--recovery'], { env: { BACKUP_NINJA_RECOVERY_KEY: 'nonsense' } });
  expect(wrong.code).toBe(12);
  const typed = await machine.run(['init', '--recovery'], { typed: [`${made.recovery_key?.replaceAll('\n', ' ')}\r`] });
  expect(typed.stderr).toContain('recovery key: ');
  expect(typed.code).toBe(0);
  // By the key file that this has made.
  expect((await machine.run(['init', '--recovery'])).code).toBe(0);
});

import { type Command, Option } from 'commander';
import type { KeySlot, Role } from '../../archive/types.js';
import { ExitCode, UserError } from '../../errors.js';
import { archivePath } from '../arguments.js';
import { collect, examples, yesOption } from '../options.js';
import type { Output } from '../output.js';
import { columns, shortId, shownTime } from '../print.js';
import type { Run } from '../registry.js';

interface AddFlags {
  role: Role;
  keyFile?: string;
  passphrase?: boolean;
  source?: string[];
}

export function define(command: Command, run: Run): void {
  defineList(command.command('list').description('list the keys that open the store'), run);
  defineAdd(command.command('add').description('add a key: a file or a passphrase, with a role'), run);
  defineRemove(command.command('remove').description('remove a key (asks)'), run);
  definePassphrase(command.command('change-passphrase').description('replace a passphrase by another'), run);
  defineRecovery(command.command('recovery').description('make and print a new recovery key'), run);
  examples(
    command,
    ['key list', 'the keys that open the store'],
    ['key add --role backup --key-file nas.key', 'a key that can add backups, but read nothing'],
  );
}

function defineList(command: Command, run: Run): void {
  command.action(() =>
    run(async (session) => {
      const list = await session.verb('keyList');
      await session.print(await list(await session.context(), {}), printSlots);
    }),
  );
  examples(command, ['key list', 'ids, kinds and roles; * marks the key in use']);
}

function defineAdd(command: Command, run: Run): void {
  command
    .addOption(
      new Option('--role <role>', 'what the key allows').choices(['full', 'backup', 'restore']).default('full'),
    )
    .option('--key-file <file>', 'a key file; made when missing')
    .option('--passphrase', 'a passphrase')
    .option('--source <name>', "what a backup key may write (repeatable; default: this machine's)", collect)
    .action((flags: AddFlags) =>
      run(async (session) => {
        if ((flags.keyFile === undefined) === (flags.passphrase === undefined))
          throw new UserError(
            ExitCode.usage,
            'a key is a file or a passphrase; give either --key-file FILE or --passphrase',
          );
        if (flags.source && flags.role !== 'backup')
          throw new UserError(
            ExitCode.usage,
            `--source is for --role backup only; a ${flags.role} key has no sources of its own`,
          );
        const add = await session.verb('keyAdd');
        const result = await add(await session.context(), {
          role: flags.role,
          secret:
            flags.keyFile === undefined
              ? { kind: 'passphrase' }
              : { kind: 'key-file', path: archivePath(flags.keyFile) },
          sources: flags.source ?? [],
        });
        await session.printSummary(result, (r, out) =>
          out.line(`added key ${shortId(r.id)} (${r.kind}, ${r.role})${r.key === undefined ? '' : `, in ${r.key}`}`),
        );
      }),
    );
  examples(
    command,
    ['key add --passphrase', 'a passphrase that opens everything'],
    ['key add --role backup --key-file nas.key --source nas', 'a key for another machine, which can only add'],
  );
}

function defineRemove(command: Command, run: Run): void {
  command.argument('<id>', 'the id of a key, or its beginning');
  yesOption(command).action((id: string, flags: { yes?: boolean }) =>
    run(async (session) => {
      const context = await session.context({ destructive: true, yes: flags.yes });
      const remove = await session.verb('keyRemove');
      await session.printSummary(await remove(context, { id }), (r, out) =>
        out.line(`removed key ${shortId(r.removed)}`),
      );
    }),
  );
  examples(command, ['key remove 3f9a2b7c', 'that key opens the store no longer (a copied master key still does)']);
}

function definePassphrase(command: Command, run: Run): void {
  command.action(() =>
    run(async (session) => {
      const change = await session.verb('keyChangePassphrase');
      await session.printSummary(await change(await session.context(), {}), (r, out) =>
        out.line(`passphrase changed: key ${shortId(r.added)} takes the place of ${shortId(r.removed)}`),
      );
    }),
  );
  examples(command, ['key change-passphrase', 'asks for the old and the new one (or BACKUP_NINJA_NEW_PASSPHRASE)']);
}

function defineRecovery(command: Command, run: Run): void {
  command.action(() =>
    run(async (session) => {
      const recovery = await session.verb('keyRecovery');
      await session.print(await recovery(await session.context(), {}), (r, out) => {
        if (!session.quiet) out.line(`recovery key ${shortId(r.id)}, shown this once; keep it away from this machine:`);
        out.line(r.recovery_key);
      });
    }),
  );
  examples(command, ['key recovery', 'a printable key that opens everything']);
}

function printSlots(slots: KeySlot[], out: Output): void {
  const head = ['  id', 'kind', 'role', 'made', 'sources'];
  const rows = slots.map((slot) => [
    `${slot.current ? '*' : ' '} ${shortId(slot.id)}`,
    slot.kind,
    slot.role,
    shownTime(slot.created ?? null),
    slot.sources?.join(', ') ?? 'all',
  ]);
  for (const line of columns([head, ...rows])) out.line(line);
}

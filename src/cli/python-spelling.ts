import { ExitCode, UserError } from '../errors.js';

/**
 * The Python tool's spelling, `-a backup -r`, as a command of ours. Anything else passes as it is.
 *
 * `-a NAME` counts where no command has been named before it; `-r` and `--hard_remove` beside it become
 * `--hard-remove` for a backup and mean nothing for other actions, as in the Python tool.
 * @throws UserError (usage) when `-a` has no name
 */
export function translatePythonSpelling(args: readonly string[]): string[] {
  // `--` and what follows it are paths.
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const renamed = args.map((arg, i) => (arg === '--hard_remove' && i < end ? '--hard-remove' : arg));
  const at = actionPosition(renamed);
  if (at < 0) return renamed;
  const { name, length } = actionName(renamed, at);
  if (!name || name.startsWith('-'))
    throw new UserError(ExitCode.usage, '--action names no command; give one, such as -a backup');
  const rest = [...renamed.slice(0, at), ...renamed.slice(at + length)];
  const hardRemove = (arg: string) => arg === '-r' || arg === '--hard-remove';
  const others = name === 'backup' ? rest : rest.filter((arg) => !hardRemove(arg));
  return [name, ...others];
}

/** Where `-a` or `--action` stands before any command; -1 if it does not. */
function actionPosition(args: string[]): number {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    if (/^(?:-a|--action(?:=|$))/.test(arg)) return i;
    if (arg === '--' || !arg.startsWith('-')) return -1;
    if (arg === '-c' || arg === '--config') i++;
  }
  return -1;
}

function actionName(args: string[], at: number): { name: string | undefined; length: number } {
  const arg = args[at];
  if (arg === '-a' || arg === '--action') return { name: args[at + 1], length: 2 };
  return { name: arg.startsWith('--') ? arg.slice('--action='.length) : arg.slice(2), length: 1 };
}

/** `permission denied (EACCES)` of `EACCES: permission denied, open '/x'`: the path is said elsewhere. */
export function reasonOf(error: unknown): string {
  const { message } = error as Error;
  const match = /^(E\w+): ([^,]+)/.exec(message);
  return match === null ? message : `${match[2]} (${match[1]})`;
}

/** Whether an error tells that nothing of that name is there. */
export function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

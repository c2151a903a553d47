import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Path of a built worker entry. Run from the TypeScript sources (tests), the workers of the build are used.
 * @param name of the file in workers/, without ending
 */
export function workerFile(name: string): string {
  const beside = fileURLToPath(new URL(`../../workers/${name}.cjs`, import.meta.url));
  return existsSync(beside) ? beside : fileURLToPath(new URL(`../../dist/workers/${name}.cjs`, import.meta.url));
}

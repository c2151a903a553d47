import { createRequire } from 'node:module';

/**
 * Loads a package when it is first needed, for what many runs do without: each takes some ten milliseconds, and a run
 * that finds nothing new takes a quarter of a second. It must be one whose code is CommonJS.
 */
export function lazily<T>(name: string): () => T {
  let loaded: T | undefined;
  return () => {
    loaded ??= createRequire(import.meta.url)(name) as T;
    return loaded;
  };
}

import type { ObjectStore } from '../../../src/store/index.js';

/** What a killed process leaves: nothing more happens after it. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** When the store of the next command dies. `left` counts writes and deletions down; undefined: never. */
export const faults: { left: number | undefined; before: boolean; done: number; dead: boolean } = {
  left: undefined,
  before: false,
  done: 0,
  dead: false,
};

/** Kills at the n-th write or deletion from now, before or after it has been done. */
export function killAt(n: number, when: 'before' | 'after'): void {
  faults.left = n;
  faults.before = when === 'before';
  faults.dead = false;
}

export function neverKill(): void {
  faults.left = undefined;
  faults.dead = false;
  faults.done = 0;
}

const WRITES = new Set(['put', 'putFile', 'delete']);
const ALWAYS = new Set(['close', 'url', 'kind', 'spoolDir']);

/** A store that dies as `faults` says; afterwards it does nothing but close. */
export function faulty(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (...given: unknown[]) => unknown;
      if (typeof property !== 'string' || ALWAYS.has(property)) return call;
      return async (...given: unknown[]) => {
        if (faults.dead) throw new Killed(`${property} after death`);
        if (!WRITES.has(property)) return call(...given);
        faults.done++;
        const isLast = faults.left !== undefined && --faults.left <= 0;
        if (isLast && faults.before) {
          faults.dead = true;
          throw new Killed(`before ${property} ${String(given[0])}`);
        }
        const result = await call(...given);
        if (isLast) {
          faults.dead = true;
          throw new Killed(`after ${property} ${String(given[0])}`);
        }
        return result;
      };
    },
  });
}

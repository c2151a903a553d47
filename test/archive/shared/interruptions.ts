// Not from the module's index: tests put what is here in the place of what that exports.
import { StoreError } from '../../../src/store/errors.js';
import type { ObjectStore } from '../../../src/store/index.js';

/** What a killed process leaves: nothing more happens after it. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

interface Interruption {
  when: 'before' | 'after';
  operation: 'put' | 'list' | 'delete';
  /** How the path, or the folder, begins. */
  path: string;
  work(): Promise<unknown>;
}

const state: { next: Interruption[]; left: number | undefined; dead: boolean; denied: boolean } = {
  next: [],
  left: undefined,
  dead: false,
  denied: false,
};

/** Does `work` once, before or after the first such request to a store; several wait for each other. */
export function interrupt(
  when: Interruption['when'],
  operation: Interruption['operation'],
  path: string,
  work: Interruption['work'],
): void {
  state.next.push({ when, operation, path, work });
}

/** How many interruptions are still to come. */
export function interruptionsLeft(): number {
  return state.next.length;
}

/** The process that uses a store dies right after its n-th put or deletion from now. */
function killAfter(n: number): void {
  state.left = n;
  state.dead = false;
}

/** Runs a command that dies after its n-th write; false if it came to its end before. */
export async function dies(n: number, run: () => Promise<unknown>): Promise<boolean> {
  killAfter(n);
  await run();
  const died = state.dead;
  calm();
  return died;
}

/** Nothing may be deleted, as with credentials that only add. */
export function denyDeleting(denied: boolean): void {
  state.denied = denied;
}

/** Everything works again. */
export function calm(): void {
  state.next.splice(0);
  state.left = undefined;
  state.dead = false;
  state.denied = false;
}

/** A store that is interrupted, and dies, as was asked for. */
export function interrupted(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function' || typeof property !== 'string') return value;
      const call = value.bind(target) as (...given: unknown[]) => unknown;
      const operation = property === 'putFile' ? 'put' : property;
      if (operation === 'close') return call;
      if (operation !== 'put' && operation !== 'list' && operation !== 'delete')
        return (...given: unknown[]) => {
          if (state.dead) throw new Killed(`${property} after death`);
          return call(...given);
        };
      return async (...given: unknown[]) => {
        if (state.dead) throw new Killed(`${property} after death`);
        const path = String(given[0]);
        await meet('before', operation, path);
        if (operation === 'delete' && state.denied) throw new StoreError('denied', `may not delete ${path}`, path);
        const result = await call(...given);
        if (operation !== 'list' && state.left !== undefined && --state.left <= 0) {
          state.dead = true;
          throw new Killed(`after ${property} ${path}`);
        }
        await meet('after', operation, path);
        return result;
      };
    },
  });
}

async function meet(when: Interruption['when'], operation: string, path: string): Promise<void> {
  const [first] = state.next;
  if (first === undefined || first.when !== when || first.operation !== operation || !path.startsWith(first.path))
    return;
  state.next.shift();
  // What others do meanwhile neither meets the next interruption nor dies.
  const { next, left } = state;
  state.next = [];
  state.left = undefined;
  await first.work();
  state.next = next;
  state.left = left;
}

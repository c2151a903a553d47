import type { ObjectStore } from '../store/index.js';

/** A store that counts the bytes read from it, and the objects they came from. */
export function countReads(store: ObjectStore): {
  store: ObjectStore;
  counted: { bytes: number; paths: Set<string> };
} {
  const counted = { bytes: 0, paths: new Set<string>() };
  const counting = new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      if (property !== 'read' && property !== 'readRange') return value.bind(target);
      return async (path: string, ...rest: number[]) => {
        const bytes = (await value.call(target, path, ...rest)) as Uint8Array;
        counted.bytes += bytes.length;
        counted.paths.add(path);
        return bytes;
      };
    },
  });
  return { store: counting, counted };
}

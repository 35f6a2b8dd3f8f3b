import type { KeyValue } from './types.js';

/** A storage that never throws: what it refuses (denied, full) is kept in memory. */
export interface Store {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
  /** Keys that begin with `prefix`, in order. */
  keys(prefix: string): string[];
}

export const makeStore = (given?: KeyValue): Store => {
  const memory = new Map<string, string>();
  // Even to name `localStorage` throws where the browser denies it.
  const attempt = <T>(call: (storage: KeyValue) => T): T | undefined => {
    try {
      return call(given || localStorage);
    } catch {
      return undefined;
    }
  };
  return {
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(key)) ?? null,
    set: (key, value) => {
      memory.set(key, value);
      attempt((storage) => {
        storage.setItem(key, value);
        memory.delete(key);
      });
    },
    remove: (key) => {
      memory.delete(key);
      attempt((storage) => storage.removeItem(key));
    },
    keys: (prefix) => {
      const found = new Set(memory.keys());
      attempt((storage) => {
        for (let at = storage.length!; at--; ) found.add(storage.key!(at)!);
      });
      return [...found].filter((key) => key.startsWith(prefix)).sort();
    },
  };
};

// As much of a browser as the SDK touches, and a collector that answers what it is told to.
import { mock } from 'node:test';
import { fileURLToPath } from 'node:url';

export const OURS = fileURLToPath(new URL('../../dist/xo.activity.mjs', import.meta.url));
export const KEY = '6e1b1f5c-3f0a-4d59-9a51-0c6f6f5b9d11';
export const GATHER = 1000;
export const NOW = '2026-11-26T08:00:00.000Z';

/** Web Storage, with what it may refuse. */
export const makeStorage = (refuse = () => false) => {
  const kept = new Map();
  const guard = (call) => (key, value) => {
    if (refuse(key)) throw new Error('denied');
    return call(key, value);
  };
  return {
    kept,
    getItem: guard((key) => kept.get(key) ?? null),
    setItem: guard((key, value) => void kept.set(key, String(value))),
    removeItem: guard((key) => void kept.delete(key)),
    key: (index) => [...kept.keys()][index] ?? null,
    get length() {
      return kept.size;
    },
  };
};

let loads = 0;

/**
 * Loads the SDK as a new page of the same browser does.
 * `answer(request)` is what the collector says: `{status, body, headers}`, or an error that is thrown.
 */
export const load = async ({
  path = OURS,
  storage = makeStorage(),
  navigator = {},
  answer = () => ({}),
  globals = {},
  now = NOW,
} = {}) => {
  // The timers of the page before are gone with it.
  mock.timers.reset();
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse(now) });
  const listeners = {};
  const requests = [];
  const define = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  define('window', globalThis);
  define('localStorage', storage);
  define('navigator', navigator);
  define('document', { hidden: false });
  define('location', new URL('https://shop.example/'));
  define('addEventListener', (type, listener) => (listeners[type] ??= []).push(listener));
  define('_attraqt', undefined);
  define('fetch', async (url, init) => {
    const request = { url, ...init, activities: JSON.parse(init.body) };
    requests.push(request);
    const { status = 200, body = '{"profiles":{}}', headers = {} } = await answer(request, requests.length);
    return { status, headers: new Headers(headers), text: async () => body };
  });
  for (const name in globals) define(name, globals[name]);
  const { activity } = await import(`${path}?${++loads}`);
  return {
    activity,
    storage,
    requests,
    /** All that reached the collector, in order. */
    sent: () => requests.flatMap((request) => request.activities),
    /** The keys of activities that wait in the storage. */
    queued: () => [...storage.kept.keys()].filter((key) => key.startsWith('attraqtqueue.')),
    fire: (type) => listeners[type]?.forEach((listener) => listener({ type })),
    /** Lets timers and promises of this many milliseconds run. */
    pass: async (milliseconds = GATHER) => {
      await turn();
      mock.timers.tick(milliseconds);
      await turn();
    },
  };
};

const turn = async () => {
  for (let at = 0; at < 20; at++) await new Promise((done) => setImmediate(done));
};

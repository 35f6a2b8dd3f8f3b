import { activity, init } from './index.js';

type Global = { activity?: typeof activity; init?: typeof init };

const page = globalThis as unknown as Partial<Record<string, Global>>;

// A page may load the script twice, by itself and by a tag manager: the first one stays.
const present = page.xo?.activity;
if (present) {
  present.handleQueuedEvents();
} else {
  for (const name of ['xo', 'attraqt']) page[name] = { init, ...page[name], activity };
  activity.handleQueuedEvents();
}

import type { Activity, Answer, Options, Reason, SendOptions, User } from './types.js';
import { isSimple, isText, need, needActivity, needUser } from './check.js';
import { arrivedWith, decorate } from './link.js';
import { makeQueue, notSent, type Queue } from './queue.js';
import { makeStore, type Store } from './store.js';

/** Keys of the storage. The first two are the original's: its visitors keep their sessions. */
const SESSION = 'attraqtsessionid';
const OPT_OUT = 'attraqtoptout';
const QUEUE = 'attraqtqueue.';

/** The namespace of the session, as the original spells it when it sends. */
const SESSION_NAMESPACE = 'sessionid';
/** The namespace that two sessions meet in when a link leads from one domain of the shop to another. */
const LINK_NAMESPACE = 'linkid';

/** A call that the page made before the SDK was there. */
type Call = [method: string, ...args: unknown[]];

/** The user as it is sent: all parts are there. */
type Whole = Required<User>;

const newId = (): string =>
  `${1e7}-1000-4000-8000-${1e11}`.replace(/[018]/g, (digit) =>
    (+digit ^ (crypto.getRandomValues(new Uint8Array(1))[0]! & (15 >> (+digit / 4)))).toString(16),
  );

const nobody = (): Whole => ({ identities: {}, segments: [], traits: {} });

let user = nobody();
let store: Store;
let queue: Queue;
let link: string | undefined;

const refusal = (): Reason | undefined => {
  const browser = globalThis.navigator as (Navigator & { globalPrivacyControl?: boolean }) | undefined;
  // Read each time: another tab may have written it.
  if (activity.hasOptedOut) return 'opted-out';
  if (browser?.globalPrivacyControl) return 'global-privacy-control';
  return browser?.doNotTrack === '1' ? 'do-not-track' : undefined;
};

const needInit = (): void => need('init', queue);

const needPart = (part: object): void => {
  needInit();
  needUser({ identities: {}, ...part });
};

/** The user has a session from here on; it is stored where the visitor does not object. */
const keepSession = (): void => {
  const { identities } = user;
  identities[SESSION_NAMESPACE] ||= store.get(SESSION) || newId();
  if (!refusal()) store.set(SESSION, identities[SESSION_NAMESPACE]);
};

const listen = (): void => {
  // Also as a page comes back, which does no harm.
  const leave = (): void => queue.flush(true);
  addEventListener('visibilitychange', leave);
  addEventListener('pagehide', leave);
  addEventListener('online', () => queue.flush());
};

/** The user as one who followed a link. */
const linked = (id: string): User => ({ ...user, identities: { ...user.identities, [LINK_NAMESPACE]: id } });

/** Hands over one valid activity. */
const enqueue = (given: Activity): Promise<Answer> => {
  const id = given.id || newId();
  const timestamp = given.timestamp || new Date().toISOString();
  const own = given.user || (link ? linked(link) : user);
  if (!given.user) link = undefined;
  return queue.add(id, JSON.stringify({ ...given, id, timestamp, user: own }));
};

/** Tells the collector of a link to another domain of the shop; the ID to put on it. */
const follow = (): string | undefined => {
  const id = newId();
  if (refusal()) return undefined;
  enqueue({ action: 'link', target: {}, user: linked(id) });
  return id;
};

const run = (call: Call): void => {
  try {
    const [method, ...args] = call;
    (activity as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!(...args);
  } catch (error) {
    console.error(error); // The next entries are none the worse for it.
  }
};

export const activity = {
  get isInitialized(): boolean {
    return !!queue;
  },

  /** Who acts, as it will be sent. */
  get user(): User {
    return user;
  },

  get hasOptedOut(): boolean {
    return store?.get(OPT_OUT) === 'true';
  },

  /** Gives the visitor a session, and sends what earlier pages could not. */
  init({ trackerKey, endpoint, region, storage, links }: Options): void {
    need('trackerKey', trackerKey);
    const where = (region || 'eu').toLowerCase();
    const hosted = `http${where === 'dev' ? '' : 's'}://collect-${where}.attraqt.io`;
    store = makeStore(storage);
    // A storage that cannot be listed cannot hold a queue.
    const queueStore = storage && !storage.key ? makeStore({} as typeof storage) : store;
    if (!queue && 'addEventListener' in globalThis) {
      listen();
      if (links) {
        link = arrivedWith();
        decorate(links, follow);
      }
    }
    const url = (endpoint?.replace(/\/+$/, '') || hosted) + '/' + trackerKey;
    queue = makeQueue(url, queueStore, QUEUE + trackerKey + '.', refusal);
    keepSession();
  },

  /** Adds one identity, or replaces the one of its namespace. A session ID replaces the generated one. */
  addUserIdentity(namespace: string, value: string): void {
    need('namespace', isText(namespace));
    activity.setUserIdentities({ ...user.identities, [namespace.toLowerCase()]: value });
  },

  /** Replaces all identities; the session stays unless a session ID is among them. */
  setUserIdentities(identities: User['identities']): void {
    needPart({ identities });
    need('identities', Object.keys(identities)[0]);
    user.identities = {};
    // One namespace, one value: the last spelling of it stays.
    const spelled: Record<string, string> = {};
    for (const namespace in identities) {
      const lower = namespace.toLowerCase();
      delete user.identities[spelled[lower]!];
      spelled[lower] = lower === SESSION_NAMESPACE ? lower : namespace;
      user.identities[spelled[lower]!] = identities[namespace]!;
    }
    keepSession();
  },

  addUserSegment(segment: string): void {
    activity.setUserSegments([...user.segments, segment]);
  },

  setUserSegments(segments: string[]): void {
    needPart({ segments: segments || 0 }); // Only of a whole user may it be left out.
    user.segments = [...segments];
  },

  addUserTrait(trait: string, value: string | number | boolean): void {
    need('trait', isSimple(value));
    activity.setUserTraits({ ...user.traits, [trait]: value });
  },

  setUserTraits(traits: Record<string, unknown>): void {
    needPart({ traits: traits || 0 });
    user.traits = { ...traits };
  },

  /** Replaces everything that is known of the user. */
  setUser(whole: User): void {
    needUser(whole);
    activity.setUserIdentities(whole.identities);
    activity.setUserSegments(whole.segments || []);
    activity.setUserTraits(whole.traits || {});
  },

  /** Forgets the user, as at a log-out, and begins a new session. */
  clearUser(): void {
    needInit();
    user = nobody();
    store.remove(SESSION);
    keepSession();
  },

  /** Nothing is sent or kept any more, in all tabs, and what has waited is forgotten. */
  optOut(): void {
    needInit();
    store.set(OPT_OUT, 'true');
    queue.flush();
  },

  optIn(): void {
    needInit();
    store.remove(OPT_OUT);
    keepSession();
  },

  /**
   * Sends one activity or several. The promise resolves when the collector has taken or refused them, which may be
   * long after for a visitor who is offline, or at once where nothing may be sent: `reason` says why.
   */
  send(given: Activity | Activity[], options?: SendOptions): Promise<Answer> {
    needInit();
    const activities = [given].flat() as Activity[];
    activities.forEach(needActivity);
    const reason = refusal();
    const answers = reason ? [notSent(reason)] : activities.map(enqueue);
    const timeout = options?.timeout;
    return Promise.race([
      Promise.all(answers).then((all) => all.find(({ status }) => status !== 200) || all[0] || notSent('empty')),
      new Promise<never>((_, reject) => timeout && setTimeout(reject, timeout, Error('timeout'))),
    ]);
  },

  /** Runs the calls that the page made before the SDK was there; from then on they run at once. */
  handleQueuedEvents(): void {
    const page = globalThis as { _attraqt?: Call[] };
    const calls = page._attraqt || [];
    const live: Call[] = (page._attraqt = []);
    live.push = (...more) => more.forEach(run) as unknown as number;
    calls.forEach(run);
  },
};

import type { Answer, Reason } from './types.js';
import type { Store } from './store.js';

/** Milliseconds that an activity waits for others, so that one request carries them. */
const GATHER = 1000;
/** Activities that wait for no others. */
const FULL = 10;
/** UTF-8 bytes of a request. Browsers let 64 KiB of all requests together outlive a page; two may be under way. */
const MAX_REQUEST = 30_000;
/**
 * Characters of unsent activities that are kept, about 500 of them; the oldest go first. Browsers let the whole shop
 * store 5 million.
 */
const MAX_QUEUED = 250_000;
/** Milliseconds before the first retry, less up to half of them at random; each next one waits twice as long. */
const RETRY = 1000;
/** The longest wait, also where the collector asks for more. A new page, or a connection that is back, ends it. */
const MAX_WAIT = 600_000;
/** Milliseconds after which a request without an answer counts as failed. */
const PATIENCE = 30_000;

export interface Queue {
  add(id: string, json: string): Promise<Answer>;
  /** Sends what has waited. `leaving`: the page may be gone in a moment. */
  flush(leaving?: boolean): void;
}

export const notSent = (reason: Reason): Answer => ({ status: 0, body: '', reason });

/**
 * Sends what it is given, at least once, each time as the same bytes, so that the collector can tell a repetition by
 * its `id`. Each activity is stored under a key of its own: tabs share the queue, and none overwrites what another adds.
 */
export const makeQueue = (
  url: string,
  store: Store,
  prefix: string,
  refusal: () => Reason | undefined,
): Queue => {
  const waiting = new Map<string, (answer: Answer) => void>();
  const flying = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let latest = 0;
  let busy = false;

  const queued = () => store.keys(prefix);

  const settle = (keys: string[], answer: Answer): void => {
    for (const key of keys) {
      store.remove(key);
      waiting.get(key)?.(answer);
      waiting.delete(key);
    }
  };

  const schedule = (delay: number): void => {
    clearTimeout(timer);
    timer = setTimeout(flush, delay);
  };

  /** Sends one request; whether there is more to send at once. */
  const deliver = async (leaving: boolean): Promise<boolean> => {
    const keys: string[] = [];
    let body = '';
    let size = 1;
    for (const key of queued()) {
      const json = flying.has(key) ? null : store.get(key);
      if (!json) continue;
      const more = new Blob([json]).size + 1;
      if (keys.length && size + more > MAX_REQUEST) break;
      keys.push(key);
      body += (body && ',') + json;
      size += more;
    }
    if (!keys.length) return false;
    keys.forEach(flying.add, flying);
    let wait = 0;
    try {
      body = '[' + body + ']';
      const response = await fetch(url, {
        method: 'POST',
        body,
        keepalive: size <= MAX_REQUEST,
        referrerPolicy: 'no-referrer',
        // As the page leaves, no header that the browser would first have to ask the collector about.
        ...(!leaving && {
          headers: { 'Content-Type': 'application/json', 'X-SDK': '1' },
          signal: AbortSignal.timeout?.(PATIENCE),
        }),
      });
      const { status, headers } = response;
      if (status < 500 && status !== 408 && status !== 429) {
        failures = 0;
        settle(keys, { status, body: await response.text().catch(() => '') });
        return !leaving;
      }
      wait = +headers.get('Retry-After')! * 1000 || 0;
    } catch {
      // Offline, cut off or refused: the same as an overloaded collector.
    } finally {
      for (const key of keys) flying.delete(key);
    }
    const pause = RETRY * 2 ** failures++ * (1 - Math.random() / 2);
    schedule(Math.min(MAX_WAIT, Math.max(wait, pause)));
    return false;
  };

  const deliverAll = async (): Promise<void> => {
    while (!refuse() && (await deliver(false)));
    for (const key of waiting.keys()) {
      if (!flying.has(key) && store.get(key) === null) settle([key], notSent('other-tab'));
    }
  };

  /** Forgets the queue of a visitor who wants nothing sent. */
  const refuse = (): boolean => {
    const reason = refusal();
    if (reason) settle(queued(), notSent(reason));
    return !!reason;
  };

  const flush = async (leaving?: boolean): Promise<unknown> => {
    if (leaving) return refuse() || deliver(true);
    timer = clearTimeout(timer) as undefined;
    if (refuse()) return;
    if (busy) return schedule(GATHER);
    busy = true;
    // One tab at a time, where the browser can tell them apart; where it cannot, the collector counts each `id` once.
    const locks = globalThis.navigator?.locks;
    await (locks ? locks.request(prefix, deliverAll).catch(deliverAll) : deliverAll());
    busy = false;
  };

  // What an earlier page could not send. Its last request may still be under way: it gets a moment.
  if (queued().length) schedule(GATHER);

  return {
    add: (id, json) => {
      latest = Math.max(Date.now(), latest + 1);
      const key = prefix + latest + '.' + id;
      store.set(key, json);
      const all = queued();
      let characters = 0;
      for (const one of all.reverse()) {
        characters += store.get(one)?.length || 0;
        // The newest always stays.
        if (one !== key && characters > MAX_QUEUED) settle([one], notSent('queue-full'));
      }
      const answer = new Promise<Answer>((resolve) => waiting.set(key, resolve));
      const leaving = globalThis.document?.hidden;
      if (!timer) schedule(GATHER);
      if (!failures && (leaving || all.length >= FULL)) flush(leaving);
      return answer;
    },
    flush,
  };
};

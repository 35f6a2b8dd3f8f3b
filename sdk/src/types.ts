/** A value of a trait or of metadata: a list may hold anything that JSON can. */
export type Value = string | number | boolean | unknown[];

/** Who acts. Namespaces of identities are read without regard to case. */
export interface User {
  identities: Record<string, string>;
  segments?: string[];
  traits?: Record<string, unknown>;
}

/** What was done. */
export interface Activity {
  action: string;
  target: Record<string, string>;
  opposite?: boolean;
  sourceId?: string;
  metadata?: Record<string, Value>;
  segments?: string[];
  /** RFC 3339. The moment of the call unless given. */
  timestamp?: string;
  /** Activities with the same time, identities and `id` are one. A new UUID unless given. */
  id?: string;
  /** Takes the place of the user that the other calls describe, as a whole. */
  user?: User;
}

/**
 * Why an activity was not sent, or is not known to have been:
 *
 * - `opted-out`, `do-not-track`, `global-privacy-control`: the visitor does not want it. Nothing was kept.
 * - `queue-full`: the collector could not be reached for so long that newer activities took its place.
 * - `other-tab`: another tab of the shop sent it; that tab knows what the collector answered.
 * - `empty`: there was no activity in the call.
 */
export type Reason =
  | 'opted-out'
  | 'do-not-track'
  | 'global-privacy-control'
  | 'queue-full'
  | 'other-tab'
  | 'empty';

/** What the collector answered, or the reason why it was not asked (with the status 0). */
export interface Answer {
  status: number;
  body: string;
  reason?: Reason;
}

/**
 * Where the session ID, the opt-out and unsent activities are kept. With the first three methods alone, unsent
 * activities are kept in memory, since a storage that cannot be listed cannot hold a queue.
 */
export interface KeyValue {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  readonly length?: number;
  key?(index: number): string | null;
}

export interface Options {
  /** The key that the collector knows the shop by. */
  trackerKey: string;
  /** `https://collect.shop.example`: the collector. */
  endpoint?: string;
  /** Of the hosted collector, where no endpoint is given: `dev`, `eu` (the default), `ap1`, `ap2`. */
  region?: string;
  /** `window.localStorage` unless given. */
  storage?: KeyValue;
  /** Other domains of the shop (subdomains included): links to them carry the session over. */
  links?: string[];
}

export interface SendOptions {
  /** Milliseconds after which the promise is rejected; the activity is still sent. */
  timeout?: number;
}

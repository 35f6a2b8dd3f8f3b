// The SDKs of others, as they are published, against the collector: `BACKSTITCH` names a binary that was built with the feature `serve`.
import test from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { KEY, startServe } from '../serve.mjs';

const missing = [
  !process.env.BACKSTITCH && 'BACKSTITCH does not name a binary with the feature `serve`',
  !existsSync(new URL('node_modules', import.meta.url)) && '`npm ci` was not run in test/vendors',
].filter(Boolean);
const skip = missing.length > 0 && missing.join(', and ');
if (skip) console.error(`SKIPPED: the SDKs of others: ${skip}`);

/** A collector as long as `use` runs. */
const serving = async (use) => {
  const serve = await startServe();
  try {
    await use(serve);
  } finally {
    await serve.stop();
  }
};

/** A page as far as the SDKs for browsers look at one. */
const page = async () => {
  const { JSDOM } = await import('jsdom');
  return new JSDOM('<!doctype html><title>Shop</title>', { url: 'https://shop.example/shoes' }).window;
};

const one = (lines, action) => {
  const found = lines.filter((line) => line.action === action);
  assert.equal(found.length, 1, `${action} in ${JSON.stringify(lines)}`);
  return found[0];
};

test('Segment for Node: each call', { skip }, () =>
  serving(async (serve) => {
    const { Analytics } = await import('@segment/analytics-node');
    const analytics = new Analytics({ writeKey: KEY, host: serve.endpoint, flushAt: 20 });
    const failed = [];
    analytics.on('error', (error) => failed.push(error));
    analytics.page({ anonymousId: 'a-1', name: 'Shoes' });
    analytics.identify({ anonymousId: 'a-1', userId: 'anna', traits: { age: 45 } });
    analytics.track({ userId: 'anna', event: 'Order Completed', properties: { total: 9 } });
    analytics.screen({ anonymousId: 'a-2', name: 'Home' });
    analytics.group({ anonymousId: 'a-2', groupId: 'g' });
    analytics.alias({ previousId: 'a-2', userId: 'anna' });
    await analytics.closeAndFlush();
    assert.deepEqual(failed, []);
    const lines = await serve.lines(6);
    const ordered = one(lines, 'Order Completed');
    assert.deepEqual(ordered.user.identities, { ecommerceId: 'anna' });
    assert.equal(ordered.id, ordered.segment.messageId);
    assert.deepEqual(one(lines, 'identify').user.traits, { age: 45 });
    for (const session of ['a-1', 'a-2']) {
      assert.equal((await serve.resolve('sessionId', session)).person, 'ecommerceId:anna', session);
    }
    assert.equal((await serve.eventsOf('ecommerceId', 'anna')).total, 6);
  }));

test('Segment for the browser: settings from here, then t, i and p', { skip }, () =>
  serving(async (serve) => {
    const window = await page();
    const before = {};
    for (const name of ['window', 'document', 'navigator', 'location', 'localStorage', 'sessionStorage']) {
      before[name] = Object.getOwnPropertyDescriptor(globalThis, name);
      Object.defineProperty(globalThis, name, { value: name === 'window' ? window : window[name], configurable: true });
    }
    window.fetch = globalThis.fetch;
    try {
      const { AnalyticsBrowser } = await import('@segment/analytics-next');
      const [analytics] = await AnalyticsBrowser.load({ writeKey: KEY, cdnURL: serve.endpoint });
      await analytics.page('Shoes');
      await analytics.identify('anna', { age: 45 });
      await analytics.track('Bought');
      const lines = await serve.lines(3);
      const session = one(lines, 'page').user.identities.sessionId;
      assert.deepEqual(one(lines, 'Bought').user.identities, { sessionId: session, ecommerceId: 'anna' });
      assert.equal((await serve.resolve('sessionId', session)).person, 'ecommerceId:anna');
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value) Object.defineProperty(globalThis, name, value);
        else delete globalThis[name];
      }
      window.close();
    }
  }));

test('RudderStack for Node', { skip }, () =>
  serving(async (serve) => {
    const { default: Rudder } = await import('@rudderstack/rudder-sdk-node');
    const client = new Rudder(KEY, { dataPlaneUrl: serve.endpoint, gzip: true });
    client.track({ anonymousId: 'r-1', event: 'Viewed' });
    client.identify({ anonymousId: 'r-1', userId: 'rita', traits: { plan: 'pro' } });
    await new Promise((done) => client.flush(done));
    const lines = await serve.lines(2);
    assert.equal(one(lines, 'Viewed').user.identities.sessionId, 'r-1');
    assert.equal((await serve.resolve('sessionId', 'r-1')).person, 'ecommerceId:rita');
  }));

test('RudderStack for the browser: its configuration from here, then batches or single calls', { skip }, () =>
  serving(async (serve) => {
    const window = await page();
    const before = {};
    const names = ['window', 'document', 'navigator', 'location', 'localStorage', 'sessionStorage', 'XMLHttpRequest', 'screen', 'self'];
    const calls = ['addEventListener', 'removeEventListener', 'dispatchEvent'];
    for (const name of [...names, ...calls, 'Element', 'Event', 'CustomEvent', 'HTMLElement', 'ErrorEvent']) {
      before[name] = Object.getOwnPropertyDescriptor(globalThis, name);
      const of = name === 'window' || name === 'self' ? window : window[name];
      const value = calls.includes(name) ? of.bind(window) : of;
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    try {
      const { RudderAnalytics } = await import('@rudderstack/analytics-js/bundled');
      const analytics = new RudderAnalytics();
      analytics.load(KEY, serve.endpoint, { configUrl: serve.endpoint, logLevel: 'NONE', polyfillIfRequired: false });
      analytics.page('Shoes');
      analytics.identify('rosa', { plan: 'pro' });
      analytics.track('Viewed');
      const lines = await serve.lines(3);
      const session = one(lines, 'page').user.identities.sessionId;
      assert.deepEqual(one(lines, 'Viewed').user.identities, { sessionId: session, ecommerceId: 'rosa' });
      assert.equal((await serve.resolve('sessionId', session)).person, 'ecommerceId:rosa');
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value) Object.defineProperty(globalThis, name, value);
        else delete globalThis[name];
      }
      window.close();
    }
  }));

test('Jitsu', { skip }, () =>
  serving(async (serve) => {
    const { jitsuAnalytics } = await import('@jitsu/js');
    const jitsu = jitsuAnalytics({ host: serve.endpoint, writeKey: `${KEY}:secret`, fetch: globalThis.fetch });
    await jitsu.identify('jo', { age: 30 });
    await jitsu.track('Viewed', { product: 'p' });
    const lines = await serve.lines(2);
    assert.equal(one(lines, 'Viewed').user.identities.ecommerceId, 'jo');
    assert.equal((await serve.resolve('ecommerceId', 'jo')).kind, 'customer');
  }));

test('Snowplow for Node', { skip }, () =>
  serving(async (serve) => {
    const { newTracker, buildPageView, buildStructEvent } = await import('@snowplow/node-tracker');
    const { hostname, port } = new URL(serve.endpoint);
    const answers = [];
    const tracker = newTracker(
      { namespace: 'shop', appId: KEY, encodeBase64: false },
      { endpoint: hostname, protocol: 'http', port: +port, bufferSize: 1, onRequestFailure: (failed) => answers.push(failed) },
    );
    tracker.setDomainUserId('browser-1');
    tracker.setSessionId('visit-1');
    tracker.track(buildPageView({ pageUrl: 'https://shop.example/' }));
    tracker.setUserId('sam');
    tracker.track(buildStructEvent({ category: 'shop', action: 'buy' }));
    const lines = await serve.lines(2);
    assert.deepEqual(answers, []);
    const viewed = one(lines, 'pv');
    assert.deepEqual(viewed.user.identities, { sessionId: 'visit-1', domainUserId: 'browser-1' });
    assert.equal(viewed.id, viewed.snowplow.eid);
    assert.equal((await serve.resolve('sessionId', 'visit-1')).person, 'ecommerceId:sam');
    assert.equal((await serve.eventsOf('ecommerceId', 'sam')).total, 2);
  }));

test('Snowplow by GET', { skip }, () =>
  serving(async (serve) => {
    const { newTracker, buildPageView } = await import('@snowplow/node-tracker');
    const { hostname, port } = new URL(serve.endpoint);
    const failed = [];
    const tracker = newTracker(
      { namespace: 'shop', appId: KEY },
      { endpoint: hostname, protocol: 'http', port: +port, eventMethod: 'get', bufferSize: 1, onRequestFailure: (one) => failed.push(one) },
    );
    tracker.setSessionId('visit-2');
    tracker.setUserId('sven');
    tracker.track(buildPageView({ pageUrl: 'https://shop.example/?a=b&c=ü' }));
    const [viewed] = await serve.lines(1);
    assert.deepEqual(failed, []);
    assert.equal(viewed.snowplow.url, 'https://shop.example/?a=b&c=ü');
    assert.equal(viewed.id, viewed.snowplow.eid);
    assert.equal((await serve.resolve('sessionId', 'visit-2')).person, 'ecommerceId:sven');
  }));

test('Snowplow for the browser', { skip }, () =>
  serving(async (serve) => {
    const window = await page();
    const before = {};
    for (const name of ['window', 'document', 'navigator', 'location', 'localStorage', 'XMLHttpRequest', 'screen', 'self']) {
      before[name] = Object.getOwnPropertyDescriptor(globalThis, name);
      const value = name === 'window' || name === 'self' ? window : window[name];
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    try {
      const { newTracker, trackPageView, setUserId } = await import('@snowplow/browser-tracker');
      newTracker('shop', serve.endpoint, { appId: KEY, customFetch: globalThis.fetch });
      trackPageView();
      setUserId('sue');
      trackPageView();
      const lines = await serve.lines(2);
      const [first, second] = lines.map((line) => line.user.identities);
      assert.ok(first.sessionId && first.domainUserId, JSON.stringify(first));
      assert.deepEqual(second, { ...first, ecommerceId: 'sue' });
      assert.equal((await serve.resolve('sessionId', first.sessionId)).person, 'ecommerceId:sue');
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value) Object.defineProperty(globalThis, name, value);
        else delete globalThis[name];
      }
      window.close();
    }
  }));

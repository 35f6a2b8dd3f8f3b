// What each call means. "Same" is held against the vendor's own package, version 1.7.1; "better" against ours alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { originalModule } from '../original.mjs';
import { KEY, load, makeStorage, OURS } from './page.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const VIEW = { action: 'view', target: { product: '123' } };
const ORIGINAL = await originalModule();

/** A page on which the SDK runs; the endpoint is the original's. */
const begin = async (options = {}) => {
  const page = await load(options);
  page.activity.init({ trackerKey: KEY });
  return page;
};

/** The only activity that is sent when `VIEW` is. */
const view = async (page, activity = VIEW) => {
  const before = page.sent().length;
  page.activity.send(activity);
  await page.pass();
  assert.equal(page.sent().length, before + 1);
  return page.sent().at(-1);
};

const same = (name, run) => {
  for (const [whose, path] of [['ours', OURS], ['the original', ORIGINAL]]) {
    test(`same: ${name} (${whose})`, () => run((options) => begin({ ...options, path }), path));
  }
};
const better = (name, run) => test(`better: ${name}`, () => run(begin));

same('nothing works before init, and init needs a key', async (_, path) => {
  const { activity } = await load({ path });
  const calls = [
    () => activity.addUserIdentity('a', 'b'),
    () => activity.setUserIdentities({ a: 'b' }),
    () => activity.addUserSegment('a'),
    () => activity.setUserSegments(['a']),
    () => activity.addUserTrait('a', 'b'),
    () => activity.setUserTraits({ a: 'b' }),
    () => activity.setUser({ identities: { a: 'b' }, segments: [] }),
    () => activity.clearUser(),
    () => activity.optOut(),
    () => activity.optIn(),
    () => activity.send(VIEW),
    () => activity.init({}),
  ];
  for (const call of calls) assert.throws(call, Error, String(call));
});

same('a session ID is made, stored, attached, and the same on the next page', async (begin) => {
  const first = await begin();
  const session = first.storage.getItem('attraqtsessionid');
  assert.match(session, UUID);
  assert.deepEqual((await view(first)).user, { identities: { sessionid: session }, segments: [], traits: {} });
  const second = await begin({ storage: first.storage });
  assert.equal((await view(second)).user.identities.sessionid, session);
});

same('the request is an array of activities for the key, as JSON', async (begin) => {
  const page = await begin();
  const answer = page.activity.send([VIEW, { ...VIEW, action: 'buy' }]);
  await page.pass();
  const [request, ...more] = page.requests;
  assert.deepEqual(more, []);
  assert.equal(request.url, `https://collect-eu.attraqt.io/${KEY}`);
  assert.equal(request.method, 'POST');
  assert.deepEqual(request.headers, { 'Content-Type': 'application/json', 'X-SDK': '1' });
  assert.equal(request.referrerPolicy, 'no-referrer');
  assert.deepEqual(request.activities.map(({ action }) => action), ['view', 'buy']);
  assert.deepEqual(await answer, { status: 200, body: '{"profiles":{}}' });
});

same('regions', async (begin, path) => {
  for (const [region, url] of [['AP1', 'https://collect-ap1.attraqt.io/'], ['dev', 'http://collect-dev.attraqt.io/']]) {
    const page = await load({ path });
    page.activity.init({ trackerKey: KEY, region });
    await view(page);
    assert.equal(page.requests[0].url, url + KEY);
  }
});

same('addUserIdentity adds one in lower case; both must be texts', async (begin) => {
  const page = await begin();
  page.activity.addUserIdentity('ecommerceId', 'anna');
  page.activity.addUserIdentity('email', 'anna@example.org');
  const { identities } = (await view(page)).user;
  assert.equal(identities.ecommerceid, 'anna');
  assert.equal(identities.email, 'anna@example.org');
  assert.match(identities.sessionid, UUID);
  for (const [namespace, value] of [[1, 'a'], ['a', 1], ['a', undefined], [undefined, 'a']]) {
    assert.throws(() => page.activity.addUserIdentity(namespace, value), TypeError);
  }
});

same("addUserIdentity('sessionId', …) replaces the session ID and stores it", async (begin) => {
  const page = await begin();
  page.activity.addUserIdentity('sessionId', 'the-shop-s');
  assert.deepEqual((await view(page)).user.identities, { sessionid: 'the-shop-s' });
  assert.equal(page.storage.getItem('attraqtsessionid'), 'the-shop-s');
});

same('setUserIdentities replaces what was added, as spelled; the session stays', async (begin) => {
  const page = await begin();
  const session = page.storage.getItem('attraqtsessionid');
  page.activity.addUserIdentity('email', 'anna@example.org');
  page.activity.setUserIdentities({ ecommerceId: 'anna' });
  assert.deepEqual((await view(page)).user.identities, { ecommerceId: 'anna', sessionid: session });
  for (const wrong of [{}, undefined, null, 'anna', ['anna'], { ecommerceId: 1 }]) {
    assert.throws(() => page.activity.setUserIdentities(wrong), TypeError, JSON.stringify(wrong));
  }
});

same('only the session ID is stored: other identities are added again on each page', async (begin) => {
  const first = await begin();
  first.activity.addUserIdentity('ecommerceId', 'anna');
  await view(first);
  assert.deepEqual([...first.storage.kept.keys()], ['attraqtsessionid']);
  const second = await begin({ storage: first.storage });
  assert.deepEqual(Object.keys((await view(second)).user.identities), ['sessionid']);
});

same('segments are added, twice where said twice, and replaced', async (begin) => {
  const page = await begin();
  page.activity.addUserSegment('new');
  page.activity.addUserSegment('new');
  assert.deepEqual((await view(page)).user.segments, ['new', 'new']);
  page.activity.setUserSegments(['new', 'prospect']);
  assert.deepEqual((await view(page)).user.segments, ['new', 'prospect']);
  assert.throws(() => page.activity.addUserSegment(1), TypeError);
  for (const wrong of [undefined, 'new', [1]]) assert.throws(() => page.activity.setUserSegments(wrong), TypeError);
});

same('traits are added and replaced', async (begin) => {
  const page = await begin();
  page.activity.addUserTrait('age', '45');
  assert.deepEqual((await view(page)).user.traits, { age: '45' });
  page.activity.setUserTraits({ buyer: true, age: 45, list: [1], deep: { a: null } });
  assert.deepEqual((await view(page)).user.traits, { buyer: true, age: 45, list: [1], deep: { a: null } });
  assert.throws(() => page.activity.addUserTrait('age', {}), TypeError);
  for (const wrong of ['a', [1], 1]) assert.throws(() => page.activity.setUserTraits(wrong), TypeError);
});

same('setUser replaces identities, segments and traits', async (begin) => {
  const page = await begin();
  page.activity.addUserIdentity('email', 'a@b');
  page.activity.setUser({ identities: { ecommerceId: 'anna' }, segments: ['new'], traits: { age: 45 } });
  const { user } = await view(page);
  assert.equal(user.identities.ecommerceId, 'anna');
  assert.equal(user.identities.email, undefined);
  assert.deepEqual([user.segments, user.traits], [['new'], { age: 45 }]);
  for (const wrong of [undefined, {}, { identities: { a: 1 } }, { identities: { a: 'b' }, segments: 'new' }]) {
    assert.throws(() => page.activity.setUser(wrong), TypeError);
  }
});

same('clearUser forgets everything and makes a new session', async (begin) => {
  const page = await begin();
  const before = page.storage.getItem('attraqtsessionid');
  page.activity.setUser({ identities: { ecommerceId: 'anna' }, segments: ['new'], traits: { age: 45 } });
  page.activity.clearUser();
  const after = page.storage.getItem('attraqtsessionid');
  assert.match(after, UUID);
  assert.notEqual(after, before);
  assert.deepEqual((await view(page)).user, { identities: { sessionid: after }, segments: [], traits: {} });
});

same('an own user in an activity takes the place of the user, whole', async (begin) => {
  const page = await begin();
  page.activity.addUserIdentity('ecommerceId', 'anna');
  const user = { identities: { sessionId: 's-1', ecommerceId: 'ben' }, segments: ['a'], traits: { age: 1 } };
  assert.deepEqual((await view(page, { ...VIEW, user })).user, user);
});

same('optOut sends nothing, also on the next page, until optIn; an activity is checked all the same', async (begin) => {
  const page = await begin();
  page.activity.optOut();
  assert.equal(page.activity.hasOptedOut, true);
  page.activity.send(VIEW);
  await page.pass();
  assert.throws(() => page.activity.send({}), Error);
  const next = await begin({ storage: page.storage });
  next.activity.send(VIEW);
  await next.pass();
  assert.deepEqual([...page.sent(), ...next.sent()], []);
  next.activity.optIn();
  assert.equal(next.activity.hasOptedOut, false);
  await view(next);
  assert.equal(next.storage.getItem('attraqtoptout'), null);
});

same('Do Not Track sends nothing', async (begin) => {
  const page = await begin({ navigator: { doNotTrack: '1' } });
  page.activity.send(VIEW);
  await page.pass();
  assert.deepEqual(page.sent(), []);
});

same('an activity that the collector would refuse throws', async (begin) => {
  const page = await begin();
  const wrong = [
    null,
    {},
    { action: 'view' },
    { target: {} },
    { action: 1, target: {} },
    { action: 'view', target: { product: 123 } },
    { ...VIEW, opposite: 'yes' },
    { ...VIEW, sourceId: 1 },
    { ...VIEW, segments: [1] },
    { ...VIEW, timestamp: 1 },
    { ...VIEW, metadata: { a: null } },
    { ...VIEW, metadata: { a: {} } },
    { ...VIEW, user: {} },
    { ...VIEW, user: { identities: { a: 1 } } },
    { ...VIEW, user: { identities: {}, traits: [] } },
    [VIEW, {}],
  ];
  for (const activity of wrong) assert.throws(() => page.activity.send(activity), Error, JSON.stringify(activity));
  const right = [
    { action: '', target: {} },
    { ...VIEW, opposite: true, sourceId: 'a', segments: ['b'], metadata: { a: 1, b: 'c', d: true, e: [1, { f: 2 }] } },
    { ...VIEW, other: 1, segments: undefined, user: null },
  ];
  for (const activity of right) await view(page, activity);
});

same('calls before loading run at load', async (_, path) => {
  const calls = [['init', { trackerKey: KEY }], ['addUserIdentity', 'ecommerceId', 'anna'], ['send', VIEW]];
  const page = await load({ path });
  globalThis._attraqt = calls;
  page.activity.handleQueuedEvents();
  await page.pass();
  assert.equal(page.sent()[0].user.identities.ecommerceid, 'anna');
});

better("the shop's own session ID replaces the generated one, and is stored", async (begin) => {
  const page = await begin();
  page.activity.setUserIdentities({ ecommerceId: 'anna', sessionId: 'mine' });
  assert.deepEqual((await view(page)).user.identities, { ecommerceId: 'anna', sessionid: 'mine' });
  assert.equal(page.storage.getItem('attraqtsessionid'), 'mine');
  page.activity.setUser({ identities: { SESSIONID: 'mine-2' }, segments: ['new'] });
  assert.deepEqual((await view(page)).user, { identities: { sessionid: 'mine-2' }, segments: ['new'], traits: {} });
  assert.equal(page.storage.getItem('attraqtsessionid'), 'mine-2');
});

better('one namespace has one value, however it is spelled', async (begin) => {
  const page = await begin();
  page.activity.setUserIdentities({ ecommerceId: 'anna', EcommerceID: 'ben' });
  page.activity.addUserIdentity('ecommerceId', 'clara');
  const { sessionid, ...others } = (await view(page)).user.identities;
  assert.match(sessionid, UUID);
  assert.deepEqual(others, { ecommerceid: 'clara' });
});

better('numbers and truth values as traits', async (begin) => {
  const page = await begin();
  page.activity.addUserTrait('age', 45);
  page.activity.addUserTrait('buyer', false);
  page.activity.addUserTrait('visits', 0);
  assert.deepEqual((await view(page)).user.traits, { age: 45, buyer: false, visits: 0 });
});

better('segments and traits may be missing from setUser', async (begin) => {
  const page = await begin();
  page.activity.setUser({ identities: { ecommerceId: 'anna' } });
  page.activity.addUserTrait('age', '45');
  const { segments, traits } = (await view(page)).user;
  assert.deepEqual([segments, traits], [[], { age: '45' }]);
});

better('a user that is not valid changes nothing', async (begin) => {
  const page = await begin();
  page.activity.addUserIdentity('ecommerceId', 'anna');
  assert.throws(() => page.activity.setUser({ identities: { ecommerceId: 'ben' }, segments: [1] }), TypeError);
  assert.equal((await view(page)).user.identities.ecommerceid, 'anna');
});

better('the error names the field', async (begin) => {
  const { activity } = await begin();
  assert.throws(() => activity.send({ action: 'view', target: { a: 1 } }), /activity\.target/);
  assert.throws(() => activity.send({ ...VIEW, user: { identities: [] } }), /user\.identities/);
  const { activity: early } = await load();
  assert.throws(() => early.send(VIEW), /invalid init/);
});

better('id and timestamp are of the moment of the call', async (begin) => {
  const page = await begin();
  page.activity.send(VIEW);
  await page.pass(300);
  page.activity.send({ ...VIEW, id: 'my-id', timestamp: '2026-01-01T00:00:00Z' });
  await page.pass(700);
  const [first, second] = page.sent();
  assert.match(first.id, UUID);
  assert.equal(first.timestamp, '2026-11-26T08:00:00.000Z');
  assert.deepEqual([second.id, second.timestamp], ['my-id', '2026-01-01T00:00:00Z']);
});

better('the user is the one of the moment of the call', async (begin) => {
  const page = await begin();
  page.activity.send(VIEW);
  page.activity.addUserIdentity('ecommerceId', 'anna');
  page.activity.send(VIEW);
  await page.pass();
  assert.deepEqual(page.sent().map(({ user }) => user.identities.ecommerceid), [undefined, 'anna']);
});

better('what is not sent is said, with the reason, and always by a promise', async () => {
  for (const [navigator, reason] of [
    [{ doNotTrack: '1' }, 'do-not-track'],
    [{ globalPrivacyControl: true }, 'global-privacy-control'],
  ]) {
    const page = await begin({ navigator });
    assert.deepEqual(await page.activity.send(VIEW), { status: 0, body: '', reason });
    await page.pass();
    assert.deepEqual([page.sent(), [...page.storage.kept]], [[], []], 'no session ID is stored either');
  }
  const page = await begin();
  assert.deepEqual(await page.activity.send([]), { status: 0, body: '', reason: 'empty' });
  page.activity.optOut();
  assert.deepEqual(await page.activity.send(VIEW), { status: 0, body: '', reason: 'opted-out' });
});

better('optOut in one tab holds in all of them', async (begin) => {
  const page = await begin();
  page.storage.setItem('attraqtoptout', 'true'); // The other tab.
  assert.equal((await page.activity.send(VIEW)).reason, 'opted-out');
});

better('an endpoint of the shop', async () => {
  const page = await load();
  page.activity.init({ trackerKey: KEY, endpoint: 'https://collect.shop.example/' });
  await view(page);
  assert.equal(page.requests[0].url, `https://collect.shop.example/${KEY}`);
});

better('one wrong call before loading does not stop the others, and later ones run at once', async () => {
  const page = await load();
  const { error } = console;
  const errors = [];
  console.error = (what) => errors.push(what.message);
  globalThis._attraqt = [['init', { trackerKey: KEY }], ['send', {}], null, ['nothing'], ['addUserTrait', 'visits', 0]];
  page.activity.handleQueuedEvents();
  globalThis._attraqt.push(['send', VIEW]);
  console.error = error;
  await page.pass();
  assert.equal(errors.length, 3);
  assert.deepEqual(page.sent().map(({ user }) => user.traits), [{ visits: 0 }]);
});

better('storage that is denied or full: the page works from memory', async () => {
  for (const refuse of [() => true, (key) => key.startsWith('attraqtqueue.')]) {
    const page = await begin({ storage: makeStorage(refuse) });
    await view(page);
    await view(page);
    const [first, second] = page.sent();
    assert.equal(first.user.identities.sessionid, second.user.identities.sessionid);
    page.activity.optOut();
    assert.equal((await page.activity.send(VIEW)).reason, 'opted-out');
  }
});

better('a storage with three methods keeps the session, and the queue stays in memory', async () => {
  const page = await load();
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  page.activity.init({ trackerKey: KEY, storage });
  await view(page);
  assert.deepEqual([...kept.keys()], ['attraqtsessionid']);
  assert.deepEqual([...page.storage.kept.keys()], []);
});

better('a timeout rejects the promise, and the activity is still sent', async () => {
  const page = await begin();
  const answer = page.activity.send(VIEW, { timeout: 10 });
  const rejected = assert.rejects(answer, /timeout/);
  await page.pass(10);
  await rejected;
  await page.pass(990);
  assert.equal(page.sent().length, 1);
});

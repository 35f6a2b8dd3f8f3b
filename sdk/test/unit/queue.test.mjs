// Nothing is lost, and what is sent again has the same bytes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GATHER, KEY, load, makeStorage } from './page.mjs';

const OFFLINE = () => {
  throw new TypeError('Failed to fetch');
};
const act = (name) => ({ action: name, target: {} });
const actions = (list) => list.map(({ action }) => action);

const begin = async (options) => {
  const page = await load(options);
  page.activity.init({ trackerKey: KEY, endpoint: 'https://collect.shop.example' });
  return page;
};

test('activities of one second share a request, ten wait for no others', async () => {
  const page = await begin();
  page.activity.send(act('a'));
  page.activity.send(act('b'));
  await page.pass(GATHER - 1);
  assert.equal(page.requests.length, 0);
  await page.pass(1);
  assert.deepEqual(actions(page.requests[0].activities), ['a', 'b']);
  for (let at = 0; at < 10; at++) page.activity.send(act('c' + at));
  await page.pass(0);
  assert.equal(page.requests.length, 2);
  assert.equal(page.requests[1].activities.length, 10);
  assert.deepEqual(page.queued(), []);
});

test('what failed is sent again, byte for byte, after growing pauses', async () => {
  const moments = [];
  let up = false;
  const page = await begin({
    answer: () => {
      moments.push(Date.now());
      return up ? {} : OFFLINE();
    },
  });
  const answer = page.activity.send(act('a'));
  await page.pass(GATHER);
  for (let at = 0; at < 40; at++) await page.pass(500);
  up = true;
  for (let at = 0; at < 100; at++) await page.pass(500);
  assert.equal((await answer).status, 200);
  assert.equal(new Set(page.requests.map(({ body }) => body)).size, 1);
  const pauses = moments.slice(1).map((moment, at) => moment - moments[at]);
  pauses.forEach((pause, at) => assert.ok(pause >= 500 * 2 ** at && pause <= 1000 * 2 ** at + 500, `${pauses}`));
  assert.ok(pauses.length >= 4);
  assert.deepEqual(page.queued(), []);
});

test('a reload keeps the queue; the next page sends it, in order, with the same id', async () => {
  const first = await begin({ answer: OFFLINE });
  for (const name of ['a', 'b', 'c']) first.activity.send(act(name));
  await first.pass();
  assert.equal(first.queued().length, 3);
  const second = await begin({ storage: first.storage, now: '2026-11-26T09:00:00.000Z' });
  second.activity.send(act('d'));
  await second.pass();
  assert.deepEqual(actions(second.sent()), ['a', 'b', 'c', 'd']);
  assert.deepEqual(second.sent().slice(0, 3), first.sent());
  assert.deepEqual(second.queued(), []);
});

test('the queue of another key stays', async () => {
  const storage = makeStorage();
  storage.setItem('attraqtqueue.other.1.x', '{}');
  const page = await begin({ storage });
  page.activity.send(act('a'));
  await page.pass();
  assert.deepEqual(actions(page.sent()), ['a']);
  assert.deepEqual(page.queued(), ['attraqtqueue.other.1.x']);
});

test('Retry-After is waited for', async () => {
  let count = 0;
  const page = await begin({ answer: () => (count++ ? {} : { status: 503, headers: { 'Retry-After': '7' } }) });
  page.activity.send(act('a'));
  await page.pass();
  page.activity.send(act('b'));
  await page.pass(6999);
  assert.equal(page.requests.length, 1);
  await page.pass(1);
  assert.deepEqual(actions(page.requests[1].activities), ['a', 'b']);
});

test('a wait is never longer than ten minutes, whatever is asked for', async () => {
  let count = 0;
  const page = await begin({ answer: () => (count++ ? {} : { status: 429, headers: { 'Retry-After': '99999999' } }) });
  page.activity.send(act('a'));
  await page.pass();
  await page.pass(599_999);
  assert.equal(page.requests.length, 1);
  await page.pass(1);
  assert.equal(page.requests.length, 2);
});

test('statuses: what will never be taken goes, what may be later stays', async () => {
  for (const [status, stays] of [
    [200, false], [202, false], [400, false], [401, false], [413, false], [422, false],
    [408, true], [429, true], [500, true], [502, true], [503, true],
  ]) {
    const page = await begin({ answer: () => ({ status, body: 'why' }) });
    const answer = page.activity.send(act('a'));
    await page.pass();
    assert.equal(page.queued().length, +stays, String(status));
    if (!stays) assert.deepEqual(await answer, { status, body: 'why' });
  }
});

test('a connection that is back ends the wait', async () => {
  let up = false;
  const page = await begin({ answer: () => (up ? {} : OFFLINE()) });
  page.activity.send(act('a'));
  for (let at = 0; at < 20; at++) await page.pass(GATHER);
  up = true;
  const before = page.requests.length;
  page.fire('online');
  await page.pass(0);
  assert.equal(page.requests.length, before + 1);
  page.activity.send(act('b'));
  await page.pass();
  assert.deepEqual(actions(page.requests.at(-1).activities), ['b'], 'the pauses start from the shortest again');
});

test('a page that leaves sends what has waited, outliving it, without asking first', async () => {
  const page = await begin();
  page.activity.send(act('a'));
  page.fire('pagehide');
  page.fire('visibilitychange');
  await page.pass(0);
  assert.equal(page.requests.length, 1, 'once, though two events tell of it');
  assert.equal(page.requests[0].keepalive, true);
  assert.equal(page.requests[0].headers, undefined);
});

test('an activity of a hidden page does not wait', async () => {
  const page = await begin();
  document.hidden = true;
  page.activity.send(act('a'));
  await page.pass(0);
  assert.deepEqual(actions(page.sent()), ['a']);
});

test('what is under way is not sent a second time as the page leaves', async () => {
  let finish;
  const page = await begin({ answer: (request, count) => count > 1 || new Promise((done) => (finish = done)) });
  page.activity.send(act('a'));
  await page.pass();
  page.activity.send(act('b'));
  page.fire('pagehide');
  await page.pass(0);
  assert.deepEqual(page.requests.map(({ activities }) => actions(activities)), [['a'], ['b']]);
  finish({});
  await page.pass(5000);
  assert.equal(page.requests.length, 2);
  assert.deepEqual(page.queued(), []);
});

test('requests stay small enough to outlive a page, whatever the script; one that cannot goes alone', async () => {
  const page = await begin();
  const wide = '界'.repeat(3000);
  for (let at = 0; at < 9; at++) page.activity.send({ ...act('w' + at), metadata: { wide } });
  page.activity.send({ ...act('huge'), metadata: { wide: wide.repeat(5) } });
  for (let at = 0; at < 10; at++) await page.pass();
  assert.equal(page.sent().length, 10);
  for (const { body, keepalive, activities } of page.requests) {
    const small = Buffer.byteLength(body) <= 30_000;
    assert.equal(keepalive, small);
    assert.ok(small || activities.length === 1);
  }
});

test('the queue is bounded: the oldest go, and their promises say so', async () => {
  const page = await begin({ answer: OFFLINE });
  const first = page.activity.send(act('first'));
  for (let at = 0; at < 1200; at++) page.activity.send(act('later'));
  const characters = [...page.storage.kept.values()].join('').length;
  assert.ok(characters < 260_000, `${characters}`);
  assert.ok(page.queued().length > 500);
  assert.deepEqual(await first, { status: 0, body: '', reason: 'queue-full' });
  page.activity.send({ ...act('giant'), metadata: { text: 'x'.repeat(300_000) } });
  assert.equal(page.queued().length, 1, 'the newest stays, however large');
});

test('optOut forgets what has waited', async () => {
  const page = await begin({ answer: OFFLINE });
  const answer = page.activity.send(act('a'));
  await page.pass();
  page.activity.optOut();
  assert.deepEqual(await answer, { status: 0, body: '', reason: 'opted-out' });
  assert.deepEqual(page.queued(), []);
  const before = page.requests.length;
  for (let at = 0; at < 20; at++) await page.pass(GATHER);
  page.activity.optIn();
  for (let at = 0; at < 20; at++) await page.pass(GATHER);
  assert.equal(page.requests.length, before);
});

test('after optOut and optIn activities are sent again', async () => {
  const page = await begin();
  page.activity.send(act('a'));
  page.activity.optOut();
  await page.pass();
  page.activity.optIn();
  page.activity.send(act('b'));
  await page.pass(GATHER * 3);
  assert.deepEqual(actions(page.sent()), ['b']);
});

test('what another tab has sent is not sent again, and the promise says so', async () => {
  const page = await begin();
  const answer = page.activity.send(act('a'));
  page.storage.removeItem(page.queued()[0]);
  await page.pass();
  assert.deepEqual(page.sent(), []);
  assert.deepEqual(await answer, { status: 0, body: '', reason: 'other-tab' });
});

test('one tab at a time, where the browser has locks; where they fail, without', async () => {
  let held = false;
  const request = async (name, run) => {
    assert.equal(held, false);
    held = true;
    await run();
    held = false;
  };
  const page = await begin({ navigator: { locks: { request } } });
  page.activity.send(act('a'));
  await page.pass();
  assert.equal(page.sent().length, 1);
  const denied = await begin({ navigator: { locks: { request: () => Promise.reject(new Error('SecurityError')) } } });
  denied.activity.send(act('a'));
  await denied.pass();
  assert.equal(denied.sent().length, 1);
});

test('random orders of acting, failing, leaving and loading: each arrives, and always as the same bytes', async () => {
  let seed = 20261126;
  const random = (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 40; round++) {
    const storage = makeStorage();
    const taken = new Map();
    const made = [];
    let up = true;
    const answer = ({ activities }) => {
      if (!up && random(2)) OFFLINE();
      for (const activity of activities) {
        const known = taken.get(activity.id);
        const bytes = JSON.stringify(activity);
        assert.ok(!known || known === bytes);
        taken.set(activity.id, bytes);
      }
      if (!up) throw new TypeError('cut off before the answer');
      return {};
    };
    let page = await begin({ storage, answer });
    for (let step = 0; step < 25; step++) {
      const choice = random(6);
      if (choice === 0) up = !up;
      else if (choice === 1) page = await begin({ storage, answer });
      else if (choice === 2) page.fire('pagehide');
      else if (choice === 3) await page.pass(random(3000));
      else {
        const name = `r${round}s${step}`;
        page.activity.send(act(name));
        made.push(name);
      }
    }
    up = true;
    page = await begin({ storage, answer });
    await page.pass(GATHER * 2);
    assert.deepEqual([...taken.values()].map((text) => JSON.parse(text).action).sort(), made.sort());
    assert.deepEqual(page.queued(), []);
  }
});

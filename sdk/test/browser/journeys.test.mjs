// Journeys in a real Chromium (`CHROMIUM` names another one), against a collector that is killed and started again: one to test with, and
// the real one, where `BACKSTITCH` names a binary with the feature `serve`.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { startCollector } from '../collector.mjs';
import { startServe } from '../serve.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const skip = !existsSync(executablePath) && `no Chromium at ${executablePath}`;
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const script = readFileSync(new URL('../../dist/xo.activity.js', import.meta.url));
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

let collector, shop, browser, page, url;

const open = async () => {
  const tab = await browser.newPage();
  await tab.goto(url);
  return tab;
};
const act = (tab, action) => tab.evaluate((action) => void xo.activity.send({ action, target: {} }), action);
const arrived = async (...actions) => {
  const missing = () => actions.filter((action) => !collector.events().some((event) => event.action === action));
  for (let tries = 0; missing().length && tries < 150; tries++) await sleep(100);
  assert.deepEqual(missing(), []);
};
const identities = (action) => collector.events().find((event) => event.action === action).user.identities;

const journeys = (start) => {
  before(async () => {
    if (skip) return;
    collector = await start();
    const options = `{trackerKey:'${collector.key}',endpoint:'${collector.endpoint}'}`;
    shop = createServer((request, response) => {
      const isScript = request.url === '/xo.activity.js';
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? script : `<script src=/xo.activity.js></script><script>xo.activity.init(${options})</script>`);
    });
    await new Promise((done) => shop.listen(0, '127.0.0.1', done));
    url = `http://127.0.0.1:${shop.address().port}/`;
    browser = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'chromium-')), { executablePath, args });
    page = await open();
  });

  after(async () => {
    if (skip) return;
    await browser.close();
    shop.close();
    await collector.kill();
  });

  test('arrive, act, log in, act, log out: a new session', { skip }, async () => {
    await act(page, 'arrive');
    await page.evaluate(() => xo.activity.addUserIdentity('ecommerceId', 'anna'));
    await act(page, 'login');
    await page.evaluate(() => xo.activity.clearUser());
    await act(page, 'after');
    await arrived('arrive', 'login', 'after');
    assert.deepEqual(identities('login'), { sessionid: identities('arrive').sessionid, ecommerceid: 'anna' });
    assert.notEqual(identities('after').sessionid, identities('arrive').sessionid);
  });

  test('offline, then a reload', { skip }, async () => {
    await browser.setOffline(true);
    await act(page, 'offline');
    await sleep(1500);
    await browser.setOffline(false);
    await page.reload();
    await arrived('offline');
  });

  test('a page that is left, and a tab that is closed, at once', { skip }, async () => {
    await act(page, 'left');
    await page.goto(url);
    const tab = await open();
    await act(tab, 'closed');
    await tab.close();
    await arrived('left', 'closed');
  });

  test('a reload while the request is under way', { skip }, async () => {
    await collector.faults([{ wait: 1500 }]);
    await act(page, 'under-way');
    await sleep(1300);
    await page.reload();
    await arrived('under-way');
  });

  test('two tabs', { skip }, async () => {
    const tab = await open();
    const names = Array.from({ length: 15 }, (_, at) => at);
    for (const at of names) await Promise.all([act(page, `a${at}`), act(tab, `b${at}`)]);
    await arrived(...names.flatMap((at) => [`a${at}`, `b${at}`]));
    await tab.close();
  });

  test('the collector is killed and started again', { skip }, async () => {
    await collector.kill();
    await act(page, 'dead');
    await sleep(2500);
    await collector.start();
    await arrived('dead');
  });

  test('each activity is one event, and nothing waits any more', { skip }, async () => {
    await sleep(2000);
    const waiting = () => Object.keys(localStorage).filter((key) => key.startsWith('attraqtqueue.'));
    assert.deepEqual(await page.evaluate(waiting), []);
    const actions = collector.events().map(({ action }) => action);
    assert.equal(new Set(actions).size, actions.length);
    const bytes = new Set(collector.deliveries().map((event) => JSON.stringify(event)));
    assert.equal(bytes.size, actions.length, 'a repetition is the same bytes');
  });

  test('storage is denied', { skip }, async () => {
    const tab = await browser.newPage();
    await tab.addInitScript(() => Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } }));
    await tab.goto(url);
    await act(tab, 'denied');
    await arrived('denied');
    await tab.close();
  });

  test('opt out: nothing is sent', { skip }, async () => {
    const before = collector.deliveries().length;
    await page.evaluate(() => xo.activity.optOut());
    await act(page, 'opted-out');
    await sleep(2000);
    assert.equal(collector.deliveries().length, before);
  });

  test('killed again and again while the visitor acts', { skip }, async () => {
    await page.evaluate(() => xo.activity.optIn());
    const names = Array.from({ length: 40 }, (_, at) => `busy${at}`);
    for (const [at, name] of names.entries()) {
      await act(page, name);
      await sleep(60);
      if (at % 10 === 9) {
        await collector.kill();
        await collector.start();
      }
    }
    await arrived(...names);
    const found = collector.events().filter(({ action }) => action.startsWith('busy'));
    assert.equal(found.length, names.length);
  });
};

describe('a collector to test with', () => journeys(startCollector));

const none = process.env.BACKSTITCH ? false : 'BACKSTITCH does not name a binary with the feature `serve`';
if (none) console.error(`SKIPPED: the journeys against the real collector: ${none}`);

describe('backstitch serve', { skip: none }, () => {
  journeys(startServe);

  test('what was done is the customer\'s, and is in log and store once', { skip }, async () => {
    const session = identities('arrive').sessionid;
    assert.equal((await collector.resolve('sessionId', session)).person, 'ecommerceId:anna');
    const [first] = (await collector.eventsOf('ecommerceId', 'anna')).events;
    assert.equal(first.attribution, 'retroactive');
    await collector.stop();
    const told = (...args) => JSON.parse(collector.command(...args, '--json').stdout);
    const [stored, replayed] = [told('stats', '--store', 'store'), told('replay', 'log', '--store', 'again')];
    assert.equal(stored.digest, replayed.digest);
    const events = Object.values(stored.attribution).reduce((all, count) => all + count, 0);
    assert.equal(events, collector.events().length);
    await collector.start();
  });
});

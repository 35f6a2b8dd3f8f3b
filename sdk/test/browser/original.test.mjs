// The vendor's own SDK, unchanged, and `curl` as its documentation has it, against the real collector: Chromium is only told that its host is ours.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { originalScript } from '../original.mjs';
import { KEY, startServe } from '../serve.mjs';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
const none = process.env.BACKSTITCH ? false : 'BACKSTITCH does not name a binary with the feature `serve`';
if (none) console.error(`SKIPPED: the vendor's own SDK against the real collector: ${none}`);
const skip = none || (!existsSync(executablePath) && `no Chromium at ${executablePath}`);

let serve, shop, browser, page;

before(async () => {
  if (skip) return;
  serve = await startServe();
  const script = await originalScript();
  shop = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(`<script>${script}</script><script>xo.activity.init({trackerKey: '${KEY}', region: 'dev'})</script>`);
  });
  await new Promise((done) => shop.listen(0, '127.0.0.1', done));
  const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  args.push(`--host-resolver-rules=MAP collect-dev.attraqt.io ${new URL(serve.endpoint).host}`);
  browser = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), 'chromium-')), { executablePath, args });
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${shop.address().port}/`);
});

after(async () => {
  if (skip) return;
  await browser.close();
  shop.close();
  await serve.stop();
});

const send = (action) => page.evaluate((action) => xo.activity.send({ action, target: { product: '123' } }), action);

test('the journey of the documentation', { skip }, async () => {
  assert.deepEqual(await send('view'), { status: 200, body: '{"profiles":{}}' });
  await page.evaluate(() => xo.activity.addUserIdentity('ecommerceId', 'anna'));
  await send('login');
  await page.evaluate(() => xo.activity.clearUser());
  await send('after');
  await page.evaluate(() => xo.activity.optOut());
  assert.equal(await send('opted-out'), null);
  const [view, login, later] = await serve.lines(3);
  assert.equal((await serve.resolve('sessionId', view.user.identities.sessionid)).person, 'ecommerceId:anna');
  assert.equal(login.user.identities.sessionid, view.user.identities.sessionid);
  assert.equal((await serve.resolve('sessionId', later.user.identities.sessionid)).kind, 'anonymous');
});

test('curl, without a timestamp', { skip }, async () => {
  const user = { identities: { sessionId: 'curled' } };
  const activity = JSON.stringify({ action: 'view', target: { product: '123' }, user });
  const args = ['-s', '-X', 'POST', `${serve.endpoint}/${KEY}`, '-H', 'Content-Type: application/json', '-d', activity];
  assert.equal(spawnSync('curl', args, { encoding: 'utf8' }).stdout, '{"profiles":{}}');
  await serve.lines(4);
  assert.equal((await serve.resolve('sessionId', 'curled')).kind, 'anonymous');
});

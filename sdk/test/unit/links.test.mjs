// Links to another domain of the shop.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEY, load } from './page.mjs';

const VIEW = { action: 'view', target: {} };

const begin = async (address = 'https://shop.example/', options = {}) => {
  const clicks = [];
  let shown = address;
  const page = await load({
    ...options,
    globals: {
      location: new URL(address),
      history: { state: 7, replaceState: (state, title, url) => (shown = String(url)) },
      addEventListener: (type, listener) => type === 'click' && clicks.push(listener),
    },
  });
  page.activity.init({ trackerKey: KEY, endpoint: 'https://c.example', links: ['shop.fr', 'shop.example'] });
  return {
    ...page,
    shown: () => shown,
    /** Where a click on a link leads to. */
    click: (href) => {
      const link = { href, hostname: new URL(href).hostname };
      clicks.forEach((listener) => listener({ target: { closest: () => link } }));
      return link.href;
    },
  };
};

test('both sessions meet in the ID of the link, which is used once', async () => {
  const from = await begin();
  const address = from.click('https://www.shop.fr/a?b=1#c');
  await from.pass();
  const [left] = from.sent();
  assert.equal(left.action, 'link');
  const id = left.user.identities.linkid;
  assert.match(address, new RegExp(`^https://www\\.shop\\.fr/a\\?b=1&_bs=${id}\\.[0-9a-z]+#c$`));

  const to = await begin(address);
  assert.equal(to.shown(), 'https://www.shop.fr/a?b=1#c', 'nobody copies the ID from the address');
  to.activity.send({ ...VIEW, user: { identities: { sessionId: 'own' } } });
  to.activity.send(VIEW);
  to.activity.send(VIEW);
  await to.pass();
  assert.deepEqual(to.sent().map(({ user }) => user.identities.linkid), [undefined, id, undefined]);
  assert.notEqual(to.sent()[1].user.identities.sessionid, left.user.identities.sessionid);
});

test('links to elsewhere and within the domain stay as they are', async () => {
  const page = await begin();
  for (const href of ['https://other.example/', 'https://notshop.fr/', 'https://shop.example/a', 'mailto:a@shop.fr']) {
    assert.equal(page.click(href), href);
  }
  await page.pass();
  assert.deepEqual(page.sent(), []);
});

test('a link that is two minutes old, or was never ours, joins nobody', async () => {
  const old = (Date.parse('2026-11-26T08:00:00Z') - 120_000).toString(36);
  for (const value of [`some-id.${old}`, 'some-id', '.', 'some-id.!']) {
    const page = await begin(`https://shop.fr/?_bs=${value}`);
    page.activity.send(VIEW);
    await page.pass();
    assert.deepEqual(Object.keys(page.sent()[0].user.identities), ['sessionid'], value);
  }
});

test('a visitor who does not want to be tracked is not followed over links', async () => {
  const page = await begin(undefined, { navigator: { globalPrivacyControl: true } });
  assert.equal(page.click('https://shop.fr/'), 'https://shop.fr/');
  await page.pass();
  assert.deepEqual(page.sent(), []);
});

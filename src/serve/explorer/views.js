// The other views, and which one the address names.

// Goes to what is written so: to the identity or, where several have that value, to a list of them.
const find = async (text, go) => {
  const { found } = await ask(['find', text]);
  if (found.length === 1) return go(found[0]);
  const href = address('find', [text]);
  if (location.hash === href) return render();
  location.hash = href;
};

const findView = async ([text = '']) => {
  const { found } = await ask(['find', text]);
  const none = el(
    'p',
    {},
    'No event carries it. Write a value as it stands in the log, or ',
    el('code', {}, 'namespace:value'),
    '.',
  );
  const list = el('ul', { class: 'plain' }, ...found.map((id) => el('li', {}, idLink(id))));
  return {
    element: el(
      'article',
      {},
      el('h1', {}, 'Find ', el('span', { class: 'id' }, shown(text))),
      found.length ? list : none,
    ),
  };
};

const compareForm = (id) => {
  const field = el('input', {
    type: 'search',
    'aria-label': 'Another ID',
    placeholder: 'Another ID',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const told = el('p', { class: 'quiet', role: 'alert' });
  const submit = async (event) => {
    event.preventDefault();
    try {
      const { found } = await ask(['find', field.value.trim()]);
      if (found.length) location.hash = address('pair', [...partsOf(id), ...partsOf(found.at(-1))]);
      else told.textContent = 'No event carries it.';
    } catch (error) {
      told.replaceChildren(failed(error));
    }
  };
  return el(
    'form',
    { class: 'compare', onsubmit: submit },
    el('label', {}, 'Why is it, or is it not, one person with '),
    field,
    el('button', {}, 'Compare'),
    told,
  );
};

// Whether two are one person, and by which links.
const pairWords = (found) => {
  const { a, b } = found;
  const [first, second] = [a, b].map((party) => idLink(written(party.identity)));
  const party = (party) => [el('p', {}, idLink(written(party.identity)), ' ', ...whose(party), '.')];
  const same = [
    'are one person',
    a.kind === 'customer' ? [', ', idLink(a.person)] : ', anonymous',
    found.connected ? [', connected since ', time(found.connected)] : '',
  ].flat();
  return [
    el(
      'p',
      { class: 'sentence' },
      first,
      ' and ',
      second,
      ' ',
      ...(found.same ? same : [el('b', {}, 'are not one person')]),
      '.',
    ),
    ...(found.same ? [] : [...party(a), ...party(b)]),
    ...evidence('The chain of evidence', found.chain),
    ...evidence('The chain that connected them first', found.decisive),
    ...evidence('Refused links between them', found.refused, found.more_refused),
    ...(found.refused.length ? [] : evidence('The way with the fewest refused links', found.way)),
    !found.same && !found.refused.length && !found.way.length && el('p', {}, 'No chain of links ties them.'),
  ];
};

const pairView = async (parts, parameters) => {
  const [one, other] = [parts.slice(0, 2), parts.slice(2, 4)].map(([namespace = '', value = '']) =>
    written({ namespace, value }),
  );
  const found = await ask(['explain', ...partsOf(one)], { with: other, 'as-of': parameters['as-of'] });
  const graph = graphCard(
    [one, other],
    () => ['explain', one, other, '--format', 'svg', '--output', 'why.svg', '--read-only'],
    parameters,
  );
  const press = () => unlink(one, [other]);
  const button =
    parsed(one).namespace !== parsed(other).namespace &&
    el('button', { type: 'button', onclick: press }, 'Unlink these two…');
  graph.draw(parameters);
  const words = () => ['explain', one, other, '--read-only'];
  return {
    element: el(
      'article',
      {},
      el('h1', {}, 'Why, or why not'),
      card(
        'Two identities',
        copyButton(words),
        ...pairWords(found).filter(Boolean),
        el('div', { class: 'buttons' }, button),
      ),
      graph.element,
    ),
  };
};

// Shared sessions of a page at most.
const MOST_SHARED = 500;

const sharedView = async () => {
  const { total, sessions } = await ask(['shared'], { limit: MOST_SHARED });
  const people = (shares) =>
    el(
      'td',
      { 'data-head': shares.policy },
      ...shares.people.map((share) =>
        el('div', {}, el('b', {}, String(share.events)), ' ', idLink(share.person, { policy: shares.policy })),
      ),
    );
  const line = (found) =>
    el(
      'tr',
      {},
      el('td', { 'data-head': 'session' }, idLink(`sessionId:${found.session}`)),
      el(
        'td',
        { 'data-head': 'events' },
        el('b', {}, String(found.events)),
        el('div', { class: 'quiet' }, `${found.anonymous} without a customer`),
      ),
      el(
        'td',
        { 'data-head': 'logins' },
        ...found.customers.map((met) => el('div', {}, el('b', {}, String(met.logins)), ' ', idLink(met.customer))),
      ),
      ...found.shares.map(people),
    );
  const heads = ['session', 'events', 'logins', ...Object.keys(POLICIES)];
  const all = sessions.length
    ? table(heads, sessions.map(line))
    : el('p', {}, 'No session met more than one customer.');
  const more =
    total > sessions.length &&
    el('p', { class: 'quiet' }, `The first ${sessions.length} of ${total.toLocaleString('en')}.`);
  return {
    element: el(
      'article',
      {},
      el('h1', {}, 'Shared devices'),
      el('p', {}, 'Sessions that met more than one customer, and whose their events are under each policy.'),
      card(
        count(total, 'session'),
        copyButton(() => ['stats', '--shared', '--read-only']),
        el('div', { class: 'wide' }, all),
        more,
      ),
    ),
  };
};

// Changes that the feed shows.
const MOST_CHANGES = 100;

// How long it waits before it asks again.
const PAUSE_MS = 1000;

const changeLine = (change) => {
  const person = (id) => (id ? idLink(id) : 'nobody');
  const what =
    change.from && change.from !== change.to
      ? [person(change.from), ' → ', person(change.to), change.moved > 0 && `, ${count(change.moved, 'event')} moved`]
      : [change.to ? 'of ' : 'is gone, was of ', person(change.to ?? change.from)];
  return el(
    'li',
    {},
    el('span', { class: 'sequence' }, String(change.sequence)),
    el(
      'div',
      {},
      change.session ? idLink(`sessionId:${change.session}`) : 'an erasure',
      ' ',
      ...what.filter(Boolean),
      el(
        'div',
        { class: 'quiet' },
        count(change.events, 'event'),
        change.since && [' · since ', time(change.since)],
        change.link && [' · by ', idLink(change.link[0]), ' and ', idLink(change.link[1])],
      ),
    ),
  );
};

// The changes that a stream brings; `each` is called with those that come at once.
const stream = async (since, each, signal) => {
  const answer = await request(['changes'], { since }, { signal, headers: { Accept: 'text/event-stream' } });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (text + part.value).split('\n');
    text = lines.pop();
    each(lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6))));
  }
};

// Where the feed is, so many changes before its end.
const before = async (back) => {
  const { position } = await ask(['commits'], { limit: 1 });
  const epoch = position.slice(0, position.lastIndexOf(':') + 1);
  return epoch + Math.max(Number(position.slice(epoch.length)) - back, 0);
};

// The changes since the one so many before the last, and those that come until `signal` ends it. A connection that
// breaks off is opened again; where there is no room for one, the changes are asked for.
const follow = async (back, each, signal) => {
  let since = await before(back);
  const take = (changes) => {
    since = changes.at(-1)?.position ?? since;
    each(changes);
  };
  while (!signal.aborted) {
    try {
      await stream(since, take, signal);
    } catch (error) {
      if (signal.aborted) return;
      // Those of before were trimmed, or the feed is another one.
      if (error.status === 410) since = await before(0);
      else if (error.status === 503) take((await ask(['changes'], { since }, { signal })).changes);
      else if (error instanceof Refusal) throw error;
    }
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
};

const feedView = async (parts, parameters, signal) => {
  const list = el('ol', { class: 'feed', 'aria-live': 'off' });
  const state = el('span', { class: 'live' }, 'live');
  const none = el('p', { class: 'quiet' }, 'No change yet.');
  let last = 0;
  const each = (changes) => {
    if (changes.length) none.remove();
    last = changes.at(-1)?.sequence ?? last;
    list.prepend(...changes.map(changeLine).toReversed());
    while (list.childElementCount > MOST_CHANGES) list.lastElementChild.remove();
  };
  follow(MOST_CHANGES, each, signal).catch((error) => {
    if (signal.aborted) return;
    state.textContent = 'stopped';
    list.before(failed(error));
  });
  const words = () => ['changes', '--since', String(Math.max(last - MOST_CHANGES, 0)), '--follow', '--read-only'];
  return {
    element: el(
      'article',
      {},
      el('h1', {}, 'Feed ', state),
      el('p', {}, 'What each commit changed: whose a session is now, and how many events went with it.'),
      card('Changes', copyButton(words), none, list),
    ),
  };
};

const startView = async () => {
  const list = el('ol', { class: 'feed' });
  const lately = await ask(['changes'], { since: await before(10), limit: 10 }).then(
    (page) => page.changes,
    () => [],
  );
  list.append(...lately.map(changeLine).toReversed());
  return {
    element: el(
      'article',
      {},
      el('h1', {}, 'Who is it?'),
      el(
        'p',
        { class: 'sentence' },
        'Write any ID above: a session, a customer, an e-mail address or a device. ',
        'The page shows whose it is, what they did, and why.',
      ),
      lately.length > 0 && card('Lately', el('a', { href: address('feed') }, 'Feed'), list),
    ),
  };
};

const VIEWS = { '': startView, id: personView, find: findView, pair: pairView, shared: sharedView, feed: feedView };

let current = { key: undefined, update: undefined, ending: new AbortController() };

// Shows the view that the address names.
const render = async () => {
  const { view, parts, parameters } = route();
  const main = $('main');
  current.ending.abort();
  const ending = new AbortController();
  current = { key: undefined, ending };
  for (const link of document.querySelectorAll('nav a'))
    link.toggleAttribute('aria-current', link.hash === address(view));
  main.setAttribute('aria-busy', 'true');
  let element;
  try {
    const make = VIEWS[view] ?? startView;
    const made = await make(parts, parameters, ending.signal);
    element = made.element;
    if (current.ending === ending)
      current = { key: path([view, ...parts]) + (parameters.offset ?? ''), update: made.update, ending };
  } catch (error) {
    element = el('article', {}, el('h1', {}, shown(parts.slice(0, 2).join(':')) || 'Explorer'), failed(error));
  }
  if (current.ending !== ending) return;
  main.replaceChildren(element);
  main.removeAttribute('aria-busy');
  document.title = [element.querySelector('h1')?.textContent, 'backstitch'].filter(Boolean).join(' · ');
  window.scrollTo(0, 0);
};

addEventListener('hashchange', () => {
  const { view, parts, parameters } = route();
  const key = path([view, ...parts]) + (parameters.offset ?? '');
  if (current.update && current.key === key) current.update(parameters);
  else render().then(() => $('main').focus({ preventScroll: true }));
});
$('search').addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = $('query').value.trim();
  if (!text) return;
  try {
    await find(text, (id) => {
      const href = address('id', partsOf(id));
      if (location.hash === href) render();
      else location.hash = href;
    });
  } catch (error) {
    $('main').replaceChildren(el('article', {}, failed(error)));
  }
});
$('token').addEventListener('click', () => askToken(render));
addEventListener('keydown', (event) => {
  if (event.key === '/' && !event.target.closest('input, textarea, select, dialog')) {
    event.preventDefault();
    $('query').focus();
  }
});
render();

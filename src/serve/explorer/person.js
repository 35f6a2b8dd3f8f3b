// A person: who it is, when each event came to them, what is known of them, and why.

const POLICIES = {
  'first-login': 'Events without a customer belong to the one that their session was first connected with',
  'device-split': 'They belong to the last who had logged in on the session by then, else to the first after it',
  'last-login': 'They belong to the last who ever logged in on the session',
  strict: 'They belong to nobody where the session met several customers',
};
const LOOKBACKS = ['', '30m', '1d', '7d', '30d', '90d'];
const READING = ['policy', 'lookback', 'as-of'];

// Events that a timeline draws at once.
const MOST_EVENTS = 2000;

// Commits that the slider of `known-at` goes back.
const MOST_COMMITS = 500;

const readingOf = (parameters) =>
  Object.fromEntries(READING.filter((name) => parameters[name]).map((name) => [name, parameters[name]]));
const isEmpty = (object) => !Object.keys(object).length;

// Whose it is, in a sentence.
const whose = (found) => {
  if (found.kind === 'customer' && !found.since) return ['is a customer'];
  if (found.kind === 'customer') return ['belongs to ', idLink(found.person), ' since ', time(found.since)];
  if (found.person === written(found.identity)) return ['is anonymous, and the earliest identity of its group'];
  return ['is anonymous; the earliest identity of its group is ', idLink(found.person)];
};

// How much there is of a person.
const summary = (members) => {
  const own = members.filter((member) => member.own);
  const sessions = own.filter((member) => isSession(member.identity));
  const [identities, among] = [count(own.length, 'identity', 'identities'), count(sessions.length, 'session')];
  return `The person has ${identities}, ${among} among them.`;
};

const table = (heads, rows) =>
  el(
    'table',
    {},
    el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))),
    el('tbody', {}, ...rows),
  );
const row = (heads, ...cells) =>
  el('tr', {}, ...cells.map((cell, at) => el('td', { 'data-head': heads[at] }, ...[cell].flat())));

const identitiesOf = (members, parameters) => {
  const heads = ['identity', 'first', 'last', 'events'];
  const line = (member) =>
    row(
      heads,
      idLink(member.identity, parameters),
      time(member.first),
      time(member.last),
      member.events.toLocaleString('en'),
    );
  const [own, others] = [members.filter((member) => member.own), members.filter((member) => !member.own)];
  return [
    // The customer first, sessions last.
    table(
      heads,
      [...Map.groupBy(own, (member) => parsed(member.identity).namespace).values()].toReversed().flat().map(line),
    ),
    others.length > 0 && el('h3', {}, 'Somebody else’s, on events of this person'),
    others.length > 0 && table(heads, others.map(line)),
  ].filter(Boolean);
};

const profileOf = (profile) => {
  const told = [...(profile.segments ? [['segments', profile.segments]] : []), ...Object.entries(profile.traits)];
  if (!told.length) return [el('p', { class: 'quiet' }, 'No event of this person tells segments or traits.')];
  const heads = ['what', 'value', 'told', 'from'];
  const value = (json) => el('code', {}, shown(JSON.stringify(json)));
  const line = ([name, found]) => {
    const before = found.before && el('span', { class: 'quiet' }, ' before: ', value(found.before.value));
    const held =
      found.held_before &&
      el(
        'span',
        { class: 'quiet' },
        ' held by ',
        idLink(found.held_before.identity),
        ' until ',
        time(found.held_before.until),
      );
    return row(
      heads,
      shown(name),
      [value(found.value), before, held].filter(Boolean),
      time(found.at),
      idLink(found.from),
    );
  };
  return [table(heads, told.map(line))];
};

// Links, each with the event that is its evidence, under a heading; nothing where there are none.
const evidence = (heading, links, more = 0) => {
  if (!links?.length) return [];
  const owner = (end, { customer, since }) =>
    since ? [end, ' was ', idLink(customer), '’s since ', time(since), '. '] : [end, ' is a customer. '];
  const line = ({ lower, higher, first, last, count: seen, witness, obstacle }) =>
    el(
      'li',
      { class: obstacle ? 'refused' : '' },
      el('div', {}, idLink(lower), ' and ', idLink(higher)),
      el(
        'div',
        { class: 'quiet' },
        'seen in ',
        count(seen, 'event'),
        first === last ? ' at ' : ' from ',
        time(first),
        first !== last && [' to ', time(last)],
        witness.id ? `; first in event ${shown(witness.id)}` : `; first in the event with the hash ${witness.hash}`,
        ` of ${shown(witness.sources.join(', '))}`,
      ),
      obstacle &&
        el(
          'div',
          {},
          'Refused, because a person has one customer at most: ',
          ...owner(idLink(lower), obstacle.lower),
          ...owner(idLink(higher), obstacle.higher),
        ),
    );
  return [
    el('h3', {}, heading),
    el('ol', { class: 'evidence' }, ...links.map(line)),
    more > 0 && el('p', { class: 'quiet' }, `and ${more} more`),
  ];
};

const why = (found) => [
  el('p', {}, idLink(written(found.identity)), ' ', ...whose(found), '.'),
  ...evidence('The chain of evidence', found.chain),
  ...evidence('The chain that connected them first', found.decisive),
  ...evidence('Refused links of it', found.refused, found.more_refused),
];

// What a picture of `explain` is made of: nothing else of it is drawn here.
const DRAWN = ['svg', 'g', 'rect', 'path', 'text', 'title'];
const ALLOWED = [
  ...[
    'class',
    'd',
    'fill',
    'stroke',
    'stroke-width',
    'x',
    'y',
    'rx',
    'width',
    'height',
    'viewBox',
    'role',
    'aria-label',
  ],
  ...['textLength', 'lengthAdjust', 'data-id', 'data-lower', 'data-higher'],
];

// The picture, made again element by element. `explain` is called with what is clicked: an identity, or two.
const picture = (text, explain) => {
  // Its style is admitted apart from it: the policy of the page lets none through that stands in a text.
  const style = text.match(/<style>([^<]*)<\/style>/) ?? ['', ''];
  const read = new DOMParser().parseFromString(text.replace(style[0], ''), 'image/svg+xml').documentElement;
  const again = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.textContent;
    if (!DRAWN.includes(node.nodeName)) return null;
    const attributes = [...node.attributes]
      .filter(({ name }) => ALLOWED.includes(name))
      .map(({ name, value }) => [name, value]);
    const made = svg(node.nodeName, Object.fromEntries(attributes), ...[...node.childNodes].map(again));
    const asked = made.dataset.id
      ? [made.dataset.id]
      : made.dataset.lower
        ? [made.dataset.lower, made.dataset.higher]
        : [];
    if (!asked.length) return made;
    made.setAttribute('role', 'button');
    made.setAttribute('tabindex', '0');
    made.setAttribute('aria-label', `Explain ${shown(asked.join(' and '))}`);
    made.addEventListener('click', () => explain(...asked));
    made.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      explain(...asked);
    });
    return made;
  };
  const host = el('div', { class: 'picture' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`${style[1]}
    [role=button]{cursor:pointer}
    [role=button]:focus-visible{outline:3px solid #2b6bb5;outline-offset:3px}
    path[role=button]:hover{stroke-opacity:1}`);
  const root = host.attachShadow({ mode: 'open' });
  root.adoptedStyleSheets = [sheet];
  root.append(again(read));
  return host;
};

// The graph of one identity or two, with room for what is explained.
const graphCard = (identities, words, parameters = {}) => {
  const room = el('div', {}, el('p', { class: 'quiet' }, '…'));
  const told = el('div', { class: 'told', 'aria-live': 'polite' });
  const explain = async (one, other) => {
    try {
      const found = await ask(['explain', ...partsOf(one)], { with: other, 'as-of': parameters['as-of'] });
      const open = el(
        'p',
        {},
        el(
          'a',
          { href: other ? address('pair', [...partsOf(one), ...partsOf(other)]) : address('id', partsOf(one)) },
          'Open',
        ),
      );
      told.replaceChildren(...(other ? pairWords(found) : why(found)).filter(Boolean), open);
    } catch (error) {
      told.replaceChildren(failed(error));
    }
  };
  const draw = async (asked = {}) => {
    parameters = asked;
    try {
      const [one, other] = identities;
      const answer = await request(['explain', ...partsOf(one)], {
        format: 'svg',
        with: other,
        'as-of': asked['as-of'],
      });
      room.replaceChildren(picture(await answer.text(), explain));
    } catch (error) {
      room.replaceChildren(error.status === 404 ? el('p', {}, 'No event carried it yet.') : failed(error));
    }
  };
  const help = el('p', { class: 'quiet' }, 'Click an identity or a line to have it explained.');
  return { element: card('Graph', copyButton(words), help, room, told), draw };
};

// Everything about one event.
const eventWords = (event, read, person) => {
  const now = read.get(event.event);
  const kind = kindOf(event, read, person);
  const entry = (name, ...what) => [el('dt', {}, name), el('dd', {}, ...what)];
  return el(
    'dl',
    { class: 'facts' },
    ...entry('time', time(event.time)),
    ...entry(
      'attribution',
      el('b', { class: `kind ${kind}` }, kind === 'other' ? 'somebody else’s' : kind),
      ': ',
      KINDS[kind],
    ),
    ...(now ? entry('person', idLink(now.person)) : []),
    ...entry('identities', ...event.identities.map((identity) => el('div', {}, idLink(identity)))),
    ...entry('sources', shown(event.sources.join(', '))),
    ...(event.id ? entry('id', el('code', {}, shown(event.id))) : []),
    ...entry('hash', el('code', {}, event.event)),
  );
};

// A slider over some stops and a field for any other, as one control. `set` is called with the value; none is the
// present. `times` are the moments of the stops: a value between two stands at the one before.
const stops = (label, values, times, told, set) => {
  const slider = el('input', { type: 'range', min: 0, max: values.length, step: 1, 'aria-label': label });
  const field = el('input', {
    type: 'text',
    placeholder: 'now',
    'aria-label': `${label}, written`,
    spellcheck: 'false',
    autocomplete: 'off',
  });
  const note = el('span', { class: 'quiet' });
  let timer;
  slider.addEventListener('input', () => {
    field.value = values[slider.value] ?? '';
    note.textContent = told(slider.value);
    clearTimeout(timer);
    timer = setTimeout(() => set(field.value), 150);
  });
  field.addEventListener('change', () => set(field.value.trim()));
  const show = (value = '') => {
    if (field !== document.activeElement) field.value = value;
    const moment = Date.parse(value);
    let at = value ? values.indexOf(value) : values.length;
    if (at < 0 && moment) at = times.findLastIndex((time) => Date.parse(time) <= moment);
    if (at >= 0) slider.value = at;
    note.textContent = at >= 0 ? told(at) : '';
  };
  return { element: el('div', { class: 'stops' }, el('span', { class: 'label' }, label), slider, field, note), show };
};

// The controls of how facts are read. `change` is called with what is changed.
const readingBar = (events, commits, change) => {
  const radio = (policy) =>
    el('input', {
      type: 'radio',
      name: 'policy',
      value: policy,
      onchange: () => change({ policy: policy === 'first-login' ? '' : policy }),
    });
  const radios = Object.keys(POLICIES).map(radio);
  const labels = radios.map((radio) =>
    el('label', { title: POLICIES[radio.value] }, radio, el('span', {}, radio.value)),
  );
  const note = el('p', { class: 'quiet' });
  const lookback = el(
    'select',
    { 'aria-label': 'Lookback', onchange: () => change({ lookback: lookback.value }) },
    ...LOOKBACKS.map((value) => el('option', { value }, value || 'unlimited')),
  );
  const times = [...new Set(events.map((event) => event.time))];
  const asOf = stops(
    'As of',
    times,
    times,
    (at) => (times[at] ? `event ${+at + 1} of ${times.length}` : 'all events'),
    (value) => change({ 'as-of': value }),
  );
  const names = commits.map((commit) => `commit:${commit.commit}`);
  const knownAt = stops(
    'Known at',
    names,
    commits.map((commit) => commit.at),
    (at) => (commits[at] ? moment(commits[at].at) : 'the last commit'),
    (value) => change({ 'known-at': value }),
  );
  const show = (parameters) => {
    const policy = parameters.policy || 'first-login';
    radios.forEach((radio) => (radio.checked = radio.value === policy));
    note.textContent = `${POLICIES[policy] ?? ''}.`;
    if (parameters.lookback && !LOOKBACKS.includes(parameters.lookback))
      lookback.append(el('option', { value: parameters.lookback }, shown(parameters.lookback)));
    lookback.value = parameters.lookback ?? '';
    asOf.show(parameters['as-of']);
    knownAt.show(parameters['known-at']);
  };
  const policy = el(
    'div',
    { class: 'reading' },
    el('fieldset', {}, el('legend', {}, 'Policy'), el('div', { class: 'switch' }, ...labels)),
    el('label', { class: 'lookback' }, el('span', { class: 'label' }, 'Lookback'), lookback),
    note,
  );
  return { policy, moments: el('div', { class: 'moments' }, asOf.element, knownAt.element), show };
};

// The view of an identity and its person.
const personView = async ([namespace = '', value = ''], parameters) => {
  const id = written({ namespace, value });
  const of = ['people', namespace, value];
  const pages = { limit: MOST_EVENTS, offset: parameters.offset };
  const [base, all, commits] = await Promise.all([
    ask(of),
    ask([...of, 'timeline'], pages),
    ask(['commits'], { limit: MOST_COMMITS }).then(
      (page) => page.commits,
      () => [],
    ),
  ]);
  let asked = parameters;
  let read = new Map();
  let chosen;
  let turn = 0;

  const sentence = el('p', { class: 'sentence' });
  const chip = el('span', {});
  const colours = el('div', {});
  const details = el('div', { class: 'details', 'aria-live': 'polite' });
  const identities = el('div', {});
  const profile = el('div', {});
  const reasons = el('div', {});

  const change = (changed) => {
    asked = { ...asked, ...changed };
    history.replaceState(null, '', address('id', [namespace, value], asked));
    update(asked);
  };
  const pick = (event) => {
    chosen = event;
    asked = { ...asked, event: event.event };
    history.replaceState(null, '', address('id', [namespace, value], asked));
    showEvent();
  };
  const showEvent = () => {
    if (!chosen)
      return details.replaceChildren(el('p', { class: 'quiet' }, 'Choose an event: click one, or use the arrow keys.'));
    details.replaceChildren(
      eventWords(chosen, read, base.person),
      copyButton(() => ['show', chosen.event, '--read-only']),
    );
  };
  const words = (name) => () => [name, id, ...options(readingOf(asked)), '--read-only'];

  const bar = readingBar(all.events, commits, change);
  const timeline = makeTimeline(all.events, base.person, pick);
  const graph = graphCard([id], () => ['explain', id, '--format', 'svg', '--output', 'why.svg', '--read-only']);

  /** Shows an answer where it belongs, unless another was asked for since. */
  const put = (mine, room, answer, make) =>
    answer
      .then(
        (answer) => make(answer),
        (error) => [failed(error)],
      )
      .then((content) => mine === turn && room.replaceChildren(...content.flat().filter(Boolean)));

  const update = (next) => {
    asked = next;
    const mine = ++turn;
    const reading = readingOf(next);
    const known = next['known-at'];
    bar.show(next);
    const missing = (error) => {
      if (error.status !== 404) throw error;
      return null;
    };
    const then = { 'known-at': known, 'as-of': next['as-of'] };
    const who = known
      ? ask(['resolve', namespace, value], then)
      : isEmpty(reading)
        ? Promise.resolve(base)
        : ask(of, reading);
    const rows =
      isEmpty(reading) && !known
        ? Promise.resolve(all)
        : ask([...of, 'timeline'], { ...(known ? then : reading), ...pages }).catch((error) => missing(error) ?? { events: [] });
    const found = who.catch(missing);
    put(mine, chip, found, (found) => {
      chip.className = found ? `chip ${found.kind}` : '';
      return [found?.kind];
    });
    return Promise.all([
      put(mine, sentence, found, (found) => [
        next['as-of'] && ['As of ', time(next['as-of']), ' it '],
        ...(found ? whose(found) : ['is not known: no event carries it']),
        '.',
        found?.identities && ` ${summary(found.identities)}`,
        known &&
          el(
            'span',
            { class: 'quiet' },
            ' So the store said then. It does not keep events apart by commits: those that tell of what was not known yet are left out.',
          ),
      ]),
      put(mine, colours, rows, (page) => {
        if (mine !== turn) return [];
        read = new Map(page.events.map((event) => [event.event, event]));
        showEvent();
        return [legend(timeline.paint(read))];
      }),
      put(mine, identities, found, (found) => {
        if (!found) return [];
        return found.identities
          ? identitiesOf(found.identities, reading)
          : [el('ul', { class: 'plain' }, ...found.group.map((id) => el('li', {}, idLink(id))))];
      }),
      put(mine, profile, ask([...of, 'profile'], reading).catch(missing), (found) => (found ? profileOf(found) : [])),
      put(mine, reasons, ask(['explain', namespace, value], { 'as-of': next['as-of'] }).catch(missing), (found) =>
        found ? why(found) : [],
      ),
      graph.draw(next),
    ]);
  };

  const first = all.events.find((event) => event.event === parameters.event);
  if (first) {
    chosen = first;
    timeline.choose(first, true);
  }
  const offset = Number(parameters.offset ?? 0);
  const page = (label, offset) =>
    el('a', { href: address('id', [namespace, value], { ...asked, event: '', offset }) }, label);
  const pager =
    all.total > all.events.length &&
    el(
      'p',
      {},
      `Events ${offset + 1} to ${offset + all.events.length} of ${all.total.toLocaleString('en')}. `,
      offset > 0 && page('Earlier ', Math.max(offset - MOST_EVENTS, 0) || ''),
      all.next && page('Later', all.next),
    );

  const element = el(
    'article',
    {},
    el(
      'div',
      { class: 'title' },
      el('h1', { class: 'id' }, el('span', { class: 'ns' }, shown(namespace)), ' ', shown(value)),
      chip,
      copyButton(() => ['resolve', id, ...options(asked), '--read-only']),
    ),
    sentence,
    card('Timeline', copyButton(words('events')), bar.policy, colours, timeline.list, pager, details, bar.moments),
    el(
      'div',
      { class: 'pair' },
      card('Identities', copyButton(words('resolve')), identities),
      card('Profile', copyButton(words('profile')), profile),
    ),
    graph.element,
    card(
      'Why',
      copyButton(() => ['explain', id, '--read-only']),
      reasons,
      compareForm(id),
    ),
    decisions(id, base),
  );
  await update(parameters);
  return { element, update };
};

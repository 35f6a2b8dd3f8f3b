// The timeline: a lane for each session, events in the order of time, coloured by how they came to the person.

const KINDS = {
  direct: 'carries the customer',
  retroactive: 'came to the person by a later login',
  carried: 'follows a login',
  anonymous: 'belongs to nobody yet',
  other: 'belongs to somebody else',
  later: 'after the moment that is looked at',
};

// A shape for each, so that no colour is needed to tell them apart.
const SHAPES = {
  direct: 'M-6 0A6 6 0 1 1 6 0A6 6 0 1 1 -6 0Z',
  retroactive: 'M5 -6.5V6.5L-7 0Z',
  carried: 'M-5 -6.5V6.5L7 0Z',
  anonymous: 'M-5 0A5 5 0 1 1 5 0A5 5 0 1 1 -5 0Z',
  other: 'M-5 -5L5 5M-5 5L5 -5',
  later: 'M-2 0A2 2 0 1 1 2 0A2 2 0 1 1 -2 0Z',
};
// Heights of a lane, and the middle of its events: with room above them where a login is marked.
const LANE = { plain: [32, 16], marked: [50, 34] };

// What an event is under a reading: `read` are the rows of that reading, by their hash.
const kindOf = (event, read, person) => {
  const row = read.get(event.event);
  if (!row) return 'later';
  return row.attribution === 'anonymous' || row.person === person ? row.attribution : 'other';
};

const laneOf = (event) => (isSession(event.identities[0]) ? event.identities[0] : event.identities.at(-1));

// How far to the right each moment stands: a long pause takes more room than a short one, but not in proportion.
const places = (events) => {
  const at = new Map();
  let last;
  let x = 18;
  for (const { time } of events) {
    if (at.has(time)) continue;
    const now = Date.parse(time);
    if (last !== undefined) x += Math.min(14 + 6 * Math.log2(1 + (now - last) / 60_000), 80);
    at.set(time, Math.round(x));
    last = now;
  }
  return at;
};

const axis = (at, width) => {
  const marks = [];
  let day = '';
  let free = -Infinity;
  for (const [time, x] of at) {
    const [date, clock] = moment(time).split(' ');
    if (date === day && x < free) continue;
    if (date !== day) marks.push(svg('text', { class: 'day', x, y: 11 }, date));
    marks.push(svg('text', { x, y: 25 }, (clock ?? '').slice(0, 5)));
    day = date;
    free = x + 44;
  }
  return svg('svg', { class: 'axis', width, height: 30, 'aria-hidden': 'true' }, ...marks);
};

// The timeline of `events`. `whose` names the person that it is about; `pick` is called with the event that is looked
// at. Its `paint` colours it for the rows of a reading.
const makeTimeline = (events, whose, pick) => {
  const at = places(events);
  const width = Math.max(...at.values(), 0) + 40;
  const lanes = Map.groupBy(events, laneOf);
  const marks = new Map();
  let order = 0;

  const drawn = (event, lane, middle) => {
    const shape = svg('path', {});
    const mark = svg(
      'g',
      {
        id: `event-${order++}`,
        role: 'option',
        class: 'event',
        transform: `translate(${at.get(event.time)} ${middle})`,
      },
      svg('circle', { class: 'around', r: 12 }),
      shape,
    );
    mark.addEventListener('click', () => choose(event));
    marks.set(event.event, { mark, shape, event, lane });
    return mark;
  };

  const rows = [...lanes].map(([lane, events], place) => {
    let customer = '';
    const logins = [];
    for (const event of events) {
      const told = event.attribution === 'direct' && event.person;
      if (told && told !== customer && told !== lane) {
        const x = at.get(event.time);
        const name = parsed(told).value;
        const label = shown(name.length > 16 ? name.slice(0, 15) + '…' : name);
        logins.push(
          svg(
            'g',
            { class: 'login' },
            svg('path', { d: `M${x} 26V16` }),
            svg('text', { x: x - 3, y: 13 }, `⚑ ${label}`),
          ),
        );
        customer = told;
      }
    }
    const times = events.map((event) => at.get(event.time));
    const [height, middle] = logins.length ? LANE.marked : LANE.plain;
    const line = svg('path', { class: 'line', d: `M${Math.min(...times)} ${middle}H${Math.max(...times)}` });
    const picture = svg(
      'svg',
      { width, height },
      line,
      ...logins,
      ...events.map((event) => drawn(event, place, middle)),
    );
    const name = el('div', { class: 'lane-name' }, idLink(lane), el('span', {}, count(events.length, 'event')));
    return el('div', { class: 'lane', role: 'group', 'aria-label': shown(lane) }, name, picture);
  });

  const list = el(
    'div',
    { class: 'timeline', role: 'listbox', tabindex: '0', 'aria-label': 'Events' },
    axis(at, width),
    ...rows,
  );
  const all = [...marks.values()].sort((a, b) => at.get(a.event.time) - at.get(b.event.time));
  let chosen;

  const choose = (event, quiet) => {
    const next = marks.get(event.event);
    chosen?.mark.removeAttribute('aria-selected');
    chosen = next;
    next.mark.setAttribute('aria-selected', 'true');
    list.setAttribute('aria-activedescendant', next.mark.id);
    const [x, y] = [at.get(event.time), next.mark.closest('.lane').offsetTop];
    if (x < list.scrollLeft + 40 || x > list.scrollLeft + list.clientWidth - 40)
      list.scrollLeft = x - list.clientWidth / 2;
    if (y < list.scrollTop || y > list.scrollTop + list.clientHeight - 60) list.scrollTop = y - list.clientHeight / 2;
    if (!quiet) pick(event);
  };

  const step = (key) => {
    if (!chosen || key === 'Home') return all[0];
    if (key === 'End') return all.at(-1);
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (by) return all[all.indexOf(chosen) + by];
    const lane = chosen.lane + (key === 'ArrowDown' ? 1 : -1);
    const far = ({ event }) => Math.abs(at.get(event.time) - at.get(chosen.event.time));
    return all.filter((other) => other.lane === lane).sort((a, b) => far(a) - far(b))[0];
  };
  list.addEventListener('keydown', (event) => {
    if (!['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'].includes(event.key)) return;
    event.preventDefault();
    const next = step(event.key);
    if (next) choose(next.event);
  });

  const paint = (read) => {
    const counts = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
    for (const { mark, shape, event } of all) {
      const kind = kindOf(event, read, whose);
      counts[kind]++;
      mark.setAttribute('class', `event ${kind}`);
      mark.setAttribute('aria-label', `${moment(event.time)}, ${kind}`);
      shape.setAttribute('d', SHAPES[kind]);
    }
    return counts;
  };
  return { list, paint, choose };
};

// What the colours mean, with how many events have each.
const legend = (counts) => {
  const entry = ([kind, told]) =>
    el(
      'li',
      { class: counts[kind] ? '' : 'none', title: told },
      svg(
        'svg',
        { viewBox: '-8 -8 16 16', width: 16, height: 16, class: `event ${kind}`, 'aria-hidden': 'true' },
        svg('path', { d: SHAPES[kind] }),
      ),
      ` ${kind === 'other' ? 'somebody else’s' : kind} `,
      el('b', {}, String(counts[kind])),
    );
  return el(
    'ul',
    { class: 'legend' },
    ...Object.entries(KINDS)
      .filter(([kind]) => kind !== 'later' || counts.later)
      .map(entry),
  );
};

// Decisions about identities: each is shown with what it would change before it is made.

// A decision in front of the page: `fields` are asked for, `preview` says in words what would change, `act` does it.
// Nothing is done before that was seen.
const decision = ({ title, words, fields = [], preview, act, done, label }) => {
  const said = el('p', { class: 'preview', 'aria-live': 'polite' }, '…');
  const confirm = el('button', { type: 'submit', class: 'danger', disabled: true }, label);
  let turn = 0;
  const look = async () => {
    const mine = ++turn;
    confirm.disabled = true;
    try {
      const text = await preview();
      if (mine !== turn) return;
      said.replaceChildren(...[text].flat());
      confirm.disabled = false;
    } catch (error) {
      if (mine === turn) said.replaceChildren(failed(error));
    }
  };
  const submit = async (event) => {
    event.preventDefault();
    confirm.disabled = true;
    try {
      const answer = await act();
      close();
      tell(done(answer));
      render();
    } catch (error) {
      said.replaceChildren(failed(error));
    }
  };
  const form = el(
    'form',
    { onsubmit: submit, oninput: look },
    ...fields,
    said,
    el(
      'div',
      { class: 'buttons' },
      confirm,
      el('button', { type: 'button', class: 'plain', onclick: () => close() }, 'Cancel'),
      copyButton(words),
    ),
  );
  const close = openDialog(title, [form]);
  look();
};

const wouldChange = ({ events, changes, changed }) =>
  changed
    ? `${count(events, 'event')} would go to somebody else, and the rows of ${count(changes, 'session')} would change.`
    : 'Nothing would change.';
const changed = ({ changes }) => `Done: ${count(changes, 'session')} changed`;

const unlink = (one, others) => {
  const other = el('select', { 'aria-label': 'From' }, ...others.map((id) => el('option', { value: id }, shown(id))));
  const body = () => ({ a: parsed(one), b: parsed(other.value) });
  decision({
    title: 'Unlink',
    label: 'Unlink',
    words: () => ['unlink', one, other.value],
    fields: [
      el(
        'p',
        {},
        'Let ',
        el('b', {}, shown(one)),
        ' and the following count as never seen together. It can be taken back with ',
        el('code', {}, 'unlink --revert'),
        '.',
      ),
      el('label', {}, 'From ', other),
    ],
    preview: async () => wouldChange(await decide('unlink', { ...body(), dryRun: true })),
    act: () => decide('unlink', body()),
    done: changed,
  });
};

const rename = (id) => {
  const name = el('input', { 'aria-label': 'New value', required: true, autocomplete: 'off', spellcheck: 'false' });
  const { namespace } = parsed(id);
  const body = () => ({ from: parsed(id), to: { namespace, value: name.value.trim() } });
  decision({
    title: 'Rename',
    label: 'Rename',
    words: () => ['rename', id, written({ namespace, value: name.value.trim() })],
    fields: [
      el(
        'p',
        {},
        'Let ',
        el('b', {}, shown(id)),
        ' count as another, in events from the past and to come. It can be taken back with ',
        el('code', {}, 'rename --revert'),
        '.',
      ),
      el('label', {}, `New ${shown(namespace)} `, name),
    ],
    preview: async () => {
      if (!name.value.trim()) throw new Refusal(0, 'Write what it is to count as.');
      return wouldChange(await decide('rename', { ...body(), dryRun: true }));
    },
    act: () => decide('rename', body()),
    done: changed,
  });
};

const forget = (id, found) => {
  const whole = el('input', { type: 'checkbox' });
  const body = () => ({ identities: [parsed(id)], wholePerson: whole.checked });
  const own = found.identities.filter((member) => member.own);
  decision({
    title: 'Forget',
    label: 'Forget for good',
    words: () => ['forget', id, ...(whole.checked ? ['--whole-person'] : [])],
    fields: [
      el('p', {}, 'Erase it so that nothing brings it back. ', el('b', {}, 'This cannot be taken back.')),
      el('label', { class: 'check' }, whole, ' with the whole person'),
    ],
    preview: async () => {
      const would = await decide('forget', { ...body(), dryRun: true });
      return [
        `${count(would.identities, 'identity', 'identities')} would go, with ${count(would.events, 'event')}. `,
        whole.checked && own.flatMap((member) => [shown(member.identity), ' · ']).slice(0, -1),
        would.unlinked > 0 && ` ${count(would.unlinked, 'link')} to other customers would be cut.`,
        would.containing.length > 0 && ` What contains the value stays: ${would.containing.map(shown).join(', ')}.`,
      ]
        .flat()
        .filter(Boolean);
    },
    act: () => decide('forget', body()),
    done: (answer) => `Forgotten: ${count(answer.events, 'event')}`,
  });
};

// The buttons for what can be decided about an identity.
const decisions = (id, found) => {
  const others = found.identities
    .map((member) => member.identity)
    .filter((other) => parsed(other).namespace !== parsed(id).namespace)
    .toReversed();
  const button = (label, press) => el('button', { type: 'button', onclick: press }, label);
  return card(
    'Decide',
    [],
    el(
      'div',
      { class: 'buttons' },
      others.length > 0 && button('Unlink…', () => unlink(id, others)),
      button('Rename…', () => rename(id)),
      button('Forget…', () => forget(id, found)),
    ),
    el(
      'p',
      { class: 'quiet' },
      'What would change is shown first. Where the collector has a token file, a token is needed.',
    ),
  );
};

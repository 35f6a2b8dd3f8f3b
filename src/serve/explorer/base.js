// What every view is made with: elements, questions to the server, addresses, commands.

const $ = (id) => document.getElementById(id);

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
};

// An element. Its children are elements or text: nothing that the store holds is ever read as markup.
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

// A text with what nobody sees written out, so that no value looks like another or turns the line around.
const shown = (text) =>
  String(text).replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu,
    (sign) => `\\u{${sign.codePointAt(0).toString(16)}}`,
  );

const count = (number, one, many = one + 's') => `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

// A moment as it is read: to the second, in UTC.
const moment = (time) => (time ? time.replace('T', ' ').replace(/(\.\d+)?Z$/, '') : '');

// `namespace:value`, in its two parts.
const parsed = (identity) => {
  const at = identity.indexOf(':');
  return { namespace: identity.slice(0, at), value: identity.slice(at + 1) };
};
const written = ({ namespace, value }) => `${namespace}:${value}`;
const partsOf = (identity) => [parsed(identity).namespace, parsed(identity).value];
const isSession = (identity) => parsed(identity).namespace.toLowerCase() === 'sessionid';

// The token stays in this tab, and goes with it.
let token = '';
try {
  token = sessionStorage.getItem('token') ?? '';
} catch {
  // Without storage it is asked for again.
}
const keepToken = (text) => {
  token = text.trim();
  try {
    if (token) sessionStorage.setItem('token', token);
    else sessionStorage.removeItem('token');
  } catch {
    // It is in memory.
  }
};

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const query = (parameters) =>
  new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== '')).toString();
const path = (parts) => parts.map((part) => encodeURIComponent(part.toWellFormed())).join('/');

// Asks a route under `/v1`; what is refused is thrown with what the server said.
const request = async (parts, parameters = {}, options = {}) => {
  // No path carries these, however they are written: they go into the query.
  const dots = parts.findLastIndex((part) => part === '.' || part === '..');
  if (dots >= 0) [parts, parameters] = [parts.with(dots, '-'), { ...parameters, value: parts[dots] }];
  const asked = query(parameters);
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(`v1/${path(parts)}${asked && '?' + asked}`, { ...options, headers });
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Refusal(response.status, told.message ?? `the server answered ${response.status}`);
};
const ask = async (...asked) => (await request(...asked)).json();
const decide = async (route, body) => {
  const headers = { 'Content-Type': 'application/json' };
  return ask([route], {}, { method: 'POST', headers, body: JSON.stringify(body) });
};

// The address of a view within this page.
const address = (view, parts = [], parameters = {}) => {
  const asked = query(parameters);
  return `#/${path([view, ...parts])}${asked && '?' + asked}`;
};

// The view that the address of the page names.
const route = () => {
  const [names, asked = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = names.split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { view: parts[0], parts: parts.slice(1), parameters: Object.fromEntries(new URLSearchParams(asked)) };
};

// An identity that leads to its person.
const idLink = (identity, parameters = {}) => {
  const { namespace, value } = parsed(identity);
  const href = address('id', [namespace, value], parameters);
  return el(
    'a',
    { class: 'id', href, title: shown(identity) },
    el('span', { class: 'ns' }, shown(namespace)),
    ' ',
    shown(value),
  );
};
const time = (text) => (text ? el('time', { datetime: text }, moment(text)) : '–');

let statusTimer;
const tell = (text) => {
  $('status').textContent = text;
  clearTimeout(statusTimer);
  statusTimer = setTimeout(() => ($('status').textContent = ''), 4000);
};

// A word as a shell reads it.
const quoted = (word) => {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!/[\p{Cc}\p{Cf}]/u.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const byte = (byte) => `\\x${byte.toString(16).padStart(2, '0')}`;
  return `$'${[...new TextEncoder().encode(word)].map(byte).join('')}'`;
};
const command = (...words) => ['backstitch', ...words].map(quoted).join(' ');

// The options of the command line for a reading.
const options = (parameters) =>
  ['policy', 'lookback', 'as-of', 'known-at'].flatMap((name) =>
    parameters[name] ? [`--${name}`, parameters[name]] : [],
  );

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    tell('Copied: ' + shown(text));
  } catch {
    // Pages without TLS have no clipboard: then it is shown, to be selected.
    openDialog('Copy this', [el('pre', { tabindex: '0' }, shown(text))]);
  }
};

// A button that copies what says the same at a terminal; `words` are asked for when it is pressed.
const copyButton = (words) => {
  const press = () => copy(command(...words()));
  return el(
    'button',
    { class: 'plain small', type: 'button', title: 'Copy as a command for a terminal', onclick: press },
    'Copy as command',
  );
};

// A part of a view, with its heading and what stands beside it.
const card = (title, beside, ...content) =>
  el('section', { class: 'card' }, el('header', {}, el('h2', {}, title), ...[beside].flat()), ...content);

// Shows a question in front of the page. Returns a function that closes it.
const openDialog = (title, content) => {
  const dialog = $('dialog');
  const close = () => dialog.close();
  const cross = el('button', { class: 'plain close', type: 'button', 'aria-label': 'Close', onclick: close }, '×');
  dialog.replaceChildren(el('header', {}, el('h2', { id: 'dialog-title' }, title), cross), ...content);
  if (!dialog.open) dialog.showModal();
  return close;
};

// Asks for the token; `then` is what goes on with it.
const askToken = (then) => {
  const field = el('input', {
    type: 'password',
    id: 'token-field',
    autocomplete: 'off',
    value: token,
    'aria-label': 'Token',
  });
  const keep = (event) => {
    event.preventDefault();
    keepToken(field.value);
    close();
    then();
  };
  const close = openDialog('Token', [
    el(
      'p',
      {},
      'One of the lines of the file that the collector was started with as ',
      el('code', {}, '--token-file'),
      '. It is kept in this tab alone.',
    ),
    el('form', { onsubmit: keep }, field, el('button', {}, 'Use it')),
  ]);
  field.focus();
};

// What is shown in place of an answer that did not come.
const failed = (error) => {
  const needed = error instanceof Refusal && error.status === 401;
  const again = needed && el('button', { onclick: () => askToken(render) }, 'Enter the token');
  const what = error instanceof Refusal ? error.message : `no answer: ${error.message}`;
  return el('div', { class: 'failed', role: 'alert' }, el('p', {}, shown(what)), again);
};

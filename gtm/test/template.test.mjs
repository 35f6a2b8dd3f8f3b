// The scenarios of the template, each in the sandbox; and that the sandbox refuses what Tag Manager refuses.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import vm from 'node:vm';
import { SandboxError, admits, runScenario } from './sandbox.mjs';
import { faultsOf } from './syntax.mjs';
import { readTemplate } from './template.mjs';

const text = readFileSync(new URL('../template.tpl', import.meta.url), 'utf8');
const template = readTemplate(text);
const used = new Set();
let granted = [];

for (const scenario of template.tests.scenarios) {
  test(scenario.name, () => {
    const permissions = runScenario(template, scenario);
    permissions.used.forEach((one) => used.add(one));
    granted = permissions.granted();
  });
}

test('every permission is made use of', () => assert.deepEqual([...used].sort(), granted.sort()));

test('every field is read, and no other', () => {
  const read = new Set([...template.code.matchAll(/\bdata\.(\w+)/g)].map(([, name]) => name));
  ['gtmOnSuccess', 'gtmOnFailure'].forEach((name) => read.delete(name));
  assert.deepEqual([...read].sort(), template.fields.map((field) => field.name).sort());
});

test('fields take what they are to take', () => {
  const rule = (name) =>
    template.fields.find((field) => field.name === name).valueValidators.find((one) => one.type === 'REGEX').args[0];
  const takes = (name, value) => new RegExp(rule(name)).test(value);
  assert.ok(takes('scriptUrl', 'https://shop.example/xo.activity.js'));
  for (const url of [
    'http://shop.example/xo.activity.js',
    'https://shop.example/other.js',
    'https://shop.example/?/xo.activity.js',
  ]) {
    assert.ok(!takes('scriptUrl', url), url);
  }
  assert.ok(takes('trackerKey', '6f9619ff-8b86-4d01-b42d-00cf4fc964ff') && !takes('trackerKey', 'shop'));
  assert.ok(takes('endpoint', 'https://collect.shop.example') && !takes('endpoint', 'http://collect.shop.example'));
});

test('the gallery finds what it demands', () => {
  const file = (name) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  assert.match(file('LICENSE'), /Apache License\s+Version 2.0/);
  assert.match(file('metadata.yaml'), /^homepage: .+\ndocumentation: .+\nversions:\n/m);
  assert.ok(file('README.md').length > 0);
  assert.equal(template.info.type, 'TAG');
  assert.match(text, /^___TERMS_OF_SERVICE___/);
});

// What the sandbox refuses: each as it stands in the code of a template.
const scenario = { name: 'one', code: 'runCode({});' };
const changed = (code, change = {}) => ({
  ...template,
  fields: [],
  tests: { scenarios: [], setup: '' },
  ...change,
  code,
});

const FORBIDDEN = {
  new: ['const a = new Date();', 'new'],
  this: ['const a = this;', 'this'],
  'a class': ['class A {}', 'class'],
  async: ['const f = async () => 1;', 'async'],
  await: ['await data;', 'await'],
  'a generator': ['function* f() {}', 'a generator'],
  'a literal of a regular expression': ['const a = /x/g;', 'a literal of a regular expression'],
  'a regular expression behind a bracket': ['f(/x/); function f() {}', 'a literal of a regular expression'],
  'a template literal': ['const a = `x`;', 'a template literal'],
  spread: ['const a = [...data.list];', 'spread'],
  destructuring: ['const {a} = data;', 'destructuring'],
  'destructuring of a list': ['const [a] = data;', 'destructuring'],
  'a default of a parameter': ['const f = (a = 1) => a;', 'a default of a parameter'],
  'a short form of an object': ['const a = 1; const b = {a};', 'a short form of an object: a'],
  'a method in short form': ['const b = {a() { return 1; }};', 'a short form of an object: a'],
  'a computed name': ['const b = {[data.a]: 1};', 'a computed name of an object'],
  'optional chaining': ['const a = data?.b;', 'optional chaining'],
  'nullish coalescing': ['const a = data ?? 1;', 'nullish coalescing'],
  exponentiation: ['const a = 2 ** 3;', 'exponentiation'],
  'for … of': ['for (const a of data.list) data.gtmOnSuccess();', 'for … of'],
  'the window': ['window.a = 1;', 'window'],
  'the document': ['const a = document.title;', 'document'],
  globalThis: ['globalThis.a = 1;', 'globalThis'],
  'a global function': ['const a = encodeURIComponent(data.a);', 'encodeURIComponent is not defined there'],
  'a global constructor': ['const a = String(1);', 'String is not defined there'],
  'a global object': ['const a = JSON.stringify(data);', 'JSON is not defined there'],
  'a timer': ['setTimeout(() => 1, 1);', 'setTimeout is not defined there'],
  eval: ["eval('1');", 'eval'],
  'the arguments': ['function f() { return arguments; }', 'arguments'],
  'a method that the sandbox has not': [
    "const a = data.a.includes('b');",
    'the method includes, which the sandbox has not',
  ],
};

for (const [what, [code, told]] of Object.entries(FORBIDDEN)) {
  test(`refused: ${what}`, () => {
    assert.throws(() => runScenario(changed(code), scenario), SandboxError);
    assert.ok(faultsOf(code, ['require', 'data']).includes(`line 1: ${told}`));
  });
}

test('what is allowed is not refused', () => {
  const code = `
    // A comment with new Date() and /x/, and a text with 'this'.
    const a = 'new this window'; let b = 4 / 2 / 1; var c = {new: 1, 'this': [2], class: {}};
    function f(x, y) { for (let key in x) { if (key === 'a' && !y) return x[key]; } return {a: 1, b: c.new}; }
    const g = (x) => ({a: x}); const h = x => x.map((one) => one.trim());
    try { f({a: 1}, 2); } catch (e) { data.gtmOnFailure(e); }
    switch (b) { case 1: break; default: g(h([a])); }
    return typeof b === 'number' ? undefined : null;`;
  assert.deepEqual(faultsOf(code, ['data'], ['gtmOnFailure']), []);
});

test('a fault names its line', () => assert.deepEqual(faultsOf('const a = 1;\nconst b = this;', []), ['line 2: this']));

const MISSING = {
  'reading a global': ["require('copyFromWindow')('a');", 'access_globals: read a'],
  'calling a global': ["require('callInWindow')('a');", 'access_globals: execute a'],
  'setting a global': ["require('setInWindow')('a', 1);", 'access_globals: write a'],
  'a queue': ["require('createQueue')('a');", 'access_globals: read a'],
  'loading a script': [
    "require('injectScript')('https://shop.example/a.js');",
    'inject_script: https://shop.example/a.js',
  ],
  logging: ["require('logToConsole')('a');", 'logging: logToConsole'],
};

for (const [what, [code, told]] of Object.entries(MISSING)) {
  test(`without a permission: ${what}`, () => {
    const permissions = {
      access_globals: { keys: [{ key: 'b', read: true, write: true, execute: true }] },
      inject_script: { urls: ['https://*/b.js'] },
    };
    const wrong = { message: `the permission ${told.replace(': ', ' is missing: ')}` };
    assert.throws(() => runScenario(changed(code, { permissions }), scenario), wrong);
    // Also where the API is a mock, of which Tag Manager itself does not check it.
    const mocked = { name: 'one', code: `mock('${code.match(/'(\w+)'/)[1]}', 1); runCode({});` };
    assert.throws(() => runScenario(changed(code, { permissions }), mocked), wrong);
  });
}

test('an API that is not there, a field that is not there, and an expectation that is not met', () => {
  const run =
    (code, test = scenario.code) =>
    () =>
      runScenario(changed(code), { name: 'one', code: test });
  assert.throws(run("require('fetch');"), /no API fetch/);
  assert.throws(run('', 'runCode({a: 1});'), /no field a/);
  assert.throws(run('', "assertApi('injectScript').wasCalled();"), /was not called/);
  assert.throws(run('', 'assertThat([1]).isEqualTo([2]);'), assert.AssertionError);
  assert.throws(run('', 'const a = window;'), SandboxError);
  assert.throws(run('', "fail('on purpose');"), /on purpose/);
});

test('addresses and the patterns that admit them', () => {
  const all = 'https://*/xo.activity.js';
  assert.ok(admits(all, 'https://shop.example/xo.activity.js'));
  for (const url of [
    'http://shop.example/xo.activity.js',
    'https://shop.example/a/xo.activity.js',
    'https://shop.example/xo_activity.js',
    'https://a/?/xo.activity.js',
  ]) {
    assert.ok(!admits(all, url), url);
  }
  assert.ok(admits('https://*.shop.example/js/*', 'https://cdn.shop.example/js/a/b.js'));
  assert.ok(!admits('https://*.shop.example/js/*', 'https://shop.example.evil/js/a.js'));
});

// The SDK as it is published, where it is built: what the template says reaches the collector.
const built = new URL('../../sdk/dist/xo.activity.js', import.meta.url);
test(
  'with the real SDK, an activity is sent with all that the template was given',
  { skip: !existsSync(built) && 'the SDK is not built' },
  async () => {
    const sent = [];
    const stored = new Map();
    const page = {
      console,
      crypto,
      setTimeout: (run) => setTimeout(run, 0),
      clearTimeout,
      queueMicrotask,
      AbortSignal,
      Blob,
      TextEncoder,
      URL,
      addEventListener() {},
      navigator: {},
      location: { href: 'https://shop.example/' },
      document: { addEventListener() {}, visibilityState: 'visible' },
      localStorage: {
        getItem: (key) => stored.get(key) ?? null,
        setItem: (key, value) => stored.set(key, value),
        removeItem: (key) => stored.delete(key),
        key: (at) => [...stored.keys()][at] ?? null,
        get length() {
          return stored.size;
        },
      },
      fetch: async (url, { body }) => {
        sent.push([url, JSON.parse(body)]);
        return new Response('{"profiles":{}}');
      },
    };
    page.window = page.self = page;
    vm.createContext(page);
    const inject = (url, onSuccess) => {
      vm.runInContext(readFileSync(built, 'utf8'), page);
      onSuccess();
    };
    const given = `{
    scriptUrl: 'https://shop.example/xo.activity.js', endpoint: 'https://collect.shop.example',
    trackerKey: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff', action: 'view', targets: [{key: 'product', value: 123}],
    identities: [{key: 'ecommerceId', value: 'anna'}], userSegments: 'new', traits: [{key: 'age', value: 45}]}`;
    const whole = { ...template, tests: { scenarios: [], setup: '' } };
    runScenario(
      whole,
      { name: 'real', code: `runCode(${given}); assertApi('gtmOnSuccess').wasCalled();` },
      { window: page, inject },
    );
    for (let tries = 0; !sent.length && tries < 100; tries++) await new Promise((done) => setTimeout(done, 20));
    const [url, [activity]] = sent[0];
    assert.equal(url, 'https://collect.shop.example/6f9619ff-8b86-4d01-b42d-00cf4fc964ff');
    assert.deepEqual([activity.action, activity.target], ['view', { product: '123' }]);
    const { sessionid, ...identities } = activity.user.identities;
    assert.match(sessionid, /^[0-9a-f-]{36}$/);
    assert.deepEqual(
      [identities, activity.user.segments, activity.user.traits],
      [{ ecommerceid: 'anna' }, ['new'], { age: 45 }],
    );
  },
);

after(() => assert.ok(template.tests.scenarios.length >= 8));

// The sandbox of a template outside of the editor: its APIs, with their permissions, and what scenarios are written
// with.
import assert from 'node:assert/strict';
import { faultsOf } from './syntax.mjs';

/** A fault of the template or of a scenario, not of an expectation. */
export class SandboxError extends Error {}

/** Whether a pattern of a permission admits an address: `*` is any characters, in the host any but a slash. */
export const admits = (pattern, url) => {
  const [, host, path] = pattern.match(/^https:\/\/([^/]+)(\/.*)$/) ?? [];
  if (!host) return false;
  const part = (text, any) =>
    text
      .split('*')
      .map((piece) => piece.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join(any);
  return new RegExp(`^https://${part(host, '[^/?#@]*')}${part(path, '.*')}$`).test(url);
};

/** The permissions of a template, and which of them were made use of. */
class Permissions {
  used = new Set();

  constructor(all) {
    this.all = all;
  }

  need(name, what, admitted) {
    if (!admitted) throw new SandboxError(`the permission ${name} is missing: ${what}`);
  }

  global(key, ...how) {
    const found = this.all.access_globals?.keys.find((row) => row.key === key);
    for (const way of how) {
      this.need('access_globals', `${way} ${key}`, found?.[way]);
      this.used.add(`access_globals ${way} ${key}`);
    }
  }

  script(url) {
    const pattern = this.all.inject_script?.urls.find((pattern) => admits(pattern, url));
    this.need('inject_script', url, pattern);
    this.used.add(`inject_script ${pattern}`);
  }

  logging() {
    this.need('logging', 'logToConsole', this.all.logging);
    this.used.add('logging');
  }

  /** All that was granted, in the words of `used`. */
  granted() {
    const globals = (this.all.access_globals?.keys ?? []).flatMap((row) =>
      ['read', 'write', 'execute'].filter((way) => row[way]).map((way) => `access_globals ${way} ${row.key}`),
    );
    const scripts = (this.all.inject_script?.urls ?? []).map((pattern) => `inject_script ${pattern}`);
    const known = ['access_globals', 'inject_script', 'logging'];
    const others = Object.keys(this.all).filter((name) => !known.includes(name) || name === 'logging');
    return [...globals, ...scripts, ...others];
  }
}

const copied = (value) => (value && typeof value === 'object' ? structuredClone(value) : value);

/** The APIs over a `window`: each checks its permission, and then does what Tag Manager does. */
const apisOf = (permissions, window) => {
  const at = (key) => key.split('.').reduce((object, name) => object?.[name], window);
  const type = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
  return {
    copyFromWindow: [(key) => permissions.global(key, 'read'), (key) => copied(at(key))],
    callInWindow: [
      (key) => permissions.global(key, 'execute'),
      (key, ...given) => (typeof at(key) === 'function' ? copied(at(key)(...given)) : undefined),
    ],
    setInWindow: [
      (key) => permissions.global(key, 'write'),
      (key, value, override) => {
        const names = key.split('.');
        const holder = names.slice(0, -1).reduce((object, name) => object?.[name], window);
        if (!holder || (names.at(-1) in holder && !override)) return false;
        holder[names.at(-1)] = value;
        return true;
      },
    ],
    createQueue: [
      (key) => permissions.global(key, 'read', 'write'),
      (key) => {
        window[key] ??= [];
        return (...values) => window[key].push(...values);
      },
    ],
    injectScript: [(url) => permissions.script(url), (url, onSuccess) => onSuccess?.()],
    logToConsole: [() => permissions.logging(), () => undefined],
    getType: [() => undefined, type],
    makeString: [() => undefined, (value) => String(value)],
    makeNumber: [() => undefined, (value) => Number(value)],
    makeTableMap: [
      () => undefined,
      (rows, key, value) => (rows?.length ? Object.fromEntries(rows.map((row) => [row[key], row[value]])) : null),
    ],
  };
};

/** What `assertThat` and `assertApi` offer. */
const matchers = (actual) => ({
  isEqualTo: (expected) => assert.deepEqual(copied(actual), copied(expected)),
  isNotEqualTo: (expected) => assert.notDeepEqual(copied(actual), copied(expected)),
  isStrictlyEqualTo: (expected) => assert.equal(actual, expected),
  isDefined: () => assert.notEqual(actual, undefined),
  isUndefined: () => assert.equal(actual, undefined),
  isNull: () => assert.equal(actual, null),
  isTrue: () => assert.equal(actual, true),
  isFalse: () => assert.equal(actual, false),
  contains: (...all) => all.forEach((one) => assert.ok(actual.includes(one), `${one} is missing`)),
  hasLength: (length) => assert.equal(actual.length, length),
});

/** Runs `code` with nothing but these names. */
const evaluate = (code, names) => {
  // The syntax was looked through: no name of the outside is in it.
  const run = new Function(...Object.keys(names), `'use strict';\n${code}`);
  return run(...Object.values(names));
};

const check = (where, code, globals, methods) => {
  const faults = faultsOf(code, globals, methods);
  if (faults.length) throw new SandboxError(`${where}: ${faults.join('; ')}`);
};

const OF_TEMPLATE = ['require', 'data'];
const OF_SCENARIO = ['require', 'mock', 'runCode', 'assertThat', 'assertApi', 'fail'];

/**
 * Runs one scenario of a template, over `window`. Returns the permissions that it made use of; throws where the template
 * does what the sandbox forbids, a permission is missing, or an expectation is not met.
 */
export const runScenario = (template, scenario, { window = {}, inject } = {}) => {
  check('the code of the template', template.code, OF_TEMPLATE, ['gtmOnSuccess', 'gtmOnFailure']);
  const expectations = [...Object.keys(matchers()), 'wasCalled', 'wasNotCalled', 'wasCalledWith'];
  const code = `${template.tests.setup}\n${scenario.code}`;
  check(`the scenario "${scenario.name}"`, code, OF_SCENARIO, expectations);

  const permissions = new Permissions(template.permissions);
  const apis = apisOf(permissions, window);
  if (inject) apis.injectScript[1] = inject;
  const mocks = new Map();
  const calls = new Map();
  const noted =
    (name, run) =>
    (...given) => {
      calls.set(name, [...(calls.get(name) ?? []), given]);
      return run(...given);
    };
  const require = (name) => {
    if (!Object.hasOwn(apis, name)) throw new SandboxError(`there is no API ${name}, or the runner does not know it`);
    const [permit, real] = apis[name];
    return noted(name, (...given) => {
      permit(...given);
      if (!mocks.has(name)) return real(...given);
      const mocked = mocks.get(name);
      return typeof mocked === 'function' ? mocked(...given) : mocked;
    });
  };
  const runCode = (given) => {
    const ends = ['gtmOnSuccess', 'gtmOnFailure'].map((name) => [name, noted(name, () => undefined)]);
    const data = { ...Object.fromEntries(ends), ...given };
    for (const name of Object.keys(given)) {
      if (!template.fields.some((field) => field.name === name))
        throw new SandboxError(`the template has no field ${name}`);
    }
    return evaluate(template.code, { require, data });
  };
  const assertApi = (name) => {
    const all = () => calls.get(name) ?? [];
    return {
      wasCalled: () => assert.ok(all().length > 0, `${name} was not called`),
      wasNotCalled: () => assert.equal(all().length, 0, `${name} was called`),
      wasCalledWith: (...expected) => {
        const same = (given) =>
          given.length === expected.length &&
          given.every((one, at) => (typeof one === 'function' ? one === expected[at] : isEqual(one, expected[at])));
        assert.ok(all().some(same), `${name} was not called so, but with ${JSON.stringify(all())}`);
      },
    };
  };
  const fail = (why) => assert.fail(why);
  const mock = (name, value) => mocks.set(name, value);
  evaluate(code, { require, mock, runCode, assertThat: matchers, assertApi, fail });
  return permissions;
};

const isEqual = (one, other) => {
  try {
    assert.deepEqual(one, other);
    return true;
  } catch {
    return false;
  }
};

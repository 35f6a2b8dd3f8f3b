// What is shipped, and what it is built from.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { execFileSync } from 'node:child_process';

const file = (name) => readFileSync(new URL('../../' + name, import.meta.url), 'utf8');

/** What a visitor's browser loads; measured as servers send it. */
const MAX_GZIPPED = 3000;

test('the module and the script stay under 3 KB gzipped', () => {
  for (const name of ['dist/xo.activity.mjs', 'dist/xo.activity.js']) {
    const size = gzipSync(file(name), { level: 9 }).length;
    assert.ok(size <= MAX_GZIPPED, `${name}: ${size} bytes`);
  }
});

test('nothing is needed at run time, and the lock file names no registry', () => {
  const { dependencies, peerDependencies } = JSON.parse(file('package.json'));
  assert.deepEqual([dependencies, peerDependencies], [undefined, undefined]);
  assert.doesNotMatch(file('package-lock.json'), /"resolved"|https?:\/\/(?!.*(funding|opencollective|github\.com))/);
});

test('the table of calls names tests that there are', () => {
  const tests = ['calls', 'queue', 'links'].map((name) => file(`test/unit/${name}.test.mjs`)).join('');
  const table = file('README.md').split('\n').filter((line) => line.startsWith('| `'));
  assert.ok(table.length > 12);
  for (const row of table) {
    const named = row.split('|').at(-2).trim();
    for (const name of named.split('; ')) assert.ok(tests.includes(name), `${row}: no test "${name}"`);
  }
});

test('the module can be imported where there is no browser', () => {
  const text = `import { activity } from ${JSON.stringify(new URL('../../dist/xo.activity.mjs', import.meta.url))};
    globalThis.fetch = async (url, { body }) => { console.log(JSON.parse(body)[0].action); return new Response('{}'); };
    activity.init({ trackerKey: 'k', endpoint: 'https://c.example' });
    activity.send({ action: 'view', target: {} });`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
  assert.equal(output, 'view\n');
});

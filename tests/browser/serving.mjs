// The real binary over a store of its own, and a browser. `BACKSTITCH` names the binary, `CHROMIUM` another browser.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// The web SDK has it among its own: there is one list of what the tests of pages need.
const require = createRequire(new URL('../../sdk/package.json', import.meta.url));

export const KEY = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';
export const TOKEN = 'a-token-of-the-tests';
export const fixture = (name) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

export const binary = process.env.BACKSTITCH ? resolve(process.env.BACKSTITCH) : undefined;
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Why these tests cannot run here; false where they can. */
export const skip =
  (!binary && 'BACKSTITCH names no binary') ||
  (!existsSync(executablePath) && `no Chromium at ${executablePath}`) ||
  false;

/** Serves what a log holds. Returns where, and how to end it. */
export const serve = async (log, { tokens = false } = {}) => {
  const folder = mkdtempSync(join(tmpdir(), 'explorer-'));
  const run = (...words) =>
    execFileSync(binary, words, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  run('replay', log, '--quiet', '--store', 'store');
  writeFileSync(join(folder, 'keys'), KEY + '\n');
  writeFileSync(join(folder, 'tokens'), TOKEN + '\n');
  const asked = ['serve', '--listen', '127.0.0.1:0', '--keys', 'keys', '--store', 'store', '--log', 'log'];
  const child = spawn(binary, [...asked, ...(tokens ? ['--token-file', 'tokens'] : [])], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let url;
  for await (const line of createInterface(child.stderr)) {
    url = line.match(/http:\/\/[\d.:]+/)?.[0];
    if (url) break;
  }
  if (!url) throw new Error('the binary does not say where it serves');
  const end = async () => {
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  };
  const get = async (route) => (await fetch(`${url}/v1/${route}`)).json();
  return { url, folder, get, end };
};

/** A browser with nothing in it. */
export const launch = () => {
  const { chromium } = require('playwright-core');
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  return chromium.launch({ executablePath, args });
};

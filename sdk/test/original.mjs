// The vendor's own package as its browser build, in one module and as a script that defines `xo.activity`.
import { build } from 'esbuild';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCE = '@attraqt/activity/dist/buildTargets/browser.js';

const bundle = async (format, text) => {
  const { outputFiles } = await build({
    stdin: { contents: text, resolveDir: import.meta.dirname ?? new URL('.', import.meta.url).pathname },
    bundle: true,
    write: false,
    format,
    platform: 'browser',
    logLevel: 'error',
  });
  return outputFiles[0].text;
};

export const originalScript = () =>
  bundle('iife', `import { activity } from '${SOURCE}'; globalThis.xo = { activity };`);

/** The path of a module that exports `activity`. */
export const originalModule = async () => {
  const folder = mkdtempSync(join(tmpdir(), 'original-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  const path = join(folder, 'original.mjs');
  writeFileSync(path, await bundle('esm', `export { activity } from '${SOURCE}';`));
  return path;
};

// Builds `dist/`: the ES module and the script that a page loads with one tag.
import { build } from 'esbuild';
import { rm } from 'node:fs/promises';

// Browsers since the autumn of 2020; the module and the script differ in nothing but how they are loaded.
const common = { bundle: true, minify: true, target: 'es2021', tsconfigRaw: '{}', legalComments: 'none', charset: 'utf8', logLevel: 'warning' };

await rm(new URL('dist', import.meta.url), { recursive: true, force: true });
await build({ ...common, entryPoints: ['src/index.ts'], format: 'esm', outfile: 'dist/xo.activity.mjs' });
await build({ ...common, entryPoints: ['src/script.ts'], format: 'iife', outfile: 'dist/xo.activity.js' });

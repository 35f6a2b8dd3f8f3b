// The real collector, to test with: `backstitch serve`, in the binary that `BACKSTITCH` names.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

export const KEY = '6e1b1f5c-3f0a-4d59-9a51-0c6f6f5b9d11';

/** The activities of the log, without the start of a line that a kill broke off. */
const linesOf = (log) => {
  const files = readdirSync(log).filter((file) => file.endsWith('.ndjson')).sort();
  const lines = files.flatMap((file) => readFileSync(join(log, file), 'utf8').split('\n').slice(0, -1));
  return lines.map((line) => JSON.parse(line));
};

/** Starts a collector in a process and a folder of its own. */
export const startServe = async () => {
  const binary = resolve(process.env.BACKSTITCH);
  const folder = mkdtempSync(join(tmpdir(), 'serve-'));
  const log = join(folder, 'log');
  writeFileSync(join(folder, 'keys'), KEY + '\n');
  let child;
  let port = 0;
  const start = async () => {
    const args = ['serve', '--keys', 'keys', '--log', 'log', '--store', 'store', '--listen', `127.0.0.1:${port}`];
    child = spawn(binary, args, { cwd: folder, stdio: ['ignore', 'inherit', 'pipe'] });
    for await (const line of createInterface(child.stderr)) {
      port = +/http:\/\/[^:]*:(\d+)/.exec(line)[1];
      break;
    }
  };
  const end = async (signal) => {
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  await start();
  const ask = async (path) => (await fetch(`http://127.0.0.1:${port}/v1/${path}`)).json();
  return {
    key: KEY,
    get endpoint() {
      return `http://127.0.0.1:${port}`;
    },
    start,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    /** Stands still for as long as the first of these says, as one that answers late. */
    faults: async ([{ wait }]) => {
      child.kill('SIGSTOP');
      setTimeout(() => child.kill('SIGCONT'), wait);
    },
    /** Everything that was written, repetitions too. */
    deliveries: () => linesOf(log),
    /** Each event once, as the engine counts them. */
    events: () => [...new Map(linesOf(log).map((event) => [event.id, event])).values()],
    /** The activities of the log, when there are so many: no more come. */
    lines: async (count) => {
      for (let tries = 0; linesOf(log).length < count && tries < 200; tries += 1) {
        await new Promise((done) => setTimeout(done, 50));
      }
      const lines = linesOf(log);
      if (lines.length !== count) throw new Error(`${count} activities, not ${JSON.stringify(lines)}`);
      // Questions see them within a second.
      await new Promise((done) => setTimeout(done, 1000));
      return lines;
    },
    resolve: (namespace, value) => ask(`resolve/${namespace}/${value}`),
    eventsOf: (namespace, value) => ask(`people/${namespace}/${value}/events`),
    /** What a command of the binary prints, in the folder of the collector. */
    command: (...args) => spawnSync(binary, args, { cwd: folder, encoding: 'utf8' }),
  };
};

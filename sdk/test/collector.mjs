// A collector to test with: takes activities as `backstitch serve` does, answers when they are on disk, and can be told
// to fail. In a process of its own, so that it can be killed: `node collector.mjs LOG [PORT]` prints its port.
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { once } from 'node:events';

export const KEY = '6e1b1f5c-3f0a-4d59-9a51-0c6f6f5b9d11';

const serve = (log, port) => {
  const file = openSync(log, 'a');
  /** Statuses for the next requests, each with milliseconds to wait before it is told. */
  let faults = [];
  const server = createServer(async (request, response) => {
    const answer = (status, body, headers = {}) => {
      response.writeHead(status, {
        'Access-Control-Allow-Origin': request.headers.origin ?? '*',
        'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? '*',
        'Access-Control-Allow-Credentials': 'true',
        'Access-Control-Expose-Headers': 'Retry-After',
        'Content-Type': 'application/json',
        ...headers,
      });
      response.end(JSON.stringify(body));
    };
    if (request.method === 'OPTIONS') return answer(204, '');
    let text = '';
    for await (const chunk of request) text += chunk;
    if (request.url === '/faults') {
      faults = JSON.parse(text);
      return answer(200, {});
    }
    if (request.url !== '/' + KEY) return answer(401, { error: 'Unauthorized', message: 'Unknown tracker key' });
    const fault = faults.shift();
    if (fault?.before) return answer(fault.status, {}, fault.headers);
    const activities = [JSON.parse(text)].flat();
    for (const activity of activities) writeSync(file, JSON.stringify(activity) + '\n');
    fsyncSync(file);
    if (fault?.wait) await new Promise((done) => setTimeout(done, fault.wait));
    if (fault?.cut) return request.socket.destroy();
    answer(200, { profiles: {} });
  });
  server.listen(port, '127.0.0.1', () => console.log(server.address().port));
  process.on('exit', () => closeSync(file));
};

/** The lines of a log, without one that a kill broke off. */
const lines = (log) => {
  if (!existsSync(log)) return [];
  return readFileSync(log, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line));
};

/** Starts the collector in a process of its own. */
export const startCollector = async () => {
  const log = join(mkdtempSync(join(tmpdir(), 'collector-')), 'log.ndjson');
  let child;
  let port = 0;
  const start = async () => {
    const args = [fileURLToPath(import.meta.url), log, String(port)];
    child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface(child.stdout)) {
      port = +line;
      break;
    }
  };
  await start();
  const collector = {
    key: KEY,
    get endpoint() {
      return `http://127.0.0.1:${port}`;
    },
    start,
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
    /** Everything that was written, repetitions too. */
    deliveries: () => lines(log),
    /** Each event once, as the engine counts them. */
    events: () => [...new Map(lines(log).map((event) => [event.id ?? JSON.stringify(event), event])).values()],
    faults: (list) => fetch(collector.endpoint + '/faults', { method: 'POST', body: JSON.stringify(list) }),
  };
  return collector;
};

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(process.argv[2], +(process.argv[3] ?? 0));
